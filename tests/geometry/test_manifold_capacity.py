"""Mean-field capacity: closed forms, the quadratic programme, invariances, bad input."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad, minimize

from neurorec.assemblies import window
from neurorec.geometry import ball_capacity, glue_style_capacity, manifold_capacity
from neurorec.geometry.capacity import anchor_geometry
from neurorec.geometry.centre_correlation import _cost, mean_correlation, shared_directions
from neurorec.populations import patterns_of


def clouds(rng, *, n_classes=4, n_points=6, n_units=15, n_bins=1, radius=0.5):
    """Presentations (presentation, unit, time_bin) by class, and their classes."""
    centres = rng.normal(size=(n_classes, 1, n_units, n_bins))
    points = centres + radius * rng.normal(size=(n_classes, n_points, n_units, n_bins))
    return points.reshape(-1, n_units, n_bins), np.repeat(np.arange(n_classes), n_points)


def directions_on_sphere(n):
    """Evenly spread unit vectors in three dimensions: a Fibonacci lattice."""
    z = 1 - (2 * np.arange(n) + 1) / n
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(n)
    return np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], 1)


@pytest.mark.parametrize("dimension", [1, 3, 10.5])
def test_balls_of_no_and_of_all_size(dimension):
    assert ball_capacity(0, dimension) == pytest.approx(2, rel=1e-9)
    # Approached as 1 / radius.
    assert ball_capacity(1e7, dimension) == pytest.approx(1 / (dimension + 0.5), rel=1e-6)


@settings(max_examples=5, deadline=None)
@given(radius=st.floats(0.01, 10), dimension=st.floats(0.5, 50), factor=st.floats(1.01, 3))
def test_larger_balls_are_harder(radius, dimension, factor):
    capacity = ball_capacity(radius, dimension)
    assert ball_capacity(radius * factor, dimension) < capacity < 2
    assert ball_capacity(radius, dimension * factor) < capacity
    assert capacity > 1 / (dimension + 0.5)


def test_balls_by_simulation(rng):
    """Projections on a circular cone, written out."""
    radius, dimension, n = 0.7, 4, 100_000
    t, t0 = np.sqrt(rng.chisquare(dimension, n)), rng.normal(size=n)
    moved = (radius * t - t0) ** 2 / (1 + radius**2)
    moved[t0 >= radius * t] = 0
    behind = t0 <= -t / radius
    moved[behind] = (t**2 + t0**2)[behind]
    error = 5 * moved.std() / np.sqrt(n)
    assert 1 / ball_capacity(radius, dimension) == pytest.approx(moved.mean(), abs=error)


@pytest.mark.parametrize("radius", [0.3, 1.0, 3.0])
def test_segment(radius):
    """All means scale with the squared length of T, so that it may lie on a circle.

    Behind the cone, at angles up to psi = arctan R from its axis, the anchor is at
    R = tan(angle): R_M^2 = R^2 (1 - psi / pi) + (R - psi) / pi.
    """
    n = 1500
    angle = 2 * np.pi * (np.arange(n) + 0.5) / n
    t, t0 = np.sqrt(2) * np.cos(angle), np.sqrt(2) * np.sin(angle)
    inverse, found, dimension = anchor_geometry(np.array([[radius], [-radius]]), t[:, None], t0)
    # Of a step in the integrand, a sum over n angles is off by at most 1 / n of it.
    assert inverse == pytest.approx(1 / ball_capacity(radius, 1), abs=10 / n)
    psi = np.arctan(radius)
    expected = radius**2 * (1 - psi / np.pi) + (radius - psi) / np.pi
    assert found**2 == pytest.approx(expected, abs=10 * radius**2 / n)
    assert dimension == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("radius", [0.4, 1.5])
def test_circle(radius):
    """A polygon of 150 corners is inside the circle by a share of 2e-4."""
    angle = 2 * np.pi * np.arange(150) / 150
    points = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    targets = np.sqrt(3) * directions_on_sphere(1500)
    inverse, found, dimension = anchor_geometry(points, targets[:, :2], targets[:, 2])
    assert inverse == pytest.approx(float(1 / ball_capacity(radius, 2)), rel=3e-3)
    assert dimension == pytest.approx(2, rel=3e-3)
    # Behind the cone anchors are inside: mean of tan^2 over its solid angle, as for segments.
    psi = np.arctan(radius)
    solid = (1 - np.cos(psi)) / 2
    inside = (1 / np.cos(psi) + np.cos(psi) - 2) / 2
    assert found**2 == pytest.approx(radius**2 * (1 - solid) + inside, rel=3e-3)


def test_definition(rng):
    """Each draw is a quadratic programme, solved in its primal form by another algorithm."""
    points = 0.6 * rng.normal(size=(7, 3))
    lifted = np.column_stack([points, np.ones(7)])
    for target in rng.normal(size=(12, 4)):
        solved = minimize(
            lambda v, target=target: ((v - target) ** 2).sum(),
            np.array([0, 0, 0, 10.0]),
            jac=lambda v, target=target: 2 * (v - target),
            constraints={"type": "ineq", "fun": lambda v: lifted @ v, "jac": lambda v: lifted},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        found = anchor_geometry(points, target[None, :3], target[None, 3])
        assert found.inverse_capacity == pytest.approx(solved.fun, abs=1e-6)


def test_points(assembly_of, rng):
    """One presentation per class: two for each dimension, as Cover has it."""
    values = rng.normal(size=(15, 400))
    labels = np.array([f"class {i:02d}" for i in range(15)])
    result = manifold_capacity(
        assembly_of(values, object_name=labels), label="object_name", n_draws=200
    )
    # Of max(0, t)^2 mean and variance are 1/2 and 5/4; 3,000 draws.
    assert 1 / result["capacity"].item() == pytest.approx(0.5, abs=5 * np.sqrt(1.25 / 3000))
    assert result["radius"].item() == 0
    assert result["dimension"].item() == 0
    assert result["manifold"].values.tolist() == sorted(labels)


def test_circles_are_recovered(assembly_of):
    """Centres at right angles: about their mean they are shorter by sqrt(1 - 1 / P)."""
    n_classes, radius, n_draws = 6, 0.5, 400
    angle = 2 * np.pi * np.arange(60) / 60
    values = np.zeros((n_classes, 60, 3 * n_classes))
    for i in range(n_classes):
        circle = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        values[i, :, 3 * i] = 1
        values[i, :, 3 * i + 1 : 3 * i + 3] = circle
    labels = np.repeat(np.arange(n_classes), 60)
    result = manifold_capacity(
        assembly_of(values.reshape(-1, 3 * n_classes), object=labels),
        label="object",
        n_draws=n_draws,
    )
    assert result["n_shared_directions"].item() == 0
    assert result["centre_correlation"].item() == pytest.approx(1 / (n_classes - 1))
    own = radius / np.sqrt(1 - 1 / n_classes)
    # Squared lengths of Gaussian vectors in 3 dimensions have variance 6, which bounds that of
    # what is projected and of (t . s)^2.
    error = 5 * np.sqrt(6 / (n_draws * n_classes))
    assert 1 / result["capacity"].item() == pytest.approx(1 / ball_capacity(own, 2), abs=error)
    assert result["dimension"].item() == pytest.approx(2, abs=error)
    psi = np.arctan(own)
    squared = own**2 * (1 + np.cos(psi)) / 2 + (1 / np.cos(psi) + np.cos(psi) - 2) / 2
    assert result["radius"].item() == pytest.approx(np.sqrt(squared), rel=0.03)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100))
def test_rotation_scaling_and_shift_change_nothing(assembly_of, seed, scale):
    rng = np.random.default_rng(seed)
    values, labels = clouds(rng)
    rotation, _ = np.linalg.qr(rng.normal(size=(15, 15)))
    moved = scale * np.einsum("nut,uv->nvt", values, rotation) + rng.normal(size=(15, 1))
    options = {"label": labels.tolist(), "n_draws": 20, "centre_correction": False}
    first, second = (manifold_capacity(v, **options) for v in (values, moved))
    for name in ("capacity", "radius", "dimension", "manifold_radius"):
        np.testing.assert_allclose(first[name], second[name], rtol=1e-6)


def test_units_in_another_order_and_inner_products_alone(assembly_of, rng):
    values, labels = clouds(rng, n_bins=2)
    options = {"label": "object", "n_draws": 10}
    assembly = assembly_of(values, object=labels)
    first = manifold_capacity(assembly, **options)
    others = (
        assembly.isel(neuroid=rng.permutation(15)),
        patterns_of(assembly, averaged=False),
    )
    for other in others:
        xr.testing.assert_allclose(first, manifold_capacity(other, **options), rtol=1e-4)


def test_gradient_of_the_correlation_of_centres(rng):
    centres = rng.normal(size=(6, 5))
    arguments = (centres, (5, 2))
    error = check_grad(
        lambda x: _cost(x, *arguments)[0], lambda x: _cost(x, *arguments)[1], rng.normal(size=10)
    )
    assert error < 1e-5


def test_a_shared_direction_is_found(rng):
    """Centres at right angles with one direction added that correlates them."""
    centres, added = np.eye(9, 40), np.zeros(40)
    added[39] = 1
    correlated = centres + 20 * rng.normal(size=(9, 1)) * added
    found = shared_directions(correlated, n_restarts=2, rng=rng)
    assert found.shape[1] >= 1
    left = correlated - correlated @ found @ found.T
    assert mean_correlation(correlated) > 0.5
    # Nine vectors in eight dimensions are a simplex at best.
    assert mean_correlation(left) == pytest.approx(1 / 8, abs=0.01)
    assert np.linalg.norm(found.T @ added) > 0.99


def test_one_direction_against_a_grid(rng):
    """Four centres span three dimensions, where one direction can be looked for everywhere."""
    centres = rng.normal(size=(4, 3)) + 1.5 * rng.normal(size=(4, 1))
    centres -= centres.mean(axis=0)
    found = shared_directions(centres, n_restarts=10, rng=rng)
    costs = [_cost(v, centres, (3, 1))[0] for v in directions_on_sphere(1000)]
    if found.shape[1]:
        assert _cost(found.ravel(), centres, (3, 1))[0] <= min(costs) + 1e-6


@pytest.mark.slow
def test_correction_for_correlated_centres(rng):
    """Without it centres count as far as they lie along what they share.

    Projections on cones, which assume nothing about centres, have the corrected capacity.
    """
    values, labels = clouds(rng, n_classes=10, n_units=60)
    values += 8 * rng.normal(size=10)[labels][:, None, None] * rng.normal(size=(1, 60, 1))
    plain, corrected = (
        manifold_capacity(values, label=labels.tolist(), n_draws=200, centre_correction=c)
        for c in (False, True)
    )
    cones = glue_style_capacity(values, label=labels.tolist(), n_draws=200)["capacity"].item()
    assert corrected["n_shared_directions"].item() >= 1
    assert plain["capacity"].item() > 1.5 * cones
    assert corrected["capacity"].item() == pytest.approx(cones, rel=0.15)
    assert plain["centre_correlation"].item() == corrected["centre_correlation"].item() > 0.5


def test_every_class_weighs_the_same(rng):
    """Centres are about their own mean, however many presentations each class has."""
    labels = np.repeat([0, 1, 2, 3], [3, 5, 9, 2])
    values = rng.normal(size=(19, 12)) + 2 * rng.normal(size=(4, 12))[labels]
    result = manifold_capacity(values[:, :, None], label=labels.tolist(), n_draws=2)
    centres = np.array([values[labels == c].mean(axis=0) for c in range(4)])
    centres -= centres.mean(axis=0)
    units = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    cosines = np.abs(units @ units.T)[np.triu_indices(4, 1)]
    assert result["centre_correlation"].item() == pytest.approx(cosines.mean(), rel=1e-9)


def test_labels_and_progress(assembly_of, rng, tmp_path):
    values, labels = clouds(rng, n_bins=3)
    told = []
    result = manifold_capacity(
        assembly_of(values, object=labels),
        label="object",
        n_draws=5,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert result["capacity"].dims == ("time_bin",)
    assert result["manifold_radius"].dims == ("manifold", "time_bin")
    assert result["time_bin_end"].values.tolist() == [10, 20, 30]
    assert result.attrs["n_classes"] == 4
    assert result.attrs["n_presentations"] == 24
    harmonic = 1 / (1 / result["manifold_capacity"]).mean("manifold")
    np.testing.assert_allclose(harmonic, result["capacity"])
    result.to_netcdf(tmp_path / "capacity.nc", engine="h5netcdf")


def test_nothing_varies(assembly_of, rng):
    values, labels = clouds(rng, n_bins=3)
    values[:, :, 0] = 0.1
    with pytest.raises(ValueError, match=r"same response, as in time bins 0 .*slice\(1, None\)"):
        manifold_capacity(values, label=labels.tolist())
    result = manifold_capacity(values, label=labels.tolist(), n_draws=5, undefined="nan")
    assert np.isnan(result["capacity"].values).tolist() == [True, False, False]
    assert np.isnan(result["manifold_radius"].values[:, 0]).all()


def test_bad_input(assembly_of, rng):
    values, labels = clouds(rng)
    assembly = assembly_of(values, object=labels)
    with pytest.raises(ValueError, match=r"no coordinate 'objects' .* \['object', 'repetition'"):
        manifold_capacity(assembly, label="objects")
    with pytest.raises(ValueError, match=r"class of each of the 24 presentations, .* \(3,\)"):
        manifold_capacity(assembly, label=[1, 2, 3])
    with pytest.raises(ValueError, match="at least 2 classes, got 1 "):
        manifold_capacity(assembly, label=[1] * 24)
    with pytest.raises(ValueError, match="1 of 24 presentations have no class"):
        manifold_capacity(assembly, label=["a", None] + ["b"] * 22)
    with pytest.raises(ValueError, match="n_draws must be at least 1, got 0"):
        manifold_capacity(assembly, label="object", n_draws=0)
    with pytest.raises(ValueError, match="undefined must be one of"):
        manifold_capacity(assembly, label="object", undefined="zero")
    values[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        manifold_capacity(assembly_of(values, object=labels), label="object")
    with pytest.raises(ValueError, match="radii must not be negative"):
        ball_capacity(-1, 2)
    assert np.isnan(ball_capacity(np.nan, 2))


def test_a_centre_at_the_mean_of_all(assembly_of):
    """Three classes on a line, one in the middle."""
    values = np.array([[-1.0, 0], [-1, 1], [0, 0], [0, 1], [1, 0], [1, 1]])
    with pytest.raises(ValueError, match=r"manifold '1' coincides with the mean .* in time bin 0"):
        manifold_capacity(values[:, :, None], label=[0, 0, 1, 1, 2, 2])


@pytest.mark.data
def test_it_cortex_untangles_objects(zhang):
    """Counts of 100 ms, before the stimulus and when IT answers: single trials of 7 objects."""
    counts = window(zhang, start_ms=-100, stop_ms=200, width_ms=100, step_ms=200, statistic="sum")
    result = manifold_capacity(counts, label="object_name", n_draws=20)
    before, after = result["capacity"].values
    assert after > 1.5 * before
    assert result["radius"][1] < 0.8 * result["radius"][0]
    assert result["dimension"][1] < 0.8 * result["dimension"][0]


@pytest.mark.parametrize("measure", [manifold_capacity, glue_style_capacity])
def test_an_offset_of_all_responses_adds_no_dimensions(rng, measure):
    """Forty points of five units lie in five dimensions, whatever rounding an offset leaves."""
    points, label = rng.normal(size=(40, 5, 1)), np.repeat(np.arange(8), 5)
    plain, moved = (measure(points + by, label=label, n_draws=30) for by in (0, 1e4))
    for name in ("capacity", "radius", "dimension"):
        np.testing.assert_allclose(moved[name], plain[name], rtol=1e-5)


@pytest.mark.parametrize("offset", [0, 0.3, 1e4])
def test_equal_presentations_are_one_point(rng, offset):
    """A class that does not vary has no radius and no dimensions, rather than those of rounding."""
    points, label = rng.normal(size=(18, 9, 1)) + offset, np.repeat(["a", "b", "c"], 6)
    points[:6] = points[0]
    found = manifold_capacity(points, label=label, n_draws=30)
    assert found["manifold_radius"].values[0, 0] == 0
    assert found["manifold_dimension"].values[0, 0] == 0
    once = [0, *range(6, 18)]
    for measure in (glue_style_capacity, manifold_capacity):
        again, other = (
            measure(points[rows], label=label[rows], n_draws=1000, seed=1)
            for rows in (list(range(18)), once)
        )
        for name in ("capacity", "radius", "dimension"):
            np.testing.assert_allclose(again[name], other[name], rtol=0.15)
