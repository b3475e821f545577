"""Animals that predict one another."""

import json

import numpy as np
import pytest
import xarray as xr

from neurorec.assemblies import average_repetitions
from neurorec.encoding import Bootstrap, Ceiling, KFold, Ridge, between_animals, fit

FEW = Ceiling(n_splits=3)
OPTIONS = {
    "readout": Ridge(penalties=np.logspace(-2, 3, 6)),
    "splits": KFold(3),
    "ceiling": FEW,
    "bootstrap": Bootstrap(n_draws=20),
}


@pytest.fixture
def responses(rng, make):
    """Trials of 40 stimuli: two animals share a code, the third has one of its own."""
    stimulus = np.repeat(np.arange(40), 3)
    common, own = rng.normal(size=(2, 40, 3))
    signals = [code @ rng.normal(size=(3, n)) for code, n in ((common, 5), (common, 4), (own, 3))]
    signal = np.concatenate(signals, axis=1)[:, :, None] * [1.0, 0.5]
    values = signal[stimulus] + 0.5 * rng.normal(size=(120, 12, 2))
    assembly = make(values, stimulus_id=[f"s{i:02d}" for i in stimulus])
    return assembly.assign_coords(animal=("neuroid", ["ada"] * 5 + ["bob"] * 4 + ["cid"] * 3))


def of(assembly, animal):
    return assembly.isel(neuroid=np.flatnonzero(assembly["animal"].values == animal))


@pytest.mark.slow
def test_each_pair_is_a_fit(responses):
    scores = between_animals(responses, **OPTIONS)
    assert scores["score"].dims == ("split", "neuroid", "model_time", "time_bin")
    assert scores.sizes["neuroid"] == 2 * 12
    for source in ("ada", "bob", "cid"):
        for target in {"ada", "bob", "cid"} - {source}:
            expected = fit(
                average_repetitions(of(responses, source)), of(responses, target), **OPTIONS
            )
            ours = of(scores, target)
            ours = ours.isel(neuroid=np.flatnonzero(ours["source_animal"].values == source))
            for name in ("score", "noise_corrected", "reliability", "neuroid_ci_low"):
                np.testing.assert_allclose(ours[name], expected[name], rtol=0, atol=1e-10)
            assert ours["neuroid_id"].values.tolist() == expected["neuroid_id"].values.tolist()
    assert not (scores["animal"] == scores["source_animal"]).any()
    assert set(scores["source_animal"].values) == {"ada", "bob", "cid"}


def test_a_shared_code_is_found(responses):
    score = between_animals(responses, **OPTIONS)["score"].isel(model_time=0, time_bin=0)
    score = score.mean("split")
    pairs = list(zip(score["source_animal"].values, score["animal"].values, strict=True))
    shared = np.array([{"ada", "bob"} == set(pair) for pair in pairs])
    assert shared.sum() == 9
    assert float(score[shared].mean()) > 0.8
    assert abs(float(score[~shared].mean())) < 0.3


def test_pooled_others(responses):
    scores = between_animals(responses, sources="pooled", **OPTIONS)
    assert scores.sizes["neuroid"] == 12
    assert set(scores["source_animal"].values) == {"others"}
    assert scores["animal"].values.tolist() == responses["animal"].values.tolist()
    means = average_repetitions(responses)
    others = means.isel(neuroid=np.flatnonzero(means["animal"].values != "bob"))
    expected = fit(others, of(responses, "bob"), **OPTIONS)
    np.testing.assert_allclose(of(scores, "bob")["score"], expected["score"], rtol=0, atol=1e-10)


def test_attributes_and_netcdf(responses, tmp_path):
    scores = between_animals(responses, sources="pooled", **OPTIONS)
    assert scores.attrs["n_neuroids"] == 12
    assert scores.attrs["sources"] == "pooled"
    assert scores.attrs["n_stimuli"] == 40
    assert "n_features" not in scores.attrs  # another number for each target
    fits = json.loads(scores.attrs["provenance"])
    assert [one["animal"] for one in fits] == ["ada", "bob", "cid"]
    assert all(one["readout"].startswith("Ridge(") for one in fits)
    assert all("neuroid" in values.dims for values in scores.data_vars.values())
    scores.to_netcdf(tmp_path / "scores.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "scores.nc", engine="h5netcdf") as back:
        np.testing.assert_array_equal(back["score"], scores["score"])


def test_missing_repetitions_and_presentations_of_one_animal(responses):
    # The third trial of the first animal, and other presentations for the last.
    two = responses.isel(neuroid=slice(0, 9))
    missing = two.copy(deep=True)
    missing.values[missing["repetition"].values == 2, :5] = np.nan
    scores = between_animals(missing, **OPTIONS)
    fewer = of(two, "ada").isel(presentation=two["repetition"].values < 2)
    expected = fit(average_repetitions(fewer), of(two, "bob"), **OPTIONS)
    np.testing.assert_allclose(of(scores, "bob")["score"], expected["score"], rtol=0, atol=1e-10)
    assert scores.attrs["n_neuroids"] == 9


def test_missing_repetitions_of_one_neuroid(responses):
    # The others of its animal have theirs.
    two = responses.isel(neuroid=slice(0, 9))
    two.values[two["repetition"].values == 2, 6] = np.nan
    scores = of(between_animals(two, **OPTIONS), "bob")
    expected = fit(average_repetitions(of(two, "ada")), of(two, "bob"), **OPTIONS)
    np.testing.assert_allclose(scores["score"], expected["score"], rtol=0, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("sources", ["each", "pooled"])
def test_stimuli_that_an_animal_did_not_see(responses, sources):
    responses.values[responses["stimulus_id"].values >= "s36", :5] = np.nan
    with pytest.raises(ValueError, match=r"share 36 stimuli; .* have only"):
        between_animals(responses, sources=sources, **OPTIONS)
    scores = between_animals(responses, sources=sources, on_mismatch="intersect", **OPTIONS)
    seen = responses.isel(presentation=responses["stimulus_id"].values < "s36")
    expected = between_animals(seen, sources=sources, **OPTIONS)
    np.testing.assert_allclose(of(scores, "ada")["score"], of(expected, "ada")["score"], atol=1e-10)
    assert len(of(scores, "cid")["neuroid"]) == (3 if sources == "pooled" else 6)


def test_a_pool_is_matched_by_stimulus(responses):
    responses.values[responses["stimulus_id"].values < "s04", 5:9] = np.nan
    scores = between_animals(responses, sources="pooled", on_mismatch="intersect", **OPTIONS)
    seen = responses.isel(presentation=responses["stimulus_id"].values >= "s04")
    expected = between_animals(seen, sources="pooled", **OPTIONS)
    np.testing.assert_allclose(scores["score"], expected["score"], rtol=0, atol=1e-10)


def test_fewer_than_two_animals(responses):
    with pytest.raises(ValueError, match="responses of one: 'ada'; give an assembly of at least 2"):
        between_animals(of(responses, "ada"))
    with pytest.raises(ValueError, match=r"no neuroid column 'animal'; they have \['neuroid_id',"):
        between_animals(responses.drop_vars("animal"))


def test_unknown_sources(responses):
    with pytest.raises(ValueError, match="sources must be one of"):
        between_animals(responses, sources="all")
