"""Whatever happens to the process, what the journal names is whole, and the rest can be made."""

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from neurorec.recording import (
    IncompleteRecordingWarning,
    faults,
    open_recording,
    plan,
    record,
    resume,
)
from neurorec.recording.parts import folder_of

from .common import model, stimuli

ROOT = Path(__file__).parents[2]
#: A recording of 20 batches; what is printed says how many are done.
SCRIPT = f"""
import sys, time
sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
from common import model, stimuli
from neurorec.recording import record
import torch; torch.set_num_threads(1)
record(model(), stimuli(40), out=sys.argv[1], repetitions=2, batch_size=4,
       compression=sys.argv[2] or None,
       progress=lambda n: (print("batch", flush=True), time.sleep(0.01)))
"""


def started(out, compression):
    command = [sys.executable, "-c", SCRIPT, str(out), compression or ""]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_killed_at_random_moments_and_resumed_is_the_same_file(tmp_path, compression):
    whole = record(
        model(),
        stimuli(40),
        out=tmp_path / "whole.h5",
        repetitions=2,
        batch_size=4,
        compression=compression,
    )
    moments = random.Random(20)
    n_unfinished = 0
    for number in range(10):
        out = tmp_path / f"{number}.h5"
        with started(out, compression) as process:
            assert process.stdout is not None
            for _ in range(moments.randint(1, 20)):
                process.stdout.readline()
            time.sleep(moments.random() * 0.012)
            process.kill()
        partial = open_recording(out, partial=True)
        n_unfinished += not partial.complete
        assert list(faults(out)) == []
        for area in partial.areas:
            x = partial.load(area)
            expected = whole.load(area)
            same = expected.values[: x.sizes["presentation"]]
            # Batches are committed in order, so what is whole comes first.
            np.testing.assert_array_equal(x.values, same)
        record(
            model(),
            stimuli(40),
            out=out,
            repetitions=2,
            batch_size=4,
            compression=compression,
        )
        assert out.read_bytes() == whole.path.read_bytes()
        assert not folder_of(out).exists()
    assert n_unfinished >= 5
    assert list(tmp_path.glob(".*")) == []


def stopping_after(n_batches):
    seen = []

    def progress(n):
        seen.append(n)
        if len(seen) == n_batches:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_an_interruption_keeps_finished_batches(tmp_path, compression):
    network, shown, out = model(), stimuli(), tmp_path / "r.h5"
    common = {"batch_size": 2, "compression": compression}
    with pytest.raises(KeyboardInterrupt):
        record(network, shown, out=out, progress=stopping_after(2), **common)
    with pytest.warns(IncompleteRecordingWarning, match="2 of 4 batches are whole and can be read"):
        partial = open_recording(out)
    assert partial.progress == (2, 4)
    assert partial.load("a3")["stimulus_id"].values.tolist() == ["s0", "s1", "s2", "s3"]
    assert partial.logits().shape == (4, 10, 4)
    assert partial.images().sizes["stimulus"] == 4
    assert "2 of 4 batches" in partial.summary()
    finished = record(network, shown, out=out, **common)
    straight = record(network, shown, out=tmp_path / "s.h5", **common)
    assert finished.complete
    assert out.read_bytes() == straight.path.read_bytes()


def test_resume_needs_no_settings(tmp_path):
    network, shown, out = model(), stimuli(), tmp_path / "r.h5"
    settings = {"repetitions": 2, "batch_size": 3, "areas": ["a3"], "dtype": "float16", "seed": 4}
    with pytest.raises(KeyboardInterrupt):
        record(network, shown, out=out, progress=stopping_after(1), **settings)
    resume(network, shown, out=out)
    straight = record(network, shown, out=tmp_path / "s.h5", **settings)
    assert out.read_bytes() == straight.path.read_bytes()
    with pytest.raises(ValueError, match=r"\(stimuli_sha256 differ\)"):
        resume(network, stimuli(seed=3), out=out)


def test_an_automatic_batch_size_is_that_of_the_file(tmp_path):
    network, shown, out = model(), stimuli(), tmp_path / "r.h5"
    with pytest.raises(KeyboardInterrupt):
        record(network, shown, out=out, progress=stopping_after(1), batch_size=2)
    assert record(network, shown, out=out).provenance["options"]["batch_size"] == 2


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_finished_recording_is_not_made_again(tmp_path, compression):
    network, shown, out = model(), stimuli(), tmp_path / "r.h5"
    record(network, shown, out=out, compression=compression)
    before = out.stat().st_mtime_ns
    record(network, shown, out=out, compression=compression)
    assert out.stat().st_mtime_ns == before
    for other in (
        {"noise": True},
        {"seed": 1},
        {"timesteps": 2},
        {"areas": ["a1"]},
        {"dtype": "float16"},
        {"on": 2},
    ):
        with pytest.raises(ValueError, match="holds a recording of another model"):
            record(network, shown, out=out, **{"compression": compression, **other})
    with pytest.raises(ValueError, match="holds a recording of another model"):
        record(model(name="ff"), shown, out=out, compression=compression)
    with pytest.raises(ValueError, match=r"\(stimuli_sha256 differ\)"):
        record(network, stimuli(seed=1), out=out, compression=compression)


def test_other_labels_are_another_stimulus_set(tmp_path):
    shown = stimuli()
    record(model(), shown, out=tmp_path / "r.h5")
    relabelled = stimuli(table=shown.table.assign(label=0))
    with pytest.raises(ValueError, match=r"\(stimuli_sha256 differ\)"):
        record(model(), relabelled, out=tmp_path / "r.h5")


def test_a_recording_that_does_not_fit_is_refused_before_it_begins(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(OSError, match=r"needs 0.1 MB .* has 0.0 MB free; .* units=SpatialMean\(\)"):
        record(model(), stimuli(), out=tmp_path / "r.h5")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a small disk cannot be mounted here: that needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk):
    """Take all space that is left."""
    with (disk / "other").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_a_disk_that_is_full_is_found_before_the_first_batch(small_disk, monkeypatch):
    # The free space is looked at first; here it is taken by someone else between that look and
    # the first write.
    monkeypatch.setattr("neurorec.recording.recorder.check_space", lambda plan, out: None)
    settings = {"repetitions": 6, "batch_size": 10}
    with pytest.raises(OSError, match=r"has no room for a recording of 3.\d MB .* make space"):
        record(model(), stimuli(60), out=small_disk / "r.h5", **settings)
    assert list(small_disk.iterdir()) == []


@pytest.mark.slow
def test_a_disk_that_fills_up_meanwhile_takes_nothing_away(small_disk, tmp_path):
    settings = {"repetitions": 4, "batch_size": 10}
    shown = stimuli(60)
    recording = record(
        model(), shown, out=small_disk / "r.h5", progress=lambda n: fill(small_disk), **settings
    )
    assert (small_disk / "other").stat().st_size > 0
    other = record(model(), shown, out=tmp_path / "s.h5", **settings)
    assert recording.path.read_bytes() == other.path.read_bytes()


@pytest.mark.slow
def test_a_disk_that_is_too_full_for_what_is_compressed(small_disk, tmp_path):
    settings = {"repetitions": 4, "batch_size": 10, "compression": "gzip"}
    shown, out, seen = stimuli(24), small_disk / "r.h5", []

    def fill_after_three(n):
        seen.append(n)
        if len(seen) == 3:
            fill(small_disk)

    with pytest.raises(OSError, match="what is finished is kept: make space and resume"):
        record(model(), shown, out=out, progress=fill_after_three, **settings)
    partial = open_recording(out, partial=True)
    assert 2 <= partial.progress[0] < 10
    assert list(faults(out)) == []
    (small_disk / "other").unlink()
    record(model(), shown, out=out, **settings)
    other = record(model(), shown, out=tmp_path / "s.h5", **settings)
    assert out.read_bytes() == other.path.read_bytes()


@pytest.mark.slow
def test_no_space_for_one_file_beside_its_parts(small_disk, tmp_path, monkeypatch):
    settings = {"repetitions": 4, "batch_size": 10, "compression": "gzip"}
    shown, out = stimuli(24), small_disk / "r.h5"
    n_batches = plan(model(), shown, **settings).n_batches

    def fill_at_the_end(n, seen=[]):  # noqa: B006
        seen.append(n)
        if len(seen) == n_batches:
            # The last parts are being written meanwhile.
            while len(list(folder_of(out).glob("0*.h5"))) < n_batches:
                time.sleep(0.01)
            fill(small_disk)

    with pytest.raises(OSError, match="merge again, nothing is lost"):
        record(model(), shown, out=out, progress=fill_at_the_end, **settings)
    assert open_recording(out).load("a3").sizes["presentation"] == 96
    (small_disk / "other").unlink()
    record(model(), shown, out=out, **settings)
    other = record(model(), shown, out=tmp_path / "s.h5", **settings)
    assert out.read_bytes() == other.path.read_bytes()


def test_damaged_foreign_and_absent_files(tmp_path):
    with pytest.raises(ValueError, match="there is no recording"):
        open_recording(tmp_path / "absent.h5")
    path = tmp_path / "r.h5"
    path.write_bytes(b"not HDF5")
    with pytest.raises(ValueError, match="is not a readable HDF5 file"):
        open_recording(path)
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(ValueError, match="is an HDF5 file but no recording"):
        open_recording(path)
    record(model(), stimuli(), out=tmp_path / "t.h5")
    whole = (tmp_path / "t.h5").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is not a readable HDF5 file"):
        open_recording(path)
    with h5py.File(tmp_path / "t.h5", "r+") as file:
        del file.attrs["variables"]
    with pytest.raises(ValueError, match="is a recording of an older neurorec"):
        open_recording(tmp_path / "t.h5")


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_flipped_byte_is_found_where_it_is(tmp_path, compression):
    out = record(
        model(), stimuli(), out=tmp_path / "r.h5", batch_size=3, compression=compression
    ).path
    assert list(faults(out)) == []
    with h5py.File(out) as file:
        variable = file["areas/a2/h/activity"]
        info = variable.id.get_chunk_info_by_coord((3, 0, 2))
    with out.open("r+b") as file:
        file.seek(info.byte_offset + info.size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 4]))
    (found,) = faults(out)
    assert found.startswith("/areas/a2/h/activity, chunk (1, 0, 2) (batch 1) of r.h5 is not what")


@pytest.mark.parametrize("settings", [{"compression": "gzip"}, {}])
def test_parts_of_a_deleted_recording_are_not_taken_for_those_of_another(
    tmp_path, monkeypatch, settings
):
    network, shown, out = model(), stimuli(), tmp_path / "r.h5"
    monkeypatch.setenv("WORLD_SIZE", "2")
    record(network, shown, out=out, batch_size=2, **settings)
    monkeypatch.delenv("WORLD_SIZE")
    out.unlink()
    for n_processes in ("1", "2"):
        monkeypatch.setenv("WORLD_SIZE", n_processes)
        with pytest.raises(ValueError, match="holds parts of another recording, without its file"):
            record(network, stimuli(seed=3), out=out, batch_size=2, **settings)
    assert not out.exists()
    # The same recording goes on with them.
    record(network, shown, out=out, batch_size=2, **settings)
    assert open_recording(out, partial=True).progress == (2, 4)
    out.unlink()
    (folder_of(out) / "labels.h5").unlink()
    with pytest.raises(ValueError, match=r"r\.h5\.parts holds parts of another recording"):
        record(network, shown, out=out, batch_size=2, **settings)


@pytest.mark.slow
def test_a_damaged_part_is_named_and_made_again(tmp_path):
    network, shown, out = model(), stimuli(), tmp_path / "r.h5"
    settings = {"batch_size": 2, "compression": "gzip"}
    with pytest.raises(KeyboardInterrupt):
        record(network, shown, out=out, progress=stopping_after(3), **settings)
    damaged = min(folder_of(out).glob("0*.h5"))
    damaged.write_bytes(damaged.read_bytes()[:1000])
    for attempt in (open_recording, lambda path: record(network, shown, out=path, **settings)):
        with pytest.raises(ValueError, match=f"{damaged.name} is damaged: .*; delete it and"):
            attempt(out)
    damaged.unlink()
    straight = record(network, shown, out=tmp_path / "s.h5", **settings)
    assert record(network, shown, out=out, **settings).complete
    assert out.read_bytes() == straight.path.read_bytes()


def test_stimuli_of_another_size_are_another_recording(tmp_path):
    out = tmp_path / "r.h5"
    record(model(), stimuli(visual_degrees=4), out=out, field_of_view=8)
    with pytest.raises(ValueError, match=r"\(visual_degrees differ\)"):
        record(model(), stimuli(visual_degrees=6), out=out, field_of_view=8)
    record(model(), stimuli(visual_degrees=4), out=tmp_path / "s.h5")
    record(model(), stimuli(visual_degrees=6), out=tmp_path / "s.h5")
