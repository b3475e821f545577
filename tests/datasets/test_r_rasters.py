"""``zhang-desimone-2011``: equal to the independent conversion; damaged files are named."""

import numpy as np
import pandas as pd
import pytest
import rdata
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurorec import datasets
from neurorec.datasets.readers.r_rasters import (
    SPAN_MS,
    Options,
    Raster,
    bin_spikes,
    pseudo_population,
    read_raster,
    trial_orders,
)

RASTERS = "zhang-desimone-2011/inst/extdata/Zhang_Desimone_7object_raster_data_rda"
WIDTHS = [width for width in range(1, SPAN_MS + 1) if SPAN_MS % width == 0]


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def loaded(mirror, module_cache, monkeypatch) -> datasets.NeuralData:
    monkeypatch.setenv("NEUROREC_CACHE", str(module_cache))
    return datasets.load("zhang-desimone-2011")


@pytest.fixture
def conversion(expected) -> xr.Dataset:
    with xr.open_dataset(expected / "zd_it_counts_10ms.nc", engine="h5netcdf") as dataset:
        return dataset.load()


@pytest.mark.slow
def test_equal_to_the_independent_conversion(loaded, conversion):
    assembly = loaded.assembly
    assert assembly.dims == ("presentation", "neuroid", "time_bin")
    assert assembly.shape == (419, 132, 100)
    np.testing.assert_array_equal(assembly.values, conversion["spike_count"].values)
    same = ["stimulus_id", "object_name", "position", "repetition", "neuroid_id", "region"]
    for name in [*same, "animal", "session_id", "channel", "unit"]:
        assert assembly[name].values.tolist() == conversion[name].values.tolist(), name
    for end in ("start", "end"):
        ours, theirs = assembly[f"time_bin_{end}"], conversion[f"time_bin_{end}_ms"]
        np.testing.assert_array_equal(ours.values, theirs.values)


@pytest.mark.slow
def test_units_of_a_session_share_trials(loaded, conversion):
    trial_order = loaded.assembly["trial_order"]
    assert trial_order.dims == ("presentation", "neuroid")
    column = {s: i for i, s in enumerate(conversion["session"].values.tolist())}
    columns = [column[s] for s in loaded.assembly["session_id"].values.tolist()]
    theirs = conversion["trial_order"].values[:, columns]
    np.testing.assert_array_equal(trial_order.values, theirs)


@pytest.mark.slow
def test_the_second_load_is_the_same(loaded, module_cache):
    (path,) = (module_cache / "converted").glob("*.nc")
    written = path.stat().st_mtime_ns
    again = datasets.load("zhang-desimone-2011")
    assert path.stat().st_mtime_ns == written
    xr.testing.assert_identical(again.assembly.drop_vars([]), loaded.assembly)
    for name, coordinate in loaded.assembly.coords.items():
        assert again.assembly[name].dtype == coordinate.dtype, name
    assert again.provenance == loaded.provenance
    assert len(again.provenance["sha256"]) == 132


def test_one_session_with_a_missing_presentation(mirror, cache, monkeypatch):
    monkeypatch.setenv("NEUROREC_MIRROR", str(mirror))
    assembly = datasets.load("zhang-desimone-2011", session="1006", bin_width_ms=100).assembly
    assert assembly.shape == (419, 7, 10)
    assert set(assembly["session_id"].values.tolist()) == {1006}
    kept = set(zip(assembly["stimulus_id"].values, assembly["repetition"].values, strict=True))
    assert ("flower_middle", 18) in kept
    assert ("flower_middle", 19) not in kept
    assert sorted(assembly["trial_order"].values[:, 0].tolist()) == list(range(419))
    assert assembly.attrs["bin_width_ms"] == 100


def test_a_whole_session_has_every_presentation(mirror, cache, monkeypatch):
    monkeypatch.setenv("NEUROREC_MIRROR", str(mirror))
    assert datasets.load("zhang-desimone-2011", session="1001").assembly.shape == (420, 4, 100)


@given(
    hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 3), st.just(SPAN_MS)), elements=st.integers(0, 1)
    ),
    st.sampled_from(WIDTHS),
)
def test_binning_keeps_every_spike(spikes, width):
    counts = bin_spikes(spikes, width)
    assert counts.shape == (len(spikes), SPAN_MS // width)
    np.testing.assert_array_equal(counts.sum(axis=1), spikes.sum(axis=1, dtype=int))
    for k in range(0, counts.shape[1], 7):
        inside = spikes[:, k * width : (k + 1) * width].sum(axis=1)
        np.testing.assert_array_equal(counts[:, k], inside)


def test_bins_wider_than_a_byte_counts():
    assert bin_spikes(np.ones((1, SPAN_MS), dtype=np.uint8), SPAN_MS).tolist() == [[1000]]


@given(st.lists(st.sampled_from("abc")))
def test_each_trial_is_one_repetition_of_its_stimulus(stimuli):
    orders = trial_orders(stimuli)
    assert sorted(orders.values()) == list(range(len(stimuli)))
    for (stimulus, repetition), position in orders.items():
        assert stimuli[position] == stimulus
        assert stimuli[:position].count(stimulus) == repetition


@pytest.mark.parametrize("width", [0, -10, 7, 2000])
def test_widths_that_leave_a_rest(width):
    with pytest.raises(ValueError, match=rf"into whole bins, got {width}; use one of \[1, 2, 4, 5"):
        Options(bin_width_ms=width)


def raster(labels: list[str], neuroid_id: str = "xy0001spk_01A", session: int = 1) -> Raster:
    parts = [label.split("_") for label in labels]
    return Raster(
        neuroid_id=neuroid_id,
        session=session,
        channel=1,
        unit="A",
        spikes=np.eye(len(labels), SPAN_MS, dtype=np.uint8),
        start_ms=-500,
        labels=pd.DataFrame(
            {
                "combined_ID_position": labels,
                "stimulus_ID": [part[0] for part in parts],
                "stimulus_position": [part[1] for part in parts],
            }
        ),
    )


def test_known_answer():
    one = raster(["b_lower", "a_upper", "b_upper", "a_upper"])
    two = raster(["a_upper", "b_upper", "b_lower"], "xy0002spk_01A", session=2)
    assembly = pseudo_population([one, two], bin_width_ms=1)
    assert assembly["stimulus_id"].values.tolist() == ["a_upper", "b_upper", "b_lower"]
    assert assembly["repetition"].values.tolist() == [0, 0, 0]
    assert assembly["trial_order"].values.tolist() == [[1, 0], [2, 1], [0, 2]]
    # The spike of trial k lies in ms k.
    assert assembly.values[:, 0].argmax(axis=1).tolist() == [1, 2, 0]
    assert assembly.values[:, 1].argmax(axis=1).tolist() == [0, 1, 2]
    assert assembly["animal"].values.tolist() == ["macaque_xy"] * 2
    assert assembly["time_bin_start"].values[[0, -1]].tolist() == [-500, 499]


def test_units_of_a_session_with_other_trials():
    rasters = [raster(["a_upper", "b_upper"]), raster(["b_upper", "a_upper"], "xy0001spk_02A")]
    with pytest.raises(ValueError, match=r"xy0001spk_02A has other trials .* session 1;"):
        pseudo_population(rasters, bin_width_ms=10)


@pytest.mark.parametrize("keep", [0, 10, 5000])
def test_truncated_file(keep, mirror, tmp_path):
    path = tmp_path / "unit.rda"
    path.write_bytes((mirror / RASTERS / "bp1001spk_01A_raster_data.rda").read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"unit\.rda cannot be read by the reader 'r_rasters'"):
        read_raster(path)


def frame(**changes: list) -> pd.DataFrame:
    columns: dict[str, list] = {
        "site_info.session_ID": [1.0, 1.0],
        "site_info.recording_channel": [2.0, 2.0],
        "site_info.unit": ["B", "B"],
        "labels.combined_ID_position": ["a_upper", "b_lower"],
        "labels.stimulus_position": ["upper", "lower"],
        "labels.stimulus_ID": ["a", "b"],
    }
    times = {f"time.{i}_{i + 1}": [0.0, 1.0] for i in range(-500, 500)}
    table = {**columns, **times} | changes
    return pd.DataFrame({name: values for name, values in table.items() if values})


def write(path, content: dict):
    rdata.write_rda(path, content)
    return path


def test_a_raster_of_our_own(tmp_path):
    path = write(tmp_path / "xy0001spk_02B_raster_data.rda", {"raster_data": frame()})
    unit = read_raster(path)
    assert (unit.neuroid_id, unit.session, unit.channel, unit.unit) == ("xy0001spk_02B", 1, 2, "B")
    assert unit.spikes.sum(axis=1).tolist() == [0, 1000]
    assert unit.labels["stimulus_ID"].tolist() == ["a", "b"]


FAULTS = {
    "no raster": ({"other": frame()}, r"it holds \['other'\] and no 'raster_data'"),
    "a gap": (
        {"raster_data": frame(**{"time.3_4": []})},
        "1000 successive columns of 1 ms, got 999",
    ),
    "wide column": (
        {"raster_data": frame(**{"time.3_5": [0.0, 0.0]})},
        "'time.3_5' is not 1 ms wide",
    ),
    "two spikes": ({"raster_data": frame(**{"time.3_4": [2.0, 0.0]})}, "must hold 0 or 1 spike"),
    "no label": ({"raster_data": frame(**{"labels.stimulus_ID": []})}, "labels.stimulus_ID"),
    "position": (
        {"raster_data": frame(**{"labels.stimulus_position": ["upper", "left"]})},
        r"positions are \('upper', 'middle', 'lower'\), got \['left'\]",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_files_that_hold_something_else(fault, tmp_path):
    content, reason = FAULTS[fault]
    path = write(tmp_path / "unit.rda", content)
    with pytest.raises(ValueError, match=rf"unit\.rda cannot be read .*{reason}"):
        read_raster(path)
