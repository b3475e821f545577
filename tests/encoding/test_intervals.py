"""Bootstrap intervals over neuroids and stimuli."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec.encoding import (
    Bootstrap,
    Ceiling,
    Identity,
    KFold,
    Ridge,
    fit,
    reliability_draws,
)
from neurorec.encoding.intervals import RESAMPLED, population_limits
from neurorec.stats import bootstrap_interval, pearson


@pytest.mark.parametrize("n_neuroids", [21, 22])
def test_over_neuroids_as_scipy_draws_them(rng, n_neuroids):
    values = rng.normal(size=(n_neuroids, 3))
    bootstrap = Bootstrap(n_draws=4000)
    ours = population_limits(values, np.repeat(values[None], 4000, axis=0), bootstrap)[0]
    low, high = bootstrap_interval(values, axis=0, n_draws=4000, seed=1)
    # Limits of two bootstraps of 4000 draws: each quantile has a standard error of about
    # sqrt(0.025 * 0.975 / 4000) / density, with a density of 0.06 / deviation at 2 deviations.
    error = np.sqrt(0.025 * 0.975 / 4000) / 0.058 * 1.25 / np.sqrt(n_neuroids)
    # Medians of few neurons jump from one to the next: the gaps at the limits come on top.
    ordered = np.sort(values, axis=0)
    gap = np.diff(ordered, axis=0)[3:-3].max(axis=0)
    assert (np.abs(ours - np.stack([low, high])) < 5 * error + gap).all()


def test_over_stimuli(rng):
    # Percentiles of the draws around the estimate, whatever their bias.
    draws = rng.normal(size=(400, 9, 2)) - 0.3
    values = rng.normal(size=(9, 2))
    limits = population_limits(values, draws, Bootstrap(n_draws=400, level=0.9))
    medians = np.median(draws, axis=1)
    expected = np.quantile(medians, [0.05, 0.95], axis=0) - np.median(medians, axis=0)
    np.testing.assert_allclose(
        limits[1], np.median(values, axis=0) + expected, atol=1e-6
    )  # float32


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), bias=st.floats(-2, 2), n=st.integers(2, 9))
def test_the_estimate_lies_within(seed, bias, n):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 2))
    draws = values + bias + rng.normal(size=(60, 1, 2)) + rng.normal(size=(60, n, 2))
    limits = population_limits(values, draws, Bootstrap(n_draws=60))
    estimate = np.median(values, axis=0)
    assert (limits[:, 0] <= estimate + 1e-6).all()
    assert (limits[:, 1] >= estimate - 1e-6).all()


def test_over_both_what_is_common_to_neuroids_is_added(rng):
    # Of stimuli that move all neuroids alike, by a deviation of 1, where neuroids differ little.
    values = 0.01 * rng.normal(size=(31, 40))
    draws = values + rng.normal(size=(600, 1, 40))
    limits = population_limits(values, draws, Bootstrap(n_draws=600))
    np.testing.assert_allclose(limits[2], limits[1], atol=0.05)
    # Percentiles at 2.5 % of 600 draws have a standard error of 0.11; 40 bins, so 4 of them.
    assert np.abs(limits[2] - np.array([[-1.96], [1.96]])).max() < 4 * 0.11


def test_over_both_what_is_of_each_neuroid_is_not_added(rng):
    # Neuroids scatter by as much as stimuli move each of them, so their spread is all there is.
    values = rng.normal(size=(31, 40))
    draws = values + rng.normal(size=(600, 31, 40))
    limits = population_limits(values, draws, Bootstrap(n_draws=600))
    widths = (limits[:, 1] - limits[:, 0]).mean(axis=1)
    # Halves of the neuroids correlate by 1 / sqrt(600) by chance: a share of at most 2 % of the
    # variance of draws of stimuli, which is no more than twice that of neuroids.
    assert widths[2] == pytest.approx(widths[0], rel=0.03)


def test_over_both_of_one_draw(rng):
    # Every draw of stimuli is the same: what is left is the interval over neuroids.
    values = rng.normal(size=(15, 2))
    limits = population_limits(values, np.repeat(values[None], 500, axis=0), Bootstrap(n_draws=500))
    np.testing.assert_allclose(limits[2], limits[0], atol=1e-6)
    np.testing.assert_allclose(limits[1], np.stack([np.median(values, axis=0)] * 2), atol=1e-6)


def test_one_neuroid_says_nothing_of_others(rng):
    draws = rng.normal(size=(100, 1, 2))
    limits = population_limits(draws.mean(axis=0), draws, Bootstrap(n_draws=100))
    assert np.isnan(limits[[0, 2]]).all()
    assert np.isfinite(limits[1]).all()


def test_weights_are_of_an_experiment_of_the_same_size():
    weights = Bootstrap(n_draws=50, seed=3).stimulus_weights(30)
    assert weights.shape == (50, 30)
    assert (weights.sum(axis=1) == 30).all()
    np.testing.assert_array_equal(weights, Bootstrap(n_draws=50, seed=3).stimulus_weights(30))
    assert not np.array_equal(weights, Bootstrap(n_draws=50, seed=4).stimulus_weights(30))


@pytest.mark.parametrize(
    ("option", "message"),
    [({"n_draws": -1}, "n_draws must be at least 0, got -1"), ({"level": 1.0}, "level must lie")],
)
def test_bad_options(option, message):
    with pytest.raises(ValueError, match=message):
        Bootstrap(**option)


def test_intervals_of_a_fit(make, rng):
    x = rng.normal(size=(150, 10, 2))
    y = x[:, :, :1] + rng.normal(size=(150, 10, 1))
    options = {"readout": Ridge(penalties=[1.0]), "splits": KFold(3)}
    scores = fit(make(x, name="u"), make(y), bootstrap=Bootstrap(n_draws=300), **options)
    assert scores["ci_low"].dims == ("quantity", "resampled", "model_time", "time_bin")
    assert scores["resampled"].values.tolist() == list(RESAMPLED)
    assert (scores["ci_low"] < scores["median"]).all()
    assert (scores["ci_high"] > scores["median"]).all()
    both, alone = (
        (scores["ci_high"] - scores["ci_low"]).isel(resampled=r, quantity=0) for r in (2, [0, 1])
    )
    assert (both > 0.95 * alone.max("resampled")).all()
    assert (scores["neuroid_ci_low"] < scores["score"].mean("split")).all()
    # The interval of each neuron over stimuli, by hand: draws keep the fold of a stimulus.
    weights = Bootstrap(n_draws=300).stimulus_weights(150).astype(int)
    model = options["readout"]
    r = np.zeros((300, 10))
    responses = make(y)
    for train, test in KFold(3).split(responses):
        p = model.fit(x[train, :, 0], y[train, :, 0]).predict(x[test, :, 0])
        for d in range(300):
            again = np.repeat(np.arange(50), weights[d, test])
            r[d] += [np.corrcoef(p[again, i], y[test[again], i, 0])[0, 1] / 3 for i in range(10)]
    # Around the estimate.
    low, high = np.quantile(r, [0.025, 0.975], axis=0) - np.median(r, axis=0)
    estimate = scores["score"].mean("split")[:, 0, 0]
    np.testing.assert_allclose(scores["neuroid_ci_low"][:, 0, 0] - estimate, low, atol=1e-5)
    np.testing.assert_allclose(scores["neuroid_ci_high"][:, 0, 0] - estimate, high, atol=1e-5)


def test_draws_of_the_ceiling(make, rng):
    # Each draw of stimuli has the reliability that responses to these stimuli have.
    stimulus = np.repeat(np.arange(60), 4)
    x = rng.normal(size=(60, 2, 1))
    responses = make(
        x[stimulus] + rng.normal(size=(240, 2, 1)), stimulus_id=[f"s{i:04d}" for i in stimulus]
    )
    bootstrap, ceiling = Bootstrap(n_draws=50), Ceiling(n_splits=5)
    options = {"readout": Identity(), "splits": KFold(2), "ceiling": ceiling}
    scores = fit(make(x, name="u"), responses, bootstrap=bootstrap, **options)
    weights = bootstrap.stimulus_weights(60)
    reliability = np.maximum(reliability_draws(responses, weights, ceiling), 0.1)
    means = responses.values.reshape(60, 4, 2, 1).mean(axis=1)
    r = np.zeros((50, 2, 1))
    for _, test in KFold(2).split(make(means)):
        for d in range(50):
            again = np.repeat(test, weights[d, test].astype(int))
            r[d] += pearson(x[again], means[again]) / 2
    draws = r / np.sqrt(reliability)
    middle = scores["noise_corrected"][:, 0].values - np.median(draws, axis=0)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0) + middle
    np.testing.assert_allclose(scores["neuroid_ci_low"][:, 0], low, atol=1e-5)
    np.testing.assert_allclose(scores["neuroid_ci_high"][:, 0], high, atol=1e-5)


def test_intervals_of_the_ceiling(make, rng):
    stimulus = np.repeat(np.arange(80), 4)
    x = rng.normal(size=(80, 9, 1))
    trials = x[stimulus] + rng.normal(size=(320, 9, 1))
    responses = make(trials, stimulus_id=[f"s{i:04d}" for i in stimulus])
    bootstrap, ceiling = Bootstrap(n_draws=100), Ceiling(n_splits=5)
    options = {"readout": Identity(), "bootstrap": bootstrap, "ceiling": ceiling}
    scores = fit(make(x, name="u"), responses, **options)
    median = scores["ceiling"].median("neuroid")
    np.testing.assert_allclose(scores["ceiling_median"], median, atol=1e-12)
    drawn = np.sqrt(reliability_draws(responses, bootstrap.stimulus_weights(80), ceiling))
    middle = np.median(drawn, axis=1)
    low, high = np.quantile(middle, [0.025, 0.975], axis=0) + median.values - np.median(middle)
    over_stimuli = [
        scores[name].sel(resampled="stimuli") for name in ("ceiling_ci_low", "ceiling_ci_high")
    ]
    np.testing.assert_allclose(over_stimuli, [low, high], atol=1e-5)
    assert (scores["ceiling_ci_low"] < median).all()
    assert (scores["ceiling_ci_high"] > median).all()


def test_without_draws_there_are_no_intervals(make, rng):
    x = rng.normal(size=(60, 5, 2))
    scores = fit(make(x, name="u"), make(x), bootstrap=Bootstrap(n_draws=0))
    assert not [name for name in scores if "ci_" in str(name)]
    assert "resampled" not in scores.coords
