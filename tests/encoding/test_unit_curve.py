"""Scores over the number of units of each area."""

import numpy as np
import pytest
import xarray as xr

from neurorec.assemblies import NEUROID
from neurorec.encoding import (
    Bootstrap,
    Ceiling,
    Controls,
    KFold,
    Match,
    Ridge,
    fit,
    sample_units,
    unit_curve,
)

OPTIONS = {"readout": Ridge(penalties=[1.0, 100.0]), "splits": KFold(3)}
ALONE = OPTIONS | {"bootstrap": Bootstrap(n_draws=0), "controls": Controls(static=False)}


class Lying:
    """An area that lies in a file, as a recording hands it out."""

    def __init__(self, assembly):
        self.assembly, self.n_loads = assembly, 0
        self.n_neuroids = assembly.sizes[NEUROID]

    def labels(self):
        return self.assembly.isel(neuroid=[0])

    def units(self):
        return self.assembly.isel(presentation=[0])

    def stream(self, *, timesteps, block_bytes):
        yield self.assembly.isel(time_bin=timesteps)

    def load(self):
        self.n_loads += 1
        return self.assembly


@pytest.fixture
def areas(rng, make):
    """An area that drives the neurons, and one of noise."""
    x = rng.normal(size=(60, 12, 2))
    y = x[:, :, 1] @ rng.normal(size=(12, 3))
    y = y + 0.3 * y.std() * rng.normal(size=y.shape)
    noise = make(rng.normal(size=(60, 20, 2)), name="v")
    return {"IT": make(x, name="u"), "V1": noise}, make(y[:, :, None])


def seeds(seed, n):
    return [int(one) for one in np.random.SeedSequence(seed).generate_state(n)]


def test_each_point_is_a_fit(areas):
    features, responses = areas
    curve = unit_curve(features, responses, [3, 8], n_samples=2, seed=5, **OPTIONS)
    assert curve["area"].values.tolist() == ["IT", "V1"]
    assert curve["n_units"].values.tolist() == [3, 8]
    assert curve["sample"].values.tolist() == [0, 1]
    dims = ("area", "n_units", "sample", "quantity", "model_time", "time_bin")
    assert curve["median"].dims == dims
    for name, area in features.items():
        for n in (3, 8):
            for i, seed in enumerate(seeds(5, 2)):
                expected = fit(sample_units(area, n, seed=seed), responses, **ALONE)["median"]
                ours = curve["median"].sel(area=name, n_units=n, sample=i)
                np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)
    assert curve.attrs["n_neuroids"] == 3
    assert curve.attrs["seed"] == 5
    assert not {"n_features", "provenance"} & set(curve.attrs)  # other ones at each point


def test_samples_are_nested(areas):
    (area, _), (one, other) = areas[0].values(), seeds(0, 2)
    few, more = (set(sample_units(area, n, seed=one)["neuroid_id"].values) for n in (3, 8))
    assert few < more
    assert few != set(sample_units(area, 3, seed=other)["neuroid_id"].values)


def test_more_units_of_the_area_that_drives_predict_better(areas):
    features, responses = areas
    curve = unit_curve(features, responses, [2, 12], n_samples=3, **OPTIONS)
    score = curve["median"].sel(quantity="score").isel(model_time=1, time_bin=0).mean("sample")
    assert float(score.sel(area="IT", n_units=12)) > 0.9
    assert float(score.sel(area="IT", n_units=12) - score.sel(area="IT", n_units=2)) > 0.3
    assert float(np.abs(score.sel(area="V1")).max()) < 0.3


def test_seeds(areas):
    features, responses = areas
    first, same, other = (
        unit_curve({"IT": features["IT"]}, responses, [4], n_samples=1, seed=seed, **OPTIONS)
        for seed in (0, 0, 1)
    )
    xr.testing.assert_identical(first, same)
    assert not np.allclose(first["median"], other["median"])


def test_an_area_in_a_file_is_read_once(areas):
    features, responses = areas
    lying = {name: Lying(area) for name, area in features.items()}
    curve = unit_curve(lying, responses, [3, 5], n_samples=2, **OPTIONS)
    expected = unit_curve(features, responses, [3, 5], n_samples=2, **OPTIONS)
    xr.testing.assert_identical(curve, expected)
    assert [area.n_loads for area in lying.values()] == [1, 1]


def test_time_and_ceiling(areas):
    features, responses = areas
    trials = responses.isel(presentation=np.repeat(np.arange(60), 3))
    trials = trials.assign_coords(repetition=("presentation", np.tile(np.arange(3), 60)))
    noise = np.random.default_rng(0).normal(size=trials.shape)
    trials = trials.copy(data=trials.values + noise)
    options = {"time": Match(), "ceiling": Ceiling(n_splits=2)}
    curve = unit_curve({"IT": features["IT"]}, trials, [12], n_samples=1, **options, **OPTIONS)
    expected = fit(features["IT"], trials, **options, **ALONE)["median"]
    np.testing.assert_allclose(curve["median"][0, 0, 0], expected, rtol=0, atol=1e-12)
    assert curve.attrs["time"] == "match"
    assert "Spearman-Brown" in curve.attrs["convention"]


def test_netcdf(areas, tmp_path):
    curve = unit_curve(*areas, [3], n_samples=1, **OPTIONS)
    curve.to_netcdf(tmp_path / "curve.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "curve.nc", engine="h5netcdf") as back:
        xr.testing.assert_allclose(back.load(), curve)


def test_more_units_than_there_are(areas):
    with pytest.raises(ValueError, match="the assembly has 12 units, 13 were asked for"):
        unit_curve(*areas, [13], **OPTIONS)


@pytest.mark.parametrize(
    ("features", "n_units", "n_samples", "message"),
    [
        ({}, [3], 1, "got 0 areas, 1 numbers and n_samples=1"),
        (None, [], 1, "got 2 areas, 0 numbers and n_samples=1"),
        (None, [3], 0, "got 2 areas, 1 numbers and n_samples=0"),
        ({"IT": np.zeros((60, 3, 1))}, [3], 1, "expected assemblies or areas .*, got ndarray"),
        ({"IT": "V4"}, [3], 1, r"expected an assembly, an array .*, got str"),
    ],
)
def test_nothing_to_draw(areas, features, n_units, n_samples, message):
    given, responses = areas
    with pytest.raises(ValueError, match=message):
        unit_curve(given if features is None else features, responses, n_units, n_samples=n_samples)


def test_areas_of_other_timesteps(areas):
    features, responses = areas
    fewer = features | {"V1": features["V1"].isel(time_bin=[0])}
    with pytest.raises(ValueError, match="areas must have the same timesteps, 'IT' has 2 and 'V1'"):
        unit_curve(fewer, responses, [3], n_samples=1, **OPTIONS)


def test_units_stay_in_order(areas):
    area = areas[0]["V1"]
    sample = sample_units(area, 7, seed=3)
    places = [area["neuroid_id"].values.tolist().index(i) for i in sample["neuroid_id"].values]
    assert places == sorted(places)
    assert sample.sizes[NEUROID] == 7
