"""Assemblies in netCDF files, ours and a user's own."""

import numpy as np
import pytest
import xarray as xr

from neurorec import assemblies, datasets
from neurorec.datasets.access import read_options
from neurorec.datasets.readers import READERS


@pytest.fixture
def assembly(rng) -> xr.DataArray:
    built = assemblies.build(
        rng.poisson(2, size=(4, 3, 2)).astype(np.int16),
        presentation={"stimulus_id": ["a", "b", "a", "b"], "repetition": [0, 0, 1, 1]},
        neuroid={"neuroid_id": ["n1", "n2", "n3"], "region": ["V4"] * 3},
        time_bin_start=[0, 10],
        time_bin_end=[10, 20],
        attrs={"units": "spikes per bin"},
    )
    order = (("presentation", "neuroid"), np.arange(12).reshape(4, 3))
    return built.assign_coords(trial_order=order)


def test_round_trip(assembly, tmp_path):
    path = assemblies.to_netcdf(assembly, tmp_path / "own.nc")
    read = datasets.read_assembly(path)
    np.testing.assert_array_equal(read.values, assembly.values)
    assert read.dtype == assembly.dtype
    assert set(read.coords) == set(assembly.coords)
    for name, coordinate in assembly.coords.items():
        assert read[name].dims == coordinate.dims
        assert read[name].values.tolist() == coordinate.values.tolist()
        assert read[name].dtype.kind == coordinate.dtype.kind
    assert read.attrs == assembly.attrs


def test_the_independent_conversion_is_understood(expected):
    read = datasets.read_assembly(expected / "zd_it_counts_10ms.nc")
    assert read.shape == (419, 132, 100)
    assert read["time_bin_start"].values[0] == -500
    # It lies on a dimension of sessions, which assemblies do not have.
    assert "trial_order" not in read.coords


def test_a_data_set_of_one_netcdf_file(assembly, cache, make_manifest):
    path = assemblies.to_netcdf(assembly, cache / "tiny" / "own.nc")
    manifest = make_manifest({"own.nc": path.read_bytes()})
    data = READERS["netcdf"].read(manifest, read_options(manifest, {}))
    np.testing.assert_array_equal(data.assembly.values, assembly.values)
    assert data.assembly.attrs["licence"] == "none"
    assert data.provenance["reader"] == "netcdf"


def test_a_choice_between_variables(assembly, tmp_path):
    both = xr.Dataset({"counts": assembly, "rates": assembly * 100.0})
    both.to_netcdf(tmp_path / "two.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=r"got \['counts', 'rates'\].*choose with variable="):
        datasets.read_assembly(tmp_path / "two.nc")
    chosen = datasets.read_assembly(tmp_path / "two.nc", variable="rates")
    np.testing.assert_array_equal(chosen.values, assembly.values * 100.0)


def test_a_variable_that_is_not_there(assembly, tmp_path):
    path = assemblies.to_netcdf(assembly, tmp_path / "own.nc")
    with pytest.raises(ValueError, match=r"expected one variable .* got \[\] among \['activity'"):
        datasets.read_assembly(path, variable="rates")


def test_a_coordinate_is_missing(assembly, tmp_path):
    assembly.drop_vars("region").rename("x").to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=r"x\.nc cannot be read .* no coordinate 'region'"):
        datasets.read_assembly(tmp_path / "x.nc")


@pytest.mark.parametrize("content", [b"", b"no netCDF", "half"])
def test_damaged(content, assembly, tmp_path):
    path = assemblies.to_netcdf(assembly, tmp_path / "own.nc")
    body = path.read_bytes()
    path.write_bytes(body[: len(body) // 2] if content == "half" else content)
    with pytest.raises(ValueError, match=r"own\.nc cannot be read by the reader 'netcdf'"):
        datasets.read_assembly(path)
