"""Mid-ranks of entries that stand several times in a sample."""

import numpy as np
from jaxtyping import Float64, Int64


def doubled_midranks(
    keys: Int64[np.ndarray, "row entry"], counts: Int64[np.ndarray, " entry"]
) -> Int64[np.ndarray, "row entry"]:
    """Twice the deviation of each mid-rank from the mean rank, entry k standing ``counts[k]`` times.

    Keys are integers from 0; equal keys tie. Integers all through, so that ranks can be summed over
    subjects and ranked again without rounding.
    """
    n_entries = keys.shape[1]
    # Key and position in one number: one plain sort gives the order, much faster than argsort.
    bits = max(1, (n_entries - 1).bit_length())
    packed = np.sort(keys << bits | np.arange(n_entries), axis=1)
    order = packed & ((1 << bits) - 1)
    weights = counts[order]
    upper = np.cumsum(weights, axis=1)
    lower = upper - weights
    packed >>= bits
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
    np.put_along_axis(out, order, lower, axis=1)
    return out


def rank_products(
    a: Int64[np.ndarray, "first entry"],
    b: Int64[np.ndarray, "second entry"],
    counts: Int64[np.ndarray, " entry"],
) -> Float64[np.ndarray, "first second"]:
    """``sum_k counts_k x_k y_k`` of the deviations of ranks, from their doubles."""
    return (a * counts).astype(np.float64) @ b.T.astype(np.float64) / 4
