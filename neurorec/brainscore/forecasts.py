"""What scoring will need, before it starts: memory, room on the disk, and time."""

import math
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import torch

from neurorec._words import duration_in_words, size_in_words
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.benchmark_facts import BenchmarkFacts, facts_of
from neurorec.brainscore.brain_model import NeurorecBrainModel
from neurorec.brainscore.expectations import expecting
from neurorec.brainscore.metrics import SampleSpaceMetric
from neurorec.brainscore.passes import RECORDING_BYTES
from neurorec.recording.plan import LOGITS, Plan

import_brainscore()

from brainscore_vision.benchmark_helpers.memory import available_memory_gb  # noqa: E402
from brainscore_vision.model_interface import BrainModel  # noqa: E402

#: Copies of the features that are alive at the worst moment. Of ours the activity as it is read,
#: the same time bin by time bin, and that of several areas together; of Brain-Score's metrics what
#: its own forecast takes where it knows nothing else.
_COPIES_OURS: Final = 3
_COPIES_THEIRS: Final = 7
#: Sums of Gram matrices, of float64, for each time bin.
_GRAMS: Final = 4
#: Of a pass, however small: what waits to be written, and the block that is averaged over time.
_PASS_BYTES: Final = 256 * 2**20
#: States of a batch that are alive at once, with what is computed from them.
_BATCHES: Final = 4
_FLOPS_TRIAL: Final = 384


@final
@dataclass(frozen=True, kw_only=True)
class PairForecast:
    """What scoring one model on one benchmark needs, about; NaN where it cannot be told.

    Parameters
    ----------
    memory_bytes
        At the worst moment, beside what the process has now.
    disk_bytes
        Of the recording and of what is kept of it.
    seconds
        To record, and for inner products. A pass that an earlier pair makes counts there.
    """

    model: str
    benchmark: str
    n_presentations: int | None
    n_units: int | None
    memory_bytes: float
    disk_bytes: float
    seconds: float


@final
@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What scoring needs, and what is free."""

    pairs: tuple[PairForecast, ...]
    free_memory_bytes: float
    free_disk_bytes: float

    @property
    def memory_bytes(self) -> float:
        """Of the pair that needs most; pairs are scored one after the other."""
        return max((p.memory_bytes for p in self.pairs if p.memory_bytes >= 0), default=0.0)

    @property
    def disk_bytes(self) -> float:
        """Of all passes, which are kept as long as their model."""
        return math.fsum(p.disk_bytes for p in self.pairs if p.disk_bytes >= 0)

    @property
    def seconds(self) -> float:
        """Of all pairs of which it is known."""
        return math.fsum(p.seconds for p in self.pairs if p.seconds >= 0)

    def check(self) -> "Forecast":
        """Return the forecast, if it fits.

        Raises
        ------
        OSError
            If it exceeds the memory or the disk that is free, with what would need less.
        """
        for need, free, what, remedy in (
            (
                self.memory_bytes,
                self.free_memory_bytes,
                "memory",
                "record fewer units of each area, fewer stimuli, or one area for each region",
            ),
            (
                self.disk_bytes,
                self.free_disk_bytes,
                "disk",
                "make space, or set TMPDIR or cache_dir to a folder with more",
            ),
        ):
            if need > free:
                raise OSError(
                    f"scoring needs about {size_in_words(need)} of {what} and "
                    f"{size_in_words(free)} are free; {remedy}; or start all the same with force "
                    "(--force)"
                )
        return self

    def __str__(self) -> str:
        unknown = sum(math.isnan(pair.memory_bytes) for pair in self.pairs)
        n = len(self.pairs)
        text = (
            f"{n} score{'' if n == 1 else 's'}: about "
            f"{size_in_words(self.memory_bytes)} of memory "
            f"({size_in_words(self.free_memory_bytes)} free), "
            f"{size_in_words(self.disk_bytes)} of disk "
            f"({size_in_words(self.free_disk_bytes)} free), "
            f"{duration_in_words(self.seconds)} to record"
        )
        return text + (f"; of {unknown} it cannot be told" if unknown else "")


def forecast(
    models: Sequence[BrainModel],
    benchmarks: Sequence[Any],
    *,
    folder: str | Path | None = None,
) -> Forecast:
    """What :func:`neurorec.brainscore.score` of these will need, from a few trials of each model.

    Parameters
    ----------
    folder
        In which passes are kept; that of temporary files if left out.

    Raises
    ------
    ValueError
        If a model has no area for the region of a benchmark, or no timestep in its time bins.
    """
    facts = [facts_of(one) for one in benchmarks]
    known = list(zip(benchmarks, facts, strict=True))
    pairs = [pair for model in models for pair in _of_model(model, known)]
    return Forecast(
        pairs=tuple(pairs),
        free_memory_bytes=available_memory_gb() * 2**30,
        free_disk_bytes=float(shutil.disk_usage(_existing(folder)).free),
    )


def _of_model(
    model: BrainModel, benchmarks: Sequence[tuple[Any, BenchmarkFacts]]
) -> list[PairForecast]:
    found, recorded, every = [], set[tuple[object, ...]](), [facts for _, facts in benchmarks]
    name = str(model.identifier)  # a digest of all weights, made once
    for benchmark, facts in benchmarks:
        if not facts.stimuli or not facts.time_bins:
            unknown = {"n_presentations": facts.n_stimuli, "n_units": None}
            found.append(_pair(name, facts, **unknown, memory=math.nan, disk=math.nan, s=math.nan))
            continue
        passed = (tuple(facts.stimuli), facts.trials)
        with expecting(model, facts, every):
            if isinstance(model, NeurorecBrainModel):
                found.append(_of_ours(model, name, benchmark, facts, passed in recorded))
            else:
                found.append(_of_others(model, name, benchmark, facts))
        recorded.add(passed)
    return found


def _of_ours(
    model: NeurorecBrainModel, name: str, benchmark: Any, facts: BenchmarkFacts, recorded: bool
) -> PairForecast:
    shown, n_stimuli = next(iter(facts.stimuli.values())), facts.n_stimuli or 0
    plan = model.planned(facts.region, facts.time_bins, shown, facts.trials)
    share = n_stimuli / plan.n_stimuli  # of several sets of stimuli one is tried
    n_units = sum(_units_of(plan, area) for area in model.regions[facts.region])
    in_pass = sum(p.n_units for p in plan.populations if p.address != LOGITS)
    bins = len(model.expected_bins(facts.region, facts.time_bins))
    kept = 4 * n_stimuli * in_pass * bins
    memory = _metric_bytes(benchmark, facts, n_stimuli, n_units)
    if not recorded:
        memory = max(memory, _pass_bytes(model, plan))
    recording = min(plan.n_bytes * share, RECORDING_BYTES)
    seconds = 0.0 if recorded else plan.seconds * share
    return _pair(
        name,
        facts,
        n_presentations=n_stimuli * plan.n_repetitions,
        n_units=n_units,
        memory=memory,
        disk=0.0 if recorded else float(kept + recording),
        s=seconds + _gram_seconds(n_stimuli, n_units, len(facts.time_bins)),
    )


def _of_others(model: Any, name: str, benchmark: Any, facts: BenchmarkFacts) -> PairForecast:
    """Of a model of Brain-Score, from one stimulus; without an identifier nothing is cached."""
    shown = next(iter(facts.stimuli.values())).iloc[:1].copy()
    shown.identifier = None
    model.start_recording(facts.region, time_bins=list(facts.time_bins))
    start = time.perf_counter()
    seen = model.look_at(shown, number_of_trials=1)
    seconds = time.perf_counter() - start
    n_stimuli, n_units = facts.n_stimuli or 0, int(seen.sizes["neuroid"])
    return _pair(
        name,
        facts,
        n_presentations=n_stimuli,
        n_units=n_units,
        memory=_metric_bytes(benchmark, facts, n_stimuli, n_units),
        disk=0.0,
        s=seconds * n_stimuli,
    )


def _pair(
    name: str,
    facts: BenchmarkFacts,
    *,
    n_presentations: int | None,
    n_units: int | None,
    memory: float,
    disk: float,
    s: float,
) -> PairForecast:
    return PairForecast(
        model=name,
        benchmark=facts.identifier,
        n_presentations=n_presentations,
        n_units=n_units,
        memory_bytes=memory,
        disk_bytes=disk,
        seconds=s,
    )


def _units_of(plan: Plan, area: str) -> int:
    address = area if "." in area else f"{area}.h"
    return next(p.n_units for p in plan.populations if p.address == address)


def _pass_bytes(model: NeurorecBrainModel, plan: Plan) -> float:
    numbers = sum(math.prod(shape) for shape in model.model.area_shapes.values())
    return float(_PASS_BYTES + _BATCHES * 4 * numbers * plan.batch_size)


def _metric_bytes(benchmark: Any, facts: BenchmarkFacts, n_stimuli: int, n_units: int) -> float:
    features = 4.0 * n_stimuli * n_units * len(facts.time_bins)
    grams = 8.0 * _GRAMS * n_stimuli**2 * len(facts.time_bins)
    ours = isinstance(getattr(benchmark, "_similarity_metric", None), SampleSpaceMetric)
    return features * (_COPIES_OURS if ours else _COPIES_THEIRS) + grams


def _gram_seconds(n_stimuli: int, n_units: int, n_bins: int) -> float:
    """Seconds that inner products of float64 take here, from a product that is timed."""
    x = torch.ones(_FLOPS_TRIAL, _FLOPS_TRIAL, dtype=torch.float64)
    start = time.perf_counter()
    torch.mm(x, x)
    rate = _FLOPS_TRIAL**3 / (time.perf_counter() - start)
    return n_stimuli**2 * n_units * n_bins / rate


def _existing(folder: str | Path | None) -> Path:
    path = Path(tempfile.gettempdir() if folder is None else folder).expanduser().resolve()
    return next(one for one in (path, *path.parents) if one.exists())
