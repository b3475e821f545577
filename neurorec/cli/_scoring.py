"""What ``neurorec score`` does: open, forecast, score, and show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import typer

from neurorec.cli._scoring_layers import Layers, layers_file
from neurorec.cli._subjects import SubjectOptions, make_subject

if TYPE_CHECKING:
    from neurorec.brainscore import Scores


@final
@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command was asked for; ``local`` are settings of benchmarks of local data."""

    model: str
    benchmarks: tuple[str, ...]
    how: SubjectOptions
    local: Mapping[str, Any]
    out: Path | None
    resume: bool
    controls: bool
    layers: bool
    held_out: Path | None
    force: bool


@final
@dataclass
class _Bar:
    """One bar over scores, which also counts the images of the pass under way."""

    update: Any = field(default=lambda done, note: None)
    done: int = 0
    pair: str = ""
    n_shown: int = 0

    def shown(self, n_presentations: int) -> None:
        self.n_shown += n_presentations
        self.update(self.done, f"{self.pair}, {self.n_shown} shown")

    def pairs(self, done: int, total: int, pair: str) -> None:
        self.done, self.pair, self.n_shown = done, pair, 0
        self.update(done, pair)


def run(asked: Asked) -> None:
    """Score, and print the table."""
    from neurorec.brainscore import Scores
    from neurorec.cli._files import refuse
    from neurorec.cli._progress import stage

    beside = layers_file(asked.out) if asked.out is not None and asked.layers else None
    written = [path for path in (asked.out, beside) if path is not None]
    refuse(written, asked.force or asked.resume)
    if asked.resume and asked.out is not None and asked.out.exists():
        Scores.from_json(asked.out)  # what is no such file is refused before all work
    bar = _Bar()
    benchmarks = _opened(asked)
    models = _models(asked, bar)
    layers = Layers(models, benchmarks, beside, resume=asked.resume) if asked.layers else None
    _say_training(asked, benchmarks)
    _say_forecast(asked, models, benchmarks)
    for path in written if not asked.resume else []:
        path.unlink(missing_ok=True)  # --force, since it was refused otherwise
    with stage("scores", total=len(models) * len(benchmarks)) as update:
        bar.update = update
        found = _scored(asked, models, benchmarks, bar)
    say(found)
    if layers is not None:
        layers.score()
    if asked.out is not None:
        print(asked.out)


def _opened(asked: Asked) -> "list[Any]":
    from neurorec.brainscore import open_benchmark

    local = {**asked.local, "usual_degrees": asked.how.visual_degrees}
    names = dict.fromkeys(asked.benchmarks)
    opened = [open_benchmark(name, held_out=asked.held_out, **local) for name in names]
    if asked.held_out is not None:
        for name, one in zip(names, opened, strict=True):
            typer.echo(f"{name}: {_left(one, asked.held_out)}", err=True)
    return opened


def _left(benchmark: Any, held_out: Path) -> str:
    """How much of it is scored."""
    from neurorec.brainscore import facts_of
    from neurorec.brainscore.training_stimuli import HELD_OUT

    facts = facts_of(benchmark)
    if f"-{HELD_OUT}." in facts.identifier:
        return f"scored on the {facts.n_stimuli} stimuli on which {held_out} does not rest"
    return f"{held_out} rests on none of its {facts.n_stimuli} stimuli, all are scored"


def _models(asked: Asked, bar: _Bar) -> list[Any]:
    from neurorec.brainscore import controls

    model = make_subject(asked.model, asked.how, progress=bar.shown)
    further = controls(model, seed=asked.how.seed) if asked.controls else ()
    return [model, *further]


def _say_training(asked: Asked, benchmarks: "Sequence[Any]") -> None:
    """Say whether regions were chosen on stimuli that are scored."""
    from neurorec.brainscore import facts_of
    from neurorec.brainscore.region_file import read_training_stimuli, says_training_stimuli
    from neurorec.brainscore.training_stimuli import n_in_training

    path = asked.how.region_map
    if path is None or not says_training_stimuli(path):
        return
    training = read_training_stimuli(path)
    sets = {key: one for b in benchmarks for key, one in facts_of(b).stimuli.items()}
    for name, shown in sets.items():
        if n := n_in_training(shown, training):
            typer.echo(
                f"the regions of {path} were chosen on {n} of the {len(shown)} stimuli of {name}: "
                "scores on these are too high to be quoted; leave them out with --held-out "
                f"{path}, or score another session",
                err=True,
            )


def _say_forecast(asked: Asked, models: Sequence[Any], benchmarks: "Sequence[Any]") -> None:
    from neurorec.brainscore import forecast

    found = forecast(models, benchmarks, folder=asked.how.cache_dir)
    typer.echo(found, err=True)
    if not asked.force:
        found.check()


def _scored(asked: Asked, models: list[Any], benchmarks: "list[Any]", bar: _Bar) -> "Scores":
    from neurorec.brainscore import score

    # The forecast has been made, and seen.
    return score(
        models, benchmarks, out=asked.out, resume=asked.resume, force=True, progress=bar.pairs
    )


def say(scores: "Scores") -> None:
    """Print the table of scores."""
    from rich.console import Console
    from rich.table import Column, Table

    from neurorec.brainscore.score_table import text_rows

    titles, *rows = text_rows(scores)
    words = ("model", "benchmark")
    columns = (
        Column(t, justify="left" if t in words else "right", overflow="fold") for t in titles
    )
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table, markup=False)
    console.print("score: as the benchmark ceils raw; ± raw: error over splits", highlight=False)
    for metric, ceiling in _ceilings(scores):
        console.print(f"ceiling of {metric}: {ceiling}", highlight=False, markup=False)


def _ceilings(scores: "Scores") -> list[tuple[str, str]]:
    """What scores are divided by under each metric, where it is known."""
    facts = scores.provenance["benchmarks"]
    of = (facts[pair.benchmark] for pair in scores.pairs)
    named = ((one["metric"], one.get("ceiling")) for one in of)  # absent from older files
    return list(dict.fromkeys((metric, ceiling) for metric, ceiling in named if ceiling))


def say_benchmarks() -> None:
    """Print what can be scored."""
    from neurorec.brainscore import brainscore_identifiers, local_benchmarks

    local: dict[str, list[str]] = {}
    for name in local_benchmarks():
        data, _, metric = name.partition(":")
        local.setdefault(data, []).append(metric)
    typer.echo("on local data, with no network:")
    for data, metrics in local.items():
        typer.echo(f"  {data}:{{{','.join(metrics)}}}")
    if not local:
        typer.echo("  none; 'neurorec data fetch cowley-2023' downloads one")
    every = brainscore_identifiers()
    public = [name for name in every if "public" in name]
    typer.echo("of Brain-Score, public data, downloaded on first use:")
    for name in public:
        typer.echo(f"  {name}")
    typer.echo(f"{len(every) - len(public)} further identifiers of Brain-Score, some private")
