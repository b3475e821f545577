"""Generalization across conditions: by hand, known codes, real data, bad input."""

import numpy as np
import pytest
import xarray as xr

from neurorec import assemblies
from neurorec.dynamics import (
    CLASSIFIERS,
    conditions,
    cross_condition_generalization,
    decoding_over_time,
)
from neurorec.dynamics.tally import tally
from neurorec.geometry import RidgeDecoder

POSITIONS = np.array(["lower", "middle", "upper"])


def population(
    rng, *, shared=1.0, own=0.0, shift=0.0, noise=1.0, n_classes=3, p=15, n_repetitions=6, n_bins=2
):
    """One stimulus per class and position; codes of classes are shared, or own to a position."""
    stimulus = np.tile(np.arange(3 * n_classes), n_repetitions)
    label, position = stimulus // 3, stimulus % 3
    code = shared * rng.normal(size=(n_classes, 1, p)) + own * rng.normal(size=(n_classes, 3, p))
    code = 2 * code + shift * rng.normal(size=(1, 3, p))
    values = noise * rng.normal(size=(len(stimulus), p, n_bins)) + 5
    values += code[label, position][:, :, None]
    return assemblies.build(
        values,
        presentation={
            "stimulus_id": np.array([f"s{i:02d}" for i in stimulus]),
            "repetition": np.repeat(np.arange(n_repetitions), 3 * n_classes),
            "object_name": np.array(["car", "face", "hand"])[label],
            "position": POSITIONS[position],
        },
        neuroid={"neuroid_id": np.arange(p).astype(str), "region": np.full(p, "IT")},
        time_bin_start=50.0 * np.arange(n_bins),
        time_bin_end=50.0 * np.arange(1, n_bins + 1),
    )


def by_hand(assembly, classifier, train):
    labels, where = assembly["object_name"].values, assembly["position"].values
    folds = assembly["repetition"].values // 2
    x = np.moveaxis(assembly.values, 2, 0)
    found = np.zeros((3, 3, len(x)))
    for a, one in enumerate(POSITIONS):
        trained = where == one if train == "one" else where != one
        for fold in range(3):
            for t, v in enumerate(x):
                kept = trained & (folds != fold)
                z = (v - v[kept].mean(axis=0)) / v[kept].std(axis=0)
                decoder = CLASSIFIERS[classifier]().fit(z[kept], labels[kept])
                for b, other in enumerate(POSITIONS):
                    tested = (where == other) & (folds == fold)
                    found[a, b, t] += (decoder.predict(z[tested]) == labels[tested]).sum()
    return found / (len(labels) / 3)


@pytest.mark.parametrize("train", ["one", "all_but_one"])
@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_equals_a_plain_loop(rng, classifier, train):
    assembly = population(rng, shared=0.3, own=0.3, noise=2.0)
    result = cross_condition_generalization(
        assembly, condition="position", classifier=classifier, train=train, n_folds=3
    )
    expected = by_hand(assembly, classifier, train)
    np.testing.assert_allclose(result["accuracy"].values, expected, atol=1e-12)
    own = np.eye(3, dtype=bool)
    elsewhere, same = (expected[own], expected[~own])
    if train == "one":
        elsewhere, same = same, elsewhere
    np.testing.assert_allclose(result["generalization"].values, elsewhere.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(result["within"].values, same.mean(axis=0), atol=1e-12)
    assert expected.std() > 0.1


def test_a_shared_code_generalises():
    result = cross_condition_generalization(
        population(np.random.default_rng(0), noise=0.3), condition="position", n_folds=3
    )
    np.testing.assert_array_equal(result["accuracy"].values, 1)


@pytest.mark.parametrize("train", ["one", "all_but_one"])
def test_codes_of_their_own_do_not(train):
    """Independent codes: nearly certain where trained, on average at chance elsewhere."""
    moved = []
    for seed in range(15):
        assembly = population(np.random.default_rng(seed), shared=0, own=1, noise=0.1)
        result = cross_condition_generalization(
            assembly, condition="position", n_folds=3, train=train, classifier="nearest_mean"
        )
        assert result["within"].values.min() > 0.95
        moved.append(result["generalization"].values[0])
    error = 4 * np.std(moved) / np.sqrt(15)
    assert abs(np.mean(moved) - 1 / 3) < error < 0.25


def test_held_out_repetitions_teach_nothing(rng):
    """Pure noise is at chance on the diagonal, with more neuroids than presentations."""
    assembly = population(rng, shared=0, p=120, n_repetitions=12, n_bins=1)
    result = cross_condition_generalization(
        assembly, condition="position", n_folds=6, classifier="ridge"
    )
    # Nine cells of 36 presentations each; four standard deviations.
    assert np.abs(result["accuracy"].values - 1 / 3).max() < 4 * np.sqrt(2 / 9 / 36)


def test_the_diagonal_is_decoding_within_a_condition(rng):
    assembly = population(rng, shared=0.3, noise=2.0)
    result = cross_condition_generalization(assembly, condition="position", n_folds=3)
    for a, one in enumerate(POSITIONS):
        inside = assembly.isel(presentation=assembly["position"].values == one)
        alone = decoding_over_time(inside, n_folds=3)["accuracy"].values
        np.testing.assert_allclose(result["accuracy"].values[a, a], alone, atol=1e-12)


def test_a_shift_stays(rng):
    """Means of conditions that differ in all directions: a classifier of raw distances suffers."""
    assembly = population(rng, shift=10.0, noise=0.3)
    result = cross_condition_generalization(
        assembly, condition="position", n_folds=3, classifier="nearest_mean"
    )
    assert (result["within"].values == 1).all()
    assert (result["generalization"].values < 0.9).all()


def test_order_and_names_do_not_matter(rng):
    assembly = population(rng, shared=0.3, own=0.3, noise=2.0)
    order = rng.permutation(54)
    options = {"condition": "position", "n_folds": 3, "classifier": RidgeDecoder(penalty=4.0)}
    first = cross_condition_generalization(assembly, **options)
    second = cross_condition_generalization(
        assembly.isel(presentation=order, neuroid=rng.permutation(15)), **options
    )
    np.testing.assert_allclose(first["accuracy"].values, second["accuracy"].values, atol=1e-12)
    assert first.attrs["classifier"] == "RidgeDecoder(penalty=4.0)"


def test_labels_and_numbers(rng, tmp_path):
    result = cross_condition_generalization(
        population(rng, noise=0.5), condition="position", n_folds=3, n_permutations=19
    )
    assert result["accuracy"].dims == ("train_condition", "test_condition", "time_bin")
    assert result["train_condition"].values.tolist() == POSITIONS.tolist()
    assert result["time_bin_end"].values.tolist() == [50, 100]
    assert result.attrs["condition"] == "position"
    np.testing.assert_allclose(result["p_value"].values, 1 / 20)
    np.testing.assert_allclose(result["generalization_p_value"].values, 1 / 20)
    assert (result["p_value_max"].values >= result["p_value"].values).all()
    result.to_netcdf(tmp_path / "result.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "result.nc", engine="h5netcdf") as read:
        xr.testing.assert_identical(read.load(), result)
    others = cross_condition_generalization(
        population(rng), condition="position", n_folds=3, train="all_but_one", balanced=True
    )
    assert others["train_condition"].values.tolist() == ["not lower", "not middle", "not upper"]


def test_permuted_labels_stay_in_their_repetition_and_condition(rng, monkeypatch):
    seen = []

    def watched(problem, splits, dealt, groups, **options):
        seen.append(dealt)
        return tally(problem, splits, dealt, groups, **options)

    monkeypatch.setattr(conditions, "tally", watched)
    assembly = population(rng)
    cross_condition_generalization(assembly, condition="position", n_folds=3, n_permutations=5)
    strata = zip(assembly["repetition"].values, assembly["position"].values, strict=True)
    names = np.array([f"{repetition} {position}" for repetition, position in strata])
    for name in np.unique(names):
        assert (np.sort(seen[0][:, names == name], axis=1) == [0, 1, 2]).all()
    assert len(np.unique(seen[0], axis=0)) == 6


@pytest.mark.data
def test_zhang_desimone_across_positions(windows_of):
    """Objects at positions not trained on: read out well, and less well than at those trained on.

    In 150 ms windows that begin 0 to 350 ms after onset, at 100 ms three of four presentations.
    """
    windows = windows_of(150, 50, start_ms=0)
    result = cross_condition_generalization(windows, condition="position")
    peak = result.isel(time_bin=2)
    assert float(peak["within"]) == pytest.approx(0.859, abs=0.0005 + 1 / 419)
    assert float(peak["generalization"]) == pytest.approx(0.710, abs=0.0005 + 1 / 419)
    assert (result["generalization"].values < result["within"].values).all()
    assert (result["accuracy"].values > result.attrs["chance"]).all()


def test_bad_conditions(rng):
    assembly = population(rng)
    with pytest.raises(ValueError, match=r"no coordinate 'size' .*\['object_name', 'position'"):
        cross_condition_generalization(assembly, condition="size", n_folds=3)
    one = assembly.isel(presentation=assembly["position"].values == "lower")
    with pytest.raises(ValueError, match=r"at least 2 conditions, got 1 in 'position' \('lower'\)"):
        cross_condition_generalization(one, condition="position", n_folds=3)
    lone = (assembly["position"].values != "lower") | (assembly["object_name"].values == "car")
    with pytest.raises(
        ValueError, match="condition 'lower' of 'position' has no presentation of class 'face'"
    ):
        cross_condition_generalization(
            assembly.isel(presentation=lone), condition="position", n_folds=3
        )
    with pytest.raises(ValueError, match="train must be one of"):
        cross_condition_generalization(assembly, condition="position", train="two")
    where = assembly["position"].values.astype(object)
    where[3] = None
    unknown = assembly.assign_coords(position=("presentation", where))
    with pytest.raises(ValueError, match="1 of 54 presentations have no 'position'"):
        cross_condition_generalization(unknown, condition="position", n_folds=3)


def test_folds_of_stimuli_are_dealt_within_conditions(rng):
    with pytest.raises(ValueError, match=r"class 'car \(lower\)' has 1 stimuli for 2 folds"):
        cross_condition_generalization(population(rng), condition="position", fold=2)


def test_a_class_in_one_fold(rng):
    """Repetitions 0 to 5 in three folds, of one class only those of the last."""
    assembly = population(rng)
    rare = (assembly["object_name"].values == "hand") & (assembly["position"].values == "upper")
    keep = ~rare | (assembly["repetition"].values >= 4)
    kept = np.concatenate([np.flatnonzero(keep), np.flatnonzero(keep & rare)])
    assembly = assembly.isel(presentation=kept)
    with pytest.raises(ValueError, match="without fold 2 no presentation of class 'hand' is left"):
        cross_condition_generalization(assembly, condition="position", n_folds=3)
