"""The currency: what is checked, and what averaging and windows do."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorec import assemblies


def assembly(values, *, stimulus_ids=None, repetitions=None, width_ms=10.0):
    n, p, t = np.shape(values)
    starts = width_ms * np.arange(t)
    return assemblies.build(
        values,
        presentation={
            "stimulus_id": np.array(
                [f"s{i}" for i in range(n)] if stimulus_ids is None else stimulus_ids
            ),
            "repetition": np.zeros(n, dtype=int) if repetitions is None else np.array(repetitions),
        },
        neuroid={
            "neuroid_id": np.array([f"n{i}" for i in range(p)]),
            "region": np.array(["IT"] * p),
        },
        time_bin_start=starts,
        time_bin_end=starts + width_ms,
    )


def test_build_puts_every_coordinate_in_its_place(rng):
    x = assembly(rng.random((4, 3, 2)))
    assert x.dims == assemblies.DIMS
    assert x["time_bin_end"].values.tolist() == [10, 20]
    assert x["time_bin_start"].attrs["units"] == "ms"


def test_check_reorders_dimensions(rng):
    x = assembly(rng.random((4, 3, 2)))
    assert assemblies.check(x.transpose("time_bin", "neuroid", "presentation")).dims == x.dims


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.isel(time_bin=0), "expected an assembly with dimensions"),
        (
            lambda x: x.drop_vars("repetition"),
            "no coordinate 'repetition' on 'presentation'; add it",
        ),
        (lambda x: x.drop_vars("neuroid_id"), "no coordinate 'neuroid_id' on 'neuroid'; add it"),
        (
            lambda x: x.drop_vars("region").assign_coords(region=("time_bin", ["a", "b"])),
            "coordinate 'region' must lie on 'neuroid'",
        ),
        (
            lambda x: x.assign_coords(neuroid_id=("neuroid", ["a", "a", "b"])),
            "neuroid_id must be unique, got repeated identifiers; prefix them",
        ),
        (
            lambda x: x.assign_coords(time_bin_end=("time_bin", [0.0, 20.0])),
            "every time_bin_end must be later than its time_bin_start",
        ),
    ],
)
def test_check_says_what_is_wrong_and_how_to_mend_it(rng, change, message):
    with pytest.raises(ValueError, match=message):
        assemblies.check(change(assembly(rng.random((4, 3, 2)))))


def test_average_of_unequal_repetitions_by_hand():
    x = assembly(
        np.array([1.0, 10.0, 3.0, 20.0, 8.0]).reshape(5, 1, 1),
        stimulus_ids=["b", "a", "b", "a", "b"],
        repetitions=[0, 0, 1, 1, 2],
    )
    mean = assemblies.average_repetitions(x)
    assert mean["stimulus_id"].values.tolist() == ["b", "a"]
    assert mean.values.ravel().tolist() == [4, 15]
    assert mean["n_repetitions"].values.tolist() == [3, 2]


def test_averages_keep_what_time_bins_are_called():
    x = assembly(np.ones((3, 1, 2)), stimulus_ids=["a", "a", "b"], repetitions=[0, 1, 0])
    mean = assemblies.average_repetitions(x.assign_coords(timestep=("time_bin", [4, 5])))
    assert mean["timestep"].values.tolist() == [4, 5]


def test_counts_in_small_integers_do_not_wrap():
    x = assembly(
        np.full((3, 1, 2), 200, dtype=np.uint8), stimulus_ids=["a"] * 3, repetitions=[0, 1, 2]
    )
    assert assemblies.average_repetitions(x).values.ravel().tolist() == [200, 200]
    summed = assemblies.window(x, start_ms=0, stop_ms=20, statistic="sum")
    assert summed.values.ravel().tolist() == [400] * 3


@given(st.integers(1, 5), st.integers(1, 4), st.permutations(range(12)))
def test_the_order_of_presentations_does_not_matter(n_stimuli, n_neuroids, order):
    rng = np.random.default_rng(0)
    ids = [f"s{i % n_stimuli}" for i in range(12)]
    x = assembly(rng.random((12, n_neuroids, 2)), stimulus_ids=ids, repetitions=range(12))
    straight = assemblies.average_repetitions(x)
    shuffled = assemblies.average_repetitions(x.isel(presentation=list(order)))
    place = assemblies.match(straight["stimulus_id"].values.tolist(), shuffled)
    np.testing.assert_allclose(straight.values, shuffled.values[place], rtol=1e-12)


def test_windows_by_hand(rng):
    x = assembly(np.arange(6.0).reshape(1, 1, 6))
    y = assemblies.window(x, start_ms=10, stop_ms=60, width_ms=20, step_ms=10)
    assert y["time_bin_start"].values.tolist() == [10, 20, 30, 40]
    assert y.values.ravel().tolist() == [1.5, 2.5, 3.5, 4.5]
    whole = assemblies.window(x, start_ms=0, stop_ms=60, statistic="sum")
    assert whole.values.ravel().tolist() == [15]


@given(st.integers(1, 12), st.integers(1, 12))
def test_windows_that_tile_keep_the_total(width, n_windows):
    n = width * n_windows
    x = assembly(np.random.default_rng(n).integers(0, 9, (2, 3, n)))
    y = assemblies.window(x, start_ms=0, stop_ms=10 * n, width_ms=10 * width, statistic="sum")
    assert y.sizes["time_bin"] == n_windows
    np.testing.assert_array_equal(y.values.sum(2), x.values.sum(2))


def test_windows_that_do_not_fit():
    x = assembly(np.zeros((1, 1, 6)))
    with pytest.raises(ValueError, match=r"the bin from 5.* is not made of whole bins"):
        assemblies.window(x, start_ms=5, stop_ms=25)
    with pytest.raises(
        ValueError, match="no bin of width 20 ms and step 20 ms fits between 0 and 10"
    ):
        assemblies.window(x, start_ms=0, stop_ms=10, width_ms=20)
    with pytest.raises(ValueError, match="statistic must be one of"):
        assemblies.window(x, start_ms=0, stop_ms=10, statistic="median")


def test_match_reports_what_is_missing(rng):
    x = assembly(rng.random((3, 1, 1)))
    assert assemblies.match(["s2", "s0"], x).tolist() == [2, 0]
    with pytest.raises(
        ValueError, match="1 of 2 stimuli are not in the assembly, the first is 'q'"
    ):
        assemblies.match(["s0", "q"], x)
    with pytest.raises(ValueError, match="use average_repetitions first"):
        assemblies.match(["a"], assembly(rng.random((2, 1, 1)), stimulus_ids=["a", "a"]))


def test_netcdf_round_trip(rng, tmp_path):
    x = assembly(rng.random((4, 3, 2)))
    x.attrs["units"] = "spikes"
    again = assemblies.from_netcdf(assemblies.to_netcdf(x, tmp_path / "x.nc"))
    np.testing.assert_array_equal(again.values, x.values)
    assert again.attrs["units"] == "spikes"
    for name, coordinate in x.coords.items():
        assert again[name].dims == coordinate.dims
        assert again[name].values.tolist() == coordinate.values.tolist()
    assert [p.name for p in tmp_path.iterdir()] == ["x.nc"]


def test_files_that_are_no_assemblies(tmp_path):
    path = tmp_path / "x.nc"
    path.write_bytes(b"no netCDF")
    with pytest.raises(ValueError, match=r"x.nc is not a readable netCDF4 file"):
        assemblies.from_netcdf(path)
    import xarray as xr

    xr.Dataset({"y": ("x", [1.0])}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(ValueError, match=re.escape("holds no assembly; its variables are ['y']")):
        assemblies.from_netcdf(path)
