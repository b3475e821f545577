"""Noise correlations of noise that was made."""

import numpy as np
import pytest

from neurorec.assemblies import build
from neurorec.variability import noise_correlation

N_STIMULI, N_REPETITIONS = 40, 25
SESSIONS = ["a", "a", "b", "b"]


@pytest.fixture
def correlated(rng):
    """Two sessions of two neuroids; noise correlated 0.4 within, signal correlated everywhere."""
    signal = rng.normal(size=(N_STIMULI, 1)) * np.array([3.0, 2.0, 3.0, 1.0])
    spread = rng.uniform(0.5, 2, size=(N_STIMULI, 1))  # differs between stimuli
    n = N_STIMULI * N_REPETITIONS
    shared = np.repeat(rng.normal(size=(n, 2)), 2, axis=1)
    noise = np.sqrt(0.4) * shared + np.sqrt(0.6) * rng.normal(size=(n, 4))
    stimulus = np.repeat(np.arange(N_STIMULI), N_REPETITIONS)
    return build(
        (signal[stimulus] + spread[stimulus] * noise)[:, :, None],
        presentation={
            "stimulus_id": stimulus.astype(str),
            "repetition": np.tile(np.arange(N_REPETITIONS), N_STIMULI),
        },
        neuroid={
            "neuroid_id": ["n0", "n1", "n2", "n3"],
            "region": ["V4"] * 4,
            "session_id": SESSIONS,
        },
        time_bin_start=[0],
        time_bin_end=[100],
    )


def test_known_answer(correlated):
    result = noise_correlation(correlated)
    assert result.dims == ("neuroid", "neuroid_b")
    expected = np.kron(np.eye(2), np.array([[1, 0.4], [0.4, 1]]))
    # Four standard errors of a correlation over 1000 trials.
    np.testing.assert_allclose(result, expected, atol=4 / np.sqrt(N_STIMULI * N_REPETITIONS))
    np.testing.assert_allclose(np.diag(result), 1, atol=1e-12)
    np.testing.assert_array_equal(result, result.T)
    assert result["neuroid_id_b"].values.tolist() == ["n0", "n1", "n2", "n3"]


def test_within_and_across(correlated):
    result = noise_correlation(correlated, within="session_id")
    together = np.equal.outer(SESSIONS, SESSIONS)
    np.testing.assert_array_equal(result["together"], together)
    assert (result.attrs["n_pairs_within"], result.attrs["n_pairs_across"]) == (2, 4)
    pairs = np.triu(np.ones((4, 4), dtype=bool), k=1)
    assert result.attrs["mean_within"] == pytest.approx(result.values[pairs & together].mean())
    assert result.attrs["mean_across"] == pytest.approx(result.values[pairs & ~together].mean())
    assert result.attrs["within"] == "session_id"


def test_one_session_has_no_pairs_across(correlated):
    result = noise_correlation(correlated, within="region")
    assert result.attrs["n_pairs_across"] == 0
    assert "mean_across" not in result.attrs


def test_signal_and_scale_do_not_matter(correlated, rng):
    changed = correlated.copy(deep=True)
    stimulus = correlated["stimulus_id"].values.astype(int)
    factor = rng.uniform(0.1, 10, size=N_STIMULI)
    changed.values[:, 0, 0] = 7 + factor[stimulus] * correlated.values[:, 0, 0]
    np.testing.assert_allclose(
        noise_correlation(changed), noise_correlation(correlated), atol=1e-12
    )


def test_several_time_bins(correlated):
    both = correlated.isel(time_bin=[0, 0])
    with pytest.raises(ValueError, match=r"need one time bin, got 2; use assemblies\.window"):
        noise_correlation(both)


def test_missing_values(correlated):
    correlated.values[3, 1] = np.nan
    with pytest.raises(ValueError, match="1 responses are NaN"):
        noise_correlation(correlated)


def test_single_repetitions(correlated):
    with pytest.raises(ValueError, match="at least 2 repetitions of some stimulus, got 40 pres"):
        noise_correlation(correlated.isel(presentation=correlated["repetition"].values == 0))


def test_a_neuroid_that_never_varies(correlated):
    correlated.values[:, 2] = 1.0
    with pytest.raises(ValueError, match="1 neuroids never vary over repetitions: n2"):
        noise_correlation(correlated)


def test_unknown_coordinate(correlated):
    with pytest.raises(ValueError, match=r"within must be .*'session_id'.*got 'monkey'"):
        noise_correlation(correlated, within="monkey")
