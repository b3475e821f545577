"""Reliability of mean responses from an analysis of variance."""

from typing import Final, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int, Num

from neurorec.assemblies import NEUROID, TIME_BIN
from neurorec.encoding.trial_tables import Table, labelled, tables
from neurorec.stats.correlation import is_constant

#: What ``explainable_variance`` computes, as its results say it.
CONVENTION: Final = (
    "variance over stimuli of the mean responses, less the mean over stimuli of the noise variance "
    "over the number of repetitions, as a share of that variance; noise variance of each stimulus "
    "from its own repetitions, of one with a single repetition from the mean over the others"
)
_FEWEST_STIMULI: Final = 3
_BATCH: Final = 2**22  # numbers that are held at once
_ROUNDING: Final = 1e-12


def explainable_variance(responses: xr.DataArray) -> xr.DataArray:
    r"""Share of the variance of mean responses that is signal.

    With the mean :math:`m_i` and the unbiased variance :math:`v_i` of the :math:`R_i` repetitions
    of stimulus :math:`i`:

    .. math:: 1 - \frac{\langle v_i / R_i \rangle_i}{\mathrm{Var}_i(m_i)}

    Numerator and denominator of the share, ``Var(m) - <v / R>`` and ``Var(m)``, are unbiased under
    the model of an analysis of variance, responses = stimulus + noise, also where noise differs
    between stimuli. Where all stimuli have as many repetitions it is ``1 - 1 / F`` with the F of
    that analysis. No draws are made, and halves need not be lengthened.

    Parameters
    ----------
    responses
        Assembly of single trials. NaN marks a missing repetition of a neuroid (in any time bin:
        missing in all). Stimuli may differ in their number of repetitions; one that has none for
        some neuroid is left out, and counted in ``n_stimuli_left_out``.

    Returns
    -------
    DataArray
        Dimensions (neuroid, time_bin); 0 where mean responses are constant.

    Raises
    ------
    ValueError
        If for some neuroid fewer than three stimuli have two repetitions.

    Notes
    -----
    Sahani and Linden (2003), *Advances in Neural Information Processing Systems* 15, 109-116, whose
    signal power is ``Var(m) - <v / R>``.
    """
    found, kept = _with_means(responses)
    once = np.ones((1, len(kept)), dtype=np.int64)
    return xr.DataArray(
        _shares(found, kept, once, responses.shape[1:])[0],
        dims=(NEUROID, TIME_BIN),
        coords=labelled(responses),
        attrs={
            "convention": CONVENTION,
            "n_stimuli": int(kept.sum()),
            "n_stimuli_left_out": int((~kept).sum()),
        },
    )


def explainable_variance_draws(
    responses: xr.DataArray, weights: Num[np.ndarray, "draw stimulus"]
) -> Float[np.ndarray, "draw neuroid time_bin"]:
    """Explainable variance of assemblies that have each stimulus so often.

    Parameters
    ----------
    weights
        Stimuli in order of first appearance.

    Raises
    ------
    ValueError
        If for some neuroid fewer than three stimuli have two repetitions.
    """
    return _shares(*_with_means(responses), weights, responses.shape[1:])


class _Moments(NamedTuple):
    """Of some neuroids over the repetitions of each stimulus."""

    means: Float[np.ndarray, "stimulus target"]
    variances: Float[np.ndarray, "stimulus target"]


def _with_means(responses: xr.DataArray) -> tuple[list[Table], Bool[np.ndarray, " stimulus"]]:
    """Tables, and which stimuli have a response of every neuroid."""
    found = tables(responses)
    kept = np.all([table.counts >= 1 for table in found], axis=0)
    for table in found:
        repeated = int((table.counts[kept] >= 2).sum())
        if repeated < _FEWEST_STIMULI:
            name = responses["neuroid_id"].values[table.neuroids[0]]
            raise ValueError(
                f"an explainable variance needs at least {_FEWEST_STIMULI} stimuli with at least "
                f"2 repetitions, got {repeated} of {len(kept)} for neuroid {str(name)!r}; give "
                "single trials, not their means"
            )
    return found, kept


def _shares(
    found: list[Table],
    kept: Bool[np.ndarray, " stimulus"],
    weights: Num[np.ndarray, "draw stimulus"],
    shape: tuple[int, ...],
) -> Float[np.ndarray, "draw neuroid time_bin"]:
    counted = np.asarray(weights, dtype=float)[:, kept]
    shares = np.empty((len(weights), *shape))
    for whole in found:
        table = whole.restricted(kept)
        rows = 4 * (len(counted) + table.valid.size)
        step = max(1, _BATCH // (rows * shape[1]))
        for start in range(0, len(table.neuroids), step):
            share = _share(_moments(table, start, start + step), table.counts, counted)
            places = table.neuroids[start : start + step]
            shares[:, places] = share.reshape(len(share), len(places), -1)
    return shares


def _moments(table: Table, start: int, stop: int) -> _Moments:
    values = table.block(start, stop)
    counts = table.counts[:, None]
    means = values.sum(axis=1) / counts
    deviation = (values - means[:, None, :]) * table.valid[:, :, None]
    squares = np.einsum("srt,srt->st", deviation, deviation)
    centred = (means - means.mean(axis=0)) * ~is_constant(means)
    return _Moments(centred, squares / np.maximum(counts - 1, 1))


def _share(
    moments: _Moments,
    counts: Int[np.ndarray, " stimulus"],
    weights: Float[np.ndarray, "draw stimulus"],
) -> Float[np.ndarray, "draw target"]:
    """Signal variance over variance of the means, for stimuli that count so often."""
    n = weights.sum(axis=1, keepdims=True)
    squares = weights @ moments.means**2
    total = squares - (weights @ moments.means) ** 2 / n
    varies = total > _ROUNDING * squares
    noise = weights @ (moments.variances * np.where(counts >= 2, 1 / counts, 0)[:, None])
    if (counts < 2).any():
        repeated = np.where(counts >= 2, weights, 0)
        mean = (repeated @ moments.variances) / np.maximum(repeated.sum(axis=1, keepdims=True), 1)
        noise += (n - repeated.sum(axis=1, keepdims=True)) * mean
    noise_variance, variance = noise / n, total / np.maximum(n - 1, 1)
    return np.where(varies, 1 - noise_variance / np.where(varies, variance, 1), 0.0)
