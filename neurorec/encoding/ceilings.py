"""How well the responses of a neuroid could be predicted at best."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple, final

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from neurorec.assemblies import NEUROID, TIME_BIN
from neurorec.stats.correlation import pearson, spearman_brown
from neurorec.stats.repetitions import Trials, by_stimulus

#: What ``split_half_reliability`` computes, as its results say it.
CONVENTION: Final = (
    "Pearson correlation over stimuli between means of two random halves of the repetitions, the "
    "same repetitions for all stimuli that have them; {correction}; correction before the mean "
    "over splits; an odd repetition is left out, drawn anew on each split"
)
_CORRECTION: Final = "Spearman-Brown corrected to the number of repetitions that the means have"
_FEWEST_STIMULI: Final = 3


@final
@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """How noise ceilings are estimated.

    Parameters
    ----------
    n_splits
        Random divisions of the repetitions into halves.
    seed
        Seed of the divisions.
    min_reliability
        Neuroids below it are flagged unreliable, and where a score is divided by its ceiling the
        reliability counts as no less than this.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    n_splits: int = 100
    seed: int = 0
    min_reliability: float = 0.1

    def __post_init__(self) -> None:
        if self.n_splits < 1:
            raise ValueError(f"n_splits must be at least 1, got {self.n_splits}")
        if not 0 < self.min_reliability < 1:
            raise ValueError(
                f"min_reliability must lie between 0 and 1, got {self.min_reliability}"
            )


def split_half_reliability(
    responses: xr.DataArray,
    *,
    n_splits: int = 100,
    seed: int | np.random.Generator = 0,
    corrected: bool = True,
) -> xr.DataArray:
    r"""Correlation over stimuli between halves of the repetitions, Spearman-Brown corrected.

    For responses ``signal + noise`` with noise independent across ``R`` repetitions, the
    expectation tends, as stimuli grow, to

    .. math:: \sigma_s^2 / (\sigma_s^2 + \sigma_n^2 / R).

    Parameters
    ----------
    responses
        Assembly of single trials. NaN marks a missing repetition of a neuroid (in any time bin:
        missing in all). Stimuli may differ in their number of repetitions; a stimulus with fewer
        than two for some neuroid is left out, and counted in ``n_stimuli_left_out``.
    n_splits
        Random divisions. Each puts the numbers in the coordinate ``repetition`` in a random order;
        of the repetitions that a stimulus has, the first half in that order is set against the
        second. A drift that shifts all responses of one repetition alike therefore cancels, as
        it does in the means over all. An odd repetition, another one on each split, is left out.
    corrected
        Correct to the number of repetitions of the whole, which is ``k`` times that of a half:
        ``k = mean(1 / half) / mean(1 / whole)`` over stimuli, 2 where all numbers are even.
        Otherwise the plain correlation of halves.

    Returns
    -------
    DataArray
        Dimensions (split, neuroid, time_bin); 0 where a half is constant.

    Raises
    ------
    ValueError
        If fewer than three stimuli have two repetitions.

    Notes
    -----
    Spearman (1910) and Brown (1910), *British Journal of Psychology* 3.
    """
    trials = by_stimulus(responses)
    table = _table(trials, responses["repetition"].values)
    rng = np.random.default_rng(seed)
    splits = [pearson(*_halves(table, rng)) for _ in range(n_splits)]
    reliability = np.stack(splits)
    lengthening = _lengthening(table, trials)
    if corrected:
        reliability = spearman_brown(reliability, lengthening=lengthening[:, None])
    correction = _CORRECTION if corrected else "not corrected"
    attrs: dict[str, Any] = {
        "convention": CONVENTION.format(correction=correction),
        "lengthening": float(lengthening.mean()),
        "n_stimuli": len(table.values),
        "n_stimuli_left_out": trials.n_stimuli - len(table.values),
    }
    coords = {
        name: coordinate
        for name, coordinate in responses.coords.items()
        if coordinate.dims in ((NEUROID,), (TIME_BIN,))
    }
    coords["split"] = xr.DataArray(np.arange(n_splits), dims="split")
    return xr.DataArray(reliability, dims=("split", NEUROID, TIME_BIN), coords=coords, attrs=attrs)


def noise_ceiling(responses: xr.DataArray, *, ceiling: Ceiling | None = None) -> xr.Dataset:
    r"""Largest correlation with the mean responses that any prediction can be expected to have.

    .. math:: \sqrt{\text{reliability}}

    Parameters
    ----------
    responses
        Assembly of single trials, as :func:`split_half_reliability` takes it.

    Returns
    -------
    Dataset
        ``reliability`` (mean over splits), ``ceiling`` (0 where the reliability is negative) and
        ``reliable``, each (neuroid, time_bin).

    Raises
    ------
    ValueError
        If fewer than three stimuli have two repetitions.
    """
    options = ceiling or Ceiling()
    splits = split_half_reliability(responses, n_splits=options.n_splits, seed=options.seed)
    reliability = splits.mean("split").assign_attrs(splits.attrs)
    return xr.Dataset(
        {
            "reliability": reliability,
            "ceiling": np.sqrt(reliability.clip(min=0)).assign_attrs(
                long_name="square root of the reliability"
            ),
            "reliable": (reliability >= options.min_reliability).assign_attrs(
                rule=f"reliability of at least {options.min_reliability}"
            ),
        },
        attrs={"ceiling_options": json.dumps(asdict(options))},
    )


def noise_corrected(
    score: xr.DataArray, ceiling: xr.Dataset, *, min_reliability: float
) -> xr.DataArray:
    """Correlation over its ceiling, with the reliability counted as no less than a minimum.

    Without the minimum, the score of a neuroid that is noise would be divided by about 0.
    """
    floored = np.sqrt(ceiling["reliability"].clip(min=min_reliability))
    return (score / floored).assign_attrs(
        long_name="correlation over noise ceiling",
        floor=f"reliability counted as at least {min_reliability}",
    )


class _Table(NamedTuple):
    """Trials in a rectangle. The last axis of ``valid`` and ``counts`` is 1 if none is missing."""

    repetition: Int[np.ndarray, "stimulus repetition"]
    values: Float[np.ndarray, "stimulus repetition neuroid time_bin"]
    valid: Bool[np.ndarray, "stimulus repetition neuroid_or_1"]
    counts: Int[np.ndarray, "stimulus neuroid_or_1"]


def _table(trials: Trials, repetition: np.ndarray) -> _Table:
    """Stimuli that have at least two repetitions for every neuroid."""
    valid = trials.valid()
    if valid.all():
        valid = valid[:, :1]
    slot = np.empty(len(valid), dtype=np.int64)
    order = np.argsort(trials.groups, kind="stable")
    sizes = np.bincount(trials.groups, minlength=trials.n_stimuli)
    slot[order] = np.concatenate([np.arange(size) for size in sizes])
    shape = (trials.n_stimuli, sizes.max())
    table = np.zeros((*shape, *trials.values.shape[1:]))
    table[trials.groups, slot] = np.where(valid[:, :, None], trials.values, 0)
    numbers = np.zeros(shape, dtype=np.int64)
    numbers[trials.groups, slot] = np.unique(repetition, return_inverse=True)[1].ravel()
    present = np.zeros((*shape, valid.shape[1]), dtype=bool)
    present[trials.groups, slot] = valid
    counts = present.sum(axis=1)
    enough = (counts >= 2).all(axis=1)
    if enough.sum() < _FEWEST_STIMULI:
        raise ValueError(
            f"a split-half reliability needs at least {_FEWEST_STIMULI} stimuli with at least 2 "
            f"repetitions, got {enough.sum()} of {trials.n_stimuli} stimuli and at most "
            f"{counts.max()} repetitions; give single trials, not their means"
        )
    return _Table(numbers[enough], table[enough], present[enough], counts[enough])


def _halves(
    table: _Table, rng: np.random.Generator
) -> tuple[
    Float[np.ndarray, "stimulus neuroid time_bin"], Float[np.ndarray, "stimulus neuroid time_bin"]
]:
    """Means of two random halves of the repetitions of each stimulus."""
    draws = rng.random(table.repetition.max() + 1)[table.repetition]
    draws += 1e-9 * rng.random(draws.shape)  # where a repetition's number occurs twice
    order = np.argsort(np.where(table.valid, draws[:, :, None], np.inf), axis=1)
    place = np.argsort(order, axis=1)
    half = (table.counts // 2)[:, None, :]
    first = (place < half) / half
    second = ((place >= half) & (place < 2 * half)) / half
    if first.shape[2] == 1:  # the same division for every neuroid: one matrix product
        n_stimuli, n_repetitions, *shape = table.values.shape
        weights = np.stack([first[:, :, 0], second[:, :, 0]], axis=1)
        means = weights @ table.values.reshape(n_stimuli, n_repetitions, -1)
        means = means.reshape(n_stimuli, 2, *shape)
        return means[:, 0], means[:, 1]
    return (
        np.einsum("srn,srnt->snt", first, table.values),
        np.einsum("srn,srnt->snt", second, table.values),
    )


def _lengthening(table: _Table, trials: Trials) -> Float[np.ndarray, " neuroid"]:
    """Noise variance of a half over that of the whole, for each neuroid."""
    halves = np.mean(1 / (table.counts // 2), axis=0)
    whole = np.mean(1 / np.maximum(trials.counts(), 1), axis=0)
    return halves / whole


def reliability_draws(responses, weights, *, ceiling=None):
    v = noise_ceiling(responses, ceiling=ceiling)["reliability"].values
    return np.broadcast_to(v, (len(weights), *v.shape)).copy()
