"""Traces and quadratic forms of class covariances, from inner products of presentations."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float64

from neurorec.geometry.manifold_points import Manifolds

_Pairs = Float64[np.ndarray, "time_bin n_classes n_classes"]
_Classes = Float64[np.ndarray, "time_bin n_classes"]

# Below this share of the mean squared distance from the centre of all, a class does not vary.
_CONSTANT_SHARE = 1e-14


class Traces(NamedTuple):
    """Of classes a (rows) and b (columns).

    Parameters
    ----------
    distance
        Squared distance of the centres.
    total
        Trace of the covariance of each class.
    products
        Trace of the product of two covariances.
    along
        Quadratic form of the covariance of a, of the difference of the centres of a and b.
    """

    distance: _Pairs
    total: _Classes
    products: _Pairs
    along: _Pairs


class Moments(NamedTuple):
    """Terms of the signal-to-noise ratio, in units of the squared radius of class a."""

    signal: _Pairs
    bias: _Pairs
    overlap: _Pairs
    overlap_b: _Pairs
    dimension_noise: _Pairs
    dimension_noise_b: _Pairs
    noise_overlap: _Pairs
    dimension: _Classes


def _unbiased(traces: Traces, sizes: Float64[np.ndarray, " n_classes"]) -> Traces:
    """Expectations about the sampled moments taken out, for Gaussian presentations.

    With ``S`` an unbiased covariance of ``n`` presentations, the mean of ``tr S^2`` is
    ``tr C^2 (1 + 1 / (n - 1)) + (tr C)^2 / (n - 1)``; means are independent of covariances.
    """
    n = sizes
    total = traces.total * n / (n - 1)
    products = traces.products * (n / (n - 1)) * (n / (n - 1))[:, None]
    squares = np.einsum("tcc->tc", products)
    # The mean of (tr S)^2 is (tr C)^2 + 2 tr C^2 / (n - 1).
    corrected = (squares - total**2 / (n - 1)) * (n - 1) ** 2 / ((n - 2) * (n + 1))
    products[:, np.arange(len(n)), np.arange(len(n))] = corrected
    of_mean = total / n
    different = ~np.eye(len(n), dtype=bool)
    distance = traces.distance - (of_mean[:, :, None] + of_mean[:, None, :]) * different
    along = traces.along * (n / (n - 1))[:, None]
    along = along - (corrected / n)[:, :, None] - products / n
    return Traces(distance, total, products, along)


def _plain(traces: Traces, sizes: Float64[np.ndarray, " n_classes"]) -> Traces:
    """The moments of the presentations, covariances divided by their number."""
    return traces


#: Estimates of the moments, by name. Tests run over this table.
ESTIMATES: Final[Mapping[str, Callable[[Traces, np.ndarray], Traces]]] = MappingProxyType(
    {"plain": _plain, "unbiased": _unbiased}
)


def moments_of(manifolds: Manifolds, estimate: Callable[[Traces, np.ndarray], Traces]) -> Moments:
    """Terms of the signal-to-noise ratio of every pair of classes."""
    sizes = np.bincount(manifolds.codes).astype(np.float64)
    found = estimate(_traces(manifolds, sizes), sizes)
    spread = np.einsum("tii->t", manifolds.products) / len(manifolds.codes)
    varies = found.total > _CONSTANT_SHARE * spread[:, None]
    total = np.where(varies, found.total, np.nan)
    radius = total[:, :, None]  # squared, of class a
    squares = np.einsum("tcc->tc", found.products)
    return Moments(
        signal=found.distance / radius,
        bias=found.total[:, None, :] / radius - 1,
        overlap=found.along / radius**2,
        overlap_b=found.along.transpose(0, 2, 1) / radius**2,
        dimension_noise=squares[:, :, None] / radius**2,
        dimension_noise_b=squares[:, None, :] / radius**2,
        noise_overlap=found.products / radius**2,
        dimension=total**2 / np.where(squares > 0, squares, np.nan),
    )


def _traces(manifolds: Manifolds, sizes: Float64[np.ndarray, " n_classes"]) -> Traces:
    """Moments in which covariances are divided by the number of presentations."""
    means = manifolds.means()
    members = (manifolds.codes == np.arange(len(sizes))[:, None]).astype(np.float64)
    products = manifolds.products
    with_means = products @ means.T  # (time_bin, row, class)
    centres = means @ with_means
    squares = np.einsum("tcc->tc", centres)
    distance = squares[:, :, None] + squares[:, None, :] - 2 * centres
    # Deviations of rows from the centre of their class.
    own = np.eye(len(means.T)) - members.T @ means
    deviations = own @ products @ own.T
    total = np.einsum("tii->ti", deviations) @ means.T
    between = means @ deviations**2 @ means.T
    towards = own @ with_means  # inner products of deviations with centres
    # For a row of class a: its component along the centre of a less that of b.
    own_centre = np.take_along_axis(towards, manifolds.codes[None, :, None], axis=2)
    along = means @ (own_centre - towards) ** 2
    return Traces(distance, total, between, along)
