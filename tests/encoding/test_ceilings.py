"""Reliability and noise ceilings against known truth."""

import numpy as np
import pytest

from neurorec.datasets.population import Population
from neurorec.datasets.simulate import simulate_population
from neurorec.encoding import Ceiling, noise_ceiling, split_half_reliability
from neurorec.encoding.ceilings import _halves, _table
from neurorec.stats import by_stimulus


def trials(rng, make, *, n_stimuli, repetitions, noise_std, n_neuroids=2):
    """Gaussian trials with the given number of repetitions of each stimulus."""
    repetitions = np.broadcast_to(repetitions, (n_stimuli,))
    stimulus = np.repeat(np.arange(n_stimuli), repetitions)
    signal = rng.normal(size=(n_stimuli, n_neuroids, 1))
    noise = noise_std * rng.normal(size=(len(stimulus), n_neuroids, 1))
    return make(signal[stimulus] + noise, stimulus_id=[f"s{i}" for i in stimulus])


@pytest.mark.parametrize("noise_std", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("n_repetitions", [4, 5])
def test_known_answer(rng, make, noise_std, n_repetitions):
    n_stimuli = 5000
    responses = trials(
        rng, make, n_stimuli=n_stimuli, repetitions=n_repetitions, noise_std=noise_std
    )
    reliability = split_half_reliability(responses, n_splits=3).mean("split")
    expected = 1 / (1 + noise_std**2 / n_repetitions)
    # The standard error of a correlation over n samples is at most 1 / sqrt(n); the correction
    # multiplies it by its slope at 0, at most 5 / 2. Four standard errors:
    np.testing.assert_allclose(reliability, expected, atol=4 * 2.5 / np.sqrt(n_stimuli))


def test_unequal_repetitions_are_handled_by_count(rng, make):
    n_stimuli = 6000
    repetitions = rng.integers(2, 10, size=n_stimuli)
    responses = trials(rng, make, n_stimuli=n_stimuli, repetitions=repetitions, noise_std=2.0)
    reliability = split_half_reliability(responses, n_splits=5)
    expected = 1 / (1 + 4 * np.mean(1 / repetitions))
    atol = 4 * reliability.attrs["lengthening"] / np.sqrt(n_stimuli)
    np.testing.assert_allclose(reliability.mean("split"), expected, atol=atol)
    plain = split_half_reliability(responses, n_splits=5, corrected=False).mean("split")
    expected = 1 / (1 + 4 * np.mean(1 / (repetitions // 2)))
    np.testing.assert_allclose(plain, expected, atol=4 / np.sqrt(n_stimuli))


@pytest.mark.parametrize("n_repetitions", [2, 5, 8])
def test_halves_are_of_one_size_and_apart(make, n_repetitions):
    # The response to repetition k is 2 ** k for the first neuroid: a mean tells which were in it.
    values = np.tile(2.0 ** np.arange(n_repetitions), 4)[:, None, None]
    responses = make(values, stimulus_id=np.repeat([f"s{i}" for i in range(4)], n_repetitions))
    table = _table(by_stimulus(responses), responses["repetition"].values)
    half = n_repetitions // 2
    left_out = set()
    for seed in range(30):
        halves = _halves(table, np.random.default_rng(seed))
        for stimulus in range(4):
            first, second = (round(h[stimulus, 0, 0] * half) for h in halves)
            assert first.bit_count() == second.bit_count() == half
            assert first & second == 0
            left_out.add(first | second)
    assert len(left_out) == (n_repetitions if n_repetitions % 2 else 1)


def test_correction_is_to_the_number_of_repetitions(rng, make):
    repetitions = np.array([2, 3, 5, 8])
    responses = trials(rng, make, n_stimuli=4, repetitions=repetitions, noise_std=0.1)
    plain = split_half_reliability(responses, n_splits=4, corrected=False)
    corrected = split_half_reliability(responses, n_splits=4)
    k = np.mean(1 / np.array([1, 1, 2, 4])) / np.mean(1 / repetitions)
    assert corrected.attrs["lengthening"] == pytest.approx(k)
    np.testing.assert_allclose(corrected, k * plain / (1 + (k - 1) * plain), atol=1e-12)


def test_missing_repetitions_of_some_neuroids(rng, make):
    n_stimuli, n_repetitions = 3000, 8
    responses = trials(
        rng, make, n_stimuli=n_stimuli, repetitions=n_repetitions, noise_std=2.0, n_neuroids=3
    )
    gone = responses["repetition"].values >= 4  # of the second neuroid half, of the third none
    responses.values[gone, 1] = np.nan
    reliability = split_half_reliability(responses, n_splits=5).mean("split").values[:, 0]
    expected = 1 / (1 + 4 / np.array([8, 4, 8]))
    np.testing.assert_allclose(reliability, expected, atol=4 * 2 / np.sqrt(n_stimuli))


def test_stimuli_with_one_repetition_are_left_out_and_counted(rng, make):
    repetitions = np.repeat([1, 4], 20)
    responses = trials(rng, make, n_stimuli=40, repetitions=repetitions, noise_std=1.0)
    result = split_half_reliability(responses, n_splits=2)
    assert result.attrs["n_stimuli"] == 20
    assert result.attrs["n_stimuli_left_out"] == 20


def test_a_drift_between_repetitions_cancels(rng, make):
    # Each repetition is shifted by as much as the signal varies, so halves that mixed repetitions
    # differently for each stimulus would correlate at 1 / (1 + 1 / 4) or less.
    signal = rng.normal(size=(200, 1, 1))
    stimulus, repetition = np.repeat(np.arange(200), 8), np.tile(np.arange(8), 200)
    drift = rng.permutation(np.linspace(-2, 2, 8))[repetition]
    responses = make(
        signal[stimulus] + drift[:, None, None], [f"s{i}" for i in stimulus], repetition
    )
    assert split_half_reliability(responses, n_splits=10).values.min() > 1 - 1e-12


def test_repetitions_that_share_a_number_are_still_divided_at_random(rng, make):
    responses = trials(rng, make, n_stimuli=300, repetitions=6, noise_std=1.0)
    flat = responses.assign_coords(repetition=("presentation", np.zeros(1800, dtype=int)))
    splits = split_half_reliability(flat, n_splits=10)
    assert len(np.unique(splits.values[:, 0, 0])) == 10


def test_order_of_presentations_does_not_matter(rng, make):
    responses = trials(rng, make, n_stimuli=50, repetitions=6, noise_std=1.0)
    again = responses.isel(presentation=rng.permutation(300))
    again = again.sortby("repetition")  # stimuli now follow one another within a repetition
    np.testing.assert_allclose(
        split_half_reliability(responses, n_splits=4).mean("split"),
        split_half_reliability(again, n_splits=4).mean("split"),
        atol=1e-12,
    )


def test_seed(rng, make):
    responses = trials(rng, make, n_stimuli=50, repetitions=6, noise_std=1.0)
    one, two, other = (split_half_reliability(responses, n_splits=2, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_convention_and_coordinates(rng, make):
    responses = trials(rng, make, n_stimuli=9, repetitions=4, noise_std=1.0)
    result = split_half_reliability(responses, n_splits=7)
    assert result.dims == ("split", "neuroid", "time_bin")
    assert result.shape == (7, 2, 1)
    assert "Spearman-Brown corrected" in result.attrs["convention"]
    assert result.attrs["lengthening"] == 2.0
    assert result["neuroid_id"].values.tolist() == ["n0", "n1"]
    plain = split_half_reliability(responses, n_splits=1, corrected=False)
    assert "not corrected" in plain.attrs["convention"]


def test_ceiling_is_the_root_and_flags_noise(rng, make):
    responses = trials(rng, make, n_stimuli=400, repetitions=4, noise_std=1.0)
    responses.values[:, 1] = rng.normal(size=(1600, 1))
    responses.values[:, 1] += 10  # noise around a mean
    ceiling = noise_ceiling(responses, ceiling=Ceiling(n_splits=20, min_reliability=0.3))
    assert ceiling["reliable"].values.tolist() == [[True], [False]]
    assert float(ceiling["ceiling"][0, 0]) == pytest.approx(
        np.sqrt(float(ceiling["reliability"][0, 0]))
    )
    assert ceiling["reliable"].attrs["rule"] == "reliability of at least 0.3"


def test_a_constant_neuroid_has_no_reliability_and_no_nan(rng, make):
    responses = trials(rng, make, n_stimuli=20, repetitions=4, noise_std=1.0)
    responses.values[:, 1] = 0.1
    ceiling = noise_ceiling(responses)
    assert float(ceiling["reliability"][1, 0]) == 0
    assert float(ceiling["ceiling"][1, 0]) == 0


@pytest.mark.parametrize("noise", ["gaussian", "poisson"])
def test_known_ceilings_of_200_simulated_neuroids(rng, noise):
    population = Population(
        n_neuroids=200,
        n_repetitions=(5, 9),
        noise=noise,
        signal_to_noise=tuple(np.geomspace(0.05, 2, 200)),
        start_ms=0,
        stop_ms=200,
        bin_width_ms=200,
    )
    simulated = simulate_population(
        [f"s{i}" for i in range(500)], population, features=rng.normal(size=(500, 8)), seed=3
    )
    ceiling = noise_ceiling(simulated.data.assembly)["ceiling"].values
    error = ceiling - simulated.truth.noise_ceiling
    assert abs(error.mean()) < 0.02
    # One neuroid: the standard error of a correlation at r = 0, 1 / sqrt(500), times the slope of
    # the correction, 2, and of the root at a reliability of 0.3, 0.9; four of them:
    reliable = simulated.truth.expected_reliability > 0.3
    assert np.abs(error[reliable]).max() < 4 * 2 * 0.9 / np.sqrt(500)


def test_single_repetitions(rng, make):
    responses = trials(rng, make, n_stimuli=9, repetitions=1, noise_std=1.0)
    with pytest.raises(ValueError, match=r"at least 2 repetitions, got 0 of 9 .* at most 1 rep"):
        split_half_reliability(responses)


def test_too_few_splits():
    with pytest.raises(ValueError, match="n_splits must be at least 1, got 0"):
        Ceiling(n_splits=0)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_minimum_out_of_range(value):
    with pytest.raises(ValueError, match="min_reliability must lie between 0 and 1"):
        Ceiling(min_reliability=value)
