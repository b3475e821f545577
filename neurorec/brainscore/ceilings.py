"""Brain-Score's ceiling of recorded responses, of all neuroids and time bins at once."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64
from scipy.sparse import csr_array
from sklearn.model_selection import ShuffleSplit

from neurorec.assemblies import PRESENTATION, check
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._scores import neuroid_score
from neurorec.stats import pearson

import_brainscore()

from brainscore_core.metrics import Score  # noqa: E402


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
    scores = np.stack(
        [
            _consistency(responses, repetitions[first], repetitions[second])
            for first, second in splitter.split(repetitions)
        ]
    )
    return neuroid_score(scores, responses)


def _consistency(
    responses: xr.DataArray, first: np.ndarray, second: np.ndarray
) -> Float64[np.ndarray, "neuroid time_bin"]:
    values = responses.values.astype(np.float64).reshape(responses.sizes[PRESENTATION], -1)
    halves = [_averaging(responses, half) for half in (first, second)]
    # A stimulus that a half lacks, because repetitions are missing, is left out.
    common = np.logical_and.reduce([half.sum(axis=1) > 0 for half in halves])
    if common.sum() < 3:
        raise ValueError(
            f"{common.sum()} stimuli have repetitions in both halves, at least 3 are needed; "
            "number the repetitions of each stimulus from 0"
        )
    means = [(half @ values)[common] for half in halves]
    r = pearson(*(m.reshape(len(m), *responses.shape[1:]) for m in means))
    return 2 * r / (1 + r)


def _averaging(responses: xr.DataArray, repetitions: np.ndarray) -> Any:
    """Matrix (stimulus, presentation) of the means over some repetitions."""
    _, stimulus = np.unique(responses["stimulus_id"].values, return_inverse=True)
    inside = np.flatnonzero(np.isin(responses["repetition"].values, repetitions))
    rows = stimulus.ravel()[inside]
    counts = np.bincount(rows, minlength=stimulus.max() + 1)
    shape = (len(counts), responses.sizes[PRESENTATION])
    return csr_array((1 / counts[rows], (rows, inside)), shape=shape)
