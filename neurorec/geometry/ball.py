"""Capacity of balls, in closed form up to one integral."""

from typing import Any, Final

import numpy as np
from jaxtyping import Float64
from scipy.integrate import quad
from scipy.special import gammaln, ndtr
from scipy.stats import chi

# Probability beyond either end of the range of integration.
_TAIL: Final = 1e-13


def ball_capacity(radius: Any, dimension: Any) -> Float64[np.ndarray, "..."]:
    r"""Capacity of balls of a radius (in norms of their centres) and dimension.

    .. math::

        \frac{1}{\alpha} = \Big\langle
            \int_{-t / R}^{R t} \! \mathrm{D}t_0 \, \frac{(R t - t_0)^2}{1 + R^2}
            + \int_{-\infty}^{-t / R} \! \mathrm{D}t_0 \, (t^2 + t_0^2)
        \Big\rangle_{t \sim \chi_D}

    The inner integrals are in closed form. It is 2 for points and tends to ``1 / (D + 1/2)`` as
    the radius grows. Radius and dimension of :func:`manifold_capacity` give about the capacity
    that it finds: balls of that size would be as hard to separate.

    Parameters
    ----------
    radius, dimension
        Numbers or arrays that broadcast; dimensions need not be whole.

    Raises
    ------
    ValueError
        If a radius is negative, or a dimension not positive.

    References
    ----------
    Chung, Lee and Sompolinsky (2018) Physical Review X 8:031003.
    """
    radii, dimensions = np.broadcast_arrays(
        np.asarray(radius, dtype=np.float64), np.asarray(dimension, dtype=np.float64)
    )
    if (radii < 0).any() or (dimensions <= 0).any():
        raise ValueError(
            "radii must not be negative and dimensions must be positive, got radii from "
            f"{radii.min()} and dimensions from {dimensions.min()}"
        )
    pairs = zip(radii.ravel(), dimensions.ravel(), strict=True)
    values = np.array([_capacity(float(r), float(d)) for r, d in pairs])
    return values.reshape(radii.shape)


def _capacity(radius: float, dimension: float) -> float:
    if np.isnan(radius + dimension):
        return float("nan")
    lowest, highest = chi.ppf(_TAIL, dimension), chi.isf(_TAIL, dimension)
    scale = (dimension / 2 - 1) * np.log(2) + gammaln(dimension / 2)

    def integrand(t: float) -> float:
        density = np.exp((dimension - 1) * np.log(t) - t**2 / 2 - scale)
        return float(density * _given(t, radius))

    inverse, _ = quad(integrand, lowest, highest, limit=200)
    return 1 / inverse


def _given(t: float, radius: float) -> float:
    """The mean over the component along the centre."""
    touching = radius * t
    behind = -t / radius if radius > 0 else -np.inf
    share = ndtr(touching) - ndtr(behind)
    partial = (1 + touching**2) * share + touching * _density(touching)
    if np.isfinite(behind):
        partial -= (2 * touching - behind) * _density(behind)
    wholly = (t**2 + 1) * ndtr(behind)
    wholly -= behind * _density(behind) if np.isfinite(behind) else 0
    return partial / (1 + radius**2) + wholly


def _density(x: float) -> float:
    return float(np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))
