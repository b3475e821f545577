"""The simulated monkey: what was put in can be found again, with tolerances that are derived."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec import assemblies
from neurorec.datasets import Population, Simulated, simulate_population
from neurorec.datasets.simulate_images import whiten


def trials(simulated: Simulated) -> np.ndarray:
    """(stimulus, repetition, neuroid, time_bin) of a population with equal repetitions."""
    assembly = simulated.data.assembly
    n_stimuli = len(simulated.truth.stimulus_ids)
    assert assembly is not None
    return assembly.values.reshape(n_stimuli, -1, *assembly.shape[1:]).astype(float)


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Over the first axis."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return (a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))


def gaussian_features(n_stimuli: int, dimension: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_stimuli, dimension))


def identifiers(n: int) -> list[str]:
    return [f"s{i}" for i in range(n)]


@pytest.mark.parametrize("noise", ["gaussian", "poisson"])
@pytest.mark.parametrize("signal_to_noise", [0.1, 0.5, 2.0])
def test_split_halves_find_the_expected_reliability(noise, signal_to_noise):
    n_stimuli, n_neuroids = 2000, 30
    population = Population(
        n_neuroids=n_neuroids,
        n_repetitions=8,
        dimension=5,
        signal_to_noise=signal_to_noise,
        noise=noise,
        stop_ms=160,
        bin_width_ms=40,
    )
    features = gaussian_features(n_stimuli, 5)
    simulated = simulate_population(identifiers(n_stimuli), population, features=features, seed=1)
    activity = trials(simulated)
    half = correlation(activity[:, ::2].mean(axis=1), activity[:, 1::2].mean(axis=1))
    found = 2 * half / (1 + half)
    # The standard error of a correlation over n stimuli is at most 1 / sqrt(n), and the correction
    # multiplies it by at most 2. Five standard errors, over 120 neuroids and bins:
    expected = simulated.truth.expected_reliability
    np.testing.assert_allclose(found, expected, atol=5 * 2 / np.sqrt(n_stimuli))
    # Averaged over 30 independent neuroids, in the bin where the profile is 1:
    at_peak = expected[:, simulated.truth.profile[0].argmax()]
    np.testing.assert_allclose(at_peak, 8 * signal_to_noise / (1 + 8 * signal_to_noise))
    mean_found = found[:, simulated.truth.profile[0].argmax()].mean()
    assert mean_found == pytest.approx(at_peak[0], abs=4 * 2 / np.sqrt(n_stimuli * n_neuroids))


def test_the_ceiling_is_what_the_mean_itself_reaches():
    population = Population(n_neuroids=20, signal_to_noise=0.3, stop_ms=100, bin_width_ms=100)
    simulated = simulate_population(
        identifiers(2000), population, features=gaussian_features(2000, 8), seed=2
    )
    reached = correlation(trials(simulated).mean(axis=1), simulated.truth.mean_activity)
    ceiling = simulated.truth.noise_ceiling
    np.testing.assert_allclose(reached, ceiling, atol=5 / np.sqrt(2000))
    assert (ceiling < 0.9).all()


def test_unequal_repetitions_enter_the_reliability():
    population = Population(
        n_neuroids=40,
        n_repetitions=(2, 12),
        noise="gaussian",
        signal_to_noise=0.5,
        stop_ms=100,
        bin_width_ms=100,
    )
    features = gaussian_features(3000, 8)
    one, two = (
        simulate_population(identifiers(3000), population, features=features, seed=seed)
        for seed in (3, 3)
    )
    np.testing.assert_array_equal(one.data.assembly.values, two.data.assembly.values)
    means = assemblies.average_repetitions(one.data.assembly)
    counts = means["n_repetitions"].values
    assert (counts.min(), counts.max()) == (2, 12)
    expected = 0.5 / (0.5 + np.mean(1 / counts))
    np.testing.assert_allclose(one.truth.expected_reliability, expected)
    reached = correlation(means.values[:, :, 0], one.truth.mean_activity[:, :, 0])
    np.testing.assert_allclose(reached, np.sqrt(expected), atol=5 / np.sqrt(3000))


def test_poisson_variance_equals_the_mean():
    population = Population(n_neuroids=20, n_repetitions=200, signal_to_noise=1.0)
    simulated = simulate_population(
        identifiers(20), population, features=gaussian_features(20, 8), seed=4
    )
    activity = trials(simulated)
    mean, variance = activity.mean(axis=1), activity.var(axis=1, ddof=1)
    fano = variance.sum() / mean.sum()
    # The variance of a sample variance over R Poisson counts is about 2 mean^2 / R.
    n_cells = mean.size
    assert fano == pytest.approx(1, abs=5 * np.sqrt(2 / (200 * n_cells)) * mean.max() / mean.mean())
    np.testing.assert_allclose(
        mean, simulated.truth.mean_activity, atol=6 * np.sqrt(mean.max() / 200)
    )


@pytest.mark.parametrize("correlation_put_in", [0.0, 0.2, 0.6])
def test_noise_correlation(correlation_put_in):
    population = Population(
        n_neuroids=6,
        n_repetitions=400,
        noise="gaussian",
        noise_correlation=correlation_put_in,
        dimension=3,
    )
    simulated = simulate_population(
        identifiers(10), population, features=gaussian_features(10, 3), seed=5
    )
    activity = trials(simulated)
    residual = (
        (activity - activity.mean(axis=1, keepdims=True)).transpose(2, 0, 1, 3).reshape(6, -1)
    )
    found = np.corrcoef(residual)[np.triu_indices(6, k=1)]
    np.testing.assert_allclose(found, correlation_put_in, atol=5 / np.sqrt(residual.shape[1]))
    np.testing.assert_allclose(
        residual.var(axis=1) * 400 / 399, simulated.truth.noise_variance[:, 0], rtol=0.05
    )


@pytest.mark.parametrize("latency_ms", [35.0, 80.0, 142.0])
def test_nothing_before_the_latency_and_a_response_right_after(latency_ms):
    population = Population(
        n_neuroids=10,
        n_repetitions=100,
        latency_ms=latency_ms,
        signal_to_noise=1.0,
        bin_width_ms=10,
        start_ms=-100,
    )
    simulated = simulate_population(
        identifiers(30), population, features=gaussian_features(30, 8), seed=6
    )
    assembly = simulated.data.assembly
    start, end = assembly["time_bin_start"].values, assembly["time_bin_end"].values
    over_time = trials(simulated).mean(axis=(0, 1))
    before = over_time[:, end <= latency_ms]
    error = np.sqrt(before.mean(axis=1) / (before.shape[1] * 3000))
    late = over_time > (before.mean(axis=1) + 8 * error * np.sqrt(before.shape[1]))[:, None]
    first = start[late.argmax(axis=1)]
    # The bin that contains the latency, or the next one if hardly any of it is after the latency.
    containing = start[(start <= latency_ms) & (latency_ms < end)][0]
    assert set(first.tolist()) <= {containing, containing + 10}
    assert (simulated.truth.profile[:, end <= latency_ms] == 0).all()


def test_a_latency_for_each_neuroid():
    population = Population(n_neuroids=3, dimension=2, latency_ms=(40, 80, 120), bin_width_ms=20)
    simulated = simulate_population(identifiers(9), population, features=gaussian_features(9, 2))
    assert simulated.truth.latency_ms.tolist() == [40, 80, 120]
    assert (simulated.truth.profile > 0).argmax(axis=1).tolist() == [2, 4, 6]


def test_the_profile_is_the_mean_of_the_decaying_step_over_each_bin():
    population = Population(n_neuroids=1, dimension=1, latency_ms=47, decay_ms=60, sustained=0.25)
    simulated = simulate_population(identifiers(9), population, features=gaussian_features(9, 1))
    fine = np.arange(0, 300, 0.01) + 0.005
    step = np.where(fine < 47, 0, 0.25 + 0.75 * np.exp(-(fine - 47) / 60))
    means = step.reshape(15, -1).mean(axis=1)
    np.testing.assert_allclose(simulated.truth.profile[0], means / means.max(), atol=1e-4)


@pytest.mark.parametrize("dimension", [2, 6, 15])
def test_dimension_is_the_participation_ratio(dimension):
    population = Population(
        n_neuroids=60,
        noise="gaussian",
        dimension=dimension,
        signal_to_noise=100.0,
        n_repetitions=50,
        stop_ms=100,
        bin_width_ms=100,
    )
    simulated = simulate_population(
        identifiers(400), population, features=gaussian_features(400, dimension), seed=7
    )
    assert simulated.truth.dimension == dimension
    assert simulated.truth.participation_ratio == pytest.approx(dimension)
    peak = simulated.truth.profile[0].argmax()
    means = trials(simulated).mean(axis=1)[:, :, peak]
    eigenvalues = np.linalg.eigvalsh(np.cov(means.T))
    found = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    # Noise of the means adds 1 / (100 * 50) of the variance, spread over 60 dimensions: it changes
    # the ratio by less than twice that fraction.
    assert found == pytest.approx(dimension, rel=2 / 5000 * 60 / dimension)


def test_participation_ratio_of_poisson_neuroids_of_unequal_gain():
    population = Population(n_neuroids=40, dimension=6, signal_to_noise=2.0)
    simulated = simulate_population(
        identifiers(300), population, features=gaussian_features(300, 6), seed=8
    )
    truth = simulated.truth
    signal = truth.mean_activity[:, :, truth.profile[0].argmax()]
    eigenvalues = np.linalg.eigvalsh(np.cov(signal.T))
    found = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert truth.participation_ratio == pytest.approx(found, rel=1e-6)
    assert truth.participation_ratio < 6


@given(st.integers(1, 4), st.integers(5, 30), st.integers(0, 1000))
def test_whitening(dimension, n_stimuli, seed):
    features = np.random.default_rng(seed).normal(3, 2, size=(n_stimuli + dimension, dimension))
    white = whiten(features)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-9)
    covariance = white.T @ white / len(white)
    np.testing.assert_allclose(covariance, np.eye(dimension), atol=1e-9)
    first = (features[:, 0] - features[:, 0].mean()) / features[:, 0].std()
    np.testing.assert_allclose(white[:, 0], first, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(
    noise=st.sampled_from(["gaussian", "poisson"]),
    n_neuroids=st.integers(3, 12),
    baseline=st.floats(0, 2),
    ratio=st.floats(0.01, 5),
    width=st.sampled_from([10, 25, 50, 150]),
)
def test_the_closed_form_of_the_signal_holds(noise, n_neuroids, baseline, ratio, width):
    population = Population(
        n_neuroids=n_neuroids,
        noise=noise,
        dimension=3,
        baseline=baseline,
        signal_to_noise=ratio,
        bin_width_ms=width,
    )
    simulated = simulate_population(identifiers(25), population, features=gaussian_features(25, 3))
    truth = simulated.truth
    np.testing.assert_allclose(
        truth.mean_activity.var(axis=0), truth.signal_variance, rtol=1e-6, atol=1e-12
    )
    assert truth.profile.max() == 1
    peak = truth.profile.argmax(axis=1)
    rows = np.arange(n_neuroids)
    found = truth.signal_variance[rows, peak] / truth.noise_variance[rows, peak]
    np.testing.assert_allclose(found, ratio, rtol=1e-9)
    if noise == "poisson":
        assert (truth.mean_activity >= 0).all()


def test_the_assembly_is_one():
    simulated = simulate_population(30, Population(n_neuroids=10, n_repetitions=3), seed=9)
    assembly = assemblies.check(simulated.data.assembly)
    assert assembly.shape == (90, 10, 15)
    assert assembly["repetition"].values[:4].tolist() == [0, 1, 2, 0]
    assert assembly.attrs["simulated"] == 1
    assert simulated.data.provenance["simulated"] is True
    assert "SIMULATED" in simulated.data.provenance["source"]
    assert simulated.data.stimuli.pixels.dtype == np.uint8


def test_the_same_seed_gives_the_same_values(tmp_path):
    one, two, other = (simulate_population(40, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.data.assembly.values, two.data.assembly.values)
    np.testing.assert_array_equal(one.data.stimuli.pixels, two.data.stimuli.pixels)
    assert (one.data.assembly.values != other.data.assembly.values).any()
    path = assemblies.to_netcdf(one.data.assembly, tmp_path / "simulated.nc")
    assert assemblies.from_netcdf(path).attrs["simulated"] == 1


def test_images_drive_the_responses():
    """The mean response is linear in the features of the images, and images decide about it."""
    simulated = simulate_population(60, Population(n_neuroids=20), seed=10)
    truth = simulated.truth
    peak = truth.profile[0].argmax()
    response = truth.mean_activity[:, :, peak] - truth.mean_activity[:, :, peak].mean(axis=0)
    np.testing.assert_allclose(response, truth.features @ truth.weights, atol=1e-9)


OUT_OF_RANGE = {
    "n_neuroids must be positive, got 0": {"n_neuroids": 0},
    "dimension must be positive, got -1": {"dimension": -1},
    "n_repetitions must be at least 1, .* got 0": {"n_repetitions": 0},
    r"least before the most, got \(5, 2\)": {"n_repetitions": (5, 2)},
    "signal_to_noise must be positive, got -1": {"signal_to_noise": -1},
    r"noise must be one of \['gaussian', 'poisson'\], got 'pink'": {"noise": "pink"},
    "below 1, got 1": {"noise": "gaussian", "noise_correlation": 1},
    "noise_correlation=0.1 needs noise='gaussian', got noise='poisson'": {"noise_correlation": 0.1},
    "baseline must not be negative, got 0.5 and -0.1": {"baseline": -0.1},
    "positive multiple of bin_width_ms, got 300 - 0 with bin_width_ms=70": {"bin_width_ms": 70},
    "positive multiple of bin_width_ms, got 300 - 300": {"start_ms": 300},
}


@pytest.mark.parametrize("message", OUT_OF_RANGE)
def test_values_out_of_range(message):
    with pytest.raises(ValueError, match=message):
        Population(**OUT_OF_RANGE[message])


FAULTS = {
    "stimuli without images need features": (Population(), None),
    "got features of 4 stimuli for 5 stimuli": (Population(), np.eye(4)),
    "5 features have rank 4 over 5 stimuli": (Population(), np.eye(5)),
    "2 neuroids cannot span 3 dimensions": (Population(n_neuroids=2), np.eye(5)[:, :3]),
    "a latency of 300.0 ms leaves no response": (Population(latency_ms=300), np.eye(5)[:, :3]),
    "latency_ms needs one value or one for each of 50 neuroids, got 2": (
        Population(latency_ms=(10, 20)),
        np.eye(5)[:, :3],
    ),
}


@pytest.mark.parametrize("message", FAULTS)
def test_what_cannot_be_simulated(message):
    population, features = FAULTS[message]
    with pytest.raises(ValueError, match=message):
        simulate_population(identifiers(5), population, features=features)
