"""Brain-Score's ceiling of recorded responses, of all neuroids and time bins at once."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import xarray as xr
from jaxtyping import Float64
from scipy.sparse import csr_array
from sklearn.model_selection import ShuffleSplit

from neurorec.assemblies import NEUROID, PRESENTATION, TIME_BIN, check
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._scores import neuroid_score
from neurorec.stats import pearson

import_brainscore()

from brainscore_core.metrics import Score  # noqa: E402

# Numbers of the trials that are worked on at a time: as float64 4 MiB, which caches can hold.
_BLOCK: Final = 2**19


def internal_consistency(
    responses: xr.DataArray, *, n_splits: int = 10, random_state: int = 1
) -> Score:
    r"""Correlation between means over halves of the repetitions, corrected for their length.

    .. math:: 2 r / (1 + r)

    with Pearson's r over stimuli, the median over neuroids, the mean over splits: the number that
    Brain-Score's ceiling ``internal_consistency`` gives, on its splits (and, of several time bins,
    that of ``internal_consistency_temporal``).

    Parameters
    ----------
    responses
        Assembly of single trials.
    n_splits, random_state
        Random divisions of the repetitions into halves.

    Returns
    -------
    Score
        A number, or one for each ``time_bin``; ``raw`` has (split, neuroid[, time_bin]).

    Raises
    ------
    ValueError
        If there are fewer than two repetitions, or a half has fewer than three stimuli.
    """
    responses = check(responses)
    repetitions = np.unique(responses["repetition"].values)
    if len(repetitions) < 2:
        raise ValueError(
            f"a ceiling of split halves needs at least 2 repetitions, got {len(repetitions)}; "
            "give single trials, not means, or a ceiling of your own"
        )
    splitter = ShuffleSplit(n_splits, train_size=0.5, random_state=random_state)
    halves = [
        _halves(responses, repetitions[first], repetitions[second])
        for first, second in splitter.split(repetitions)
    ]
    found = [_consistency(block, halves) for block in _blocks(responses)]
    scores = np.concatenate(found, axis=1).reshape(n_splits, *responses.shape[1:])
    return neuroid_score(scores, responses)


def _blocks(responses: xr.DataArray) -> Iterator[Float64[np.ndarray, "presentation column"]]:
    """Some neuroids in all time bins at a time, so that no copy of all trials is made."""
    n = responses.sizes[PRESENTATION]
    width = max(_BLOCK // max(n * responses.sizes[TIME_BIN], 1), 1)
    for start in range(0, responses.sizes[NEUROID], width):
        block = responses[:, start : start + width].values
        yield block.astype(np.float64).reshape(n, -1)


def _consistency(
    values: Float64[np.ndarray, "presentation column"], halves: list[tuple[Any, Any]]
) -> Float64[np.ndarray, "split column"]:
    r = np.stack([pearson(first @ values, second @ values) for first, second in halves])
    return 2 * r / (1 + r)


def _halves(responses: xr.DataArray, first: np.ndarray, second: np.ndarray) -> tuple[Any, Any]:
    """Matrices (stimulus, presentation) of the means over either half of the repetitions."""
    halves = [_averaging(responses, half) for half in (first, second)]
    # A stimulus that a half lacks, because repetitions are missing, is left out.
    common = np.logical_and.reduce([half.sum(axis=1) > 0 for half in halves])
    if common.sum() < 3:
        raise ValueError(
            f"{common.sum()} stimuli have repetitions in both halves, at least 3 are needed; "
            "number the repetitions of each stimulus from 0"
        )
    return halves[0][common], halves[1][common]


def _averaging(responses: xr.DataArray, repetitions: np.ndarray) -> Any:
    """Matrix (stimulus, presentation) of the means over some repetitions."""
    _, stimulus = np.unique(responses["stimulus_id"].values, return_inverse=True)
    inside = np.flatnonzero(np.isin(responses["repetition"].values, repetitions))
    rows = stimulus.ravel()[inside]
    counts = np.bincount(rows, minlength=stimulus.max() + 1)
    shape = (len(counts), responses.sizes[PRESENTATION])
    return csr_array((1 / counts[rows], (rows, inside)), shape=shape)
