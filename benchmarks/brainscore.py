"""Brain-Score's metrics, ceiling and benchmark call against neurorec's: scores, times, memory.

    python benchmarks/brainscore.py [--quick] [--only NAME ...] [--repeats N] [--out PATH]

Every side of every comparison runs in a process of its own, one after the other. Raw scores are
compared first; a row is written only where they agree. Time is that of the call alone, data in
memory; memory is the peak of the process above what it held before the call. A peer that takes
minutes runs once. The import is timed as a whole process. Brain-Score's cache is off.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._compare import machine, write_table
from benchmarks.pls import Sizes, labelled, problem

RESULTS = Path(__file__).parent / "results" / "brainscore.json"
PEER = f"brainscore-vision {version('brainscore-vision')}"
ENVIRONMENT = {"BS_INSTALL_DEPENDENCIES": "no", "RESULTCACHING_DISABLE": "1"}
LAYER = "a2"
TIME_BIN_MS = 10


@dataclass(frozen=True)
class Job:
    """A comparison: two calls on the same data, and how far raw scores may be apart.

    Parameters
    ----------
    sides
        For ``"peer"`` and ``"ours"``, the function of the sizes that makes the call.
    once
        The peer takes minutes and runs once.
    tolerance
        Of scores, which are correlations: the largest difference of raw numbers, or of their
        medians where the peer's iterations stop before the raw numbers are exact.
    """

    name: str
    sizes: Sizes
    sides: dict[str, Callable[[Sizes], Callable[[], Any]]]
    tolerance: float
    once: bool = False


def regression(name: str, side: str) -> Callable[[Sizes], Callable[[], Any]]:
    """A metric by name, of features whose spectrum decays as that of images does."""

    def made(sizes: Sizes) -> Callable[[], Any]:
        from neurorec.brainscore import metric, to_brainio

        data = problem(sizes, n_held_out=0)
        source, target = (
            to_brainio(labelled(values, kind)).isel(time_bin=0, drop=True)
            for values, kind in ((data.features[..., None], "feature"), (data.responses, "neuron"))
        )
        kwargs = {"stratification_coord": None, "splits": sizes.n_splits}
        found = (load_metric if side == "peer" else metric)(name, crossvalidation_kwargs=kwargs)
        return lambda: found(source, target)

    return made


def load_metric(name: str, **options: Any) -> Any:
    """A metric of Brain-Score's own."""
    from neurorec.brainscore._import import import_brainscore

    return import_brainscore().load_metric(name, **options)


def ceiling(side: str) -> Callable[[Sizes], Callable[[], Any]]:
    """Split halves of single trials."""

    def made(sizes: Sizes) -> Callable[[], Any]:
        from neurorec import assemblies
        from neurorec.brainscore import to_brainio
        from neurorec.brainscore.metric_plugins import plugin_metric

        rng = np.random.default_rng(0)
        n, r, p = sizes.n_stimuli, sizes.n_repetitions, sizes.n_neuroids
        values = rng.normal(size=(n, 1, p)) + rng.normal(size=(n, r, p))
        trials = assemblies.build(
            values.reshape(n * r, p, 1),
            presentation={
                "stimulus_id": np.repeat([f"s{i:05d}" for i in range(n)], r),
                "repetition": np.tile(np.arange(r), n),
            },
            neuroid={"neuroid_id": [f"n{i:05d}" for i in range(p)], "region": ["IT"] * p},
            time_bin_start=[70.0],
            time_bin_end=[170.0],
        )
        packed = to_brainio(trials).isel(time_bin=0, drop=True)
        name = "internal_consistency"
        found = load_metric(name) if side == "peer" else plugin_metric(name)()
        return lambda: found(packed)

    return made


def benchmark_call(side: str) -> Callable[[Sizes], Callable[[], Any]]:
    """A recurrent model that sees images, records time bins, and is scored in each by ridge."""

    def made(sizes: Sizes) -> Callable[[], Any]:
        from neurorec.models import build

        network = build("greco2025-fb", input_size=32, timesteps=sizes.n_time_bins, seed=0).eval()
        folder = Path(tempfile.mkdtemp(prefix="neurorec-benchmark-"))
        call = local_benchmark(sizes, folder, side)
        subject = committed(network, sizes) if side == "peer" else ours(network)
        return lambda: call(subject)

    return made


def local_benchmark(sizes: Sizes, folder: Path, side: str) -> Any:
    """Noise images and responses to them, as Brain-Score's own class of benchmarks."""
    import pandas as pd

    from neurorec import assemblies
    from neurorec.brainscore import metric, stimulus_set_to_brainio, to_brainio
    from neurorec.stimuli import StimulusSet

    rng = np.random.default_rng(0)
    n, p, t = sizes.n_stimuli, sizes.n_neuroids, sizes.n_time_bins
    names = [f"s{i:05d}" for i in range(n)]
    pixels = rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
    pixels = np.repeat(np.repeat(pixels[:, ::8, ::8], 8, axis=1), 8, axis=2)
    # Their metrics over time lose a presentation that has one label only.
    table = pd.DataFrame({"stimulus_id": names, "object_name": ["blocks"] * n})
    shown = StimulusSet(identifier=f"blocks-{side}", pixels=pixels, table=table)
    signal = pixels.reshape(n, -1)[:, ::7] @ rng.normal(size=(len(range(0, 3072, 7)), p * t))
    values = signal / signal.std(axis=0) + rng.normal(size=signal.shape)
    responses = assemblies.build(
        values.reshape(n, p, t),
        presentation={"stimulus_id": names, "repetition": np.zeros(n, dtype=int)},
        neuroid={"neuroid_id": [f"n{i:05d}" for i in range(p)], "region": ["IT"] * p},
        time_bin_start=TIME_BIN_MS * np.arange(0.0, t),
        time_bin_end=TIME_BIN_MS * np.arange(1.0, t + 1),
    )
    packed = to_brainio(responses)
    packed.attrs["stimulus_set"] = stimulus_set_to_brainio(shown, folder)

    from brainscore_core.metrics import Score
    from brainscore_vision.benchmark_helpers.neural_common import NeuralBenchmark
    from brainscore_vision.metric_helpers.temporal import PerTime, PerTimeRegression
    from brainscore_vision.metrics.regression_correlation import metric as theirs

    kwargs = {"stratification_coord": None, "splits": sizes.n_splits}
    found: Any = metric("ridge", crossvalidation_kwargs=kwargs)
    if side == "peer":
        found = theirs.CrossRegressedCorrelation(
            regression=PerTimeRegression(theirs.ridge_regression()),
            correlation=PerTime(theirs.pearsonr_correlation()),
            crossvalidation_kwargs=kwargs,
        )
    return NeuralBenchmark(
        identifier=f"local.IT-ridge-{side}",
        assembly=packed,
        similarity_metric=found,
        visual_degrees=8,
        number_of_trials=1,
        version=1,
        ceiling_func=lambda: Score(1.0),
        parent=None,
        bibtex="",
    )


def ours(network: Any) -> Any:
    """The model in its own time."""
    from neurorec.brainscore import NeurorecBrainModel

    return NeurorecBrainModel(network, {"IT": LAYER}, dt_ms=TIME_BIN_MS, device="cpu")


def committed(network: Any, sizes: Sizes) -> Any:
    """The same model as Brain-Score runs models over time: as one of films."""
    import torch
    from brainscore_vision.model_helpers.activations.temporal.model.pytorch import PytorchWrapper
    from brainscore_vision.model_helpers.brain_transformation import ModelCommitment
    from torch import nn

    from neurorec.models import to_images

    class Unrolled(nn.Module):
        """Shows the first frame to the network; a submodule gives the area at all timesteps."""

        def __init__(self) -> None:
            super().__init__()
            self.network, self.area = network, nn.Identity()

        def forward(self, films: Any) -> Any:
            steps = self.network.unroll(films[:, 0], sizes.n_time_bins)
            return self.area(torch.stack([state[LAYER]["h"] for _, state in steps], dim=1))

    def frames(film: Any) -> Any:
        return to_images(film.to_numpy(), 32)

    wrapper = PytorchWrapper(
        "unrolled",
        Unrolled(),
        frames,
        layer_activation_format={"area": "TCHW"},
        fps=1000 / TIME_BIN_MS,
        img_duration=float(TIME_BIN_MS * sizes.n_time_bins),
        dtype=np.float32,
    )
    return ModelCommitment(
        "unrolled", activations_model=wrapper, layers=["area"], region_layer_map={"IT": "area"}
    )


def both(made: Callable[[str], Any]) -> dict[str, Any]:
    """The two sides of a comparison."""
    return {side: made(side) for side in ("peer", "ours")}


def jobs(*, quick: bool) -> list[Job]:
    """The comparisons."""
    if quick:
        sizes = Sizes(n_stimuli=200, n_features=400, n_neuroids=30, n_splits=3)
        trials = Sizes(n_stimuli=60, n_neuroids=20, n_repetitions=4, n_splits=10)
        bins = Sizes(n_stimuli=60, n_neuroids=10, n_time_bins=4, n_splits=2)
    else:
        sizes = Sizes(n_stimuli=1000, n_features=8000, n_neuroids=500, n_splits=10)
        trials = Sizes(n_stimuli=1000, n_neuroids=500, n_repetitions=4, n_splits=10)
        bins = Sizes(n_stimuli=500, n_neuroids=100, n_time_bins=12, n_splits=2)
    return [
        Job("pls", sizes, both(lambda s: regression("pls", s)), tolerance=1e-3, once=True),
        Job("ridge", sizes, both(lambda s: regression("ridge", s)), tolerance=1e-7, once=True),
        Job("ceiling", trials, both(ceiling), tolerance=1e-10, once=True),
        # Activity is float32 on both sides, and summed in another order.
        Job("benchmark", bins, both(benchmark_call), tolerance=1e-4, once=True),
    ]


def numbers(score: Any, name: str) -> np.ndarray:
    """What must agree: all raw numbers, or the score where the peer's iterations stop early."""
    values = score if name == "pls" else score.attrs["raw"]
    if values.ndim == 3:
        values = values.transpose("split", "neuroid", "time_bin")
    elif values.ndim == 2:
        values = values.transpose("split", "neuroid")
    return np.atleast_1d(np.asarray(values.values, dtype=np.float64))


class Memory:
    """Largest resident size while a block runs, above that at its start, in MiB.

    Workers that a library starts are processes of their own and are not counted.
    """

    def __enter__(self) -> "Memory":
        self._start = self._largest = resident_mib()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self._largest = max(self._largest, resident_mib())

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.mib = max(self._largest, resident_mib()) - self._start


def resident_mib() -> float:
    """Resident size of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def work(job: Job, side: str, repeats: int) -> None:
    """Time one side in this process and print what it found."""
    warnings.simplefilter("ignore")  # theirs, of deprecated calls
    call = job.sides[side](job.sizes)
    times, largest = [], 0.0
    score = None
    for _ in range(1 if side == "peer" and job.once else repeats):
        with Memory() as memory:
            start = time.perf_counter()
            score = call()
            times.append(time.perf_counter() - start)
        largest = max(largest, memory.mib)
    found = {"numbers": numbers(score, job.name).tolist(), "seconds": min(times), "mib": largest}
    print(json.dumps(found))


def measured(*arguments: str) -> dict[str, Any]:
    """What a process of this script prints."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compared(job: Job, *, quick: bool, repeats: int) -> dict[str, Any]:
    """A row of the table.

    Raises
    ------
    ValueError
        If the sides disagree.
    """
    options = ["--repeats", str(repeats), *(["--quick"] if quick else [])]
    peer, mine = (measured("--work", job.name, side, *options) for side in ("peer", "ours"))
    difference = float(np.abs(np.array(mine["numbers"]) - np.array(peer["numbers"])).max())
    if not difference < job.tolerance:
        raise ValueError(f"{job.name}: scores differ by {difference:.2g}")
    row = {
        "job": job.name,
        "sizes": vars(job.sizes),
        "peer": PEER,
        "difference": difference,
        "peer_seconds": peer["seconds"],
        "our_seconds": mine["seconds"],
        "ratio": peer["seconds"] / mine["seconds"],
        "peer_mib": peer["mib"],
        "our_mib": mine["mib"],
    }
    print(
        f"{job.name}: {job.sizes}\n    {PEER}: {peer['seconds']:.3f} s, {peer['mib']:.0f} MiB; "
        f"neurorec: {mine['seconds']:.3f} s, {mine['mib']:.0f} MiB; ratio {row['ratio']:.1f}, "
        f"largest difference {difference:.1e}"
    )
    return row


def imports(repeats: int) -> dict[str, Any]:
    """Processes that import a package and end; ours imports theirs."""
    names = {"peer": "brainscore_vision", "ours": "neurorec.brainscore"}
    seconds = {}
    for side, name in names.items():
        times = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-W", "ignore", "-c", f"import {name}"],
                env=os.environ | ENVIRONMENT | {"PYTHONPATH": str(Path(__file__).parents[1])},
                check=True,
            )
            times.append(time.perf_counter() - start)
        seconds[side] = min(times[1:])
    print(f"import: {PEER}: {seconds['peer']:.2f} s, neurorec: {seconds['ours']:.2f} s")
    return {
        "job": "import",
        "sizes": {},
        "peer": PEER,
        "difference": 0.0,
        "peer_seconds": seconds["peer"],
        "our_seconds": seconds["ours"],
        "ratio": seconds["peer"] / seconds["ours"],
    }


def main() -> None:
    """Run every comparison, or one side of one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small problems, seconds in all")
    parser.add_argument("--only", nargs="+", default=[], help="names of comparisons")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON file to write")
    parser.add_argument("--work", nargs=2, metavar=("NAME", "SIDE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    named = {job.name: job for job in jobs(quick=options.quick)}
    if options.work:
        name, side = options.work
        return work(named[name], side, options.repeats)
    unknown = sorted(set(options.only) - {*named, "import"})
    if unknown:
        parser.error(f"--only takes {', '.join(named)}, import; got {', '.join(unknown)}")
    description = machine()
    rows = []
    for name in options.only or (*named, "import"):
        if name == "import":
            rows.append(imports(options.repeats))
        else:
            rows.append(compared(named[name], quick=options.quick, repeats=options.repeats))
    write_table(options.out, description, rows)


if __name__ == "__main__":
    main()
