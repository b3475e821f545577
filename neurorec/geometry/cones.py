"""Projections on convex cones and distances of convex hulls, by non-negative least squares."""

import numpy as np
from jaxtyping import Float64
from scipy.optimize import nnls

# The active-set method visits a few times as many sets as there are points in the solution.
_STEPS_PER_POINT = 30


def on_cone(
    points: Float64[np.ndarray, "point dimension"], target: Float64[np.ndarray, " dimension"]
) -> tuple[Float64[np.ndarray, " point"], Float64[np.ndarray, " dimension"]]:
    r"""Non-negative weights of the points, and their sum that is nearest to the target.

    .. math:: \min_{\lambda \ge 0} \|\textstyle\sum_i \lambda_i s_i - t\|^2
    """
    weights, _ = nnls(points.T, target, maxiter=_STEPS_PER_POINT * max(points.shape))
    return weights, weights @ points


def hull_distance(points: Float64[np.ndarray, "point dimension"]) -> float:
    r"""Distance of the origin from the convex hull of the points.

    It is the largest margin :math:`\max_{\|w\| = 1} \min_i w \cdot s_i` where that is positive,
    and zero otherwise. For weights that need not sum to one,

    .. math::

        \min_{\lambda \ge 0} \|\textstyle\sum_i \lambda_i s_i\|^2 + (1 - \sum_i \lambda_i)^2
        = d^2 / (1 + d^2).

    References
    ----------
    Lawson and Hanson (1974) Solving Least Squares Problems, chapter 23.
    """
    scale = float(np.sqrt((points**2).sum(axis=1).max(initial=0)))
    if scale == 0:
        return 0.0
    lifted = np.vstack([points.T / scale, np.ones(len(points))])
    target = np.zeros(len(lifted))
    target[-1] = 1
    _, residual = nnls(lifted, target, maxiter=_STEPS_PER_POINT * max(points.shape))
    return scale * float(residual / np.sqrt(max(1 - residual**2, 1e-300)))
