"""Counting the discordant pairs of many vectors with many others, none of which has ties."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from jaxtyping import Float, Int64, Integer

from neurorec.geometry._threads import in_threads
from neurorec.geometry.inversions import block_width, inversions_down

# Entries of one batch: what is held at once then stays near the processor.
_BATCH: Final = 1 << 19

_Ranks = Integer[np.ndarray, "row entry"]
_Other = Integer[np.ndarray, "other entry"]
_Counts = Int64[np.ndarray, "row other"]


def discordant_pairs(
    ranks_a: Integer[np.ndarray, "first entry"],
    order_a: Int64[np.ndarray, "first entry"],
    ranks_b: Integer[np.ndarray, "second entry"],
    order_b: Int64[np.ndarray, "second entry"],
) -> Int64[np.ndarray, "first second"]:
    r"""Number of pairs of entries that one vector has in order and the other reversed.

    Ranks of both are cut into buckets, about :math:`\sqrt N` long. Pairs that share a bucket in
    one vector are compared one by one, many vectors at once and as small integers; others are
    counted from the table of how many entries lie in each bucket of the one and of the other.

    Parameters
    ----------
    ranks_a, ranks_b
        Permutations of ``0 ... N - 1``.
    order_a, order_b
        Their inverses.
    """
    n_entries = ranks_a.shape[1]
    width = block_width(n_entries)
    buckets_a, buckets_b = _buckets(ranks_a, width), _buckets(ranks_b, width)
    found = _in_batches(_apart, buckets_a, buckets_b)
    # Entries that share both buckets are counted once, by the ranks.
    found += _in_batches(lambda order, other: _together(order, other, width), order_a, buckets_b)
    found += _in_batches(lambda order, other: _together(order, other, width), order_b, ranks_a).T
    return found


def _buckets(ranks: _Ranks, width: int) -> _Ranks:
    buckets = ranks // width
    # The largest value of a type is kept for what fills up the last bucket.
    return buckets.astype(np.uint8 if buckets.max() < 255 else np.int32)


def _in_batches(count: Callable[[_Ranks, _Other], _Counts], rows: _Ranks, other: _Other) -> _Counts:
    """Counts of every row with every other."""
    found = np.empty((len(rows), len(other)), dtype=np.int64)

    def counted(batch: tuple[slice, slice]) -> None:
        found[batch] = count(rows[batch[0]], other[batch[1]])

    in_threads(counted, _batches(len(rows), len(other), rows.shape[1]))
    return found


def _batches(n_rows: int, n_other: int, n_entries: int) -> Iterator[tuple[slice, slice]]:
    n_pairs = max(1, _BATCH // n_entries)
    columns = min(n_other, n_pairs)
    step = max(1, n_pairs // columns)
    for i in range(0, n_rows, step):
        for j in range(0, n_other, columns):
            yield slice(i, i + step), slice(j, j + columns)


def _together(order: _Ranks, other: _Other, width: int) -> _Counts:
    """Pairs that share a bucket in the order of a row, and are reversed in another."""
    n_rows, n_entries = order.shape
    n_blocks = -(-n_entries // width)
    last = np.iinfo(other.dtype).max
    columns = np.concatenate([other.T, np.full((1, len(other)), last, other.dtype)])
    index = np.full((n_rows, n_blocks * width), n_entries)
    index[:, :n_entries] = order
    entries = columns[index.reshape(n_rows, n_blocks, width).transpose(2, 0, 1)]
    counts = inversions_down(entries.reshape(width, -1))
    return counts.reshape(n_rows, n_blocks, len(other)).sum(axis=1)


def _apart(rows: _Ranks, other: _Other) -> _Counts:
    """Pairs in a lower bucket of a row and in a higher one of another, or the reverse."""
    n_entries, n = rows.shape[1], int(max(rows.max(), other.max())) + 1
    n_pairs = len(rows) * len(other)
    cells = (rows.astype(np.int64) * n)[:, None] + other
    cells.reshape(n_pairs, n_entries)[:] += (np.arange(n_pairs) * n**2)[:, None]
    table = np.bincount(cells.ravel(), minlength=n_pairs * n**2).reshape(n_pairs, n, n)
    # Entries of one bucket with all others are exact in single precision up to 2^24.
    table = table.astype(np.float32 if n_entries**2 < n << 24 else np.float64)
    return _reversed_pairs(table).reshape(len(rows), len(other))


def _reversed_pairs(table: Float[np.ndarray, "pair n n"]) -> Int64[np.ndarray, " pair"]:
    r""":math:`\sum T_{ij} T_{kl}` over ``i < k`` and ``j > l``."""
    below = np.cumsum(table, axis=2)
    below -= table
    later = np.zeros_like(table[:, 0])
    total = np.zeros(len(table))
    for i in reversed(range(table.shape[1])):
        total += np.einsum("pj,pj->p", table[:, i], later)
        later += below[:, i]
    return total.astype(np.int64)
