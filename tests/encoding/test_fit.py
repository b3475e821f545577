"""Cross-validated scores against scikit-learn, known truth and bad input."""

import json
import sys

import numpy as np
import pytest
import sklearn.linear_model
import xarray as xr

from neurorec.assemblies import average_repetitions, to_netcdf
from neurorec.datasets.population import Population
from neurorec.datasets.simulate import simulate_population
from neurorec.encoding import (
    Bootstrap,
    Ceiling,
    FixedSplit,
    Identity,
    KFold,
    Ridge,
    fit,
    summary,
)
from neurorec.stats import pearson

PENALTIES = np.logspace(-1, 5, 13)
FEW = Ceiling(n_splits=5)


@pytest.fixture
def recordings(rng, make, power_law):
    """Features over model timesteps and single trials that one of them drives."""

    def recordings(n=60, p=90, n_neuroids=5, n_times=3, n_bins=2, repetitions=4, noise=1.0):
        x = np.stack([power_law(n, p) for _ in range(n_times)], axis=2).astype(np.float32)
        signal = x[:, :, 1 % n_times] @ rng.normal(size=(p, n_neuroids * n_bins))
        signal = (signal / signal.std(axis=0)).reshape(n, n_neuroids, n_bins)
        stimulus = np.repeat(np.arange(n), repetitions)
        trials = signal[stimulus] + noise * rng.normal(size=(len(stimulus), n_neuroids, n_bins))
        features = make(x, name="u")
        features = features.assign_coords(timestep=("time_bin", np.arange(n_times) + 4))
        return features, make(trials, stimulus_id=[f"s{i:04d}" for i in stimulus])

    return recordings


@pytest.mark.parametrize("p", [25, 90])
def test_scores_of_scikit_learn(recordings, p):
    features, responses = recordings(p=p)
    means = average_repetitions(responses).values
    ours = fit(features, responses, readout=Ridge(penalties=PENALTIES), ceiling=FEW)
    for k, (train, test) in enumerate(KFold(5).split(average_repetitions(responses))):
        for t in range(3):
            for b in range(2):
                x, y = features.values[:, :, t].astype(float), means[:, :, b]
                model = sklearn.linear_model.RidgeCV(PENALTIES, alpha_per_target=True)
                expected = pearson(model.fit(x[train], y[train]).predict(x[test]), y[test])
                np.testing.assert_allclose(ours["score"][k, :, t, b], expected, rtol=0, atol=1e-9)


def test_any_scikit_learn_regressor(recordings):
    features, responses = recordings(p=90)
    ridge = fit(features, responses, readout=Ridge(penalties=PENALTIES), ceiling=FEW)
    other = fit(
        features,
        responses,
        readout=sklearn.linear_model.RidgeCV(PENALTIES, alpha_per_target=True),
        ceiling=FEW,
    )
    np.testing.assert_allclose(ridge["score"], other["score"], rtol=0, atol=1e-9)


def test_labels(recordings):
    features, responses = recordings()
    scores = fit(features, responses, ceiling=FEW)
    assert scores["score"].dims == ("split", "neuroid", "model_time", "time_bin")
    assert scores["score"].shape == (5, 5, 3, 2)
    assert scores["noise_corrected"].dims == ("neuroid", "model_time", "time_bin")
    assert scores["reliability"].dims == scores["ceiling"].dims == ("neuroid", "time_bin")
    assert scores["timestep"].values.tolist() == [4, 5, 6]
    assert scores["model_time_start"].values.tolist() == [0, 10, 20]
    assert scores["model_time_end"].attrs["units"] == "ms"
    assert scores["time_bin_end"].values.tolist() == [10, 20]
    assert scores["neuroid_id"].values.tolist() == [f"n{i}" for i in range(5)]
    assert (scores.attrs["n_stimuli"], scores.attrs["n_features"]) == (60, 90)
    assert scores.attrs["n_repetitions"] == 4
    assert scores.attrs["splits"] == "KFold(n_splits=5, seed=0)"
    assert "Spearman-Brown corrected" in scores.attrs["convention"]
    assert json.loads(scores.attrs["provenance"])["readout"] == "Ridge()"
    of_neuroids = scores["score"].mean("split").median("neuroid")
    np.testing.assert_allclose(scores["median"].sel(quantity="score"), of_neuroids, atol=1e-12)
    expected = scores["score"].mean("split") / scores["ceiling"]
    xr.testing.assert_allclose(
        scores["noise_corrected"], expected.transpose(*scores["noise_corrected"].dims)
    )


def test_squares_keep_their_sign(recordings):
    features, responses = recordings(repetitions=1, n_neuroids=1, noise=3.0)
    one_fold = Given((np.arange(40), np.arange(40, 60)))
    scores = fit(features, responses, splits=one_fold, bootstrap=Bootstrap(n_draws=201))
    assert (scores["score"] < 0).any()
    assert (scores["score"] > 0).any()
    signed = scores["score"] * np.abs(scores["score"])
    np.testing.assert_allclose(scores["r_squared"], signed, atol=1e-12)


def test_drawn_squares_keep_their_sign(make, rng):
    x, y = rng.normal(size=(2, 60, 1, 1))
    test = np.arange(30, 60)
    options = {"readout": Identity(), "splits": Given((np.arange(30), test))}
    scores = fit(make(x, name="u"), make(y), bootstrap=Bootstrap(n_draws=201), **options)
    draws = []
    for weights in Bootstrap(n_draws=201).stimulus_weights(60)[:, test].astype(int):
        again = np.repeat(test, weights)
        draws.append(pearson(x[again, 0, 0], y[again, 0, 0]))
    squares = np.array(draws) * np.abs(draws)
    assert np.ptp(np.sign(draws)) == 2
    estimate = scores["r_squared"].item()
    for name, level in (("ci_low", 0.025), ("ci_high", 0.975)):
        limit = scores[name].sel(quantity="r_squared", resampled="stimuli").item()
        expected = estimate + np.quantile(squares, level) - np.median(squares)
        assert limit == pytest.approx(expected, abs=1e-5)


def test_provenance_says_where_data_come_from(recordings):
    features, responses = recordings()
    first, second = (responses.assign_attrs(identifier=name) for name in ("first", "second"))
    scores = fit(features, first, tested_on=second, ceiling=FEW, model_trials=1)
    stated = json.loads(scores.attrs["provenance"])
    assert (stated["responses"], stated["tested_on"]) == ("first", "second")
    assert stated["model_trials"] == "1"
    assert stated["ceiling"].startswith("Ceiling(method='split_half', n_splits=5")
    means = json.loads(fit(features, average_repetitions(first)).attrs["provenance"])
    assert (means["responses"], means["ceiling"]) == ("first", "None")
    assert "tested_on" not in means


def test_summary_of_a_fit(recordings, tmp_path):
    features, responses = recordings()
    scores = fit(features, responses, ceiling=FEW)
    reduced = summary(scores)
    assert reduced.attrs["convention"] == scores.attrs["convention"]
    expected = np.median(scores["ceiling"], axis=0)
    np.testing.assert_allclose(reduced["ceiling_median"], expected, atol=1e-12)
    reduced.to_netcdf(tmp_path / "summary.nc", engine="h5netcdf")
    assert "ceiling_median" not in summary(fit(features, average_repetitions(responses)))


def test_the_driving_timestep_wins(recordings):
    features, responses = recordings(n=150)
    score = fit(features, responses, ceiling=FEW)["score"].mean(("split", "neuroid"))
    assert score.argmax("model_time").values.tolist() == [1, 1]
    assert float(score[1].min()) > 0.5
    assert float(np.abs(score[[0, 2]]).max()) < 0.2


def test_a_grid_is_its_cells(recordings):
    features, responses = recordings()
    whole = fit(features, responses, ceiling=FEW)
    cell = fit(features.isel(time_bin=[2]), responses.isel(time_bin=[1]), ceiling=FEW)
    np.testing.assert_allclose(
        whole["score"][:, :, 2, 1], cell["score"][:, :, 0, 0], rtol=0, atol=1e-10
    )


def test_features_are_matched_by_stimulus(recordings, rng):
    features, responses = recordings()
    shuffled = features.isel(presentation=rng.permutation(60))
    np.testing.assert_allclose(
        fit(shuffled, responses, ceiling=FEW)["score"],
        fit(features, responses, ceiling=FEW)["score"],
        rtol=0,
        atol=1e-10,
    )


@pytest.mark.parametrize("p", [25, 90])
def test_model_repetitions_are_averaged(recordings, make, rng, p):
    features, responses = recordings(p=p)
    noise = rng.normal(size=(60, p, 3))
    # Two presentations of most stimuli, three of the first twenty.
    values = [features.values + noise, features.values - noise, features.values[:20]]
    identifiers = features["stimulus_id"].values
    twice = make(
        np.concatenate(values),
        stimulus_id=np.concatenate([identifiers, identifiers, identifiers[:20]]),
        name="u",
    )
    twice = twice.isel(presentation=rng.permutation(140))
    np.testing.assert_allclose(
        fit(twice, responses, ceiling=FEW)["score"],
        fit(features, responses, ceiling=FEW)["score"],
        rtol=0,
        atol=1e-7,  # features of float32
    )


def test_missing_trials_are_handled_by_count(recordings):
    features, responses = recordings(repetitions=4)
    fewer = responses.isel(presentation=responses["repetition"].values < 3)
    missing = responses.copy(deep=True)
    missing.values[responses["repetition"].values == 3] = np.nan
    np.testing.assert_allclose(
        fit(features, missing, ceiling=FEW)["score"],
        fit(features, fewer, ceiling=FEW)["score"],
        rtol=0,
        atol=1e-12,
    )


def test_means_have_no_ceiling(recordings):
    features, responses = recordings()
    averaged = fit(features, average_repetitions(responses))
    assert not {"ceiling", "reliability", "noise_corrected"} & set(averaged.data_vars)
    assert averaged["quantity"].values.tolist() == ["score", "r_squared", "determination"]
    trials = fit(features, responses, ceiling=FEW)
    np.testing.assert_allclose(averaged["score"], trials["score"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("p", [25, 90])
def test_blocks_and_files(recordings, tmp_path, monkeypatch, p):
    features, responses = recordings(p=p)
    expected = fit(features, responses, ceiling=FEW)["score"]
    monkeypatch.setattr(sys.modules["neurorec.populations.reading"], "_BLOCK", 7 * 60 * 3)
    path = to_netcdf(features, tmp_path / "features.nc")
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        lazy = dataset.set_coords([str(v) for v in dataset.variables if v != "activity"])
        score = fit(lazy["activity"], responses, ceiling=FEW)["score"]
    np.testing.assert_allclose(score, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("single_trials", [True, False])
def test_netcdf(recordings, tmp_path, single_trials):
    features, responses = recordings()
    responses = responses if single_trials else average_repetitions(responses)
    scores = fit(features, responses, ceiling=FEW if single_trials else None)
    scores.to_netcdf(tmp_path / "scores.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "scores.nc", engine="h5netcdf") as back:
        xr.testing.assert_allclose(back.load(), scores)
        assert back.attrs["provenance"] == scores.attrs["provenance"]


def test_progress(recordings):
    features, responses = recordings()
    seen = []
    fit(features, responses, ceiling=FEW, progress=lambda *done: seen.append(done))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_no_leakage(make, rng):
    # Responses that have nothing to do with the features, 200 of them: their mean score lies
    # within three standard errors of 0.
    features = make(rng.normal(size=(100, 150, 1)), name="u")
    noise = make(rng.normal(size=(100, 200, 1)))
    score = fit(features, noise)["score"].mean("split").values.ravel()
    assert abs(score.mean()) < 3 * score.std() / np.sqrt(200)


def test_simulated_ceiling_is_reached(rng):
    # The population is linear in these features, so what is left between score and ceiling is the
    # error of the fit: with 8 features and 400 training stimuli, r falls by about
    # (1 - r^2) / r * 8 / (2 * 400), under 0.02 of the ceiling for reliabilities above 0.3.
    population = Population(
        n_neuroids=200,
        n_repetitions=(6, 10),
        noise="gaussian",
        signal_to_noise=tuple(np.geomspace(0.1, 1, 200)),
        stop_ms=200,
        bin_width_ms=200,
    )
    x = rng.normal(size=(500, 8))
    simulated = simulate_population([f"s{i}" for i in range(500)], population, features=x, seed=1)
    features = average_repetitions(simulated.data.assembly).isel(neuroid=slice(8))
    features = features.copy(data=x[:, :, None])
    scores = fit(features, simulated.data.assembly)
    corrected = scores["noise_corrected"].values
    assert abs(corrected.mean() - 1) < 0.02
    error = scores["ceiling"].values - simulated.truth.noise_ceiling
    assert abs(error.mean()) < 0.02


@pytest.mark.parametrize("t", [0, 2])
def test_constant_features_at_one_timestep_score_zero(recordings, t):
    # As in a synchronous network before the image has arrived.
    features, responses = recordings()
    features.values[:, :, t] = 0.1
    scores = fit(features, responses, ceiling=FEW)
    assert np.all(scores["score"][:, :, t] == 0)
    assert (scores["static_timestep"] != 4 + t).all()
    assert scores.attrs["n_constant_predictions"] == 5 * 5 * 2
    means = average_repetitions(responses)
    for k, (train, test) in enumerate(KFold(5).split(means)):
        y, predicted = means.values[test], means.values[train].mean(axis=0)
        expected = 1 - np.sum((y - predicted) ** 2, axis=0) / (len(test) * y.var(axis=0))
        np.testing.assert_allclose(scores["determination"][k, :, t], expected, atol=1e-10)
    assert np.isfinite(scores["noise_corrected"]).all()


def test_constant_responses_in_one_bin_or_fold_score_zero(recordings):
    features, responses = recordings()
    averaged = average_repetitions(responses)
    _, held_out = next(iter(KFold(5).split(averaged)))
    averaged.values[held_out, 0, 0] = 2.0
    averaged.values[:, 1, 1] = 3.0
    scores = fit(features, averaged)
    assert np.all(scores["score"][0, 0, :, 0] == 0)
    assert np.all(scores["score"][:, 1, :, 1] == 0)
    assert np.all(scores["score"][1:, 0, :, 0] != 0)
    assert scores.attrs["n_constant_responses"] == 1 + 5


def test_a_perfect_model_reaches_one_in_every_measure(make, rng):
    # The signal itself as prediction of means of four trials, for 4000 stimuli.
    signal = rng.normal(size=(4000, 1, 1))
    stimulus = np.repeat(np.arange(4000), 4)
    trials = signal[stimulus] + rng.normal(size=(16000, 1, 1))
    scores = fit(
        make(signal),
        make(trials, stimulus_id=[f"s{i:04d}" for i in stimulus]),
        readout=Identity(),
        splits=KFold(2),
        ceiling=Ceiling(n_splits=3),
        bootstrap=Bootstrap(n_draws=0),
    )
    for name in ("noise_corrected", "noise_corrected_r_squared", "noise_corrected_determination"):
        # A reliability of 0.8 is known to about 2 (1 - 0.8) / sqrt(4000); four standard errors.
        assert scores[name].item() == pytest.approx(1, abs=4 * 2 * 0.2 / np.sqrt(4000) / 0.8)
        assert scores[name].attrs["long_name"].endswith(("ceiling", "reliability"))
    assert scores["median"].sel(quantity="noise_corrected").item() == scores["noise_corrected"]


def test_the_floor_of_the_reliability(recordings, rng):
    features, responses = recordings()
    responses.values[:] = rng.normal(size=responses.shape)
    ceiling = Ceiling(n_splits=5, min_reliability=0.99)
    scores = fit(features, responses, ceiling=ceiling)
    assert scores["noise_corrected"].attrs["floor"] == "reliability counted as at least 0.99"
    assert scores.attrs["n_unreliable"] == 5
    for corrected, raw, power in (
        ("noise_corrected", "score", 0.5),
        ("noise_corrected_r_squared", "r_squared", 1),
        ("noise_corrected_determination", "determination", 1),
    ):
        expected = scores[raw].mean("split") / 0.99**power
        np.testing.assert_allclose(scores[corrected], expected, rtol=1e-12)
    # Draws of stimuli have the floor too: one neuroid's interval is that of its score.
    plain = fit(features, average_repetitions(responses))
    for name in ("neuroid_ci_low", "neuroid_ci_high"):
        np.testing.assert_allclose(scores[name], plain[name] / np.sqrt(0.99), atol=1e-5)


def test_noise_is_not_divided_by_nothing(recordings, rng):
    features, responses = recordings(noise=0.5)
    responses.values[:, 2] = rng.normal(size=responses.values[:, 2].shape)
    scores = fit(features, responses, ceiling=Ceiling(n_splits=20))
    assert not scores["reliable"].values[2].all()
    assert scores.attrs["n_unreliable"] == 1
    assert np.abs(scores["noise_corrected"].values[2]).max() < 1 / np.sqrt(0.1)


def test_intersect(recordings):
    features, responses = recordings()
    features = features.isel(presentation=slice(0, 50))
    responses = responses.isel(presentation=responses["stimulus_id"].values >= "s0010")
    scores = fit(features, responses, on_mismatch="intersect", ceiling=FEW)
    both = {f"s{i:04d}" for i in range(10, 50)}
    expected = fit(
        features.isel(presentation=slice(10, 50)),
        responses.isel(presentation=[s in both for s in responses["stimulus_id"].values]),
        ceiling=FEW,
    )
    np.testing.assert_allclose(scores["noise_corrected"], expected["noise_corrected"], atol=1e-10)
    assert scores.attrs["n_stimuli"] == 40
    assert scores.attrs["n_stimuli_only_features"] == 10
    assert scores.attrs["n_stimuli_only_responses"] == 10


@pytest.mark.gpu
def test_gpu_gives_the_same(recordings, device):
    features, responses = recordings()
    ours = fit(features, responses, device=device, ceiling=FEW)["score"]
    np.testing.assert_allclose(
        ours, fit(features, responses, device="cpu", ceiling=FEW)["score"], rtol=0, atol=1e-8
    )


def test_mismatched_stimuli(recordings):
    features, responses = recordings()
    with pytest.raises(
        ValueError, match="share 50 stimuli; 0 have only features and 10 have only resp"
    ):
        fit(features.isel(presentation=slice(0, 50)), responses)


def test_no_common_stimulus(recordings):
    features, responses = recordings()
    other = features.assign_coords(stimulus_id=("presentation", [f"x{i}" for i in range(60)]))
    with pytest.raises(ValueError, match=r"share no stimulus_id: features have \['x0', 'x1'\]"):
        fit(other, responses, on_mismatch="intersect")


def test_unknown_options(recordings):
    features, responses = recordings()
    with pytest.raises(ValueError, match="on_mismatch must be one of"):
        fit(features, responses, on_mismatch="drop")
    with pytest.raises(ValueError, match="time must be one of"):
        fit(features, responses, time="later")


def test_constant_neuroids(recordings):
    features, responses = recordings()
    responses.values[:, [1, 3]] = 0.1
    with pytest.raises(ValueError, match=r"2 of 5 neuroids respond the same .*: n1, n3; .*leave"):
        fit(features, responses)


@pytest.mark.parametrize(("n_repeated", "has_ceiling"), [(2, False), (3, True)])
def test_a_ceiling_needs_three_repeated_stimuli(recordings, n_repeated, has_ceiling):
    features, responses = recordings(repetitions=2)
    stimulus = np.unique(responses["stimulus_id"].values, return_inverse=True)[1]
    kept = (responses["repetition"].values == 0) | (stimulus < n_repeated)
    few = responses.isel(presentation=np.flatnonzero(kept))
    assert ("ceiling" in fit(features, few)) == has_ceiling
    if not has_ceiling:
        with pytest.raises(ValueError, match="at least 3 stimuli with at least 2 repetitions"):
            fit(features, few, ceiling=FEW)


def test_a_ceiling_of_single_repetitions(recordings):
    features, responses = recordings()
    with pytest.raises(ValueError, match=r"at least 2 repetitions, got 0 of 60 .*not their means"):
        fit(features, average_repetitions(responses), ceiling=Ceiling())


def test_a_stimulus_without_responses(recordings):
    features, responses = recordings()
    responses.values[responses["stimulus_id"].values == "s0007", 2] = np.nan
    with pytest.raises(ValueError, match="1 pairs of neuroid and stimulus have no response"):
        fit(features, responses)


@pytest.mark.parametrize("p", [25, 90])
def test_features_that_are_not_finite(recordings, p):
    features, responses = recordings(p=p)
    features.values[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite values"):
        fit(features, responses)


@pytest.mark.parametrize("p", [25, 90])
def test_features_without_variance(recordings, p):
    features, responses = recordings(p=p)
    features.values[:] = 0.25
    with pytest.raises(ValueError, match="every feature has zero variance"):
        fit(features, responses)


@pytest.mark.parametrize("p", [25, 90])
def test_features_that_vary_by_rounding_only(recordings, make, p):
    # Means over two and over three trials of 0.1 differ in their last digit.
    _, responses = recordings()
    identifiers = [f"s{i:04d}" for i in [*range(60), *range(60), *range(20)]]
    features = make(np.full((140, p, 1), 0.1), stimulus_id=identifiers, name="u")
    with pytest.raises(ValueError, match="every feature has zero variance"):
        fit(features, responses)


@pytest.mark.parametrize("dim", ["presentation", "neuroid", "time_bin"])
def test_nothing_at_all(recordings, dim):
    features, responses = recordings()
    nothing = {dim: slice(0)}
    with pytest.raises(ValueError, match=r"features need presentations, units and timesteps, got"):
        fit(features.isel(nothing), responses)
    with pytest.raises(ValueError, match=r"responses need presentations, neuroids and time bins"):
        fit(features, responses.isel(nothing))


@pytest.mark.parametrize("responses", ["IT", xr.Dataset({"x": 1})])
def test_responses_that_are_none(recordings, responses):
    features, _ = recordings()
    name = type(responses).__name__
    with pytest.raises(ValueError, match=rf"expected responses as an assembly .*, got {name}"):
        fit(features, responses)


def test_areas_whose_identifiers_are_of_other_types(recordings):
    features, responses = recordings()
    numbered = features.assign_coords(stimulus_id=("presentation", np.arange(60)))
    with pytest.raises(ValueError, match=r"share no stimulus_id: features have \[0, 1\]"):
        fit({"a": features, "b": numbered}, responses)


class Given:
    """Folds that are listed."""

    def __init__(self, *folds):
        self.folds = folds

    def split(self, responses):
        yield from self.folds


def test_folds_in_any_order(recordings, rng):
    # Positions as lists, unsorted; stimuli that no fold holds out, or two.
    features, responses = recordings()
    order = rng.permutation(60).tolist()
    folds = [(order[:30], order[30:45]), (order[:25], order[40:55])]
    options = {"ceiling": FEW, "readout": Ridge(penalties=PENALTIES)}
    mixed = fit(features, responses, splits=Given(*folds), **options)
    ascending = [(sorted(train), sorted(test)) for train, test in folds]
    expected = fit(features, responses, splits=Given(*ascending), **options)
    for name in ("score", "noise_corrected", "neuroid_ci_low", "ci_high", "static_score"):
        np.testing.assert_allclose(mixed[name], expected[name], rtol=0, atol=1e-6)


def test_folds_by_label_of_stimuli_in_any_order(recordings, rng):
    features, responses = recordings()
    names = rng.permutation(features["stimulus_id"].values).tolist()
    split = FixedSplit(by="stimulus_id", train=names[:40], test=names[40:])
    expected = fit(features, responses, splits=split, ceiling=FEW)["score"]
    mixed = responses.isel(presentation=rng.permutation(responses.sizes["presentation"]))
    ours = fit(features, mixed, splits=split, ceiling=FEW)["score"]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-10)


def test_three_held_out_stimuli_are_enough(recordings):
    features, responses = recordings(n=15)
    assert np.isfinite(fit(features, responses, ceiling=FEW)["score"]).all()


def test_folds_that_hold_out_what_they_train_on(recordings):
    features, responses = recordings()
    with pytest.raises(ValueError, match="holds out 5 stimuli that it trains on; give positions"):
        fit(features, responses, splits=Given((np.arange(40), np.arange(35, 60))))
    with pytest.raises(ValueError, match="gave no folds; a fit needs at least one"):
        fit(features, responses, splits=Given())


def test_too_few_held_out_stimuli(recordings):
    features, responses = recordings(n=12)
    with pytest.raises(ValueError, match="at least 3 held-out stimuli, got 2 of 12; ask for fewer"):
        fit(features, responses)


def test_fewer_stimuli_than_folds(recordings):
    features, responses = recordings(n=12)
    with pytest.raises(ValueError, match="20 folds need at least 20 stimuli, got 12"):
        fit(features, responses, splits=KFold(20))


def test_time_axis_without_ms(recordings):
    features, responses = recordings()
    with pytest.raises(ValueError, match="no coordinate 'time_bin_end'"):
        fit(features, responses.drop_vars("time_bin_end"))
