"""The order of floating-point numbers."""

import numpy as np
from jaxtyping import Float, Int64

# All but the sign: numbers below zero have their bits in reverse order.
_MAGNITUDE = np.int64(2**63 - 1)


def sorting_order(values: Float[np.ndarray, " entry"]) -> Int64[np.ndarray, " entry"]:
    """As ``np.argsort(values)``, in about half its time.

    The bits of a number order it as an integer does. Its lowest ones give way to its position, so
    that one plain sort brings the order; where that mixed up numbers that differ by less, they are
    sorted as they are.
    """
    position = (1 << max(1, (len(values) - 1).bit_length())) - 1
    keys = np.array(values, dtype=np.float64).view(np.int64)
    keys ^= (keys >> 63) & _MAGNITUDE
    keys &= ~position
    keys |= np.arange(len(keys))
    keys.sort()
    keys &= position
    ordered = values.take(keys)
    return keys if (ordered[:-1] <= ordered[1:]).all() else np.argsort(values)
