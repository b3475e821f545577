"""Capacity, radius and dimension of class manifolds by mean-field theory, over time."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float64

from neurorec.assemblies import TIME_BIN
from neurorec.geometry.centre_correlation import mean_correlation, shared_directions
from neurorec.geometry.cones import on_cone
from neurorec.geometry.manifold_points import CLASS, Manifolds, coordinates, manifolds_of

#: Told how many time bins are done, and of how many.
Progress = Callable[[int, int], object]

# Starts of the search for shared directions, for each number of them.
_N_RESTARTS = 3
# Below this share of the root mean square distance of points from it, a centre is at the origin.
_CENTRE_SHARE = 1e-7
# Relative to its norm, what is left of a Gaussian vector that its projection has not moved.
_UNMOVED = 1e-10


class AnchorGeometry(NamedTuple):
    """Of one manifold; radius in units of the norm of its centre."""

    inverse_capacity: float
    radius: float
    dimension: float


def manifold_capacity(
    source: Any,
    *,
    label: str | Sequence[Any] | np.ndarray,
    n_draws: int = 300,
    centre_correction: bool = True,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
    progress: Progress | None = None,
    device: str = "cpu",
) -> xr.Dataset:
    r"""Capacity of the class manifolds in each time bin, by mean-field theory.

    Points of a manifold, relative to the norm of its centre, are written
    :math:`\tilde s = (s, 1)` with ``s`` their deviation from the centre. For Gaussian vectors
    ``T = (t, t_0)`` of as many dimensions,

    .. math::

        V &= \arg\min_V \|V - T\|^2 \quad \text{so that} \quad V \cdot \tilde s \ge 0
            \ \text{for all points}, \\
        1 / \alpha &= \langle \|V - T\|^2 \rangle_T .

    ``V - T`` is a sum of points with non-negative weights; their weighted mean is the anchor
    point of ``T``, and where ``V = T`` it is the point with the least :math:`T \cdot \tilde s`.
    With :math:`\delta s` the deviation of the anchor from the mean anchor,

    .. math::

        R^2 = \langle \|\delta s\|^2 \rangle_T, \qquad
        D = \langle (t \cdot \delta s / \|\delta s\|)^2 \rangle_T .

    The capacity of all is the harmonic mean over manifolds, radius and dimension are means. As
    the theory takes centres to be uncorrelated, the directions that make them correlate are
    projected out of all points first, see :func:`shared_directions`.

    Parameters
    ----------
    source
        Assembly, ``recording.area("IT")``, array, or presentations read with
        ``patterns_of(source, averaged=False)``. Every presentation is a point of its manifold;
        average repetitions first if they should not be.
    label
        Coordinate of presentations, or the class of each presentation.
    n_draws
        Gaussian vectors for each manifold; the relative error of the capacity falls as
        ``1 / sqrt(n_draws)``.
    centre_correction
        Whether to project shared directions of the centres out.
    undefined
        ``"raise"``, or ``"nan"`` for time bins in which all presentations are the same.
    progress
        Called with the number of time bins done and of all.

    Returns
    -------
    xr.Dataset
        ``capacity`` in manifolds per dimension, ``radius`` in norms of the centre, ``dimension``,
        ``centre_correlation`` (mean absolute cosine of centres before the correction) and
        ``n_shared_directions``, each (time_bin); ``manifold_capacity``, ``manifold_radius`` and
        ``manifold_dimension`` (manifold, time_bin).

    Raises
    ------
    ValueError
        If there are fewer than two classes, labels are missing, ``n_draws`` is below one,
        activity is not finite or the same for all presentations, or a centre coincides with the
        mean of all.

    Notes
    -----
    Choices where the papers leave one: centres are about their own mean, in which every class
    weighs the same; no directions are projected out where that does not lower the correlation
    of centres. The authors' program takes its dimension from the cosine of ``t`` and the anchor
    itself, not its deviation, as ``D`` times the square of the mean; we follow the paper.

    References
    ----------
    Chung, Lee and Sompolinsky (2018) Physical Review X 8:031003; Cohen, Chung, Lee and
    Sompolinsky (2020) Nature Communications 11:746.
    """
    require_draws(n_draws)
    manifolds = manifolds_of(source, label=label, undefined=undefined, device=device)
    rng = np.random.default_rng(seed)
    n_times, n_classes = len(manifolds.products), manifolds.n_classes
    anchors = np.full((n_times, n_classes, 3), np.nan)
    of_centres = np.full((n_times, 2), np.nan)
    for t in range(n_times):
        if not manifolds.flat[t]:
            anchors[t], of_centres[t] = _of_bin(manifolds, t, n_draws, centre_correction, rng)
        if progress is not None:
            progress(t + 1, n_times)
    return _dataset(manifolds, anchors, of_centres, n_draws, centre_correction)


def require_draws(n_draws: int) -> None:
    """Refuse less than one draw.

    Raises
    ------
    ValueError
        If there are none.
    """
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws}")


def _of_bin(
    manifolds: Manifolds, t: int, n_draws: int, correction: bool, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[float, float]]:
    points, _ = manifolds.coordinates(t)
    centres = manifolds.means() @ points
    correlation = mean_correlation(centres)
    n_shared = 0
    if correction:
        shared = shared_directions(centres, n_restarts=_N_RESTARTS, rng=rng)
        points, n_shared = points - points @ shared @ shared.T, shared.shape[1]
    each = []
    for code, name in enumerate(manifolds.classes):
        of_class = points[manifolds.codes == code]
        each.append(_of_manifold(_relative(of_class, str(name), t), n_draws, rng))
    return np.array(each), (correlation, float(n_shared))


def _relative(
    points: Float64[np.ndarray, "point dimension"], name: str, t: int
) -> Float64[np.ndarray, "point dimension"]:
    """Deviations from the centre, in units of its norm."""
    # Of equal points the mean may differ from them in the last digit.
    centre = points[0] + (points - points[0]).mean(axis=0)
    norm = np.linalg.norm(centre)
    if norm <= _CENTRE_SHARE * np.sqrt((points**2).sum() / len(points)):
        raise ValueError(
            f"the centre of the manifold {name!r} coincides with the mean of all in time bin {t}, "
            "so it has no size relative to it; drop the time bin, or the class"
        )
    return (points - centre) / norm


def _of_manifold(
    deviations: Float64[np.ndarray, "point dimension"], n_draws: int, rng: np.random.Generator
) -> AnchorGeometry:
    points, directions = coordinates(deviations @ deviations.T)
    gaussians = rng.standard_normal((n_draws, len(points) + 1))
    return anchor_geometry(points, gaussians[:, :-1] @ directions, gaussians[:, -1])


def anchor_geometry(
    points: Float64[np.ndarray, "point dimension"],
    t: Float64[np.ndarray, "draw dimension"],
    t_centre: Float64[np.ndarray, " draw"],
) -> AnchorGeometry:
    """Capacity, radius and dimension of a manifold about a centre of norm one.

    Parameters
    ----------
    points
        Deviations from the centre.
    t, t_centre
        Gaussian vectors, and their components along the centre.
    """
    lifted = np.column_stack([points, np.ones(len(points))])
    targets = np.column_stack([t, t_centre])
    nearest = points[np.argmin(targets @ lifted.T, axis=1)]
    anchors, moved = np.empty_like(t), np.empty(len(t))
    for i, target in enumerate(targets):
        weights, shift = on_cone(lifted, -target)
        moved[i] = shift @ shift
        unmoved = moved[i] <= (_UNMOVED**2) * (target @ target)
        anchors[i] = nearest[i] if unmoved else weights @ points / weights.sum()
    deviations = anchors - anchors.mean(axis=0)
    sizes = np.linalg.norm(deviations, axis=1)
    along = np.divide((t * deviations).sum(axis=1), sizes, out=np.zeros(len(t)), where=sizes > 0)
    return AnchorGeometry(
        float(moved.mean()), float(np.sqrt((sizes**2).mean())), float((along**2).mean())
    )


def _dataset(
    manifolds: Manifolds,
    anchors: Float64[np.ndarray, "time_bin n_classes 3"],
    of_centres: Float64[np.ndarray, "time_bin 2"],
    n_draws: int,
    correction: bool,
) -> xr.Dataset:
    inverse, radius, dimension = np.moveaxis(anchors, 2, 0)
    with np.errstate(divide="ignore"):  # infinite where no draw had to be moved
        capacity, each_capacity = 1 / inverse.mean(axis=1), 1 / inverse.T
    per_dimension = {"units": "manifolds per dimension"}
    of_norm = {"units": "norms of the centre"}
    each = (CLASS, TIME_BIN)
    return xr.Dataset(
        {
            "capacity": (TIME_BIN, capacity, per_dimension),
            "radius": (TIME_BIN, radius.mean(axis=1), of_norm),
            "dimension": (TIME_BIN, dimension.mean(axis=1), {"units": "dimensions"}),
            "centre_correlation": (TIME_BIN, of_centres[:, 0], {"units": "absolute cosine"}),
            "n_shared_directions": (TIME_BIN, of_centres[:, 1], {"units": "dimensions"}),
            "manifold_capacity": (each, each_capacity, per_dimension),
            "manifold_radius": (each, radius.T, of_norm),
            "manifold_dimension": (each, dimension.T, {"units": "dimensions"}),
        },
        coords=manifolds.coords(),
        attrs=manifolds.attrs(
            method="mean-field theory",
            n_draws=n_draws,
            centre_correction=str(correction),
        ),
    )
