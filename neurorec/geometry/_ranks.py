"""Mid-ranks of entries that stand several times in a sample."""

import numpy as np
from jaxtyping import Float64, Int64

_Keys = Int64[np.ndarray, "row entry"]
_Counts = Int64[np.ndarray, " entry"]
_Ranks = Int64[np.ndarray, "row entry"]

# Up to so many keys per entry, counting is faster than sorting.
_DENSE = 6


def doubled_midranks(keys: _Keys, counts: _Counts) -> _Ranks:
    """Twice the deviations of mid-ranks from their mean, entry k standing ``counts[k]`` times.

    Keys are integers from 0; equal keys tie. Integers all through, so that ranks can be summed over
    subjects and ranked again without rounding.
    """
    largest = int(keys.max())
    by_counting = largest < _DENSE * keys.shape[1]
    return _counted(keys, counts, largest + 1) if by_counting else _sorted(keys, counts)


def _counted(keys: _Keys, counts: _Counts, n_keys: int) -> _Ranks:
    """From the cumulative histogram, for keys not many more than entries."""
    offsets = keys + n_keys * np.arange(len(keys))[:, None]
    weights = np.broadcast_to(counts, keys.shape).ravel()
    sizes = np.bincount(offsets.ravel(), weights=weights, minlength=n_keys * len(keys))
    sizes = sizes.astype(np.int64).reshape(len(keys), n_keys)
    table = 2 * np.cumsum(sizes, axis=1) - sizes - counts.sum()
    return table.ravel().take(offsets)


def _sorted(keys: _Keys, counts: _Counts) -> _Ranks:
    """Key and position in one number: one plain sort gives the order, faster than argsort."""
    n_entries = keys.shape[1]
    bits = max(1, (n_entries - 1).bit_length())
    small = int(keys.max()).bit_length() + bits <= 31
    packed = keys.astype(np.int32 if small else np.int64)
    packed <<= bits
    packed |= np.arange(n_entries, dtype=packed.dtype)
    packed.sort(axis=1)
    order = packed & ((1 << bits) - 1)
    packed >>= bits
    weights = counts.take(order)
    upper = np.cumsum(weights, axis=1)
    lower = upper - weights
    different = packed[:, 1:] != packed[:, :-1]
    if not different.all():
        lower[:, 1:] *= different
        np.maximum.accumulate(lower, axis=1, out=lower)
        upper[:, :-1][~different] = upper[0, -1]
        reverse = upper[:, ::-1]
        np.minimum.accumulate(reverse, axis=1, out=reverse)
    lower += upper
    lower -= upper[0, -1]
    out = np.empty_like(lower)
    out.ravel()[order + n_entries * np.arange(len(keys))[:, None]] = lower
    return out


def rank_products(
    a: Int64[np.ndarray, "first entry"],
    b: Int64[np.ndarray, "second entry"],
    counts: Int64[np.ndarray, " entry"],
) -> Float64[np.ndarray, "first second"]:
    """``sum_k counts_k x_k y_k`` of the deviations of ranks, from their doubles."""
    return (a * counts).astype(np.float64) @ b.T.astype(np.float64) / 4
