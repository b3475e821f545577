"""Kendall's tau-a of many pairs of vectors at once."""

import numpy as np
from jaxtyping import Float, Float64, Int64, Integer

from neurorec.geometry._threads import in_threads
from neurorec.geometry.discordance import discordant_pairs
from neurorec.geometry.inversions import inversions
from neurorec.geometry.sorting import sorting_order

# Elements of one batch: what is held at once then stays near the processor.
_BATCH_ELEMENTS = 1 << 18


def tau_a(
    a: Float[np.ndarray, "first entry"], b: Float[np.ndarray, "second entry"]
) -> Float64[np.ndarray, "first second"]:
    r"""Kendall's tau-a of every row of ``a`` with every row of ``b``.

    .. math::

        \tau_a = \frac{2}{N (N - 1)}
            \sum_{k<l} \mathrm{sgn}(a_k - a_l) \, \mathrm{sgn}(b_k - b_l)

    Ties count as neither concordant nor discordant and stay in the denominator, so that a model
    that predicts ties is not favoured.

    References
    ----------
    Nili et al. (2014) PLoS Computational Biology 10:e1003553 recommend it for models with ties.
    """
    (order_a, ranks_a), (order_b, ranks_b) = _ordered(a), _ordered(b)
    n_entries = a.shape[1]
    if ranks_a.max(axis=1).min() < n_entries - 1 or ranks_b.max(axis=1).min() < n_entries - 1:
        ones = np.ones((1, n_entries), dtype=np.int64)
        return _from_ranks(ranks_a, ranks_b, ones)[0]
    discordant = discordant_pairs(_compact(ranks_a), order_a, _compact(ranks_b), order_b)
    return 1 - 4 * discordant / (n_entries * (n_entries - 1))


def weighted_tau_a(
    a: Float[np.ndarray, "first entry"],
    b: Float[np.ndarray, "second entry"],
    counts: Int64[np.ndarray, "draw entry"],
) -> Float64[np.ndarray, "draw first second"]:
    """Tau-a of the vectors in which entry ``k`` stands ``counts[draw, k]`` times."""
    return _from_ranks(dense_ranks(a), dense_ranks(b), counts)


def dense_ranks(values: Float[np.ndarray, "row entry"]) -> Int64[np.ndarray, "row entry"]:
    """Rank of each entry in its row, from 0, without gaps; equal entries share one."""
    return _ordered(values)[1]


def _ordered(
    values: Float[np.ndarray, "row entry"],
) -> tuple[Int64[np.ndarray, "row entry"], Int64[np.ndarray, "row entry"]]:
    """What sorts each row, and its dense ranks."""
    order, ranks = np.empty((2, *values.shape), dtype=np.int64)

    def one(i: int) -> None:
        order[i] = sorting_order(values[i])
        ordered = values[i].take(order[i])
        dense = np.zeros(len(ordered), dtype=np.int64)
        np.cumsum(ordered[1:] != ordered[:-1], out=dense[1:])
        ranks[i, order[i]] = dense

    in_threads(one, range(len(values)))
    return order, ranks


def _from_ranks(
    ranks_a: Int64[np.ndarray, "first entry"],
    ranks_b: Int64[np.ndarray, "second entry"],
    counts: Int64[np.ndarray, "draw entry"],
) -> Float64[np.ndarray, "draw first second"]:
    """Concordant less discordant pairs, from counts of inversions and of ties."""
    n_entries = counts.sum(axis=1)
    n_pairs = n_entries * (n_entries - 1) / 2
    ranks_a, ranks_b = _compact(ranks_a), _compact(ranks_b)
    ties_a = [_tied_pairs(ranks, counts) for ranks in ranks_a]
    ties_b = [_tied_pairs(ranks, counts) for ranks in ranks_b]
    order_b = np.argsort(ranks_b, axis=1, kind="stable")

    def score(i: int, j: int) -> np.ndarray:
        # In the order of a, and of b where a ties, discordant pairs are inversions of b.
        order = order_b[j, np.argsort(ranks_a[i, order_b[j]], kind="stable")]
        ordered_a, ordered_b, ordered = ranks_a[i, order], ranks_b[j, order], counts[:, order]
        ties_both = _tied_pairs(_joint_groups(ordered_a, ordered_b), ordered)
        discordant = _repeated_inversions(ordered_b, ordered)
        concordant = n_pairs - discordant - ties_a[i] - ties_b[j] + ties_both
        return (concordant - discordant) / n_pairs

    cells = [(i, j) for i in range(len(ranks_a)) for j in range(len(ranks_b))]
    scores = np.stack(in_threads(lambda cell: score(*cell), cells), axis=1)
    return scores.reshape(len(counts), len(ranks_a), len(ranks_b))


def _compact(ranks: Int64[np.ndarray, "row entry"]) -> Integer[np.ndarray, "row entry"]:
    """As 16-bit integers where they fit: numpy sorts those by radix."""
    return ranks.astype(np.int16) if ranks.shape[1] < 2**15 else ranks


def _joint_groups(
    a: Integer[np.ndarray, " entry"], b: Integer[np.ndarray, " entry"]
) -> Int64[np.ndarray, " entry"]:
    """Numbers of the runs of entries that are equal in both."""
    groups = np.zeros(len(a), dtype=np.int64)
    np.cumsum((a[1:] != a[:-1]) | (b[1:] != b[:-1]), out=groups[1:])
    return groups


def _tied_pairs(
    groups: Integer[np.ndarray, " entry"], counts: Int64[np.ndarray, "draw entry"]
) -> Float64[np.ndarray, " draw"]:
    """Pairs of entries in the same group, an entry that stands twice being tied with itself."""
    n_groups = int(groups.max()) + 1
    if n_groups == len(groups):  # no two entries are equal
        return (counts * (counts - 1)).sum(axis=1) / 2
    sizes = np.stack([np.bincount(groups, weights=c, minlength=n_groups) for c in counts])
    return (sizes * (sizes - 1)).sum(axis=1) / 2


def _repeated_inversions(
    sequence: Integer[np.ndarray, " entry"], counts: Int64[np.ndarray, "draw entry"]
) -> Int64[np.ndarray, " draw"]:
    """Inversions of ``sequence`` with its entries repeated, for each draw."""
    length = int(counts.sum(axis=1).max())
    per_batch = max(1, _BATCH_ELEMENTS // length)
    batches = [counts[start : start + per_batch] for start in range(0, len(counts), per_batch)]
    return np.concatenate([inversions(_repeated(sequence, batch, length)) for batch in batches])


def _repeated(
    sequence: Integer[np.ndarray, " entry"], counts: Int64[np.ndarray, "draw entry"], length: int
) -> Integer[np.ndarray, "draw length"]:
    """``sequence`` with its entries repeated, filled up at the end with a largest value."""
    out = np.full((len(counts), length), len(sequence), dtype=sequence.dtype)
    inside = np.arange(length) < counts.sum(axis=1)[:, None]
    out[inside] = np.repeat(np.tile(sequence, len(counts)), counts.ravel())
    return out
