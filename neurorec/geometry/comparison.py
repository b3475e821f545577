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
from neurorec.geometry.whitening import check_sigma_k, whitened
from neurorec.populations.labels import result_attrs

_First = Float64[np.ndarray, "first pair"]
_Second = Float64[np.ndarray, "second pair"]
_Scores = Float64[np.ndarray, "first second"]


def _cosine(a: _First, b: _Second) -> _Scores:
    """``a . b / (|a| |b|)``."""
    return (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)


def _pearson(a: _First, b: _Second) -> _Scores:
    """Cosine of the deviations from the mean."""
    return _cosine(_centred(a), _centred(b))


def _spearman(a: _First, b: _Second) -> _Scores:
    """Pearson correlation of mid-ranks."""
    return _pearson(rankdata(a, axis=1), rankdata(b, axis=1))


def _rho_a(a: _First, b: _Second) -> _Scores:
    r"""Spearman correlation that random breaking of ties gives on average.

    .. math:: \rho_a = \frac{12}{N^3 - N} \sum_k (R_k - \bar R)(Q_k - \bar Q)

    with mid-ranks ``R`` and ``Q``: unlike Spearman's, it does not favour a model that predicts
    ties (Schütt et al. 2023, *eLife* 12:e82566, appendix 5).
    """
    n_pairs = float(a.shape[1])
    x, y = rankdata(a, axis=1), rankdata(b, axis=1)
    mean_rank = (n_pairs + 1) / 2
    return 12 * ((x - mean_rank) @ (y - mean_rank).T) / (n_pairs**3 - n_pairs)


def _whitened_cosine(a: _First, b: _Second) -> _Scores:
    """Cosine under the inverse of the covariance that independent noise gives the entries."""
    return _cosine(whitened(a), whitened(b))


def _whitened_correlation(a: _First, b: _Second) -> _Scores:
    """The whitened cosine of the deviations from the mean."""
    return _whitened_cosine(_centred(a), _centred(b))


def _centred(vectors: np.ndarray) -> np.ndarray:
    return vectors - vectors.mean(axis=1, keepdims=True)


#: Every comparison, by name: scores of each row with each row. Tests run over this table.
COMPARISONS: Final[Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = MappingProxyType(
    {
        "pearson": _pearson,
        "spearman": _spearman,
        "rho_a": _rho_a,
        "kendall": tau_a,
        "cosine": _cosine,
        "whitened_cosine": _whitened_cosine,
        "whitened_correlation": _whitened_correlation,
    }
)

LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pearson": "Pearson r",
        "spearman": "Spearman rho",
        "rho_a": "Spearman rho-a",
        "kendall": "Kendall tau-a",
        "cosine": "cosine",
        "whitened_cosine": "whitened cosine",
        "whitened_correlation": "whitened correlation",
    }
)


def compare(
    a: xr.DataArray,
    b: xr.DataArray,
    *,
    method: str = "spearman",
    undefined: str = "raise",
    sigma_k: np.ndarray | None = None,
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
        A key of ``COMPARISONS``. ``"kendall"`` is tau-a, ``"rho_a"`` the Spearman correlation
        without favour for ties. The whitened ones divide by the noise covariance of the entries,
        :math:`(C \Sigma_k C')^{\circ 2}`.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN for RDMs that hold NaN or are constant.
    sigma_k
        For whitened methods, the noise covariance of the conditions, in the order of ``a``;
        without it noise is independent and equal.

    Returns
    -------
    xr.DataArray
        The leading dimensions of ``a``, then those of ``b``.

    Raises
    ------
    ValueError
        If the method is unknown, conditions differ or are fewer than three, an RDM holds NaN,
        is constant or is no RDM, or ``sigma_k`` is no covariance or the method has no use for it.
    """
    check_option("method", method, COMPARISONS)
    first, second, coords = matched(a, b, undefined=undefined)
    x, y = first.vectors(), second.vectors()
    comparison = COMPARISONS[method]
    if sigma_k is not None:
        comparison = _with_noise(method, np.asarray(sigma_k, dtype=float), first.n_conditions)
    require_defined(x, y, method=method, undefined=undefined)
    scores = np.full((len(x), len(y)), np.nan)
    rows, columns = defined(x), defined(y)
    if rows.any() and columns.any():
        scores[np.ix_(rows, columns)] = comparison(x[rows], y[columns])
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


def _with_noise(
    method: str, sigma_k: np.ndarray, n_conditions: int
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A whitened comparison with the covariance of the noise between conditions."""
    if not method.startswith("whitened"):
        raise ValueError(
            "sigma_k is for methods 'whitened_cosine' and 'whitened_correlation', "
            f"got method={method!r}"
        )
    check_sigma_k(sigma_k, n_conditions)
    prepare = _centred if method == "whitened_correlation" else np.asarray
    return lambda a, b: _cosine(whitened(prepare(a), sigma_k), whitened(prepare(b), sigma_k))
