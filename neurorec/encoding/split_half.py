"""Reliability of mean responses from random halves of the repetitions."""

from typing import Any, Final, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int, Num

from neurorec.assemblies import NEUROID, TIME_BIN
from neurorec.encoding.trial_tables import Table, labelled, tables
from neurorec.stats.correlation import spearman_brown

#: What ``split_half_reliability`` computes, as its results say it.
CONVENTION: Final = (
    "Pearson correlation over stimuli between means of two random halves of the repetitions, the "
    "same repetitions for all stimuli that have them; {correction}; correction before the mean "
    "over splits; an odd repetition is left out, drawn anew on each split"
)
_CORRECTION: Final = "Spearman-Brown corrected to the number of repetitions that the means have"
_FEWEST_STIMULI: Final = 3

# Numbers that are worked on at once: what the caches of a core hold.
_BLOCK: Final = 2**17

# Numbers that draws hold at once, beside their result.
_BATCH: Final = 2**22

# A sum of squared deviations below this share of the sum of squares is rounding.
_ROUNDING: Final = 1e-20
_ROUNDING_OF_MOMENTS: Final = 1e-12


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
        Few repetitions have few divisions (three, of four), which then occur more than once.
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
    found, kept = _with_halves(responses)
    orders = _orders(found, n_splits, seed)
    reliability = np.empty((n_splits, *responses.shape[1:]))
    lengthening = np.empty(responses.shape[1])
    for whole in found:
        table = whole.restricted(kept)
        divisions = _divisions(table, orders)
        plain = (_from_covariance if table.is_complete else _from_halves)(table, divisions)
        longer = lengthening[whole.neuroids] = _lengthening(whole, kept, np.ones((1, len(kept))))
        values = spearman_brown(plain, lengthening=longer) if corrected else plain
        reliability[:, whole.neuroids] = values[divisions.which]
    correction = _CORRECTION if corrected else "not corrected"
    attrs: dict[str, Any] = {
        "convention": CONVENTION.format(correction=correction),
        "lengthening": float(lengthening.mean()),
        "n_stimuli": int(kept.sum()),
        "n_stimuli_left_out": int((~kept).sum()),
    }
    coords = labelled(responses) | {"split": xr.DataArray(np.arange(n_splits), dims="split")}
    return xr.DataArray(reliability, dims=("split", NEUROID, TIME_BIN), coords=coords, attrs=attrs)


def split_half_draws(
    responses: xr.DataArray,
    weights: Num[np.ndarray, "draw stimulus"],
    *,
    n_splits: int,
    seed: int | np.random.Generator = 0,
) -> Float[np.ndarray, "draw neuroid time_bin"]:
    """Mean over splits of the reliability of assemblies that have each stimulus so often.

    Each division is a few products of the weights with the halves and their squares.

    Parameters
    ----------
    weights
        Stimuli in order of first appearance.
    n_splits
        The first so many divisions that :func:`split_half_reliability` makes with the seed.

    Raises
    ------
    ValueError
        If fewer than three stimuli have two repetitions.
    """
    found, kept = _with_halves(responses)
    orders = _orders(found, n_splits, seed)
    counts = np.asarray(weights, dtype=float)
    inner = counts[:, kept]
    reliability = np.empty((len(weights), *responses.shape[1:]))
    for whole in found:
        table = whole.restricted(kept)
        divisions = _divisions(table, orders)
        longer = _lengthening(whole, kept, counts)[:, None]
        shares = np.bincount(divisions.which) / n_splits
        step = _step(table, rows=5 * (len(inner) + len(table.valid)), numbers=_BATCH)
        for start in range(0, len(table.neuroids), step):
            block = table.block(start, start + step)
            mean = np.zeros((len(inner), block.shape[2]))
            for first, second, share in zip(*divisions[:2], shares, strict=True):
                r = _weighted_correlation(inner, *_means(block, first, second))
                mean += share * spearman_brown(r, lengthening=longer)
            places = table.neuroids[start : start + step]
            reliability[:, places] = mean.reshape(len(mean), len(places), -1)
    return reliability


class Divisions(NamedTuple):
    """Different divisions into halves, and which of them each split has.

    Parameters
    ----------
    first, second
        Of each division, which repetitions are in a half.
    which
        The division of each split.
    """

    first: list[Bool[np.ndarray, "stimulus repetition"]]
    second: list[Bool[np.ndarray, "stimulus repetition"]]
    which: Int[np.ndarray, " split"]


def _with_halves(responses: xr.DataArray) -> tuple[list[Table], Bool[np.ndarray, " stimulus"]]:
    """Tables, and which stimuli have at least two repetitions for every neuroid."""
    found = tables(responses)
    counts = np.stack([table.counts for table in found])
    kept = (counts >= 2).all(axis=0)
    if kept.sum() < _FEWEST_STIMULI:
        raise ValueError(
            f"a split-half reliability needs at least {_FEWEST_STIMULI} stimuli with at least 2 "
            f"repetitions, got {kept.sum()} of {len(kept)} stimuli and at most {counts.max()} "
            "repetitions; give single trials, not their means, and leave out neuroids that lack "
            "them"
        )
    return found, kept


def _orders(
    found: list[Table], n_splits: int, seed: int | np.random.Generator
) -> Float[np.ndarray, "split number"]:
    """Numbers of repetitions in random order; the first splits do not depend on how many follow."""
    n_numbers = int(found[0].repetition.max()) + 1
    return np.random.default_rng(seed).random((n_splits, n_numbers))


def _divisions(table: Table, orders: Float[np.ndarray, "split number"]) -> Divisions:
    known: dict[frozenset[bytes], int] = {}
    result = Divisions([], [], np.empty(len(orders), dtype=np.int64))
    half = (table.counts // 2)[:, None]
    for split, order in enumerate(orders):
        turn = np.where(table.valid, order[table.repetition], np.inf)
        place = np.argsort(np.argsort(turn, axis=1), axis=1)
        first, second = place < half, (place >= half) & (place < 2 * half)
        # The correlation does not know which half is the first.
        key = frozenset((first.tobytes(), second.tobytes()))
        result.which[split] = known.setdefault(key, len(known))
        if len(known) > len(result.first):
            result.first.append(first)
            result.second.append(second)
    return result


def _lengthening(
    whole: Table, kept: Bool[np.ndarray, " stimulus"], weights: Float[np.ndarray, "draw stimulus"]
) -> Float[np.ndarray, " draw"]:
    """Noise variance of a half over that of the whole."""
    counts = whole.counts
    inner = weights[:, kept]
    of_half = inner @ (1 / (counts[kept] // 2)) / np.maximum(inner.sum(axis=1), 1)
    of_whole = weights @ (1 / np.maximum(counts, 1)) / weights.sum(axis=1)
    # A draw without any stimulus that can be halved has reliability 0, however long.
    return np.where(of_half > 0, of_half, 1) / of_whole


def _means(
    values: Float[np.ndarray, "stimulus repetition target"],
    *halves: Bool[np.ndarray, "stimulus repetition"],
) -> list[Float[np.ndarray, "stimulus target"]]:
    """Mean over the repetitions in each half."""
    weights = np.stack([half / half.sum(axis=1, keepdims=True) for half in halves], axis=1)
    return list((weights @ values).swapaxes(0, 1))


def _from_covariance(
    table: Table, divisions: Divisions
) -> Float[np.ndarray, "division neuroid time_bin"]:
    r"""Correlations of halves that are the same repetitions for every stimulus.

    With weights ``u`` and ``v`` of the repetitions in the two halves, and the covariance ``C`` of
    repetitions over stimuli, all divisions come from one pass over the trials:

    .. math:: r = u^\top C v / \sqrt{u^\top C u \; v^\top C v}
    """
    halves = [np.stack([half[0] for half in side]).astype(float) for side in divisions[:2]]
    first, second = (half / half.sum(axis=1, keepdims=True) for half in halves)
    correlations = np.empty((len(first), *table.values.shape[2:]))
    n_stimuli, n_repetitions = table.valid.shape
    step = _step(table, rows=n_stimuli * n_repetitions, numbers=_BLOCK)
    for start in range(0, len(table.neuroids), step):
        block = table.block(start, start + step)
        size = np.einsum("srt,srt->t", block, block)
        centred = np.ascontiguousarray((block - block.mean(axis=0)).transpose(2, 1, 0))
        covariance = centred @ centred.transpose(0, 2, 1)
        from_first, from_second = first @ covariance, second @ covariance
        between, one, two = (
            np.einsum("tdr,dr->dt", left, right)
            for left, right in ((from_first, second), (from_first, first), (from_second, second))
        )
        r = _ratio(between, one, two, least=_ROUNDING * size)
        correlations[:, start : start + step] = r.reshape(len(first), -1, table.values.shape[3])
    return correlations


def _from_halves(
    table: Table, divisions: Divisions
) -> Float[np.ndarray, "division neuroid time_bin"]:
    """Correlations of the means of halves that differ from stimulus to stimulus."""
    correlations = np.empty((len(divisions.first), *table.values.shape[2:]))
    once = np.ones((1, len(table.valid)))
    step = _step(table, rows=len(table.valid), numbers=_BLOCK)
    for start in range(0, len(table.neuroids), step):
        block = table.block(start, start + step)
        for i, (first, second) in enumerate(zip(*divisions[:2], strict=True)):
            r = _weighted_correlation(once, *_means(block, first, second))
            correlations[i, start : start + step] = r.reshape(-1, table.values.shape[3])
    return correlations


def _weighted_correlation(
    weights: Float[np.ndarray, "draw stimulus"],
    a: Float[np.ndarray, "stimulus target"],
    b: Float[np.ndarray, "stimulus target"],
) -> Float[np.ndarray, "draw target"]:
    """Pearson correlation over stimuli that count so often."""
    a, b = _centred(a), _centred(b)
    sums = weights @ np.concatenate([a, b, a * a, b * b, a * b], axis=1)
    sum_a, sum_b, of_a, of_b, between = np.split(sums, 5, axis=1)
    n = np.maximum(weights.sum(axis=1, keepdims=True), 1)
    one, two = of_a - sum_a**2 / n, of_b - sum_b**2 / n
    one[one <= _ROUNDING_OF_MOMENTS * of_a] = 0
    two[two <= _ROUNDING_OF_MOMENTS * of_b] = 0
    return _ratio(between - sum_a * sum_b / n, one, two, least=np.zeros(a.shape[1]))


def _centred(values: Float[np.ndarray, "stimulus target"]) -> Float[np.ndarray, "stimulus target"]:
    """Deviations from the mean; exactly 0 where they are rounding."""
    deviation = values - values.mean(axis=0)
    varies = np.einsum("st,st->t", deviation, deviation) > _ROUNDING * np.einsum(
        "st,st->t", values, values
    )
    return deviation if varies.all() else deviation * varies


def _ratio(
    between: Float[np.ndarray, "row target"],
    one: Float[np.ndarray, "row target"],
    two: Float[np.ndarray, "row target"],
    *,
    least: Float[np.ndarray, " target"],
) -> Float[np.ndarray, "row target"]:
    """Correlation from sums of squares and products; 0 where a side does not vary."""
    varies = (one > least) & (two > least)
    size = np.sqrt(np.where(varies, one, 1)) * np.sqrt(np.where(varies, two, 1))
    return np.clip(between / size, -1, 1) * varies


def _step(table: Table, *, rows: int, numbers: int) -> int:
    """How many neuroids are worked on at once."""
    return max(1, numbers // (rows * table.values.shape[3]))
