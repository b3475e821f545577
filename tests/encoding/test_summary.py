"""Medians over neuroids."""

import numpy as np
import pytest
import xarray as xr

from neurorec.encoding import summary


@pytest.fixture
def scores():
    """What a fit returns, in small: every number tells where it stands."""

    def scores(quantities=("score", "noise_corrected"), *, draws=True):
        median = np.arange(len(quantities) * 3 * 2.0).reshape(-1, 3, 2)
        limits = np.arange(len(quantities) * 3 * 3 * 2.0).reshape(-1, 3, 3, 2)
        dims = ("quantity", "resampled", "model_time", "time_bin")
        variables = {
            "median": (("quantity", "model_time", "time_bin"), median),
            "ceiling": (("neuroid", "time_bin"), np.array([[1.0, 5.0], [2.0, 6.0], [9.0, 7.0]])),
        }
        coords = {
            "quantity": list(quantities),
            "timestep": ("model_time", [4, 5, 6]),
            "time_bin_start": ("time_bin", [0.0, 10.0]),
        }
        if draws:
            variables |= {"ci_low": (dims, limits - 100), "ci_high": (dims, limits + 100)}
            coords["resampled"] = ["neuroids", "stimuli", "both"]
        attrs = {"n_stimuli": 640, "n_neuroids": 3, "n_draws": 50, "level": 0.9, "provenance": "{}"}
        return xr.Dataset(variables, coords=coords, attrs=attrs)

    return scores


@pytest.mark.parametrize("resampled", ["neuroids", "stimuli", "both"])
@pytest.mark.parametrize("quantity", ["score", "noise_corrected"])
def test_what_was_asked_for(scores, quantity, resampled):
    whole = scores()
    reduced = summary(whole, quantity=quantity, resampled=resampled)
    assert reduced["median"].dims == ("model_time", "time_bin")
    np.testing.assert_array_equal(reduced["median"], whole["median"].sel(quantity=quantity))
    expected = whole.sel(quantity=quantity, resampled=resampled)
    np.testing.assert_array_equal(reduced["ci_low"], expected["ci_low"])
    np.testing.assert_array_equal(reduced["ci_high"], expected["ci_high"])
    assert reduced["ceiling_median"].values.tolist() == [2.0, 6.0]
    assert reduced["timestep"].values.tolist() == [4, 5, 6]
    assert (reduced.attrs["quantity"], reduced.attrs["resampled"]) == (quantity, resampled)
    assert (reduced.attrs["n_neuroids"], reduced.attrs["level"]) == (3, 0.9)


def test_the_words_of_the_interval(scores):
    assert summary(scores()).attrs["interval"] == (
        "percentile bootstrap over neuroids and stimuli, 50 draws"
    )


def test_noise_corrected_where_it_is(scores):
    assert summary(scores()).attrs["quantity"] == "noise_corrected"
    assert summary(scores(["score", "r_squared"])).attrs["quantity"] == "score"


def test_without_draws(scores):
    assert set(summary(scores(draws=False))) == {"median", "ceiling_median"}


def test_netcdf(scores, tmp_path):
    reduced = summary(scores())
    reduced.to_netcdf(tmp_path / "summary.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "summary.nc", engine="h5netcdf") as back:
        xr.testing.assert_allclose(back.load(), reduced)


def test_something_else():
    with pytest.raises(ValueError, match=r"expected the result of encoding.fit, got .*\['x'\]"):
        summary(xr.Dataset({"x": 1}))


@pytest.mark.parametrize("argument", ["quantity", "resampled"])
def test_unknown_names(scores, argument):
    with pytest.raises(ValueError, match=f"{argument} must be one of .*, got 'x'"):
        summary(scores(), **{argument: "x"})
