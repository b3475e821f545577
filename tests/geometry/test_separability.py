"""Separability and GLUE-style capacity: Cover's theorem, margins of a support vector machine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear
from scipy.special import comb
from sklearn.svm import SVC

from neurorec.assemblies import window
from neurorec.geometry import (
    DICHOTOMIES,
    ball_capacity,
    glue_style_capacity,
    linear_separability,
    manifold_capacity,
)
from neurorec.geometry.cones import hull_distance
from neurorec.geometry.separability import relative_margin


def spheres(rng, *, n_classes, n_points, dimension, n_units, radius):
    """Random points of spheres around random centres of norm one, and their classes."""
    values = np.empty((n_classes, n_points, n_units))
    for i in range(n_classes):
        axes, _ = np.linalg.qr(rng.normal(size=(n_units, dimension + 1)))
        points = rng.normal(size=(n_points, dimension))
        points *= radius / np.linalg.norm(points, axis=1, keepdims=True)
        values[i] = axes[:, 0] + points @ axes[:, 1:].T
    return values.reshape(-1, n_units, 1), np.repeat(np.arange(n_classes), n_points).tolist()


def cover(n_points, n_dimensions):
    """Share of the dichotomies of points in general position that are separable."""
    return sum(comb(n_points - 1, k) for k in range(n_dimensions)) / 2 ** (n_points - 1)


def test_cover(rng):
    """Points about their mean still are in general position in fewer dimensions than points."""
    n_points, n_draws, sizes = 8, 400, [2, 3, 4, 5, 6]
    result = linear_separability(
        rng.normal(size=(n_points, 40, 1)),
        label=list(range(n_points)),
        n_dimensions=sizes,
        n_draws=n_draws,
    )
    expected = np.array([cover(n_points, n) for n in sizes])
    error = 4 * np.sqrt(expected * (1 - expected) / n_draws)
    assert (np.abs(result["separable"].values[0] - expected) < error).all()
    # Half of the dichotomies at n = P / 2; the slope there is 35 / 128 a dimension.
    assert 8 / result["capacity"].item() == pytest.approx(4, abs=error[2] * 128 / 35)


def test_exclusive_or():
    square = np.array([[1.0, 1], [-1, -1], [1, -1], [-1, 1]])
    signs = np.array([[1.0], [1], [-1], [-1]])
    for intercept in (False, True):
        assert relative_margin(square, signs, intercept) == 0
    sides = np.array([[1.0], [-1], [1], [-1]])
    for intercept in (False, True):
        assert relative_margin(square, sides, intercept) == pytest.approx(1 / np.sqrt(2), rel=1e-5)


@pytest.mark.parametrize("intercept", [False, True])
def test_margin_of_a_support_vector_machine(rng, intercept):
    """Through the origin, the machine is fitted to the points and their mirror images."""
    for _ in range(5):
        points = rng.normal(size=(12, 10)) + 1.5 * intercept
        signs = rng.permutation(np.repeat([-1.0, 1.0], 6))
        x, y = (points, signs) if intercept else (np.vstack([points, -points]), [*signs, *-signs])
        machine = SVC(kernel="linear", C=1e8, tol=1e-8).fit(x, y)
        expected = 1 / np.linalg.norm(machine.coef_) / np.sqrt((points**2).sum(axis=1).mean())
        # The intercept has a cost of its own, of 1e-6 relative to the norm squared.
        found = relative_margin(points, signs[:, None], intercept)
        assert found == pytest.approx(expected, rel=1e-4)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3))
def test_hull_distance(seed, scale):
    """It scales, rotates, and is the shortest of many convex combinations."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(6, 4)) + 1
    distance = hull_distance(points)
    rotation, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    assert hull_distance(scale * points @ rotation) == pytest.approx(scale * distance, abs=1e-7)
    combinations = rng.dirichlet(np.ones(6), size=50) @ points
    assert (np.linalg.norm(combinations, axis=1) >= distance - 1e-9).all()
    assert hull_distance(points[:1]) == pytest.approx(np.linalg.norm(points[0]))
    assert hull_distance(0 * points) == 0


@pytest.mark.parametrize("name", DICHOTOMIES)
def test_dichotomies(name, rng):
    signs = DICHOTOMIES[name](400, 5, rng)
    assert signs.shape == (400, 5)
    assert set(np.unique(signs)) == {-1, 1}
    mean = {"random": 0, "one_against_rest": -0.6}[name]
    assert signs.mean() == pytest.approx(mean, abs=5 / np.sqrt(2000))
    if name == "one_against_rest":
        assert (signs.sum(axis=1) == -3).all()


@pytest.mark.parametrize(("dichotomies", "mean"), [("random", 0.75), ("one_against_rest", 0.5)])
def test_two_points(rng, dichotomies, mean):
    """About their mean they are x and -x: with equal signs a line, with unequal ones a ray."""
    n_draws = 1000
    result = glue_style_capacity(
        rng.normal(size=(2, 9, 1)), label=[0, 1], dichotomies=dichotomies, n_draws=n_draws
    )
    # Squares of a Gaussian number have variance 2, which bounds that of those projected.
    assert 2 / result["capacity"].item() == pytest.approx(mean, abs=5 * np.sqrt(2 / n_draws))
    assert result["radius"].item() == result["dimension"].item() == 0
    if dichotomies == "random":  # otherwise both points are the same, and one is enough
        assert result["centre_alignment"].item() == pytest.approx(1)


def test_glue_definition(rng):
    """The equations in the space of units, draw by draw, with another solver."""
    # In fewer units than points the weights of some projections would not be unique.
    values, labels = spheres(rng, n_classes=4, n_points=5, dimension=3, n_units=25, radius=0.8)
    n_draws, codes = 30, np.array(labels)
    result = glue_style_capacity(values, label=labels, n_draws=n_draws, seed=3)
    x = values[:, :, 0] - np.mean([values[codes == c, :, 0].mean(0) for c in range(4)], axis=0)
    generator = np.random.default_rng(3)
    signs = generator.choice([-1.0, 1.0], size=(n_draws, 4))
    # As many Gaussian numbers as presentations; those of units are along the singular vectors.
    left, _, right = np.linalg.svd(x, full_matrices=False)
    gaussians = generator.standard_normal((n_draws, 20)) @ left @ right
    anchors, squares = np.full((n_draws, 4, 25), np.nan), []
    for i in range(n_draws):
        cone = signs[i, codes][:, None] * x
        weights = lsq_linear(cone.T, gaussians[i], bounds=(0, np.inf), method="bvls", tol=1e-14).x
        squares.append(((weights @ cone) ** 2).sum())
        for c in range(4):
            total = weights[codes == c].sum()
            if total > 1e-9:
                anchors[i, c] = weights[codes == c] @ x[codes == c] / total
    assert result["capacity"].item() == pytest.approx(4 / np.mean(squares), rel=1e-6)
    centres = np.nanmean(anchors, axis=0)
    a, b, alignments = [], [], []
    for i in range(n_draws):
        active = ~np.isnan(anchors[i, :, 0])
        s0, s1, t = centres[active], anchors[i, active] - centres[active], gaussians[i]
        b.append(s1 @ t @ np.linalg.pinv(s1 @ s1.T, rcond=1e-10) @ s1 @ t)
        a.append(s1 @ t @ np.linalg.pinv(s1 @ s1.T + s0 @ s0.T, rcond=1e-10) @ s1 @ t)
        unit = s1 / np.linalg.norm(s1, axis=1, keepdims=True)
        alignments += np.abs(unit @ unit.T)[~np.eye(len(s1), dtype=bool)].tolist()
    assert result["dimension"].item() == pytest.approx(np.mean(b) / 4, rel=1e-6)
    radius = np.sqrt(np.mean(a) / (np.mean(b) - np.mean(a)))
    assert result["radius"].item() == pytest.approx(radius, rel=1e-6)
    assert result["axis_alignment"].item() == pytest.approx(np.mean(alignments), rel=1e-6)
    unit = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    expected = np.abs(unit @ unit.T)[np.triu_indices(4, 1)].mean()
    assert result["centre_alignment"].item() == pytest.approx(expected, rel=1e-6)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100))
def test_glue_under_rotation_scaling_and_shift(seed, scale):
    rng = np.random.default_rng(seed)
    values, labels = spheres(rng, n_classes=3, n_points=5, dimension=2, n_units=9, radius=1.0)
    rotation, _ = np.linalg.qr(rng.normal(size=(9, 9)))
    moved = scale * np.einsum("nut,uv->nvt", values, rotation) + rng.normal(size=(9, 1))
    first, second = (glue_style_capacity(v, label=labels, n_draws=15) for v in (values, moved))
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-5, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("radius", [0.4, 1.0])
def test_three_ways_to_the_capacity(rng, radius):
    """Mean field, cones and simulated separability agree for manifolds that lie at random."""
    values, labels = spheres(
        rng, n_classes=16, n_points=25, dimension=3, n_units=200, radius=radius
    )
    mean_field = manifold_capacity(values, label=labels)["capacity"].item()
    cones = glue_style_capacity(values, label=labels, n_draws=200)["capacity"].item()
    critical = 16 / cones
    sizes = np.unique(np.round(critical * np.array([0.75, 0.9, 1.05, 1.2])).astype(int))
    simulated = linear_separability(values, label=labels, n_dimensions=sizes.tolist(), n_draws=80)
    # Twenty-five points are inside their sphere; their capacity is above the sphere's.
    assert mean_field > ball_capacity(radius, 3)
    # Variances of projections are at most twice their means: four standard errors are
    # 4 sqrt(2 / (200 * 16 / alpha)), 0.08 for alpha of one.
    assert cones == pytest.approx(mean_field, rel=0.1)
    assert simulated["capacity"].item() == pytest.approx(cones, rel=0.1)


def test_separability_labels(assembly_of, rng):
    values, labels = spheres(rng, n_classes=3, n_points=4, dimension=2, n_units=9, radius=0.3)
    result = linear_separability(
        assembly_of(np.repeat(values, 2, axis=2), object=labels),
        label="object",
        dichotomies="one_against_rest",
        n_draws=6,
    )
    assert result["separable"].dims == result["margin"].dims == ("time_bin", "n_dimensions")
    assert result["n_dimensions"].values.tolist() == [1, 2, 4, 9]
    # In all nine dimensions nothing is projected: draws differ by the dichotomy only.
    assert result["separable"].values[:, -1].tolist() == [1, 1]
    assert result["margin"].values[0, -1] == pytest.approx(result["margin"].values[1, -1])
    assert result.attrs["dichotomies"] == "one_against_rest"
    assert np.isnan(linear_separability(values, label=labels, n_dimensions=[9])["capacity"]).all()


def test_an_intercept_helps_one_class_against_the_rest(rng):
    """On a line through three classes, only the outer ones are on one side of the mean."""
    values = np.repeat(np.array([0.0, 1.0, 2.5]), 4) + 0.01 * rng.normal(size=12)
    options = {"label": np.repeat([0, 1, 2], 4).tolist(), "n_dimensions": [1], "n_draws": 9}
    fractions = [
        linear_separability(
            values[:, None, None], dichotomies="one_against_rest", intercept=i, **options
        )["separable"].item()
        for i in (False, True)
    ]
    assert fractions == pytest.approx([1 / 3, 2 / 3])


@pytest.mark.parametrize("measure", [glue_style_capacity, linear_separability])
def test_every_coordinate_is_of_a_dimension(rng, measure):
    """Of all classes together: none is labelled with single classes."""
    values, labels = spheres(rng, n_classes=3, n_points=4, dimension=2, n_units=9, radius=0.3)
    result = measure(values, label=labels, n_draws=2)
    assert "time_bin_start" in result.coords
    used = {dim for variable in result.data_vars.values() for dim in variable.dims}
    assert {dim for one in result.coords.values() for dim in one.dims} <= used
    assert "manifold" not in result.dims


def test_nothing_varies_and_bad_input(rng):
    values, labels = spheres(rng, n_classes=3, n_points=4, dimension=2, n_units=9, radius=0.3)
    both = np.concatenate([0 * values + 0.1, values], axis=2)
    for measure in (glue_style_capacity, linear_separability):
        told = []
        with pytest.raises(ValueError, match=r"as in time bins 0 .*slice\(1, None\)"):
            measure(both, label=labels)
        result = measure(
            both,
            label=labels,
            n_draws=5,
            undefined="nan",
            progress=lambda done, total, told=told: told.append((done, total)),
        )
        for variable in result.values():
            assert np.isnan(variable.values[0]).all()
        assert told == [(1, 2), (2, 2)]
        with pytest.raises(ValueError, match="dichotomies must be one of"):
            measure(values, label=labels, dichotomies="all")
        with pytest.raises(ValueError, match="n_draws must be at least 1"):
            measure(values, label=labels, n_draws=0)
    assert np.isfinite(glue_style_capacity(values, label=labels, n_draws=5)["capacity"]).all()
    with pytest.raises(ValueError, match=r"numbers of at least 1, got \[0, 3\]"):
        linear_separability(values, label=labels, n_dimensions=[0, 3])


@pytest.mark.data
def test_it_cortex(zhang):
    """Single trials of 7 objects in 132 units: separable when IT answers, and not before."""
    counts = window(zhang, start_ms=-100, stop_ms=200, width_ms=100, step_ms=200, statistic="sum")
    result = linear_separability(counts, label="object_name", n_dimensions=[132], n_draws=8)
    before, after = result["separable"].values[:, 0]
    assert before == 0
    assert after > 0.5
    result = glue_style_capacity(counts, label="object_name", n_draws=5)
    before, after = result["capacity"].values
    # Where nothing is separable the cone is all of the space of 132 units.
    assert 7 / before == pytest.approx(132, rel=5 * np.sqrt(2 / 660))
    assert after > before


def test_an_offset_of_all_responses_separates_nothing(rng):
    """Forty points of five units lie in five dimensions, whatever rounding an offset leaves."""
    points, label = rng.normal(size=(40, 5, 1)) + 1e4, np.repeat(np.arange(8), 5)
    found = linear_separability(points, label=label, n_dimensions=[40], n_draws=20)
    assert found["separable"].item() == 0
