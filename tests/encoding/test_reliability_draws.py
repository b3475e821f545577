"""Reliability under weights of stimuli, as a bootstrap over stimuli asks for it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec.assemblies import build
from neurorec.encoding import Ceiling, noise_ceiling, reliability_draws

METHODS = (Ceiling(n_splits=6, seed=3), Ceiling(method="explainable_variance"))


def recording(seed, *, design="complete", n_stimuli=12, n_neuroids=3):
    """Single trials; a list of the stimulus of each."""
    rng = np.random.default_rng(seed)
    repetitions = np.full(n_stimuli, 4)
    if design == "unequal":
        repetitions = np.append([2, 5, 3], rng.integers(1, 6, size=n_stimuli - 3))
    stimulus = np.repeat(np.arange(n_stimuli), repetitions)
    signal = rng.normal(size=(n_stimuli, n_neuroids, 2))
    values = signal[stimulus] + rng.normal(size=(len(stimulus), n_neuroids, 2)) + 20
    number = np.concatenate([np.arange(r) for r in repetitions])
    if design == "missing":
        values[(number > 1) & (stimulus % 3 == 0), 1] = np.nan
    return assembly(values, stimulus, number)


def assembly(values, stimulus, number):
    n_neuroids, n_bins = values.shape[1:]
    return build(
        values,
        presentation={"stimulus_id": stimulus, "repetition": number},
        neuroid={"neuroid_id": np.arange(n_neuroids), "region": ["V4"] * n_neuroids},
        time_bin_start=np.arange(n_bins),
        time_bin_end=np.arange(n_bins) + 1,
    )


def repeated(responses, counts):
    """Assembly in which each stimulus occurs so often, under names of their own."""
    stimulus, number = responses["stimulus_id"].values, responses["repetition"].values
    places = [
        (np.flatnonzero(stimulus == one), copy)
        for one, count in enumerate(counts)
        for copy in range(count)
    ]
    rows = np.concatenate([rows for rows, _ in places])
    names = np.concatenate([[i] * len(rows) for i, (rows, _) in enumerate(places)])
    return assembly(responses.values[rows], names, number[rows])


@pytest.mark.parametrize("ceiling", METHODS, ids=lambda c: c.method)
@pytest.mark.parametrize("design", ["complete", "unequal", "missing"])
def test_each_stimulus_once_is_the_plain_reliability(ceiling, design):
    responses = recording(1, design=design)
    draws = reliability_draws(responses, np.ones((2, 12), dtype=int), ceiling)
    plain = noise_ceiling(responses, ceiling=ceiling)["reliability"].values
    assert draws.shape == (2, 3, 2)
    np.testing.assert_allclose(draws, [plain, plain], rtol=0, atol=1e-11)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 100), design=st.sampled_from(["complete", "unequal", "missing"]))
@pytest.mark.parametrize("ceiling", METHODS, ids=lambda c: c.method)
def test_counts_are_repeated_stimuli(ceiling, seed, design):
    responses = recording(seed, design=design)
    counts = np.random.default_rng(seed).integers(0, 4, size=(3, 12))
    counts[:, :3] += 1  # three stimuli with two repetitions, whatever the design
    draws = reliability_draws(responses, counts, ceiling)
    for draw, count in zip(draws, counts, strict=True):
        expected = noise_ceiling(repeated(responses, count), ceiling=ceiling)["reliability"]
        np.testing.assert_allclose(draw, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("ceiling", METHODS, ids=lambda c: c.method)
@pytest.mark.parametrize("design", ["complete", "missing"])
def test_batches(monkeypatch, ceiling, design):
    responses = recording(2, design=design, n_neuroids=9)
    weights = np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), size=20)
    expected = reliability_draws(responses, weights, ceiling)
    plain = noise_ceiling(responses, ceiling=ceiling)["reliability"]
    monkeypatch.setattr("neurorec.encoding.split_half._BLOCK", 1)
    monkeypatch.setattr("neurorec.encoding.split_half._BATCH", 1)
    monkeypatch.setattr("neurorec.encoding.analysis_of_variance._BATCH", 1)
    np.testing.assert_allclose(reliability_draws(responses, weights, ceiling), expected, atol=1e-12)
    again = noise_ceiling(responses, ceiling=ceiling)["reliability"]
    np.testing.assert_allclose(again, plain, atol=1e-12)


def test_no_more_splits_than_stated():
    responses = recording(3)
    once = np.ones((1, 12), dtype=int)
    few = noise_ceiling(responses, ceiling=Ceiling(n_splits=2))["reliability"]
    many = Ceiling(n_splits=50)
    np.testing.assert_allclose(reliability_draws(responses, once, many, most_splits=2)[0], few)
    ten = noise_ceiling(responses, ceiling=Ceiling(n_splits=10))["reliability"]
    np.testing.assert_allclose(reliability_draws(responses, once, many)[0], ten)


@pytest.mark.parametrize("ceiling", METHODS, ids=lambda c: c.method)
def test_draws_that_say_nothing_are_zero(ceiling):
    responses = recording(4)
    responses.values[:, 0] = 0.1
    one_stimulus = 12 * np.eye(12, dtype=int)[:2]
    draws = reliability_draws(responses, one_stimulus, ceiling)
    np.testing.assert_array_equal(draws, 0)
    resampled = np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), size=5)
    draws = reliability_draws(responses, resampled, ceiling)
    np.testing.assert_array_equal(draws[:, 0], 0)
    assert (draws[:, 1:] != 0).all()


def test_the_spread_is_that_of_new_stimuli():
    # 150 worlds of 60 stimuli: the reliability scatters over worlds as over draws of one of them.
    rng = np.random.default_rng(8)
    worlds = np.repeat(rng.normal(size=(60, 150, 1)), 4, axis=0) + rng.normal(size=(240, 150, 1))
    responses = assembly(worlds, np.repeat(np.arange(60), 4), np.tile(np.arange(4), 60))
    weights = rng.multinomial(60, np.full(60, 1 / 60), size=200)
    for ceiling in METHODS:
        spread = noise_ceiling(responses, ceiling=ceiling)["reliability"].values.std()
        within = reliability_draws(responses, weights, ceiling).std(axis=0).mean()
        # The standard error of a standard deviation of 150 is 1 / sqrt(300) of it; four of them.
        assert within / spread == pytest.approx(1, abs=4 / np.sqrt(300))


def test_wrong_weights():
    responses, ceiling = recording(5), Ceiling()
    with pytest.raises(ValueError, match="weights of 11 stimuli for responses to 12; give one col"):
        reliability_draws(responses, np.ones((2, 11)), ceiling)
    for wrong in (-1.0, 0.5, np.nan):
        with pytest.raises(ValueError, match="whole numbers, none of them negative"):
            reliability_draws(responses, np.full((2, 12), wrong), ceiling)
    with pytest.raises(ValueError, match="1 of 2 draws have no stimulus; leave them out"):
        reliability_draws(responses, np.array([np.ones(12), np.zeros(12)]), ceiling)
