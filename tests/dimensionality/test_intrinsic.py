"""Intrinsic dimension from nearest neighbours.

scikit-dimension 0.5 agrees to rounding with its options set alike. Defects that were met: ``TwoNN``
takes the logarithm of zero if no ratio is discarded, and the neighbours of ``MLE`` are an argument
of ``fit``, whereas ``K`` of its constructor changes nothing as it is used by default.
"""

import numpy as np
import pytest
import skdim
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec.dimensionality import maximum_likelihood_dimension, two_nn
from neurorec.populations import patterns_of

ESTIMATORS = (two_nn, maximum_likelihood_dimension)


def bent(latent, rng, n_units=40):
    """Latent points (stimulus, coordinate, bin) through a smooth map into more units."""
    weights = rng.normal(size=(latent.shape[1], n_units))
    drive = np.einsum("ncb,cu->nub", latent, weights)
    return drive + 0.3 * np.sin(drive)


def sphere(rng, n, d, bins):
    """Points on a d-sphere, evenly."""
    points = rng.normal(size=(n, d + 1, bins))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_sphere_through_a_nonlinear_map(rng, d):
    """25 spheres of 300 points; the bias of finite samples grows with the dimension."""
    values = bent(sphere(rng, 300, d, 25), rng)
    for measure in ESTIMATORS:
        found = measure(values, level=None)["dimension"].values
        # Bias below 6 % at d = 4 and n = 300 in flat space, and the standard error of the mean.
        assert found.mean() == pytest.approx(d, rel=0.06), measure


def test_cube(rng):
    """A square in 30 units; borders cost little in two dimensions."""
    values = bent(rng.random((300, 2, 20)), rng, 30)
    for measure in ESTIMATORS:
        found = measure(values, level=None)["dimension"].values
        assert found.mean() == pytest.approx(2, rel=0.06), measure


@pytest.mark.parametrize("discard", [0.0, 0.1, 0.35])
def test_two_nn_equals_scikit_dimension(rng, device, discard):
    values = rng.normal(2, 1, size=(53, 6, 3))
    found = two_nn(values, discard=discard, level=None, device=device)["dimension"].values
    for t in range(3):
        # Without discarding, scikit-dimension takes the logarithm of zero.
        share = discard or 1 / 53
        expected = skdim.id.TwoNN(discard_fraction=share).fit(values[:, :, t]).dimension_
        # Distances from inner products lose digits: 1e-16 times norms over distances, squared.
        assert found[t] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("k", [2, 5, 20])
def test_maximum_likelihood_equals_scikit_dimension(rng, device, k):
    values = rng.normal(2, 1, size=(60, 6, 3))
    found = maximum_likelihood_dimension(values, k=k, level=None, device=device)["dimension"]
    for t in range(3):
        expected = skdim.id.MLE().fit(values[:, :, t], n_neighbors=k, comb="mle").dimension_
        assert found.values[t] == pytest.approx(expected, rel=1e-9)


def test_three_points_on_a_line_by_hand():
    """Points 0, 1, 3 on a line: ratios of distances 3, 2, 3/2."""
    values = np.array([[0.0], [1], [3]])
    found = maximum_likelihood_dimension(values, k=2, level=None)["dimension"].item()
    assert found == pytest.approx(3 / np.log(3 * 2 * 1.5), rel=1e-12)
    # Sorted ratios 3/2, 2 with -log(1 - i/3) = log 3/2 and log 3.
    x, y = np.log([1.5, 2]), np.log([1.5, 3])
    found = two_nn(values, discard=0.1, level=None)["dimension"].item()
    assert found == pytest.approx(x @ y / (x @ x), rel=1e-12)


def test_equal_responses_are_left_out(rng):
    """As in scikit-dimension, points without a distance to their neighbour do not count."""
    values = rng.normal(size=(50, 5))
    values[10] = values[20]
    found = two_nn(values, level=None)["dimension"].item()
    with pytest.warns(UserWarning, match="Dropping 2 points"):
        expected = skdim.id.TwoNN().fit(values).dimension_
    assert found == pytest.approx(expected, rel=1e-9)
    assert np.isfinite(maximum_likelihood_dimension(values)["ci_high"].item())
    # Nor where rounding of large responses leaves a distance: 1e-16 x 1e6 is 1e-10, squared.
    moved = two_nn(values + 1e3, level=None)["dimension"].item()
    assert moved == pytest.approx(expected, rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100))
def test_invariances(seed, scale):
    """Rotation, scale, shift and order."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(16, 6))
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    moved = (scale * values @ rotation)[rng.permutation(16)] + rng.normal(size=6)
    for measure in ESTIMATORS:
        a, b = (measure(x, level=None)["dimension"].item() for x in (values, moved))
        assert b == pytest.approx(a, rel=1e-8 * (1 + scale**-2))
        assert a > 0


def test_interval_holds_the_estimate(rng):
    patterns = patterns_of(rng.normal(size=(60, 4, 3)))
    for measure in ESTIMATORS:
        found = measure(patterns, seed=2, n_draws=50)
        assert (found["ci_low"] < found["dimension"]).all()
        assert (found["dimension"] < found["ci_high"]).all()
        narrow = measure(patterns, seed=2, n_draws=50, level=0.5)
        assert (narrow["ci_low"] > found["ci_low"]).all()
        assert found.attrs["level"] == 0.95
        assert found["dimension"].identical(measure(patterns, seed=3)["dimension"])


@pytest.mark.slow
@pytest.mark.parametrize("measure", ESTIMATORS)
def test_coverage(rng, measure):
    """Nominal 95 % on a 2-sphere: 400 draws, standard error 1.1 %; it errs to the safe side."""
    found = measure(sphere(rng, 80, 2, 400), n_draws=100)
    covered = (found["ci_low"] <= 2) & (2 <= found["ci_high"])
    assert 0.93 <= covered.values.mean() <= 0.995


@pytest.mark.data
def test_macaque_v4(cowley):
    """Session 210325: more than the participation ratio's 14, as 50 noisy units fill space."""
    patterns = patterns_of(cowley("210325"))
    # Regression values of this implementation.
    assert two_nn(patterns, level=None)["dimension"].item() == pytest.approx(16.46, abs=0.01)


def test_bad_input(rng):
    values = rng.normal(size=(20, 5))
    with pytest.raises(ValueError, match="2 neighbours need at least 8 stimuli, got 7"):
        two_nn(values[:7])
    with pytest.raises(
        ValueError, match=r"18 neighbours .* 40 stimuli, got 20; .*fewer neighbours"
    ):
        maximum_likelihood_dimension(values, k=18)
    with pytest.raises(ValueError, match="k must be at least 2 neighbours, got 1"):
        maximum_likelihood_dimension(values, k=1)
    with pytest.raises(ValueError, match="discard must be at least 0 and below 1, got 1"):
        two_nn(values, discard=1.0)
    with pytest.raises(ValueError, match=r"level=95.0 and n_draws=200"):
        two_nn(values, level=95.0)
    flat = np.stack([np.ones((20, 5)), values], axis=2)
    with pytest.raises(ValueError, match=r"fewer than 3 stimuli have distances, as in time bins 0"):
        two_nn(flat)
    for measure in ESTIMATORS:
        found = measure(flat, undefined="nan")["ci_low"].values
        assert np.isnan(found).tolist() == [True, False]
