"""Expectations of crossnobis over many draws, which lie along the time axis of one assembly."""

import numpy as np
import pytest

from neurorec.geometry import NOISE_METHODS, Noise, rdm

from .repeated import labels, make

pytestmark = pytest.mark.slow

N_DRAWS = 500


def mean_and_error(draws):
    """Mean over draws of each pair, and its standard error."""
    upper = np.triu_indices(draws.shape[1], 1)
    values = draws[:, upper[0], upper[1]]
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def simulated(rng, code, stimulus, noise_of):
    """Draws of noise around the same code (stimulus, unit)."""
    size = (len(stimulus), code.shape[1], N_DRAWS)
    return code[stimulus][:, :, None] + noise_of(rng, size)


def correlated(rng, size):
    shared = rng.normal(size=(size[0], 1, size[2])) * np.linspace(0.2, 1, size[1])[:, None]
    return rng.normal(size=size) + shared


def skewed(rng, size):
    return rng.exponential(size=size) - 1


@pytest.mark.parametrize("n_units", [8, 40])
@pytest.mark.parametrize("noise", NOISE_METHODS)
@pytest.mark.parametrize("kind", [correlated, skewed], ids=lambda kind: kind.__name__)
def test_zero_where_stimuli_evoke_the_same(assembly_of, rng, n_units, noise, kind):
    """With what is common to all responses, and a presentation missing."""
    stimulus, repetition = (one[:-1] for one in labels(4, 4))
    values = simulated(rng, np.full((4, n_units), 5.0), stimulus, kind)
    ours = rdm(make(assembly_of, values, stimulus, repetition), method="crossnobis", noise=noise)
    mean, error = mean_and_error(ours.values)
    # Six pairs, sixteen cases: one in a hundred of normal deviates is beyond 4 in any of them.
    assert np.all(np.abs(mean) < 4 * error)


@pytest.mark.parametrize("n_units", [6, 40])
def test_a_pooled_covariance_is_biased_upwards(assembly_of, rng, n_units):
    """It is estimated from the noise that it weighs, of which 12 degrees of freedom are few."""
    stimulus, repetition = labels(4, 4)
    values = simulated(rng, np.zeros((4, n_units)), stimulus, correlated)
    pooled = Noise(shrinkage=0.2, pooled=True)
    ours = rdm(make(assembly_of, values, stimulus, repetition), method="crossnobis", noise=pooled)
    mean, error = mean_and_error(ours.values)
    assert np.all(mean > 4 * error)


def test_noise_that_a_repetition_shares_takes_no_part(assembly_of, rng):
    """It is in the test or in the training repetitions, never in both."""
    stimulus, repetition = labels(4, 3)
    shared = rng.normal(size=(3, 1, 20, N_DRAWS)) * np.array([1, -2, 3, 0.5])[:, None, None]
    values = rng.normal(size=(12, 20, N_DRAWS))
    for r in range(3):
        values[repetition == r] += shared[r]
    ours = rdm(make(assembly_of, values, stimulus, repetition), method="crossnobis")
    mean, error = mean_and_error(ours.values)
    assert np.all(np.abs(mean) < 4 * error)


def true_distances(code, noise_variance, *, freedom, noise):
    """What crossnobis is on average, of independent normal noise of given variances."""
    differences = code[:, None] - code
    if noise == "none":
        return (differences**2).sum(axis=-1)
    n_units = code.shape[1]
    if noise == "diagonal":
        # The mean of 1 / chi-square with d degrees of freedom is 1 / (d - 2).
        return (differences**2 / noise_variance).sum(axis=-1) * freedom / (freedom - 2)
    # Shrunk all the way: the mean variance, from all units.
    total = freedom * n_units
    return (differences**2).sum(axis=-1) / noise_variance[0] * total / (total - 2)


@pytest.mark.parametrize("n_units", [6, 40])
@pytest.mark.parametrize("noise", ["none", "diagonal", "shrinkage_eye"])
def test_true_distance(assembly_of, rng, n_units, noise):
    stimulus, repetition = labels(4, 4)
    code = rng.normal(size=(4, n_units))
    unequal = noise == "diagonal"
    variance = np.linspace(0.5, 2, n_units) if unequal else np.full(n_units, 1.5)

    def draw(rng, size):
        return np.sqrt(variance)[:, None] * rng.normal(size=size)

    values = simulated(rng, code, stimulus, draw)
    option = Noise(shrinkage=1) if noise == "shrinkage_eye" else noise
    ours = rdm(make(assembly_of, values, stimulus, repetition), method="crossnobis", noise=option)
    mean, error = mean_and_error(ours.values)
    # A fold is trained on 3 of 4 repetitions of 4 stimuli: 12 - 4 degrees of freedom.
    expected = true_distances(code, variance, freedom=8, noise=noise)[np.triu_indices(4, 1)]
    assert np.all(np.abs(mean - expected) < 4 * error)
    assert np.all(error < 0.1 * expected.max())


def test_true_distance_in_a_known_covariance(assembly_of, rng):
    """The inverse of a Wishart matrix is on average 1 / (freedom - units - 1) of the truth."""
    stimulus, repetition = labels(5, 6)
    code, mixing = rng.normal(size=(5, 4)), rng.normal(size=(4, 4)) + 2 * np.eye(4)

    def draw(rng, size):
        return np.einsum("nut,uv->nvt", rng.normal(size=size), mixing)

    values = simulated(rng, code, stimulus, draw)
    whole = Noise(shrinkage=0)
    ours = rdm(make(assembly_of, values, stimulus, repetition), method="crossnobis", noise=whole)
    mean, error = mean_and_error(ours.values)
    freedom, differences = 5 * 5 - 5, code[:, None] - code
    metric = np.linalg.inv(mixing.T @ mixing) * freedom / (freedom - 4 - 1)
    expected = np.einsum("iju,uv,ijv->ij", differences, metric, differences)
    expected = expected[np.triu_indices(5, 1)]
    assert np.all(np.abs(mean - expected) < 4 * error)
    assert np.all(error < 0.1 * expected.max())
