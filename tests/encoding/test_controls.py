"""Shuffled stimuli and samples of units."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec.assemblies import average_repetitions, build, to_netcdf
from neurorec.encoding import Ceiling, fit, noise_ceiling, sample_units, shuffled


@pytest.fixture
def responses(rng, make):
    """Three to five trials of 30 stimuli, in random order."""
    stimulus = np.repeat(np.arange(30), rng.integers(3, 6, size=30))
    values = rng.normal(size=(30, 4, 2))[stimulus] + rng.normal(size=(len(stimulus), 4, 2))
    assembly = make(
        values,
        stimulus_id=[f"s{i:02d}" for i in stimulus],
        object_name=np.array(["face", "car", "dog"])[stimulus % 3],
        trial=np.arange(len(stimulus)),
    )
    return assembly.isel(presentation=rng.permutation(len(stimulus)))


def test_presentations_of_a_stimulus_stay_together(responses):
    again = shuffled(responses, seed=1)
    pairs = set(zip(responses["stimulus_id"].values, again["stimulus_id"].values, strict=True))
    assert len(pairs) == 30  # one new name for each
    assert len({new for _, new in pairs}) == 30
    assert sum(old == new for old, new in pairs) < 10
    assert {old for old, _ in pairs} == {new for _, new in pairs}
    xr.testing.assert_identical(again.variable, responses.variable)


def test_columns_of_stimuli_stay_with_them(responses):
    again = shuffled(responses, seed=1)
    before = set(zip(responses["stimulus_id"].values, responses["object_name"].values, strict=True))
    after = set(zip(again["stimulus_id"].values, again["object_name"].values, strict=True))
    assert before == after
    np.testing.assert_array_equal(again["trial"], responses["trial"])
    np.testing.assert_array_equal(again["repetition"], responses["repetition"])
    assert again["stimulus_id"].values.tolist() != responses["stimulus_id"].values.tolist()


def test_repetitions_stay_where_none_is_repeated(make, rng):
    means = make(rng.normal(size=(9, 1, 1)), repetition=np.arange(9))
    np.testing.assert_array_equal(shuffled(means, seed=0)["repetition"], np.arange(9))


def test_ceilings_do_not_change(responses):
    for method in ("split_half", "explainable_variance"):
        ceiling = Ceiling(method=method, n_splits=5)
        before, after = (
            noise_ceiling(one, ceiling=ceiling)["reliability"]
            for one in (responses, shuffled(responses, seed=2))
        )
        np.testing.assert_allclose(after, before, atol=1e-12)


def test_shuffled_by_the_seed(responses):
    one, two, other = (shuffled(responses, seed=s)["stimulus_id"].values for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.slow
def test_shuffled_stimuli_are_not_predicted(rng, make):
    features = make(rng.normal(size=(100, 20, 1)), name="u")
    values = features.values[:, :, 0] @ rng.normal(size=(20, 60))
    measured = make(values[:, :, None] + rng.normal(size=(100, 60, 1)))
    assert float(fit(features, measured)["score"].mean()) > 0.8
    scores = [
        float(fit(features, shuffled(measured, seed=seed))["score"].mean()) for seed in range(12)
    ]
    # The scores of one shuffle hang together, since its neuroids share 20 features: the means of
    # twelve shuffles tell their own spread.
    assert abs(np.mean(scores)) < 3 * np.std(scores, ddof=1) / np.sqrt(12)


def test_one_stimulus(make, rng):
    with pytest.raises(ValueError, match="a shuffle needs at least 2 stimuli, got 1"):
        shuffled(make(rng.normal(size=(3, 1, 1)), stimulus_id=["s"] * 3), seed=0)


def units(regions):
    n = len(regions)
    return build(
        np.arange(3 * n, dtype=float).reshape(3, n, 1),
        presentation={"stimulus_id": [0, 1, 2], "repetition": [0] * 3},
        neuroid={"neuroid_id": np.arange(n), "region": regions},
        time_bin_start=[0],
        time_bin_end=[1],
    )


@settings(max_examples=40, deadline=None)
@given(few=st.integers(1, 10), more=st.integers(1, 10), seed=st.integers(0, 50))
def test_samples_are_nested(few, more, seed):
    few, more = sorted((few, more))
    features = units(["V4"] * 10 + ["IT"] * 14)
    for within in (None, "region"):
        small, large = (
            sample_units(features, n, seed=seed, within=within)["neuroid_id"].values
            for n in (few, more)
        )
        assert set(small) <= set(large)
        assert np.all(np.diff(large) > 0)
        assert len(large) == more * (1 if within is None else 2)


def test_as_many_of_each_region():
    sample = sample_units(units(["IT", "V4", "V4", "IT", "IT"]), 2, seed=0, within="region")
    assert sorted(sample["region"].values) == ["IT", "IT", "V4", "V4"]
    np.testing.assert_array_equal(sample.values[0, :, 0], sample["neuroid_id"].values)


def test_every_unit_is_as_likely():
    features = units(["V4"] * 6)
    chosen = [sample_units(features, 2, seed=seed)["neuroid_id"].values for seed in range(300)]
    # 100 of each expected, with a standard deviation of sqrt(300 / 3 * 2 / 3) = 8.2; four of them.
    assert np.abs(np.bincount(np.ravel(chosen)) - 100).max() < 4 * 8.2


def test_a_file_is_not_read(tmp_path, responses):
    path = to_netcdf(average_repetitions(responses), tmp_path / "features.nc")
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        features = dataset.set_coords([str(v) for v in dataset.variables if v != "activity"])
        for lazy in (
            sample_units(features["activity"], 2, seed=0),
            shuffled(features["activity"], seed=0),
        ):
            assert not isinstance(lazy.variable._data, np.ndarray)


def test_too_few_units():
    features = units(["V4", "V4", "IT"])
    with pytest.raises(ValueError, match="the assembly has 3 units, 4 were asked for; ask for few"):
        sample_units(features, 4, seed=0)
    with pytest.raises(ValueError, match="region 'IT' has 1 units, 2 were asked for"):
        sample_units(features, 2, seed=0, within="region")
    with pytest.raises(ValueError, match="n_units must be at least 1, got 0"):
        sample_units(features, 0, seed=0)
    with pytest.raises(
        ValueError, match=r"no neuroid column 'area'; they have \['neuroid_id', 're"
    ):
        sample_units(features, 1, seed=0, within="area")
