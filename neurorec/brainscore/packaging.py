"""Activity and answers with the labels that Brain-Score's metrics look for."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from neurorec.assemblies import NEUROID, PRESENTATION, TIME_BIN
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.kept import Kept
from neurorec.brainscore.time_bins import TimeBins, Timeline

import_brainscore()

from brainscore_core.supported_data_standards.brainio.assemblies import (  # noqa: E402
    BehavioralAssembly,
    NeuroidAssembly,
)

#: Labels without which Brain-Score takes nothing for a recording.
_NEEDED: Final = ("neuroid_id", "region")


def neuroid_assembly(
    kept: Kept,
    region: str,
    areas: Sequence[str],
    stimuli: pd.DataFrame,
    time_bins: TimeBins,
    timeline: Timeline,
) -> NeuroidAssembly:
    """Activity of the areas of ``region``, one after the other, with the stimuli's columns.

    Raises
    ------
    ValueError
        If a column of the stimuli has the name of a label that an assembly needs.
    """
    each = [kept.values(area) for area in areas]
    values = each[0] if len(each) == 1 else np.concatenate(each, axis=1)
    presentation = presentation_columns(stimuli, len(values) // len(stimuli))
    if len(presentation) == 1:
        # Brain-Score loses the label of an index of one level in its calls of metrics.
        presentation |= {"repetition": np.zeros(len(values), dtype=int)}
    neuroid = _joined([kept.columns(area) for area in areas])
    neuroid |= {"region": np.full(values.shape[1], region)}
    limits = dict(zip(("time_bin_start", "time_bin_end"), _as_asked(time_bins), strict=True))
    taken = sorted(set(presentation) & {*_NEEDED, *limits})
    if taken:
        raise ValueError(f"the stimuli have columns {taken}, which label recordings; rename them")
    return NeuroidAssembly(
        values,
        dims=(PRESENTATION, NEUROID, TIME_BIN),
        coords={
            **{k: (NEUROID, v) for k, v in neuroid.items() if k not in presentation},
            **{k: (PRESENTATION, v) for k, v in presentation.items()},
            **{k: (TIME_BIN, v) for k, v in limits.items()},
        },
        attrs={
            "stimulus_set": stimuli,
            "stimulus_set_identifier": getattr(stimuli, "identifier", None),
            "time_bin_coverage": timeline.coverage(time_bins).tolist(),
        },
    )


def behavioral_assembly(
    values: Any,
    dims: Sequence[str],
    stimuli: pd.DataFrame,
    coords: Mapping[str, tuple[str, Sequence[Any]]],
) -> BehavioralAssembly:
    """Answers with the stimuli's columns; of several trials ordered by trial, then stimulus."""
    n_presentations = np.shape(values)[list(dims).index(PRESENTATION)]
    presentation = presentation_columns(stimuli, n_presentations // len(stimuli))
    labels = {k: (PRESENTATION, v) for k, v in presentation.items()}
    return BehavioralAssembly(values, dims=list(dims), coords={**labels, **coords})


def presentation_columns(stimuli: pd.DataFrame, n_repetitions: int) -> dict[str, np.ndarray]:
    """The stimuli's columns for every presentation, with the number of the trial if several are."""
    columns = {str(name): stimuli[name].to_numpy() for name in stimuli.columns}
    tiled = {name: np.tile(values, n_repetitions) for name, values in columns.items()}
    if n_repetitions == 1:
        return tiled
    return {**tiled, "repetition": np.repeat(np.arange(n_repetitions), len(stimuli))}


def _joined(columns: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Columns of several areas; those that all of them have."""
    shared = [name for name in columns[0] if all(name in other for other in columns)]
    return {name: np.concatenate([one[name] for one in columns]) for name in shared}


def _as_asked(time_bins: TimeBins) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends; whole numbers where benchmarks ask for these, as labels of their data."""
    starts, ends = np.array(time_bins).T
    whole = np.array_equal(starts, np.round(starts)) and np.array_equal(ends, np.round(ends))
    return (starts.astype(int), ends.astype(int)) if whole else (starts, ends)
