"""The stages of the demo, one after the other, with a progress bar each."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from neurorec import __version__
from neurorec._checks import atomic_path
from neurorec.demo import report
from neurorec.demo.analysis import analyse, n_ticks
from neurorec.demo.brains import Brains, load_brains
from neurorec.demo.drawing import FIGURES, draw_all
from neurorec.demo.environment import machine, versions
from neurorec.demo.models import Trained, load_task, n_presentations, record_all, train_all
from neurorec.demo.settings import TRAINED, DemoSettings


def run(settings: DemoSettings, console: Console | None = None) -> Path:
    """Run the main job; return the path of ``report.html``.

    What a stage has finished stays in ``settings.out``, and a second run goes on from there.

    Raises
    ------
    ValueError
        If the folder holds the results of other settings.
    """
    console = Console(stderr=True) if console is None else console
    with _one_thread():
        return _run(settings, console)


def _run(settings: DemoSettings, console: Console) -> Path:
    brains = load_brains(simulated=settings.simulated, seed=settings.seed)
    if brains.reason:
        console.print(f"The recordings are SIMULATED: {brains.reason}.", highlight=False)
    task = load_task(settings)
    _claim(settings, simulated=brains.simulated)
    sets = {"v4": brains.v4.stimuli, "it": brains.it_rdms.stimuli, "test": task.test}
    stimulus_sets = {name: stimuli for name, stimuli in sets.items() if stimuli is not None}
    seconds: dict[str, float] = {}
    with _bars(console) as bars:
        with _stage(bars, seconds, "train", settings.training.epochs * len(TRAINED)) as bar:
            trained = train_all(
                settings, task, lambda name, loss: bar(1, f"{name}, loss {loss:.2f}")
            )
        total = n_presentations(settings, trained, stimulus_sets)
        with _stage(bars, seconds, "record", total) as bar:
            recordings = record_all(settings, trained, stimulus_sets, bar)
        with _stage(bars, seconds, "compare", n_ticks(recordings)) as bar:
            results = analyse(settings, brains, trained, recordings, training=task.title, tick=bar)
        provenance = _provenance(settings, brains, trained, task.title)
        with _stage(bars, seconds, "draw", len(FIGURES)) as bar:
            pngs = draw_all(results, settings.out / "figures", provenance, bar)
    page = report.write(
        settings.out / "report.html",
        results,
        pngs,
        training=task.title,
        reason=brains.reason,
        provenance=provenance,
    )
    _write_json(settings.out / "provenance.json", {**provenance, "seconds": seconds})
    return page


@contextmanager
def _one_thread() -> Iterator[None]:
    """One torch thread: all of the demo's matrices are small.

    On two idle cores a second thread saves a third of the time of training; on two busy ones,
    threads that wait for one another take ten times as long.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _claim(settings: DemoSettings, *, simulated: bool) -> None:
    """Mark ``out`` as the folder of these settings; refuse a folder of others.

    Asked for or not, simulated recordings are other data than real ones.
    """
    marker = settings.out / "settings.json"
    mine = {k: str(v) if isinstance(v, Path) else v for k, v in asdict(settings).items()}
    # Where the folder lies and what computes do not change the result that it holds.
    for name in ("out", "device"):
        mine.pop(name)
    mine |= {"simulated": simulated, "neurorec": __version__}
    if marker.exists():
        found = json.loads(marker.read_text(encoding="utf-8"))
        if found != mine:
            changed = sorted(k for k in mine if found.get(k) != mine[k])
            raise ValueError(
                f"{settings.out} holds a demo with other settings ({', '.join(changed)}); "
                "give another folder with --out or delete it"
            )
        return
    _write_json(marker, mine)


def _provenance(
    settings: DemoSettings, brains: Brains, trained: dict[str, Trained], title: str
) -> dict[str, Any]:
    return {
        "simulated": brains.simulated,
        "trained_on": title,
        "seed": settings.seed,
        "quick": settings.quick,
        "training": asdict(settings.training),
        "input_size": settings.input_size,
        "timesteps": settings.timesteps,
        "repetitions_with_noise": settings.repetitions,
        "checkpoint_sha256": {name: one.sha256 for name, one in trained.items()},
        "data": brains.provenance,
        "versions": versions(),
        "machine": machine(),
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic_path(path) as temporary:
        text = json.dumps(content, indent=2, sort_keys=True, default=str)
        temporary.write_text(text + "\n", encoding="utf-8")


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


@contextmanager
def _stage(
    bars: Progress, seconds: dict[str, float], name: str, total: int
) -> Iterator[Callable[..., None]]:
    task = bars.add_task(name, total=total, note="")
    start = time.monotonic()
    yield lambda n, note="": bars.update(task, advance=n, note=note)
    seconds[name] = round(time.monotonic() - start, 1)
    bars.update(task, completed=total, note="")
