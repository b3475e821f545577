"""From what a benchmark returns to rows of numbers."""

import math
from typing import Any

import numpy as np

from neurorec.assemblies import TIME_BIN
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.benchmark_facts import BenchmarkFacts
from neurorec.brainscore.score_table import WHOLE, ScoreRow

import_brainscore()

from brainscore_core.metrics import Score  # noqa: E402


def score_rows(score: Score, facts: BenchmarkFacts) -> tuple[ScoreRow, ...]:
    """One row, or one for each time bin (and whatever else a score is of).

    Brain-Score's ceiling of a score drops its time bins; they are still on its ``raw``. Of one
    number over time, whose bins are its ``per_bin``, the first row is the number.
    """
    per_bin = score.attrs.get("per_bin")
    return _rows(score, facts) + (() if per_bin is None else _rows(per_bin, facts))


def _rows(score: Score, facts: BenchmarkFacts) -> tuple[ScoreRow, ...]:
    shape = score.shape
    raw: Any = score.attrs.get(Score.RAW_VALUES_KEY)
    numbers = {
        "score": np.asarray(score.values, dtype=float),
        "raw": _like(raw, shape),
        "ceiling": _like(score.attrs.get("ceiling"), shape),
        "error": _like(score.attrs.get("error", _error_of(raw)), shape),
    }
    labelled = raw if hasattr(raw, "dims") and raw.shape == shape else score
    return tuple(
        ScoreRow(
            region=facts.region,
            metric=facts.metric,
            n_stimuli=facts.n_stimuli,
            n_neuroids=facts.n_neuroids,
            raw=known(numbers["raw"][index]),
            ceiling=known(numbers["ceiling"][index]),
            score=known(numbers["score"][index]),
            error=known(numbers["error"][index]),
            **_when(labelled, index, facts),
        )
        for index in np.ndindex(shape)
    )


def known(value: Any) -> float | None:
    """A number, or None for one that is not finite."""
    return float(value) if math.isfinite(value) else None


def _error_of(raw: Any) -> Any:
    return getattr(raw, "attrs", {}).get("error")


def _like(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """``value`` in the shape of the score; NaN where it is unknown or of another shape."""
    given = np.asarray(math.nan if value is None else getattr(value, "values", value), dtype=float)
    try:
        return np.broadcast_to(given, shape)
    except ValueError:
        return np.full(shape, math.nan)


def _when(labelled: Any, index: tuple[int, ...], facts: BenchmarkFacts) -> dict[str, Any]:
    """Time bin of an entry, and its place along all other dimensions."""
    limits, at = (math.nan, math.nan), []
    bins = facts.time_bins
    if not index and bins:
        limits = bins[0][0], bins[-1][1]
        at = [WHOLE] if len(bins) > 1 else []
    for dim, number in zip(labelled.dims, index, strict=True):
        if (dim == TIME_BIN or len(index) == 1) and len(bins) == labelled.sizes[dim]:
            limits = bins[number]
        else:
            at.append(f"{dim}={_label(labelled, dim, number)}")
    return {
        "time_bin_start": known(limits[0]),
        "time_bin_end": known(limits[1]),
        "at": " ".join(at),
    }


def _label(labelled: Any, dim: str, number: int) -> Any:
    return labelled[dim].values[number] if dim in labelled.coords else number
