"""What is read of a recording is what was asked for, in any order and by any reader."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec.recording import Project, SpatialMean, open_recording, record
from neurorec.recording.layout import JOURNAL
from neurorec.recording.parts import parts_of

from .common import model, stimuli


@pytest.fixture(scope="module", params=[None, "gzip"])
def recording(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("recording") / "r.h5"
    with pytest.MonkeyPatch.context() as patch:
        # Several chunks along the units too.
        patch.setattr(sys.modules["neurorec.recording.plan"], "_CHUNK_BYTES", 600)
        return record(
            model(),
            stimuli(),
            out=out,
            repetitions=2,
            batch_size=3,
            compression=request.param,
        )


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_neuroids_and_timesteps_in_any_order(recording, data):
    everything = recording.load("a2").values
    units = data.draw(st.lists(st.integers(0, 127), min_size=1, max_size=20))
    units = list(dict.fromkeys(units))
    steps = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True))
    some = recording.load("a2", neuroids=units, timesteps=steps)
    np.testing.assert_array_equal(some.values, everything[:, units][:, :, steps])
    assert some["timestep"].values.tolist() == steps


@pytest.mark.parametrize("over", ["neuroid", "presentation"])
@pytest.mark.parametrize("block_bytes", [pytest.param(1, marks=pytest.mark.slow), 3000, 10**9])
def test_a_stream_is_the_whole_in_blocks(recording, over, block_bytes):
    blocks = list(recording.stream("a2", over=over, block_bytes=block_bytes, timesteps=[0, 3]))
    whole = recording.load("a2", timesteps=[0, 3])
    joined = np.concatenate([b.values for b in blocks], axis=whole.dims.index(over))
    np.testing.assert_array_equal(joined, whole.values)
    for name in ("stimulus_id", "repetition") if over == "presentation" else ("neuroid_id", "row"):
        parts = [b[name].values for b in blocks]
        np.testing.assert_array_equal(np.concatenate(parts), whole[name].values)
    assert max(b.values.nbytes for b in blocks) <= max(block_bytes, whole[0].values.nbytes, 14 * 8)
    if block_bytes == 3000:
        assert len(blocks) > 2


@pytest.mark.parametrize("block_bytes", [1, 3000, 2**30])
def test_pieces_are_the_whole_in_the_order_of_the_file(recording, block_bytes):
    whole = recording.load("a2").values
    found, firsts = np.full_like(whole, np.nan), []
    for first, values in recording.pieces("a2", block_bytes=block_bytes):
        assert values.nbytes <= max(block_bytes, 4 * len(whole))
        start = int(np.isfinite(found[0, :, first]).sum())
        found[:, start : start + values.shape[1], first : first + values.shape[2]] = values
        firsts.append(first)
    np.testing.assert_array_equal(found, whole)
    assert firsts == sorted(firsts)
    assert len(firsts) == {1: whole[0].size, 2**30: 1}.get(block_bytes, len(firsts))
    with pytest.raises(ValueError, match="no area 'IT'"):
        next(recording.pieces("IT"))


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_recording_without_a_whole_row(tmp_path, compression):
    """Everything can be asked of it, and holds no presentation."""

    def stop(n):
        raise KeyboardInterrupt

    out = tmp_path / "r.h5"
    settings = {"batch_size": 2, "compression": compression, "images": False}
    # Said before the first batch is committed; of an uncompressed file the mark is taken away.
    with pytest.raises(KeyboardInterrupt):
        record(model(), stimuli(), out=out, progress=stop, **settings)
    for part in parts_of(out):
        if part.path == out:
            with h5py.File(out, "r+") as file:
                file[JOURNAL][:] = 0
        else:
            part.path.unlink(missing_ok=True)
    found = open_recording(out, partial=True)
    assert found.progress == (0, 4)
    assert found.load("a2").shape == (0, 128, 4)
    assert found.load("a2", neuroids=[5, 2], timesteps=[1]).shape == (0, 2, 1)
    for block_bytes in (1, 2**20):
        pieces = [values.shape for _, values in found.pieces("a2", block_bytes=block_bytes)]
        assert {n_rows for n_rows, _, _ in pieces} == {0}
        assert sum(n_units * n_times for _, n_units, n_times in pieces) == 128 * 4
        assert [block.shape for block in found.stream("a2", over="presentation")] == []


def test_neuroids_by_name_mask_and_slice(recording):
    whole = recording.load("a2")
    ids = whole["neuroid_id"].values
    mask = whole["channel"].values == 3
    for chosen, expected in (
        (ids[[5, 2]], [5, 2]),
        (mask, np.flatnonzero(mask)),
        (slice(0, 9, 4), [0, 4, 8]),
    ):
        x = recording.load("a2", neuroids=chosen)
        np.testing.assert_array_equal(x.values, whole.values[:, expected])
        assert x["neuroid_id"].values.tolist() == ids[expected].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"area": "V4"}, r"no area 'V4' in .*; it has \['a1', 'integration', 'a2', 'a3'\]"),
        (
            {"area": "a1", "timesteps": [0, 9]},
            r"timesteps \[9\] were not recorded; .* \[0, 1, 2, 3\]",
        ),
        ({"area": "a1", "neuroids": ["a1.0.0.9"]}, "1 neuroids were not recorded, .* 'a1.0.0.9'"),
        ({"area": "a1", "neuroids": [4000]}, "neuroids must be numbers below 256"),
    ],
)
def test_what_was_not_recorded(recording, arguments, message):
    with pytest.raises(ValueError, match=message):
        recording.load(**arguments)
    with pytest.raises(ValueError, match="over must be one of"):
        next(recording.stream("a1", over="time"))


def test_lazily_by_dask(recording):
    pytest.importorskip("dask", reason="dask is not installed")
    lazy = recording.load("a2", lazy=True, timesteps=[1, 2])
    assert lazy.chunks is not None
    xr.testing.assert_equal(lazy.compute(), recording.load("a2", timesteps=[1, 2]))
    one = lazy.isel(neuroid=slice(3, 5), presentation=[0, 9]).mean("time_bin").compute()
    whole = recording.load("a2").values
    np.testing.assert_allclose(one.values, whole[[0, 9], 3:5, 1:3].mean(axis=2), rtol=1e-6)


def test_without_dask_it_says_so(recording, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    monkeypatch.setitem(sys.modules, "dask.array", None)
    with pytest.raises(ImportError, match="pip install dask; or read block by block"):
        recording.load("a2", lazy=True)


def test_xarray_reads_the_groups(recording):
    group = "areas/integration/h"
    with xr.open_dataset(recording.path, group=group, engine="h5netcdf") as dataset:
        assert dataset["activity"].dims == ("presentation", "neuroid", "time_bin")
        assert {"stimulus_id", "neuroid_id", "timestep", "time_bin_start"} <= set(dataset.coords)
        np.testing.assert_array_equal(
            dataset["activity"].values, recording.load("integration").values
        )
    with xr.open_dataset(recording.path, group="stimuli", engine="h5netcdf") as dataset:
        assert dataset["images"].dims == ("stimulus", "height", "width", "rgb")
        assert dataset["stimulus_id"].values[3] == "s3"
    with xr.open_dataset(recording.path, engine="h5netcdf") as dataset:
        assert dataset["journal"].values.all()


def test_the_netcdf_library_reads_the_groups(recording):
    # In a process of its own: the wheels of netCDF4 and h5py each bring an HDF5 library.
    pytest.importorskip("netCDF4", reason="netCDF4 is not installed")
    script = (
        "import netCDF4, sys; d = netCDF4.Dataset(sys.argv[1])['areas/a2/h'];"
        "print(d['activity'].dimensions, d['activity'].shape, d['stimulus_id'][3],"
        " repr(float(d['activity'][:].sum(dtype='f8'))))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, recording.path], capture_output=True, text=True, check=True
    )
    dims, total = run.stdout.strip().rsplit(" ", 1)
    assert dims == "('presentation', 'neuroid', 'time_bin') (14, 128, 4) s3"
    assert float(total) == pytest.approx(recording.load("a2").values.sum(dtype=float), rel=1e-12)


def test_units_without_a_place(tmp_path):
    x = record(model(), stimuli(), out=tmp_path / "p.h5", units=Project(5)).load("a2")
    assert "row" not in x.coords
    assert x["component"].values.tolist() == [0, 1, 2, 3, 4]
    x = record(model(), stimuli(), out=tmp_path / "m.h5", units=SpatialMean()).load("a2")
    assert "row" not in x.coords
    assert x["channel"].values.tolist() == list(range(32))


def test_what_was_compressed_is_smaller(tmp_path):
    sizes = [
        record(model(), stimuli(64), out=tmp_path / f"{c}.h5", compression=c).path.stat().st_size
        for c in (None, "gzip")
    ]
    assert sizes[1] < 0.9 * sizes[0]


@pytest.mark.slow
def test_zstd(tmp_path):
    pytest.importorskip("zstandard", reason="zstandard is not installed")
    pytest.importorskip("hdf5plugin", reason="hdf5plugin is not installed")
    a = record(model(), stimuli(), out=tmp_path / "a.h5", compression="zstd", batch_size=3)
    b = record(model(), stimuli(), out=tmp_path / "b.h5", batch_size=3)
    for area in a.areas:
        np.testing.assert_array_equal(a.load(area).values, b.load(area).values)
    with xr.open_dataset(a.path, group="areas/a2/h", engine="h5netcdf") as dataset:
        np.testing.assert_array_equal(dataset["activity"].values, b.load("a2").values)


def test_without_zstd_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ImportError, match=r"pip install 'neurorec\[zstd\]'"):
        record(model(), stimuli(), out=tmp_path / "a.h5", compression="zstd")
    assert list(tmp_path.iterdir()) == []


def test_threads_that_fill_the_same_rows_leave_each_other_alone(monkeypatch):
    module = sys.modules["neurorec.recording.reading"]

    class Chunk(np.ndarray):
        """Numbers in the reading of which another thread fills the neighbouring units."""

        def __getitem__(self, index):
            if isinstance(index, tuple):
                result[0][:, 3:] = 2
            return super().__getitem__(index)

    class Source:
        def chunk(self, index):
            return np.ones((4, 3), np.float32).view(Chunk)

    for to_rows in (slice(0, 4), np.array([0, 2, 1, 3])):
        result = np.zeros((1, 4, 6), np.float32)
        taken = (slice(0, 4), np.array([2, 0]))
        module._fill(result, Source(), (0, 0, 0), 0, (to_rows, np.array([1, 0])), taken)
        assert result[0].tolist() == [[1, 1, 0, 2, 2, 2]] * 4


def test_no_more_files_are_open_than_are_read(tmp_path, monkeypatch):
    module, n_open = sys.modules["neurorec.recording.reading"], []
    enter, leave = module._Source.__enter__, module._Source.__exit__

    def entering(self):
        n_open.append(1 + (n_open[-1] if n_open else 0))
        return enter(self)

    def leaving(self, *error):
        n_open.append(n_open[-1] - 1)
        leave(self, *error)

    monkeypatch.setattr(module._Source, "__enter__", entering)
    monkeypatch.setattr(module._Source, "__exit__", leaving)
    monkeypatch.setenv("WORLD_SIZE", "2")
    made = record(model(), stimuli(), out=tmp_path / "r.h5", batch_size=1, compression="gzip")
    assert made.load("a3").sizes["presentation"] == 4
    assert max(n_open) == 1


def test_one_neuroid_and_names_in_a_table(recording):
    whole = recording.load("a2")
    ids = whole["neuroid_id"].values
    for chosen in (5, str(ids[5]), ids[[5]].astype(object)):
        np.testing.assert_array_equal(recording.load("a2", neuroids=chosen), whole[:, [5]])
    with pytest.raises(ValueError, match="1 neuroids were not recorded, such as 'V4'"):
        recording.load("a2", neuroids="V4")


def test_zstd_that_is_missing_when_it_is_read(tmp_path, monkeypatch):
    pytest.importorskip("zstandard", reason="zstandard is not installed")
    pytest.importorskip("hdf5plugin", reason="hdf5plugin is not installed")
    made = record(model(), stimuli(), out=tmp_path / "a.h5", compression="zstd")
    monkeypatch.setitem(sys.modules, "zstandard", None)
    for read in (lambda: made.load("a2"), made.images):
        with pytest.raises(ImportError, match=r"pip install 'neurorec\[zstd\]'"):
            read()
