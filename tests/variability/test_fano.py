"""Fano factors of processes whose variance is known."""

import numpy as np
import pytest

from neurorec.assemblies import build
from neurorec.variability import fano_factor, mean_variance_slope


def trials(values):
    """Assembly of (stimulus, repetition, neuroid, time_bin)."""
    values = np.asarray(values)
    n_stimuli, n_repetitions, n_neuroids, n_bins = values.shape
    return build(
        values.reshape(-1, n_neuroids, n_bins),
        presentation={
            "stimulus_id": np.repeat([f"s{i}" for i in range(n_stimuli)], n_repetitions),
            "repetition": np.tile(np.arange(n_repetitions), n_stimuli),
        },
        neuroid={
            "neuroid_id": [f"n{i}" for i in range(n_neuroids)],
            "region": ["IT"] * n_neuroids,
        },
        time_bin_start=np.arange(n_bins),
        time_bin_end=np.arange(n_bins) + 1,
    )


def test_known_answer():
    # Stimulus 0: counts 1, 3: mean 2, variance 2. Stimulus 1: 0, 6: mean 3, variance 18.
    result = fano_factor(trials(np.array([[1, 3], [0, 6]])[:, :, None, None]))
    assert result.dims == ("neuroid", "time_bin")
    assert result.item() == pytest.approx((2 / 2 + 18 / 3) / 2)


@pytest.mark.parametrize("rate", [0.1, 1.0, 20.0])
def test_poisson(rng, rate):
    # Given its mean, the index of dispersion of Poisson counts has expectation 1, and variance
    # at most 2 / (repetitions - 1).
    counts = rng.poisson(rate, size=(3000, 10, 1, 1))
    assert fano_factor(trials(counts)).item() == pytest.approx(1, abs=4 * np.sqrt(2 / 9 / 2000))


def test_missing_repetitions(rng):
    counts = rng.poisson(5.0, size=(50, 8, 2, 1)).astype(float)
    fewer = fano_factor(trials(counts[:, :6]))
    counts[:, 6:, 1] = np.nan
    assert fano_factor(trials(counts))[1].item() == pytest.approx(fewer[1].item(), abs=1e-12)


def test_silence_is_counted():
    counts = np.zeros((4, 3, 2, 1))
    counts[0, 0, 0] = 1
    result = fano_factor(trials(counts))
    assert np.isnan(result[1, 0])
    assert result.attrs["n_undefined"] == 1
    assert result[0, 0] == pytest.approx(1.0)  # mean 1/3, variance 1/3; silent stimuli left out


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_slope_of_a_power_law(rng, power):
    # Gamma variables with mean m and variance m ** power / 4. The estimate of a log variance from
    # R repetitions has a standard error of about sqrt(2 / R) (times 1.5 for these tails), the
    # slope that over sqrt(sum x^2).
    means = np.geomspace(1, 100, 400)
    variance = means**power / 4
    shape = means**2 / variance
    values = rng.gamma(shape[:, None], (variance / means)[:, None], size=(400, 200))
    x = np.log(means)
    error = 1.5 * np.sqrt(2 / 200) / np.sqrt(np.sum((x - x.mean()) ** 2))
    result = mean_variance_slope(trials(values[:, :, None, None]))
    assert result.item() == pytest.approx(power, abs=5 * error)


def test_slope_needs_three_stimuli(rng):
    result = mean_variance_slope(trials(rng.poisson(9.0, size=(2, 5, 1, 1))))
    assert np.isnan(result.item())
    assert result.attrs["n_undefined"] == 1


@pytest.mark.parametrize("measure", [fano_factor, mean_variance_slope])
def test_negative_activity(measure):
    with pytest.raises(ValueError, match="needs non-negative activity, got -1"):
        measure(trials(np.array([[1.0, -1.0]])[:, :, None, None]))


@pytest.mark.parametrize("measure", [fano_factor, mean_variance_slope])
def test_single_repetitions(measure):
    with pytest.raises(ValueError, match="at least 2 repetitions of some stimulus, got 4 pres"):
        measure(trials(np.ones((4, 1, 1, 1))))
