"""Medians over neuroids."""

import numpy as np
import pytest
import xarray as xr

from neurorec.encoding import summary


def result(values, quantity="noise_corrected"):
    dims = ("neuroid", "model_time", "time_bin")
    variables = {"score": (("split", *dims), np.zeros((2, *values.shape)))}
    if quantity == "noise_corrected":
        variables["noise_corrected"] = (dims, values)
    else:
        variables["score"] = (("split", *dims), np.stack([values - 1, values + 1]))
    coords = {
        "timestep": ("model_time", np.arange(values.shape[1])),
        "neuroid_id": ("neuroid", [f"n{i}" for i in range(len(values))]),
    }
    return xr.Dataset(variables, coords=coords, attrs={"n_stimuli": 640, "provenance": "{}"})


@pytest.mark.parametrize("quantity", ["noise_corrected", "score"])
def test_median_with_interval(rng, quantity):
    values = rng.normal(size=(51, 3, 2))
    reduced = summary(result(values, quantity))
    assert reduced["median"].dims == ("model_time", "time_bin")
    np.testing.assert_allclose(reduced["median"], np.median(values, axis=0), atol=1e-12)
    assert np.all(reduced["ci_low"] < reduced["median"])
    assert np.all(reduced["median"] < reduced["ci_high"])
    assert reduced.attrs["quantity"] == quantity
    assert (reduced.attrs["n_neuroids"], reduced.attrs["n_stimuli"]) == (51, 640)
    assert reduced["timestep"].values.tolist() == [0, 1, 2]


def test_netcdf(rng, tmp_path):
    reduced = summary(result(rng.normal(size=(9, 2, 1))), n_draws=20)
    reduced.to_netcdf(tmp_path / "summary.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "summary.nc", engine="h5netcdf") as back:
        xr.testing.assert_allclose(back.load(), reduced)


def test_seed(rng):
    values = rng.normal(size=(30, 4, 2))
    one, two, other = (summary(result(values), n_draws=50, seed=s)["ci_low"] for s in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_something_else():
    with pytest.raises(ValueError, match=r"expected the result of encoding.fit, got .*\['x'\]"):
        summary(xr.Dataset({"x": 1}))


def test_one_neuroid(rng):
    with pytest.raises(ValueError, match="at least 2 observations"):
        summary(result(rng.normal(size=(1, 2, 1))))
