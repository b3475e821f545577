"""The distribution of accuracy when labels say nothing: they are dealt out anew."""

from typing import Any, Final

import numpy as np
from jaxtyping import Float64, Int64

from neurorec.stats import permutation_p_value

#: Quantiles of the null distribution that results hold.
QUANTILES: Final = (0.05, 0.5, 0.95)


def labellings(
    codes: Int64[np.ndarray, " presentation"],
    items: Int64[np.ndarray, " presentation"],
    strata: Int64[np.ndarray, " presentation"],
    *,
    n_permutations: int,
    rng: np.random.Generator,
) -> Int64[np.ndarray, "labelling presentation"]:
    """The labels, and then permutations of them.

    Parameters
    ----------
    items
        What is given a label as a whole: a presentation, or all those of a stimulus.
    strata
        Items of one stratum exchange labels.

    Raises
    ------
    ValueError
        If ``n_permutations`` is negative, or no two items with different labels share a stratum.
    """
    if n_permutations < 0:
        raise ValueError(f"n_permutations must be 0 or more, got {n_permutations}")
    if n_permutations == 0:
        return codes[None]
    _, first, position = np.unique(items, return_index=True, return_inverse=True)
    of_item, stratum = codes[first], strata[first]
    if not any(len(np.unique(of_item[stratum == s])) > 1 for s in np.unique(stratum)):
        raise ValueError(
            "labels can not be permuted: in no stratum (repetition, or fold of stimuli, of one "
            "condition) are there two classes; give n_permutations=0 or other folds"
        )
    order = np.argsort(stratum, kind="stable")
    keys = rng.random((n_permutations, len(first)))
    shuffled = np.lexsort((keys, np.broadcast_to(stratum, keys.shape)), axis=1)
    dealt = np.empty((n_permutations, len(first)), dtype=np.int64)
    dealt[:, order] = of_item[shuffled]
    return np.concatenate([codes[None], dealt[:, position.ravel()]])


def permutation_rng(seed: int | np.random.Generator) -> np.random.Generator:
    """A stream for permutations, beside the one that deals stimuli to folds."""
    return seed if isinstance(seed, np.random.Generator) else np.random.default_rng([1, seed])


def null_variables(
    observed: Float64[np.ndarray, "*cell"],
    null: Float64[np.ndarray, "permutation *cell"],  # noqa: F821
    dims: tuple[str, ...],
) -> dict[str, Any]:
    """``p_value``, ``p_value_max`` and ``null_quantile`` as variables of a result.

    Where the accuracy is undefined so are they.
    """
    defined = np.isfinite(observed)
    # Sums of shares in different orders differ by rounding, and a tie counts as reached.
    seen, drawn = np.round(observed[defined], 12), np.round(null[:, defined], 12)
    highest = drawn.max(axis=1, initial=-np.inf)
    p, p_max = np.full(observed.shape, np.nan), np.full(observed.shape, np.nan)
    p[defined] = permutation_p_value(seen, drawn)
    p_max[defined] = permutation_p_value(seen, np.broadcast_to(highest[:, None], drawn.shape))
    quantiles = np.quantile(null, QUANTILES, axis=0)
    about = {"n_permutations": len(null)}
    return {
        "p_value": (dims, p, about | {"long_name": "p, cell by cell, one-sided"}),
        "p_value_max": (dims, p_max, about | {"long_name": "p against the largest of all cells"}),
        "null_quantile": (("quantile", *dims), quantiles, about),
    }
