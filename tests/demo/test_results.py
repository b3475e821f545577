"""Results kept on disk."""

import numpy as np
import pytest
import xarray as xr

from neurorec.demo.results import kept, key_of, over_timesteps, stack


def counted():
    calls = []

    def compute():
        calls.append(1)
        return xr.Dataset({"x": ("t", np.arange(3.0))}, attrs={"n": len(calls)})

    return calls, compute


def test_a_result_is_computed_once_for_its_key(tmp_path):
    calls, compute = counted()
    path = tmp_path / "r.nc"
    first = kept(path, "a", compute)
    again = kept(path, "a", compute)
    assert len(calls) == 1
    xr.testing.assert_identical(first, again)
    other = kept(path, "b", compute)
    assert len(calls) == 2
    assert other.attrs["n"] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["r.nc"]


def test_a_damaged_result_is_made_again(tmp_path):
    calls, compute = counted()
    path = tmp_path / "r.nc"
    kept(path, "a", compute)
    path.write_bytes(path.read_bytes()[:100])
    assert kept(path, "a", compute)["x"].values.tolist() == [0, 1, 2]
    assert len(calls) == 2


def test_a_failed_computation_leaves_nothing(tmp_path):
    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path / "r.nc", "a", fail)
    assert list(tmp_path.iterdir()) == []


def test_keys_depend_on_content_not_on_order():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})


def test_stack_puts_models_and_areas_in_order():
    results = {
        (m, a): over_timesteps(
            xr.Dataset({"x": ("model_time", [i, j])}, coords={"timestep": ("model_time", [4, 5])}),
            "model_time",
            2,
        )
        for i, m in enumerate("pq")
        for j, a in enumerate("cba")
    }
    whole = stack(results)
    assert whole["x"].transpose("model", "area", "timestep").shape == (2, 3, 2)
    assert whole["area"].values.tolist() == ["c", "b", "a"]
    assert whole["timestep"].values.tolist() == [0, 1]
    assert whole["x"].sel(model="q", area="b").values.tolist() == [1, 1]
