"""Fits over time against loops that do each cell alone."""

import numpy as np
import pytest
import sklearn.linear_model
import torch
import xarray as xr

from neurorec.assemblies import average_repetitions
from neurorec.encoding import Bootstrap, Ceiling, Controls, KFold, Lag, Match, Ridge, fit
from neurorec.stats import pearson

PENALTIES = np.logspace(-1, 3, 5)
PLAIN = {
    "readout": Ridge(penalties=PENALTIES),
    "splits": KFold(3),
    "bootstrap": Bootstrap(n_draws=0),
    "controls": Controls(static=False),
}
STATIC = PLAIN | {"controls": Controls()}


@pytest.fixture
def monkey(rng, make, power_law):
    """A model of 6 timesteps, and neurons that follow it by 20 ms in 4 bins from 20 ms on."""

    def monkey(n=90, p=40, n_neuroids=4, noise=0.1, latency=2, repeated=False):
        x = np.stack([power_law(n, p) for _ in range(6)], axis=2)
        w = rng.normal(size=(p, n_neuroids))
        source = [0] * 4 if repeated else [2 + b - latency for b in range(4)]
        signal = np.stack([x[:, :, t] @ w for t in source], axis=2)
        y = signal / signal.std(axis=0) + noise * rng.normal(size=signal.shape)
        responses = make(y)
        start = responses["time_bin_start"].values + 20
        responses = responses.assign_coords(
            time_bin_start=("time_bin", start), time_bin_end=("time_bin", start + 10)
        )
        return make(x, name="u"), responses

    return monkey


def scored(x, y, readout=None):
    """Scores (split, neuroid) of one feature matrix and the responses in one bin."""
    result = []
    for train, test in folds(len(x)):
        model = readout or sklearn.linear_model.RidgeCV(PENALTIES, alpha_per_target=True)
        result.append(pearson(model.fit(x[train], y[train]).predict(x[test]), y[test]))
    return np.stack(result)


def folds(n):
    values = xr.DataArray(np.zeros(n), dims="presentation")
    return list(KFold(3).split(values))


@pytest.mark.parametrize("p", [15, 40])
def test_match(monkey, p):
    features, responses = monkey(p=p)
    scores = fit(features, responses, time=Match(latency_ms=20), **PLAIN)
    assert scores["score"].shape == (3, 4, 1, 4)
    assert (scores["model_time_start"].item(), scores["model_time_end"].item()) == (0, 60)
    for b in range(4):
        expected = scored(features.values[:, :, b], responses.values[:, :, b])
        np.testing.assert_allclose(scores["score"][:, :, 0, b], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("p", [15, 40])
def test_match_averages_the_timesteps_of_a_bin(monkey, p):
    features, responses = monkey(p=p)
    wide = responses.isel(time_bin=[0]).assign_coords(time_bin_end=("time_bin", [45.0]))
    scores = fit(features, wide, time="match", **PLAIN)
    x = features.values[:, :, 2:5] @ [0.4, 0.4, 0.2]
    np.testing.assert_allclose(
        scores["score"][:, :, 0, 0], scored(x, wide.values[:, :, 0]), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("p", [8, 40])
def test_all_and_cumulative(monkey, p):
    features, responses = monkey(p=p)
    everything = fit(features, responses, time="all", **PLAIN)
    growing = fit(features, responses, time="cumulative", **PLAIN)
    assert everything["score"].shape == (3, 4, 1, 4)
    assert growing["score"].shape == (3, 4, 6, 4)
    assert growing["model_time_end"].values.tolist() == [10, 20, 30, 40, 50, 60]
    assert growing["model_time_start"].values.tolist() == [0] * 6
    for t in range(6):
        x = features.values[:, :, : t + 1].reshape(90, -1)
        expected = scored(x, responses.values[:, :, 2])
        np.testing.assert_allclose(growing["score"][:, :, t, 2], expected, rtol=0, atol=1e-8)
    np.testing.assert_allclose(everything["score"][:, :, 0], growing["score"][:, :, 5], atol=1e-8)


def test_several_passes_over_the_units(monkey, monkeypatch):
    features, responses = monkey()
    expected = {time: fit(features, responses, time=time, **PLAIN) for time in ("grid", "all")}
    monkeypatch.setattr("neurorec.encoding.sheets._GRAM_BYTES", 2 * 8 * 90**2)
    for time, one in expected.items():
        again = fit(features, responses, time=time, **PLAIN)
        np.testing.assert_allclose(again["score"], one["score"], rtol=0, atol=1e-10)


def test_lag_finds_the_latency(monkey):
    features, responses = monkey()
    scores = fit(features, responses, time=Lag(lags_ms=[20, 0, 10]), **PLAIN)
    assert (scores["lag_ms"] == 20).all()
    expected = fit(features, responses, time=Match(latency_ms=20), **PLAIN)
    np.testing.assert_allclose(scores["score"], expected["score"], rtol=0, atol=1e-12)


def test_lag_of_each_neuroid_or_region(monkey, rng):
    # Two neurons that follow the model at once, and two 20 ms later.
    features, early = monkey()
    x = features.values
    w = rng.normal(size=(x.shape[1], 4))
    y = np.stack(
        [
            np.stack([x[:, :, 2 + b - lag] @ w[:, i] for b in range(4)], axis=1)
            for i, lag in enumerate([0, 0, 2, 2])
        ],
        axis=1,
    )
    responses = early.copy(data=y / y.std(axis=0) + 0.2 * rng.normal(size=y.shape))
    responses = responses.assign_coords(region=("neuroid", ["V4", "V4", "IT", "IT"]))
    lags = [0, 10, 20]
    own = fit(features, responses, time=Lag(lags_ms=lags), **PLAIN)["lag_ms"]
    assert own.values.tolist() == [[0, 0, 20, 20]] * 3
    shared = fit(features, responses, time=Lag(lags_ms=lags, by="region"), **PLAIN)["lag_ms"]
    assert shared.values.tolist() == [[0, 0, 20, 20]] * 3
    one = responses.assign_coords(region=("neuroid", ["V4"] * 4))
    together = fit(features, one, time=Lag(lags_ms=lags, by="region"), **PLAIN)["lag_ms"]
    assert len(np.unique(together[0])) == 1
    with pytest.raises(ValueError, match=r"by must be one of .*'region'.*, got 'layer'"):
        fit(features, responses, time=Lag(lags_ms=lags, by="layer"), **PLAIN)


@pytest.mark.parametrize("loud", ["one bin", "held-out stimuli"])
def test_every_bin_has_the_same_say_in_the_lag(monkey, rng, loud):
    # The first bin follows the model at once, three others 20 ms later. Neither a bin of large
    # responses decides alone, nor do bins count less whose held-out responses are large.
    features, responses = monkey()
    x = features.values
    w = rng.normal(size=(x.shape[1], 4))
    y = np.stack([x[:, :, t] @ w for t in (2, 1, 2, 3)], axis=2)
    if loud == "one bin":
        y[:, :, 0] *= 100
    else:
        y[folds(90)[0][1], :, 1:] *= 100
    lag = fit(features, responses.copy(data=y), time=Lag(lags_ms=[0, 20]), **PLAIN)["lag_ms"]
    assert (lag[0] == 20).all()


def test_lag_is_chosen_on_training_stimuli(monkey):
    # The responses to the held-out stimuli say another latency than the others: if they had a
    # say, it would be chosen.
    features, responses = monkey(n=90, noise=0.3)
    _, test = folds(90)[0]
    values = responses.values.copy()
    values[test] = features.values[test][:, :4, 2:]  # latency 0, and nothing to do with weights
    changed = responses.copy(data=values)
    plain = fit(features, responses, time=Lag(lags_ms=[0, 20]), **PLAIN)["lag_ms"][0]
    np.testing.assert_array_equal(
        fit(features, changed, time=Lag(lags_ms=[0, 20]), **PLAIN)["lag_ms"][0], plain
    )


@pytest.mark.parametrize("readout", [Ridge(penalties=PENALTIES), sklearn.linear_model.Ridge(5.0)])
def test_static_control_of_a_static_monkey(monkey, readout):
    # One timestep drives all bins: frozen, the model predicts as well as it does in time.
    features, responses = monkey(repeated=True)
    options = STATIC | {"readout": readout, "bootstrap": Bootstrap(n_draws=20)}
    scores = fit(features, responses, **options)
    assert (scores["over_static_ci_low"] == 0).all()
    assert (scores["over_static_ci_high"] == 0).all()
    assert (scores["static_timestep"] == 0).all()
    np.testing.assert_allclose(scores["static_score"], scores["score"][:, :, 0], rtol=0, atol=1e-12)
    assert (scores["dynamic_timestep"] == 0).all()


def test_a_constant_bin_has_no_say_in_the_static_control(monkey):
    features, responses = monkey(repeated=True)
    features = features.copy(data=features.values[:, :, ::-1])
    responses.values[:, 1, 2] = 3.0
    assert (fit(features, responses, **STATIC)["static_timestep"] == 5).all()


def test_of_timesteps_that_are_the_same_the_first_is_chosen(monkey):
    features, responses = monkey()
    same = features.copy(data=np.repeat(features.values[:, :, :1], 6, axis=2))
    scores = fit(same, responses, **STATIC)
    assert (scores["static_timestep"] == 0).all()
    assert (scores["dynamic_timestep"] == 0).all()


def test_static_control_of_a_dynamic_monkey(monkey):
    features, responses = monkey()
    scores = fit(features, responses, **STATIC)
    static, dynamic = scores["static_score"], scores["dynamic_score"]
    assert scores["dynamic_timestep"].values.tolist() == [[[0, 1, 2, 3]] * 4] * 3
    for b in range(4):
        np.testing.assert_allclose(dynamic[..., b], scores["score"][:, :, b, b], atol=1e-12)
    assert static.shape == (3, 4, 4)
    assert float(dynamic.mean()) > float(static.mean()) + 0.4
    gain = dynamic.mean("split") - static.mean("split")
    over = scores["over_static_median"].sel(quantity="score")
    np.testing.assert_allclose(over, gain.median("neuroid"), atol=1e-12)


@pytest.mark.parametrize("time", ["match", "all", "cumulative", Lag(lags_ms=[0, 20])])
def test_every_time_has_the_static_control(monkey, time):
    features, responses = monkey()
    grid = fit(features, responses, **STATIC)
    scores = fit(features, responses, time=time, **STATIC)
    np.testing.assert_allclose(scores["static_score"], grid["static_score"], rtol=0, atol=1e-10)
    assert ("over_static_median" in scores) == (time != "cumulative")


def test_no_static_control_without_time(monkey):
    features, responses = monkey()
    one_bin = fit(features, responses.isel(time_bin=[0]), **STATIC)
    one_step = fit(features.isel(time_bin=[0]), responses, **STATIC)
    assert "static_score" not in one_bin
    assert "static_score" not in one_step


def test_areas_are_put_side_by_side(monkey):
    features, responses = monkey(p=40)
    areas = {"a": features.isel(neuroid=slice(15)), "b": features.isel(neuroid=slice(15, 40))}
    both = fit(areas, responses, **PLAIN)
    np.testing.assert_allclose(
        both["score"], fit(features, responses, **PLAIN)["score"], rtol=0, atol=1e-9
    )
    assert both.attrs["areas"] == "a, b"
    assert both.attrs["n_features"] == 40


def test_areas_of_other_timesteps(monkey):
    features, responses = monkey()
    with pytest.raises(ValueError, match="areas must have the same timesteps, 'a' has 6 and 'b'"):
        fit({"a": features, "b": features.isel(time_bin=slice(3))}, responses, **PLAIN)
    with pytest.raises(ValueError, match="at least one area, got an empty mapping"):
        fit({}, responses, **PLAIN)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_arrays(monkey, kind):
    features, responses = monkey()
    scores = fit(kind(features.values), kind(responses.values), **PLAIN)
    np.testing.assert_allclose(
        scores["score"], fit(features, responses, **PLAIN)["score"], rtol=0, atol=1e-10
    )
    flat = fit(features.values[:, :, 0], responses.values[:, :, 0], **PLAIN)
    np.testing.assert_allclose(flat["score"][..., 0, 0], scores["score"][..., 0, 0], atol=1e-10)


def test_arrays_have_no_ms(monkey):
    features, responses = monkey()
    for time in ("match", "lag"):
        with pytest.raises(ValueError, match=f'time="{time}" needs time axes in ms'):
            fit(features.values, responses.values, time=time, **PLAIN)


def test_arrays_beside_assemblies(monkey):
    features, responses = monkey()
    with pytest.raises(ValueError, match="features are an array, whose rows have no stimulus_id"):
        fit(features.values, responses, **PLAIN)
    with pytest.raises(ValueError, match="responses are an array, whose rows have no stimulus_id"):
        fit(features, responses.values, **PLAIN)
    with pytest.raises(ValueError, match=r"expected an assembly, an array .*, got str"):
        fit("IT", responses, **PLAIN)
    with pytest.raises(ValueError, match=r"\(stimulus, neuroid, time\), got the shape \(90,\)"):
        fit(features.values, responses.values[:, 0, 0], **PLAIN)


@pytest.mark.parametrize("time", [Match(latency_ms=20), "all"])
def test_shuffled_stimuli(monkey, time):
    # Each bin with features of its own, and all bins with the same.
    features, responses = monkey()
    options = PLAIN | {"controls": Controls(static=False, n_shuffles=4, seed=7)}
    scores = fit(features, responses, time=time, **options)
    assert scores["null_median"].dims == ("shuffle", "model_time", "time_bin")
    rng = np.random.default_rng(7)
    for shuffle in range(4):
        order = rng.permutation(90)
        permuted = responses.copy(data=responses.values[order])
        expected = fit(features, permuted, time=time, **PLAIN)["score"]
        expected = expected.mean("split").median("neuroid")
        np.testing.assert_allclose(scores["null_median"][shuffle], expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(scores["p_value"], 1 / 5)
    plain = fit(features, responses, time=time, **PLAIN)
    np.testing.assert_allclose(scores["score"], plain["score"], rtol=0, atol=1e-12)


def test_a_readout_that_is_none(monkey):
    features, responses = monkey()
    with pytest.raises(TypeError, match=r"readout must be .* or a scikit-learn regressor"):
        fit(features, responses, **(PLAIN | {"readout": "ridge"}))
    with pytest.raises(TypeError, match=r"readout is a class; give one of its kind: Ridge\(\)"):
        fit(features, responses, **(PLAIN | {"readout": Ridge}))


def test_single_trials_and_means_agree(monkey):
    features, responses = monkey()
    twice = responses.isel(presentation=np.repeat(np.arange(90), 2))
    twice = twice.assign_coords(repetition=("presentation", np.tile([0, 1], 90)))
    np.testing.assert_allclose(
        fit(features, average_repetitions(twice), **PLAIN)["score"],
        fit(features, twice, **PLAIN)["score"],
        rtol=0,
        atol=1e-12,
    )


def test_another_session(monkey, rng):
    # Fitted to one session and judged by the other, whose presentations are in another order and
    # whose neuroids too.
    features, responses = monkey(noise=0.5)
    order, neuroids = rng.permutation(90), [2, 0, 3, 1]
    other = responses.copy(data=responses.values + 0.5 * rng.normal(size=responses.shape))
    mixed = other.isel(presentation=order, neuroid=neuroids)
    scores = fit(features, responses, tested_on=mixed, **PLAIN)
    for k, (train, test) in enumerate(folds(90)):
        x, y = features.values[:, :, 1], responses.values[:, :, 3]
        model = sklearn.linear_model.RidgeCV(PENALTIES, alpha_per_target=True).fit(
            x[train], y[train]
        )
        expected = pearson(model.predict(x[test]), other.values[test][:, :, 3])
        np.testing.assert_allclose(scores["score"][k, :, 1, 3], expected, rtol=0, atol=1e-9)
    arrays = fit(features.values, responses.values, tested_on=other.values, **PLAIN)
    np.testing.assert_allclose(arrays["score"], scores["score"], rtol=0, atol=1e-10)
    same = fit(features, responses, tested_on=responses, **PLAIN)
    np.testing.assert_array_equal(same["score"], fit(features, responses, **PLAIN)["score"])


def test_another_session_has_the_ceiling(monkey, rng):
    features, responses = monkey()
    noisy = responses.isel(presentation=np.repeat(np.arange(90), 4))
    noisy = noisy.copy(data=noisy.values + 3 * noisy.values.std() * rng.normal(size=noisy.shape))
    noisy = noisy.assign_coords(repetition=("presentation", np.tile(np.arange(4), 90)))
    shuffled = noisy.isel(presentation=rng.permutation(360))
    options = PLAIN | {"bootstrap": Bootstrap(n_draws=20)}
    scores = fit(features, responses, tested_on=shuffled, **options)
    alone = fit(features, noisy, **options)
    np.testing.assert_allclose(scores["reliability"], alone["reliability"], atol=0.1)
    assert scores.attrs["n_repetitions"] == 4
    # Of the analysis of variance the order of presentations is no matter, draws included.
    options["ceiling"] = Ceiling(method="explainable_variance")
    one, other = (fit(features, responses, tested_on=t, **options) for t in (noisy, shuffled))
    for name in ("reliability", "neuroid_ci_low", "ci_high"):
        np.testing.assert_allclose(one[name], other[name], atol=1e-6)


def test_another_session_that_does_not_fit(monkey):
    features, responses = monkey()
    with pytest.raises(
        ValueError, match="tested_on lacks 1 neuroids of the responses, such as 'n0'"
    ):
        fit(features, responses, tested_on=responses.isel(neuroid=slice(1, 4)), **PLAIN)
    with pytest.raises(ValueError, match="tested_on lacks 10 of 90 stimuli, such as 's0080'"):
        fit(features, responses, tested_on=responses.isel(presentation=slice(80)), **PLAIN)
    with pytest.raises(ValueError, match="tested_on has 2 time bins that are not the 4"):
        fit(features, responses, tested_on=responses.isel(time_bin=slice(2)), **PLAIN)


def test_splits_and_time_of_another_kind(monkey):
    features, responses = monkey()
    with pytest.raises(TypeError, match=r"splits must have a method split, .* got 5"):
        fit(features, responses, splits=5)
    with pytest.raises(TypeError, match=r"time must be one of \['all', .* got 5"):
        fit(features, responses, time=5)
