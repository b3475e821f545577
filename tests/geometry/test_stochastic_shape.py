"""Distances between distributions over trials: POT, closed forms, minima, bad input."""

import numpy as np
import ot
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec.geometry import shape_distance, stochastic_shape_distance
from neurorec.populations import patterns_of


def presented(assembly_of, trials):
    """Assembly of trials (stimulus, repetition, unit, perhaps time bin)."""
    n, k = trials.shape[:2]
    return assembly_of(
        trials.reshape(n * k, *trials.shape[2:]),
        stimulus_ids=np.repeat([f"s{i}" for i in range(n)], k),
        repetition=np.tile(np.arange(k), n),
    )


def cost(x, y, rotation, alpha):
    """Mean over stimuli of means apart and of POT's Bures-Wasserstein distance, squared."""
    total = 0.0
    centres = [z.mean(axis=1) - z.mean(axis=(0, 1)) for z in (x, y)]
    for m in range(len(x)):
        a, b = np.cov(x[m].T), np.cov((y[m] @ rotation.T).T)
        zero = np.zeros(len(a))
        bures = ot.gaussian.bures_wasserstein_distance(zero, zero, a, b)
        apart = np.sum((centres[0][m] - rotation @ centres[1][m]) ** 2)
        total += alpha * apart + (2 - alpha) * bures**2
    return total / len(x)


def turn(angle, *, reflect):
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return rotation @ np.diag([1, -1]) if reflect else rotation


@pytest.mark.parametrize("alpha", [0, 0.5, 1, 1.7, 2])
def test_all_rotations_of_the_plane(assembly_of, rng, alpha):
    """The minimum over a grid of rotations and reflections, refined."""
    scales = np.array([2.0, 0.5])
    x, y = (rng.normal(size=(4, 1, 2)) + scales * rng.normal(size=(4, 6, 2)) for _ in range(2))
    best = np.inf
    for reflect in (False, True):
        grid = np.linspace(0, 2 * np.pi, 25)
        costs = [cost(x, y, turn(angle, reflect=reflect), alpha) for angle in grid]
        around = grid[np.argmin(costs)]
        found = scipy.optimize.minimize_scalar(
            lambda angle, reflect=reflect: cost(x, y, turn(angle, reflect=reflect), alpha),
            bounds=(around - 0.3, around + 0.3),
            method="bounded",
            options={"xatol": 1e-7},
        )
        best = min(best, found.fun)
    result = stochastic_shape_distance(
        presented(assembly_of, x), presented(assembly_of, y), alpha=alpha, n_starts=5
    )
    assert result.item() == pytest.approx(np.sqrt(best), abs=1e-5)


def test_means_only_is_procrustes(assembly_of, rng):
    x, y = rng.normal(size=(6, 3, 5)), rng.normal(size=(6, 4, 8))
    a, b = presented(assembly_of, x), presented(assembly_of, y)
    expected = shape_distance(a, b, angular=False).item() * np.sqrt(2 / 6)
    assert stochastic_shape_distance(a, b, alpha=2).item() == pytest.approx(expected, abs=1e-9)


def test_round_clouds(assembly_of, rng):
    """Equal means, covariances 4 I and I in three dimensions: B^2 = 3 (2 - 1)^2."""
    frame = np.concatenate([np.eye(3), -np.eye(3)])  # squares sum to 2 I, over 5: 0.4 I
    means = rng.normal(size=(5, 1, 3))
    x, y = means + 2 * frame / np.sqrt(0.4), means + frame / np.sqrt(0.4)
    a, b = presented(assembly_of, x), presented(assembly_of, y)
    for alpha in (0, 0.5, 1):
        result = stochastic_shape_distance(a, b, alpha=alpha).item()
        assert result == pytest.approx(np.sqrt((2 - alpha) * 3), abs=1e-4)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), alpha=st.floats(0, 2))
def test_triangle_inequality(assembly_of, seed, alpha):
    """Where the starts find the minimum: more of them than valleys there are in the plane."""
    rng = np.random.default_rng(seed)
    trials = rng.normal(size=(4, 1, 2, 3)) + rng.normal(size=(4, 4, 2, 3))
    d = stochastic_shape_distance(presented(assembly_of, trials), alpha=alpha, n_starts=4).values
    assert (d[:, None, :] <= d[:, :, None] + d[None, :, :] + 1e-4).all()


def test_rotated_trials_are_the_same(assembly_of, rng):
    x = rng.normal(size=(6, 4, 3)) + 3 * rng.normal(size=(6, 1, 3))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    a, b = presented(assembly_of, x), presented(assembly_of, x @ rotation + 7)
    assert stochastic_shape_distance(a, b).item() == pytest.approx(0, abs=1e-4)


def test_numbers_of_repetitions_may_differ(assembly_of, rng):
    """Presentations left out of one stimulus, and another order; every stimulus counts the same."""
    x, y = (rng.normal(size=(4, 5, 2)) + 4 * rng.normal(size=(4, 1, 2)) for _ in range(2))
    a, b = presented(assembly_of, x), presented(assembly_of, y)
    fewer = a.isel(presentation=[*range(2), *range(5, 20)])
    rng.shuffle(order := np.arange(17))
    first = stochastic_shape_distance(fewer, b, alpha=0.01, n_starts=4).item()
    second = stochastic_shape_distance(fewer.isel(presentation=order), b, alpha=0.01, n_starts=4)
    assert second.item() == pytest.approx(first, abs=1e-5)
    means = stochastic_shape_distance(fewer, b, alpha=2).item()
    procrustes = shape_distance(fewer, b, angular=False).item()
    assert means == pytest.approx(procrustes * np.sqrt(2 / 4), abs=1e-9)


def test_macaque_it(zhang_windows):
    """Around the response, two windows are closer to each other than to the baseline."""
    with pytest.warns(RuntimeWarning, match="has not converged after 3"):
        d = stochastic_shape_distance(zhang_windows[:, :, [0, 2, 3]], n_iterations=3).values
    assert d[1, 2] < d[0, 1]
    assert d[0, 2] <= d[0, 1] + d[1, 2]


def test_bad_input(assembly_of, rng):
    a = presented(assembly_of, rng.normal(size=(5, 3, 4)))
    with pytest.raises(ValueError, match=r"alpha must lie between 0 \(covariances\) and 2"):
        stochastic_shape_distance(a, a, alpha=-0.1)
    with pytest.raises(ValueError, match="n_starts and n_iterations must be at least 1, got 0"):
        stochastic_shape_distance(a, a, n_starts=0)
    with pytest.raises(ValueError, match=r"at least 2 repetitions .* 1 of 5 have one, as 's0'"):
        stochastic_shape_distance(a[2:], a)
    with pytest.raises(ValueError, match="single presentations are needed"):
        stochastic_shape_distance(patterns_of(a), a)
