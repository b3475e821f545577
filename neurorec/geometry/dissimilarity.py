"""Representational dissimilarity matrices over time, from the Gram matrix."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN
from neurorec.populations import patterns_of
from neurorec.populations.labels import (
    CONDITION,
    CONDITION_B,
    UNDEFINED,
    condition_coords,
    describe_bins,
    result_attrs,
    time_coords,
)

# A pattern counts as constant when its variance is below this share of its mean square: in
# float64 the difference of the two sums is then rounding error.
_CONSTANT_SHARE = 1e-12

_Grams = Float64[Tensor, "time_bin stimulus stimulus"]
_Sums = Float64[Tensor, "time_bin stimulus"]


def _squared_euclidean(products: _Grams, sums: _Sums, n_neuroids: int) -> _Grams:
    """``|x_i - x_j|^2 = K_ii + K_jj - 2 K_ij``, summed over neuroids."""
    squares = products.diagonal(dim1=-2, dim2=-1)
    distances = squares[:, :, None] + squares[:, None, :] - 2 * products
    distances.diagonal(dim1=-2, dim2=-1).zero_()
    return distances.clamp_(min=0)


def _cosine(products: _Grams, sums: _Sums, n_neuroids: int) -> _Grams:
    """``1 - K_ij / sqrt(K_ii K_jj)``."""
    return _one_minus_cosine(products, products.diagonal(dim1=-2, dim2=-1))


def _correlation(products: _Grams, sums: _Sums, n_neuroids: int) -> _Grams:
    """1 - Pearson over neuroids: the cosine of ``K - s s' / p``, patterns less their means."""
    centred = products - sums[:, :, None] * sums[:, None, :] / n_neuroids
    return _one_minus_cosine(centred, products.diagonal(dim1=-2, dim2=-1))


def _one_minus_cosine(products: _Grams, mean_squares: _Sums) -> _Grams:
    """NaN in the rows and columns of patterns without length."""
    squares = products.diagonal(dim1=-2, dim2=-1)
    inverse = torch.where(squares > _CONSTANT_SHARE * mean_squares, squares, torch.nan).rsqrt()
    distances = 1 - products * (inverse[:, :, None] * inverse[:, None, :])
    distances.diagonal(dim1=-2, dim2=-1).copy_(0 * inverse)
    return torch.clamp(distances, 0, 2)


#: Every dissimilarity, by name: a function of the Gram matrices, the sums of the patterns over
#: neuroids, and the number of neuroids. Tests run over this table.
DISSIMILARITIES: Final[Mapping[str, Callable[[Tensor, Tensor, int], Tensor]]] = MappingProxyType(
    {"correlation": _correlation, "squared_euclidean": _squared_euclidean, "cosine": _cosine}
)

_UNITS = {
    "correlation": "1 - Pearson r",
    "squared_euclidean": "squared activity, summed over neuroids",
    "cosine": "1 - cosine",
}


def rdm(
    source: Any,
    *,
    method: str = "correlation",
    undefined: str = "raise",
    precision: str = "float64",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Dissimilarity of the responses to every pair of stimuli, for each time bin.

    With ``x_i`` the pattern of stimulus i over ``p`` neuroids, ``K`` the Gram matrix of the
    patterns and ``s`` their sums over neuroids:

    .. math::

        d^{euclidean}_{ij} &= K_{ii} + K_{jj} - 2 K_{ij} \\
        d^{cosine}_{ij} &= 1 - K_{ij} / \sqrt{K_{ii} K_{jj}} \\
        d^{correlation} &= d^{cosine} \text{ of } K - s s^\top / p

    Parameters
    ----------
    source
        Assembly, ``recording.area("IT")`` or array (stimulus, unit, timestep); repetitions are
        averaged first. All time bins are computed in one batch, and units are read block by
        block, so that they may lie in a file.
    method
        A key of ``DISSIMILARITIES``. The squared Euclidean distance is a sum over neuroids;
        some toolboxes divide it by their number.
    undefined
        ``"raise"``, or ``"nan"`` to leave NaN in the rows and columns of patterns that are
        constant over neuroids (correlation) or zero (cosine), as those of a deep model area
        are before the stimulus has reached it.
    precision
        Of the products inside a block of neuroids. ``"float32"`` is faster and costs an error of
        about 1e-7 times the mean square of a pattern over its variance.

    Returns
    -------
    xr.DataArray
        (time_bin, condition, condition_b); ``condition`` carries the stimulus columns.

    Raises
    ------
    ValueError
        If the method or precision is unknown, there are fewer than three stimuli, activity is
        not finite, or a pattern is constant.

    References
    ----------
    Kriegeskorte, Mur and Bandettini (2008) Frontiers in Systems Neuroscience 2:4.
    """
    check_option("method", method, DISSIMILARITIES)
    check_option("undefined", undefined, UNDEFINED)
    patterns = patterns_of(source, precision=precision, device=device)
    n_neuroids = patterns.n_neuroids
    values = DISSIMILARITIES[method](patterns.products, patterns.sums, n_neuroids).cpu().numpy()
    empty = np.isnan(np.diagonal(values, axis1=1, axis2=2))
    if empty.any() and undefined == "raise":
        _raise_constant(patterns.stimulus_ids, method, empty)
    return xr.DataArray(
        values,
        dims=(TIME_BIN, CONDITION, CONDITION_B),
        coords=time_coords(patterns.labels) | condition_coords(patterns.labels),
        attrs=result_attrs(
            patterns.labels,
            method=method,
            units=_UNITS[method],
            n_conditions=values.shape[1],
            n_neuroids=n_neuroids,
            n_undefined_patterns=int(empty.sum()),
        ),
        name="rdm",
    )


def _raise_constant(stimulus_ids: list[str], method: str, empty: np.ndarray) -> None:
    kind = "zero" if method == "cosine" else "constant over neuroids"
    t, i = np.argwhere(empty)[0]
    raise ValueError(
        f"the {method} dissimilarity is undefined for patterns that are {kind}, as that of "
        f"stimulus {stimulus_ids[i]!r} in time bin {t} is; it happens in "
        + describe_bins(empty.any(axis=1))
    )
