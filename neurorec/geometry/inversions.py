"""Counting the inversions of many sequences at once."""

import numpy as np
from jaxtyping import Int64, Integer

# Buckets have at most this many ranks, so that counts inside one fit a byte.
_LARGEST_BUCKET = 256


def inversions(sequences: Integer[np.ndarray, "row entry"]) -> Int64[np.ndarray, " row"]:
    """Number of pairs ``k < l`` with ``x_k > x_l``, for each row; values may repeat."""
    # Where each rank sits. Equal values keep their order, so that they make no inversion.
    positions = np.argsort(sequences, axis=1, kind="stable")
    ranks = np.empty(sequences.shape, dtype=np.int64)
    np.put_along_axis(ranks, positions, np.arange(sequences.shape[1])[None], axis=1)
    return permutation_inversions(ranks, positions)


def permutation_inversions(
    permutations: Integer[np.ndarray, "row entry"], inverses: Integer[np.ndarray, "row entry"]
) -> Int64[np.ndarray, " row"]:
    r"""Number of pairs ``k < l`` with ``x_k > x_l``, for permutations of which inverses are known.

    Ranks are cut into buckets and positions into blocks, both about :math:`\sqrt{N}` long. Pairs
    in one bucket, and pairs in one block, are compared one by one, all blocks at once and as
    small integers; pairs in different blocks and buckets are counted from the table of how many
    entries each block has in each bucket. That is :math:`N^{3/2}` vectorised comparisons of
    bytes, faster than the :math:`N \log N` of a merge at the sizes of RDMs (up to about 10^5
    entries).
    """
    n_rows, n_entries = permutations.shape
    width = block_width(n_entries)
    n_blocks = -(-n_entries // width)
    length = n_blocks * width
    small = np.int16 if length < 2**15 else np.int32
    byte = np.uint8 if n_blocks <= 256 else np.int32
    # The last block is filled up with entries that are in order.
    position, bucket = np.empty((n_rows, length), small), np.empty((n_rows, length), byte)
    position[:, :n_entries], position[:, n_entries:] = inverses, np.arange(n_entries, length)
    bucket[:, :n_entries], bucket[:, n_entries:] = permutations // width, n_blocks - 1
    shape = (n_rows, n_blocks, width)
    position, bucket = position.reshape(shape), bucket.reshape(shape)
    return _inside(position) + _inside(bucket) + _across(bucket)


def block_width(n_entries: int) -> int:
    """Length of the blocks and buckets, about the root of the number of entries."""
    return min(_LARGEST_BUCKET, max(8, int(np.ceil(np.sqrt(n_entries)))))


def _inside(blocks: Integer[np.ndarray, "row block width"]) -> Int64[np.ndarray, " row"]:
    """Inversions inside the blocks."""
    n_rows, n_blocks, width = blocks.shape
    columns = np.ascontiguousarray(blocks.transpose(2, 0, 1)).reshape(width, n_rows * n_blocks)
    return inversions_down(columns).reshape(n_rows, n_blocks).sum(axis=1)


def inversions_down(columns: Integer[np.ndarray, "width column"]) -> Int64[np.ndarray, " column"]:
    """Inversions of each column, of which there are many and none longer than a bucket."""
    width = len(columns)
    counts = np.zeros(columns.shape, dtype=np.uint8)  # at most width - 1 each
    larger = np.empty(columns.shape, dtype=bool)
    for lag in range(1, width):
        np.greater(columns[:-lag], columns[lag:], out=larger[: width - lag])
        counts[: width - lag] += larger[: width - lag].view(np.uint8)
    return counts.sum(axis=0, dtype=np.int64)


def _across(buckets: Integer[np.ndarray, "row block width"]) -> Int64[np.ndarray, " row"]:
    """Pairs in different blocks of which the earlier one has the greater bucket."""
    n_rows, n, width = buckets.shape
    cells = (np.arange(n_rows * n) * n).reshape(n_rows, n, 1) + buckets
    table = np.bincount(cells.ravel(), minlength=n_rows * n * n).reshape(n_rows, n, n)
    # Pairs of one block with all others are exact in single precision up to 2^24.
    table = table.astype(np.float32 if n * width**2 < 1 << 24 else np.float64)
    smaller = np.cumsum(table, axis=2) - table
    per_pair = smaller @ table.transpose(0, 2, 1)
    per_pair *= np.tri(n, k=-1, dtype=table.dtype)
    return per_pair.sum(axis=2).sum(axis=1, dtype=np.float64).astype(np.int64)
