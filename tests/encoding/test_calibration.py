"""Ceilings of simulated monkeys whose ceilings are known."""

import numpy as np
import pytest

from neurorec.datasets.population import Population
from neurorec.datasets.simulate import simulate_population
from neurorec.encoding import Ceiling, noise_ceiling

N_STIMULI = 500
N_NEUROIDS = 200
DESIGNS = {"two": 2, "eight": 8, "unequal": (3, 9), "missing": 6}
CEILINGS = (Ceiling(n_splits=20), Ceiling(method="explainable_variance"))


@pytest.fixture(scope="module", params=["gaussian", "poisson"])
def noise(request):
    return request.param


@pytest.fixture(scope="module", params=DESIGNS)
def monkey(request, noise):
    """Single trials of 200 neuroids, and the reliability of their means."""
    rng = np.random.default_rng(11)
    population = Population(
        n_neuroids=N_NEUROIDS,
        n_repetitions=DESIGNS[request.param],
        noise=noise,
        signal_to_noise=tuple(np.geomspace(0.05, 2, N_NEUROIDS)),
        start_ms=0,
        stop_ms=200,
        bin_width_ms=200,
    )
    names = [f"s{i}" for i in range(N_STIMULI)]
    features = rng.normal(size=(N_STIMULI, 8))
    simulated = simulate_population(names, population, features=features, seed=3)
    responses = simulated.data.assembly.astype(float)
    if request.param != "missing":
        return responses, simulated.truth.expected_reliability
    # Four sessions that lack every sixth trial each, but keep two of every stimulus.
    gone = rng.random((len(responses), 4)) < 1 / 6
    gone[responses["repetition"].values < 2] = False
    session = rng.integers(4, size=N_NEUROIDS)
    responses.values[gone[:, session]] = np.nan
    return responses, true_reliability(simulated.truth, ~gone[:, session], noise)


def true_reliability(truth, valid, noise):
    """Signal variance over that of means of the trials that are there."""
    counts = valid.reshape(N_STIMULI, -1, N_NEUROIDS).sum(axis=1)
    of_trials = truth.mean_activity[:, :, 0] if noise == "poisson" else truth.noise_variance[:, 0]
    of_means = (of_trials / counts).mean(axis=0)[:, None]
    return truth.signal_variance / (truth.signal_variance + of_means)


@pytest.mark.parametrize("ceiling", CEILINGS, ids=lambda c: c.method)
def test_known_ceilings_of_200_simulated_neuroids(monkey, ceiling):
    responses, reliability = monkey
    estimated = noise_ceiling(responses, ceiling=ceiling)
    error = estimated["ceiling"].values - np.sqrt(reliability)
    assert abs(error.mean()) < 0.02
    # One neuroid: the standard error of a correlation at r = 0, 1 / sqrt(500), times the slope of
    # the correction, 2, and of the root at a reliability of 0.3, 0.9; four of them:
    assert np.abs(error[reliability > 0.3]).max() < 4 * 2 * 0.9 / np.sqrt(N_STIMULI)
    # The noise of neuroids is independent: the mean over 200 scatters by 1 / sqrt(200) of that.
    error = (estimated["reliability"].values - reliability).mean()
    assert abs(error) < 4 * 2 / np.sqrt(N_STIMULI * N_NEUROIDS)


@pytest.mark.parametrize("ceiling", CEILINGS, ids=lambda c: c.method)
def test_flags_follow_the_truth(monkey, ceiling):
    responses, reliability = monkey
    reliable = noise_ceiling(responses, ceiling=ceiling)["reliable"].values
    # Four standard errors of a reliability, 2 / sqrt(500), to either side of the rule.
    margin = 4 * 2 / np.sqrt(N_STIMULI)
    assert reliable.shape == reliability.shape  # flagged, not dropped
    assert reliable[reliability > ceiling.min_reliability + margin].all()


def test_both_methods_agree(monkey):
    responses, reliability = monkey
    one, other = (noise_ceiling(responses, ceiling=c)["reliability"].values for c in CEILINGS)
    # They see the same trials: closer to one another than either is to the truth.
    assert np.abs(one - other).mean() < np.abs(one - reliability).mean()
