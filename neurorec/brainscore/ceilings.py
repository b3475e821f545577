"""How far halves of the repetitions agree: neuroid by neuroid, or as matrices over stimuli."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float64
from scipy.sparse import csr_array
from sklearn.model_selection import ShuffleSplit

from neurorec.assemblies import (
    NEUROID,
    PRESENTATION,
    TIME_BIN,
    average_repetitions,
    check,
    columns_of,
)
from neurorec.brainscore import metrics
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._scores import neuroid_score, over_splits
from neurorec.brainscore.assemblies import to_brainio
from neurorec.brainscore.products import products_of
from neurorec.brainscore.similarity import SimilarityMetric
from neurorec.stats import pearson, spearman_brown

import_brainscore()

from brainscore_core.metrics import Metric, Score  # noqa: E402

# Numbers of the trials that are worked on at a time: as float64 4 MiB, which caches can hold.
_BLOCK: Final = 2**19


class _Halves(NamedTuple):
    """Matrices (stimulus, presentation) of the means over either half of the repetitions.

    ``shared`` marks, of all stimuli in the order of their identifiers, those that both halves have.
    """

    first: Any
    second: Any
    shared: np.ndarray


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
    halves = _divided(responses, n_splits, random_state)
    found = [_consistency(block, halves) for block in _blocks(responses)]
    scores = np.concatenate(found, axis=1).reshape(n_splits, *responses.shape[1:])
    return neuroid_score(scores, responses)


def matrix_reliability(
    responses: xr.DataArray,
    metric: str | Metric,
    *,
    n_splits: int = 10,
    random_state: int = 1,
) -> Score:
    r"""Reliability of what a metric of similarity sees of a population, such as its RDM.

    .. math:: c = \langle 2 s_k / (1 + s_k) \rangle_k, \qquad s_k = s(\bar X_{k1}, \bar X_{k2})

    with ``s`` the metric itself, of the means over two halves of the repetitions, on the divisions
    k of :func:`internal_consistency`. Where a matrix is signal plus noise, and the noise of
    the halves is independent, c is the share of signal in the variance of the matrix of all
    repetitions (of its ranks under Spearman's correlation; in its sum of squares under CKA, a
    cosine). The signal itself then scores :math:`r = \sqrt c`, so that :math:`r^2 / c` is the
    explained share of the reliable variance.

    The correction, Spearman and Brown's, takes the variance of noise in a matrix to halve where
    repetitions double. That of products of noise and signal does, that of noise and noise falls to
    a quarter, so that c is too low and a perfect model scores above 1: by less than a factor of
    two, by 3 to 20 per cent where halves agree to 0.5. Of inner products the reliability is, since
    :math:`\operatorname{tr}(\Sigma N)^2 \le \operatorname{tr}\Sigma^2 \operatorname{tr} N^2` of the
    covariances of signal and noise, between :math:`4 s / (1 + \sqrt s)^2` and
    :math:`4 s / (1 + 3 s)`.

    What noise adds to the length of a stimulus's pattern does not average out between halves and
    counts as reliable. Unbiased CKA does not look at lengths; under ``"cka_biased"``, which does, a
    perfect model scores well below 1, and under ``"rdm"``, whose distances are divided by them, a
    few per cent where lengths differ between stimuli.

    Brain-Score compares matrices of several subjects only, each with all of its repetitions
    (``rsa_ceiling``, with the bounds of Nili et al., 2014, as in
    :func:`neurorec.geometry.noise_ceiling`; and for CKA the mean over pairs of subjects), and says
    nothing of one population. The correlation of halves before it is corrected is what its lower
    bound makes of them as two subjects. What it divides by differs between its benchmarks: r or r²,
    by the bound or its square. We chose the form of its ``NeuralBenchmark``, r² over a reliability.

    Parameters
    ----------
    responses
        Assembly of single trials.
    metric
        Key of ``METRICS`` that compares matrices, such as ``"rdm"``, or any metric of two
        assemblies of the same stimuli that is symmetric. One that divides stimuli does so here.
    n_splits, random_state
        Random divisions of the repetitions into halves.

    Returns
    -------
    Score
        A number, or one for each ``time_bin``; ``raw`` has (split[, time_bin]). NaN where the
        metric has no value, as where a stimulus excites all neuroids alike. Not above 0 where
        halves do not agree; there the correction keeps the sign.

    Raises
    ------
    ValueError
        If the name is of no such metric, there are fewer than two repetitions, or a half has too
        few stimuli.
    """
    responses = check(responses)
    measure = _named(metric) if isinstance(metric, str) else metric
    halves = _divided(responses, n_splits, random_state)
    means = average_repetitions(responses)
    # In the order of their identifiers, as the rows of halves are.
    means = means.isel({PRESENTATION: np.argsort(means["stimulus_id"].values)})
    trials = responses.values.reshape(len(responses), -1).astype(np.float64)
    found = np.array([_similarities(trials, means, one, measure) for one in halves])
    return _over_splits(spearman_brown(found), responses)


def _named(name: str) -> SimilarityMetric:
    found = metrics.metric(name)
    if not isinstance(found, SimilarityMetric):
        known = sorted(k for k, v in metrics.METRICS.items() if isinstance(v(), SimilarityMetric))
        raise ValueError(
            f"metric {name!r} compares no matrices, so that these have no reliability; use one of "
            f"{known}, or internal_consistency"
        )
    return found


def _similarities(
    trials: Float64[np.ndarray, "presentation column"],
    means: xr.DataArray,
    halves: _Halves,
    measure: Any,
) -> list[float]:
    """Of both halves, in each time bin; ``means`` have the labels of all stimuli."""
    stimuli = means.isel({PRESENTATION: np.flatnonzero(halves.shared)})
    first, second = (
        stimuli.copy(data=(half @ trials).reshape(stimuli.shape))
        for half in (halves.first, halves.second)
    )
    if isinstance(measure, SimilarityMetric):
        # What its call makes of them, without the way to BrainIO and back.
        products = (products_of(one, centred=measure.centred) for one in (first, second))
        return [float(measure.of_products(a, b, second)) for a, b in zip(*products, strict=True)]
    first, second = to_brainio(first), to_brainio(second)
    return [
        float(measure(first.isel(time_bin=t), second.isel(time_bin=t)))
        for t in range(stimuli.sizes[TIME_BIN])
    ]


def _over_splits(values: Float64[np.ndarray, "split time_bin"], responses: xr.DataArray) -> Score:
    """Mean and error over splits; one time bin is dropped, as in Brain-Score's static ceilings."""
    static = values.shape[1] == 1
    labels = {} if static else columns_of(responses, TIME_BIN)
    raw = Score(
        values[:, 0] if static else values,
        coords={
            "split": np.arange(len(values)),
            **{name: (TIME_BIN, column) for name, column in labels.items()},
        },
        dims=("split",) if static else ("split", TIME_BIN),
    )
    return over_splits(raw, skipna=False)


def _divided(responses: xr.DataArray, n_splits: int, random_state: int) -> list[_Halves]:
    """Random divisions of the repetitions."""
    repetitions = np.unique(responses["repetition"].values)
    if len(repetitions) < 2:
        raise ValueError(
            f"a ceiling of split halves needs at least 2 repetitions, got {len(repetitions)}; "
            "give single trials, not means, or a ceiling of your own"
        )
    splitter = ShuffleSplit(n_splits, train_size=0.5, random_state=random_state)
    return [
        _halves(responses, repetitions[first], repetitions[second])
        for first, second in splitter.split(repetitions)
    ]


def _blocks(responses: xr.DataArray) -> Iterator[Float64[np.ndarray, "presentation column"]]:
    """Some neuroids in all time bins at a time, so that no copy of all trials is made."""
    n = responses.sizes[PRESENTATION]
    width = max(_BLOCK // max(n * responses.sizes[TIME_BIN], 1), 1)
    for start in range(0, responses.sizes[NEUROID], width):
        block = responses[:, start : start + width].values
        yield block.astype(np.float64).reshape(n, -1)


def _consistency(
    values: Float64[np.ndarray, "presentation column"], halves: list[_Halves]
) -> Float64[np.ndarray, "split column"]:
    r = np.stack([pearson(one.first @ values, one.second @ values) for one in halves])
    return 2 * r / (1 + r)


def _halves(responses: xr.DataArray, first: np.ndarray, second: np.ndarray) -> _Halves:
    halves = [_averaging(responses, half) for half in (first, second)]
    # A stimulus that a half lacks, because repetitions are missing, is left out.
    shared = np.logical_and.reduce([half.sum(axis=1) > 0 for half in halves])
    if shared.sum() < 3:
        raise ValueError(
            f"{shared.sum()} stimuli have repetitions in both halves, at least 3 are needed; "
            "number the repetitions of each stimulus from 0"
        )
    return _Halves(halves[0][shared], halves[1][shared], shared)


def _averaging(responses: xr.DataArray, repetitions: np.ndarray) -> Any:
    """Matrix (stimulus, presentation) of the means over some repetitions."""
    _, stimulus = np.unique(responses["stimulus_id"].values, return_inverse=True)
    inside = np.flatnonzero(np.isin(responses["repetition"].values, repetitions))
    rows = stimulus.ravel()[inside]
    counts = np.bincount(rows, minlength=stimulus.max() + 1)
    shape = (len(counts), responses.sizes[PRESENTATION])
    return csr_array((1 / counts[rows], (rows, inside)), shape=shape)
