"""Several processes record together; their shares are one recording, with the same numbers."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from neurorec.recording import Sample, SpatialMean, faults, merge, open_recording, record
from neurorec.recording.parts import folder_of, parts_of, variables_in

from .common import model, stimuli

ROOT = Path(__file__).parents[2]
SETTINGS = {"repetitions": 3, "batch_size": 4}


def as_process(monkeypatch, rank, n_processes):
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("WORLD_SIZE", str(n_processes))


def shares(monkeypatch, out, ranks, n_processes, **settings):
    """What each process does, one after the other."""
    for rank in ranks:
        as_process(monkeypatch, rank, n_processes)
        record(model(), stimuli(), out=out, **{**SETTINGS, **settings})
    monkeypatch.undo()


def same_numbers(a, b):
    """To the last bit: the sign of a zero, too."""
    for area in a.areas:
        same_bits(a.load(area).values, b.load(area).values)
    same_bits(a.logits().values, b.logits().values)
    same_bits(a.images().values, b.images().values)


def same_bits(a, b):
    np.testing.assert_array_equal(a, b)
    assert a.tobytes() == b.tobytes()


def same_files(a, b):
    """First chunk by chunk as they are stored, so that it is said which of them differ."""
    with h5py.File(a, "r") as one, h5py.File(b, "r") as other:
        for path in variables_in(one):
            for index in np.ndindex(*variables_in(one)[path].grid):
                start = tuple(i * n for i, n in zip(index, one[path].chunks, strict=True))
                stored = [file[path].id.read_direct_chunk(start)[1] for file in (one, other)]
                assert stored[0] == stored[1], (path, index)
    assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize(
    "n_processes", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 9))]
)
def test_shares_are_one_recording(tmp_path, monkeypatch, n_processes, compression):
    out = tmp_path / "r.h5"
    one = record(model(), stimuli(), out=tmp_path / "one.h5", compression=compression, **SETTINGS)
    shares(monkeypatch, out, range(n_processes), n_processes, compression=compression)
    together = open_recording(out)
    assert together.complete
    assert len(parts_of(out)) == (6 if compression else min(n_processes, 6))
    same_numbers(together, one)
    assert list(faults(out)) == []
    merge(out)
    same_files(out, one.path)
    assert not folder_of(out).exists()
    merge(out)  # nothing is left to do


def test_other_readers_see_the_shares_as_one(tmp_path, monkeypatch):
    out = tmp_path / "r.h5"
    shares(monkeypatch, out, range(2), 2)
    one = record(model(), stimuli(), out=tmp_path / "one.h5", **SETTINGS)
    with xr.open_dataset(out, group="areas/a2/h", engine="h5netcdf") as dataset:
        np.testing.assert_array_equal(dataset["activity"].values, one.load("a2").values)


def test_shares_that_are_missing(tmp_path, monkeypatch):
    out = tmp_path / "r.h5"
    shares(monkeypatch, out, [1], 2)
    partial = open_recording(out, partial=True)
    assert partial.progress == (3, 6)
    x = partial.load("a3")
    # The later half of 21 presentations in batches of 4.
    assert x["stimulus_id"].values[0] == "s5"
    assert x["repetition"].values.tolist() == [1] * 2 + [2] * 7
    assert partial.load("a1").sizes["presentation"] == 0
    with xr.open_dataset(out, group="areas/a2/h", engine="h5netcdf") as dataset:
        assert np.isnan(dataset["activity"].values[:12]).all()
    with pytest.raises(ValueError, match="3 of 6 batches are whole; resume it, then merge"):
        merge(out)
    # One process finishes what several began.
    record(model(), stimuli(), out=out, **SETTINGS)
    assert open_recording(out).complete
    one = record(model(), stimuli(), out=tmp_path / "one.h5", **SETTINGS)
    same_numbers(open_recording(out), one)


@pytest.mark.slow
def test_torchrun(tmp_path):
    out, script = tmp_path / "r.h5", tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]\n"
        "from common import model, stimuli\n"
        "from neurorec.recording import record\n"
        f"record(model(), stimuli(), out={str(out)!r}, repetitions=3, batch_size=4)\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, str(script)], check=True, capture_output=True, env=environment)
    one = record(model(), stimuli(), out=tmp_path / "one.h5", **SETTINGS)
    same_numbers(open_recording(out), one)


def test_a_share_that_is_damaged_is_not_merged(tmp_path, monkeypatch):
    out = tmp_path / "r.h5"
    shares(monkeypatch, out, range(2), 2)
    path = parts_of(out)[1].path
    with h5py.File(path) as file:
        place = file["areas/a3/h/activity"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 10] ^= 1
    path.write_bytes(content)
    before = out.read_bytes()
    with pytest.raises(OSError, match="is not what they are: /areas/a3/h/activity, chunk"):
        merge(out)
    assert out.read_bytes() == before
    assert path.exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"repetitions": 2, "batch_size": 2, "units": Sample(5), "areas": ["a1", "a3"]},
        pytest.param(
            {"batch_size": 3, "units": SpatialMean(), "images": False}, marks=pytest.mark.slow
        ),
        pytest.param(
            {"repetitions": 1, "batch_size": 2, "dtype": "float16", "timesteps": 2},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_was_merged_is_the_file_of_one_process(tmp_path, monkeypatch, settings):
    out = tmp_path / "r.h5"
    shares(monkeypatch, out, range(2), 2, **settings)
    merge(out)
    one = record(model(), stimuli(), out=tmp_path / "one.h5", **{**SETTINGS, **settings})
    same_files(out, one.path)


def test_parts_are_deleted_only_when_the_one_file_is_on_the_disk(tmp_path, monkeypatch):
    out, steps = tmp_path / "r.h5", []
    shares(monkeypatch, out, range(2), 2)
    merging = sys.modules["neurorec.recording.merging"]
    monkeypatch.setattr(merging, "sync", lambda path: steps.append((path.name, _is_merged(out))))
    monkeypatch.setattr(merging.shutil, "rmtree", lambda path, **_: steps.append(path.name))
    merge(str(out))
    (file, before), (folder, after), deleted = steps
    assert file.startswith(".r.h5.")
    assert (folder, deleted) == (tmp_path.name, "r.h5.parts")
    assert (before, after) == (False, True)
    assert list(faults(str(out))) == []


def _is_merged(out):
    return parts_of(out)[0].path == out


def test_any_name_and_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub dir").mkdir()
    name = Path("sub dir") / "50%b ü.h5"
    shares(monkeypatch, name, range(2), 2)
    monkeypatch.chdir("/")
    together = open_recording(tmp_path / name)
    with h5py.File(together.path) as file:
        np.testing.assert_array_equal(file["areas/a3/h/activity"][()], together.load("a3").values)
    assert together.images().values.any()


def test_a_file_without_its_parts_says_what_is_missing(tmp_path, monkeypatch):
    out = tmp_path / "r.h5"
    shares(monkeypatch, out, range(2), 2)
    folder_of(out).rename(tmp_path / "elsewhere")
    message = r"r\.h5 shows what is in r\.h5\.parts, which is not beside it; put that folder there"
    for attempt in (open_recording, merge, lambda path: record(model(), stimuli(), out=path)):
        with pytest.raises(ValueError, match=message):
            attempt(out)
    (tmp_path / "elsewhere").rename(folder_of(out))
    assert open_recording(out).complete


def test_images_of_more_parts_than_files_may_be_open(tmp_path, monkeypatch):
    resource = pytest.importorskip("resource", reason="limits of POSIX only")
    out, n = tmp_path / "r.h5", 24
    for rank in range(2):
        as_process(monkeypatch, rank, 2)
        settings = {"batch_size": 1, "compression": "gzip", "timesteps": 1, "areas": ["a3"]}
        made = record(model(), stimuli(n), out=out, **settings)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    n_open = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 40
    resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 12, before[1]))
    try:
        images = made.images().values
        activity = made.load("a3").values
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert images.reshape(n, -1).any(axis=1).all()
    assert activity.shape[0] == n


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_kill_between_the_one_file_and_the_end_of_its_parts(tmp_path, monkeypatch, compression):
    out = tmp_path / "r.h5"
    shares(monkeypatch, out, range(2), 2, compression=compression)

    def killed(path, **_):
        (folder_of(out) / "labels.h5").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["neurorec.recording.merging"].shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            merge(out)
    assert open_recording(out).complete
    assert list(faults(out)) == []
    merge(out)
    assert not folder_of(out).exists()
