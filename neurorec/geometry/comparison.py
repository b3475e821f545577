"""Comparing RDMs: correlations and cosine of their upper triangles."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import xarray as xr
from jaxtyping import Float64
from scipy.stats import rankdata

from neurorec._checks import check_option
from neurorec.geometry._stack import defined, matched, require_defined
from neurorec.geometry.kendall import tau_a
from neurorec.populations.labels import result_attrs

_First = Float64[np.ndarray, "first pair"]
_Second = Float64[np.ndarray, "second pair"]
_Scores = Float64[np.ndarray, "first second"]


def _cosine(a: _First, b: _Second) -> _Scores:
    """``a . b / (|a| |b|)``."""
    return (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)


def _pearson(a: _First, b: _Second) -> _Scores:
    """Cosine of the deviations from the mean."""
    return _cosine(a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True))


def _spearman(a: _First, b: _Second) -> _Scores:
    """Pearson correlation of mid-ranks."""
    return _pearson(rankdata(a, axis=1), rankdata(b, axis=1))


#: Every comparison, by name: scores of each row with each row. Tests run over this table.
COMPARISONS: Final[Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = MappingProxyType(
    {"pearson": _pearson, "spearman": _spearman, "kendall": tau_a, "cosine": _cosine}
)

LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pearson": "Pearson r",
        "spearman": "Spearman rho",
        "kendall": "Kendall tau-a",
        "cosine": "cosine",
    }
)


def compare(
    a: xr.DataArray, b: xr.DataArray, *, method: str = "spearman", undefined: str = "raise"
) -> xr.DataArray:
    r"""Similarity of every RDM of ``a`` with every RDM of ``b``.

    Pairs of conditions are the upper triangle; conditions are matched by ``stimulus_id``,
    whatever their order.

    Parameters
    ----------
    a, b
        RDMs, each with any leading dimensions or none: time bins, areas, subjects, models. With
        time bins in both, the result is the cross-temporal comparison (time_bin, time_bin_b).
    method
        A key of ``COMPARISONS``. ``"kendall"`` is tau-a.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN for RDMs that hold NaN or are constant.

    Returns
    -------
    xr.DataArray
        The leading dimensions of ``a``, then those of ``b``.

    Raises
    ------
    ValueError
        If the method is unknown, conditions differ or are fewer than three, or an RDM holds NaN,
        is constant or is no RDM.
    """
    check_option("method", method, COMPARISONS)
    first, second, coords = matched(a, b, undefined=undefined)
    x, y = first.vectors(), second.vectors()
    require_defined(x, y, method=method, undefined=undefined)
    scores = np.full((len(x), len(y)), np.nan)
    rows, columns = defined(x), defined(y)
    if rows.any() and columns.any():
        scores[np.ix_(rows, columns)] = COMPARISONS[method](x[rows], y[columns])
    sizes = first.leading | second.leading
    return xr.DataArray(
        scores.reshape(tuple(sizes.values())),
        dims=tuple(sizes),
        coords=coords,
        attrs=result_attrs(
            a,
            method=method,
            units=LABELS[method],
            n_conditions=first.n_conditions,
            n_pairs=x.shape[1],
        ),
        name="score",
    )
