"""Decoding over time: leave-out by hand, chance, real data, labels, bad input."""

import numpy as np
import pytest
import xarray as xr
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier

from neurorec.dynamics import CLASSIFIERS, decoding_over_time, temporal_generalization
from neurorec.geometry import RidgeDecoder


def by_hand(assembly, classifier, folds):
    """Train in each bin, test in each bin, with scikit-learn's interface and a loop."""
    labels = assembly["object_name"].values
    x = np.moveaxis(assembly.values, 2, 0)
    correct = np.zeros((len(x), len(x)))
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        scaled = [(v - v[train].mean(axis=0)) / v[train].std(axis=0) for v in x]
        for t, fitted in enumerate([classifier().fit(z[train], labels[train]) for z in scaled]):
            for s, z in enumerate(scaled):
                correct[t, s] += (fitted.predict(z[test]) == labels[test]).sum()
    return correct / len(labels)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_equals_a_plain_loop(rng, population_of, classifier):
    assembly = population_of(rng, noise=4.0)
    result = temporal_generalization(assembly, classifier=classifier, n_folds=3)
    expected = by_hand(assembly, CLASSIFIERS[classifier], assembly["repetition"].values // 2)
    np.testing.assert_allclose(result["accuracy"].values, expected, atol=1e-12)
    assert 0.2 < expected.min() < expected.max() < 1


def test_lda_equals_scikit_learn(rng, population_of):
    assembly = population_of(rng, noise=4.0)
    result = temporal_generalization(assembly, classifier="shrinkage_lda", n_folds=3)

    def theirs():
        return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")

    expected = by_hand(assembly, theirs, assembly["repetition"].values // 2)
    np.testing.assert_allclose(result["accuracy"].values, expected, atol=1e-12)


@pytest.mark.parametrize("p", [20, 90])
def test_ridge_equals_scikit_learn(rng, population_of, p):
    """One penalty and units as they are: folds share their inner products."""
    assembly = population_of(rng, p=p, noise=4.0)
    labels, folds = assembly["object_name"].values, assembly["repetition"].values // 2
    x = np.moveaxis(assembly.values, 2, 0)
    correct = np.zeros((len(x), len(x)))
    for train, test in [(folds != fold, folds == fold) for fold in range(3)]:
        for t, now in enumerate(x):
            fitted = RidgeClassifier(alpha=10.0).fit(now[train], labels[train])
            correct[t] += [(fitted.predict(v[test]) == labels[test]).sum() for v in x]
    options = {"classifier": RidgeDecoder(10.0), "n_folds": 3, "standardise": False}
    result = temporal_generalization(assembly, **options)
    np.testing.assert_allclose(result["accuracy"].values, correct / len(labels), atol=1e-12)
    alone = decoding_over_time(assembly, **options)["accuracy"].values
    np.testing.assert_array_equal(alone, np.diagonal(result["accuracy"].values))


def test_ridge_of_a_fold_far_away(rng, population_of):
    """What leaves too few digits of the inner products is fitted alone: scikit-learn's tests."""
    assembly = population_of(rng, p=20, noise=4.0)
    first = assembly["repetition"].values < 2
    values = assembly.values.copy()
    values[first] += 1e9
    options = {"classifier": RidgeDecoder(10.0), "n_folds": 3, "standardise": False}
    result = temporal_generalization(assembly.copy(data=values), **options)
    labels = assembly["object_name"].values
    for t in range(values.shape[2]):
        fitted = RidgeClassifier(alpha=10.0).fit(values[~first, :, t], labels[~first])
        expected = (fitted.predict(values[first, :, t]) == labels[first]).mean()
        assert result["accuracy_per_split"].values[0, t, t] == pytest.approx(expected)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_diagonal(rng, population_of, classifier):
    assembly = population_of(rng, noise=4.0)
    full = temporal_generalization(assembly, classifier=classifier, n_folds=3)
    diagonal = decoding_over_time(assembly, classifier=classifier, n_folds=3)
    for name in ("accuracy", "accuracy_per_split"):
        expected = np.diagonal(full[name].values, axis1=-2, axis2=-1)
        np.testing.assert_array_equal(diagonal[name].values, expected)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_signal_and_no_signal(population_of, classifier):
    """A constant code: perfect and transferable where it is, chance in the bin before it."""
    before = []
    for seed in range(12):
        assembly = population_of(np.random.default_rng(seed), noise=0.3)
        result = temporal_generalization(assembly, classifier=classifier, n_folds=3)
        np.testing.assert_array_equal(result["accuracy"].values[1:, 1:], 1)
        before.append(result["accuracy"].values[:, 0])
    # Four standard errors of the mean over the populations.
    error = 4 * np.std(before, axis=0) / np.sqrt(12)
    assert np.all(np.abs(np.mean(before, axis=0) - 1 / 3) < error)
    assert result.attrs["chance"] == pytest.approx(1 / 3)


def test_held_out_presentations_teach_nothing(rng, population_of):
    """Labels of pure noise are at chance even with many more neuroids than presentations."""
    assembly = population_of(rng, p=300, n_bins=4, onset=4, n_repetitions=6)
    accuracy = decoding_over_time(assembly, n_folds=6)["accuracy"].values
    assert np.all(np.abs(accuracy - 1 / 3) < 4 * np.sqrt(2 / 9 / 72))


def test_stratified_holds_out_stimuli(rng, population_of):
    """Each stimulus has a code of its own and classes have none: repetitions give it away."""
    assembly = population_of(rng, per_class=8, onset=3, noise=0.1)
    stimulus = np.unique(assembly["stimulus_id"].values, return_inverse=True)[1].ravel()
    own = 3 * rng.normal(size=(24, 12))
    assembly = assembly.copy(data=assembly.values + own[stimulus][:, :, None])
    seen = decoding_over_time(assembly, classifier="shrinkage_lda", n_folds=6)
    unseen = decoding_over_time(assembly, classifier="shrinkage_lda", fold=4)
    assert seen["accuracy"].values.min() > 0.6
    # 24 stimuli decide, not 144 presentations: four of their standard deviations above chance.
    assert unseen["accuracy"].values.max() < 1 / 3 + 4 * np.sqrt(2 / 9 / 24)
    assert seen["accuracy"].values.min() > unseen["accuracy"].values.max()


def test_test_bins_are_scaled_by_themselves(rng, population_of):
    """Gain and offset that change over time, the same for training and test, do not matter."""
    assembly = population_of(rng, noise=3.0)
    gain = xr.DataArray(rng.uniform(0.5, 2, size=(12, 3)), dims=("neuroid", "time_bin"))
    result = temporal_generalization(assembly, n_folds=3)
    moved = temporal_generalization(assembly * gain + 3, n_folds=3)
    np.testing.assert_allclose(moved["accuracy"].values, result["accuracy"].values, atol=1e-12)
    plain = temporal_generalization(assembly * gain + 3, n_folds=3, standardise=False)
    assert np.abs(plain["accuracy"].values - result["accuracy"].values).max() > 0.01


def test_silent_neuroid(rng, population_of):
    """Silent in training, active in one held-out presentation: without influence."""
    assembly = population_of(rng, noise=3.0)
    values = assembly.values.copy()
    values[:, 0] = 0
    silent = temporal_generalization(assembly.copy(data=values), n_folds=3)
    values[0, 0] = 1e3
    burst = temporal_generalization(assembly.copy(data=values), n_folds=3)
    # Fold 0 tests the burst; it may change the other folds, which train on it.
    first = "accuracy_per_split"
    np.testing.assert_array_equal(silent[first].values[0], burst[first].values[0])


def test_labels_and_numbers(rng, population_of, tmp_path):
    assembly = population_of(rng).assign_coords(timestep=("time_bin", [0, 1, 2]))
    result = temporal_generalization(assembly, n_folds=3)
    assert result["accuracy"].dims == ("train_time", "test_time")
    assert result["accuracy_per_split"].dims == ("split", "train_time", "test_time")
    for axis in ("train", "test"):
        assert result[f"{axis}_time_start"].values.tolist() == [-50, 0, 50]
        assert result[f"{axis}_time_end"].attrs["units"] == "ms"
        assert result[f"{axis}_timestep"].dims == (f"{axis}_time",)
    assert result["n_tested"].values.tolist() == [24, 24, 24]
    assert {k: result.attrs[k] for k in ("n_classes", "n_presentations", "n_neuroids")} == {
        "n_classes": 3,
        "n_presentations": 72,
        "n_neuroids": 12,
    }
    weighted = np.average(result["accuracy_per_split"].values, axis=0, weights=[24, 24, 24])
    np.testing.assert_allclose(weighted, result["accuracy"].values, atol=1e-12)
    over_time = decoding_over_time(assembly, n_folds=3)
    assert over_time["timestep"].values.tolist() == [0, 1, 2]
    for dataset in (result, over_time):
        dataset.to_netcdf(tmp_path / "result.nc", engine="h5netcdf")
        with xr.open_dataset(tmp_path / "result.nc", engine="h5netcdf") as read:
            np.testing.assert_array_equal(read["accuracy"].values, dataset["accuracy"].values)


def test_wilson_interval(rng, population_of):
    """Wilson's interval at 60 of 72 by its formula."""
    result = decoding_over_time(population_of(rng, noise=3.0), n_folds=3)
    z, n = 1.959963984540054, 72
    a = result["accuracy"].values
    centre = (a + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(a * (1 - a) / n + z**2 / (4 * n**2))
    np.testing.assert_allclose(result["ci_low"].values, centre - half, atol=1e-12)
    np.testing.assert_allclose(result["ci_high"].values, centre + half, atol=1e-12)


def test_float32_stays_close(rng, population_of):
    assembly = population_of(rng, noise=3.0)
    double = temporal_generalization(assembly, n_folds=3)["accuracy"].values
    single = temporal_generalization(assembly.astype(np.float32), n_folds=3)["accuracy"].values
    assert np.abs(double - single).max() <= 1 / 72  # one presentation on the border


@pytest.mark.data
def test_zhang_desimone_in_150_ms_windows(windows_of):
    """7 objects, max-correlation, 10 folds of two consecutive repetitions, units z-scored.

    Rounding of the reference, and one presentation that a tie can move.
    """
    result = decoding_over_time(windows_of(150, 50, start_ms=-500))
    accuracy = {
        int(s): float(a) for s, a in zip(result["time_bin_start"], result["accuracy"], strict=True)
    }
    tolerance = 0.0005 + 1 / 419
    for start, value in {0: 0.439, 50: 0.766, 100: 0.866, 150: 0.831, 350: 0.659}.items():
        assert accuracy[start] == pytest.approx(value, abs=tolerance), start
    assert result.attrs["n_presentations"] == 419
    assert result.attrs["chance"] == pytest.approx(1 / 7)


@pytest.mark.data
def test_zhang_desimone_across_time(windows_of):
    """Trained at 100-150 ms and tested at 400-450 ms: 0.34, against 0.67 on the diagonal."""
    result = temporal_generalization(windows_of(50, 50))
    starts = result["train_time_start"].values.tolist()
    row = result["accuracy"].values[starts.index(100)]
    assert row[starts.index(400)] == pytest.approx(0.34, abs=0.005 + 1 / 419)
    assert row[starts.index(100)] == pytest.approx(0.67, abs=0.005 + 1 / 419)


@pytest.mark.data
def test_zhang_desimone_lda(windows_of):
    """LDA in 50 ms windows peaks at 0.788, from 140 to 190 ms."""
    result = decoding_over_time(
        windows_of(50, 10, start_ms=100, stop_ms=250), classifier="shrinkage_lda"
    )
    peak = int(np.argmax(result["accuracy"].values))
    assert result["time_bin_start"].values[peak] == 140
    assert result["accuracy"].values[peak] == pytest.approx(0.788, abs=0.0005 + 1 / 419)


def test_no_such_label(rng, population_of):
    with pytest.raises(ValueError, match=r"no coordinate 'label' .*\['object_name', 'repetition'"):
        temporal_generalization(population_of(rng), label="label")


def test_missing_labels(rng, population_of):
    assembly = population_of(rng)
    names = assembly["object_name"].values.astype(object)
    names[:2] = None
    assembly = assembly.assign_coords(object_name=("presentation", names))
    with pytest.raises(ValueError, match="2 of 72 presentations have no 'object_name'"):
        decoding_over_time(assembly)


def test_one_class(rng, population_of):
    assembly = population_of(rng)
    assembly = assembly.isel(presentation=assembly["object_name"].values == "car")
    with pytest.raises(ValueError, match=r"got 1 in 'object_name' \('car'\)"):
        decoding_over_time(assembly)


def test_nan(rng, population_of):
    assembly = population_of(rng)
    assembly[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match="the activity holds NaN or infinite values"):
        decoding_over_time(assembly)


def test_unknown_classifier_and_level(rng, population_of):
    with pytest.raises(ValueError, match=r"classifier must be one of .*'max_correlation'"):
        temporal_generalization(population_of(rng), classifier="svm")
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got 95"):
        decoding_over_time(population_of(rng), n_folds=3, level=95.0)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_nothing_to_decode(rng, population_of, classifier):
    """A deep area at the first timestep: all zero."""
    assembly = population_of(rng, noise=4.0)
    complete = temporal_generalization(assembly, classifier=classifier, n_folds=3)
    values = assembly.values.copy()
    values[:, :, 0] = 0
    silent = assembly.copy(data=values)
    with pytest.raises(ValueError, match=r"nothing to decode .* time bins 0 .*slice\(1, None\)"):
        temporal_generalization(silent, classifier=classifier, n_folds=3)
    options = {"classifier": classifier, "n_folds": 3, "undefined": "nan"}
    accuracy = temporal_generalization(silent, **options)["accuracy"].values
    assert np.isnan(accuracy[0]).all()
    assert np.isnan(accuracy[:, 0]).all()
    np.testing.assert_array_equal(accuracy[1:, 1:], complete["accuracy"].values[1:, 1:])
    assert accuracy[1, 2] != accuracy[2, 1]
    over_time = decoding_over_time(silent, **options)
    for name in ("accuracy", "ci_low", "ci_high"):
        assert np.isnan(over_time[name].values).tolist() == [True, False, False]
    np.testing.assert_array_equal(over_time["accuracy"].values[1:], np.diagonal(accuracy)[1:])


def test_unknown_policy(rng, population_of):
    with pytest.raises(ValueError, match="undefined must be one of"):
        decoding_over_time(population_of(rng), n_folds=3, undefined="chance")
