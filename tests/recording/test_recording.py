"""A recording holds what a loop over ``step`` gives, whatever happens on the way."""

import contextlib
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurorec import assemblies
from neurorec.models import build, to_images
from neurorec.recording import open_recording, plan, record
from neurorec.recording.plan import trial_seed
from neurorec.stimuli import StimulusSet


def stimuli(n=7, size=12, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (n, size, size, 3)).astype(np.uint8)
    table = pd.DataFrame({"stimulus_id": [f"s{i}" for i in range(n)], "label": np.arange(n) % 3})
    return StimulusSet(identifier="noise", pixels=pixels, table=table)


def model(name="fb-dropout", **changes):
    return build(f"greco2025-{name}", **{"input_size": 8, "timesteps": 4, **changes})


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_recorded_is_what_a_loop_over_step_gives(tmp_path, dtype):
    network, shown = model(), stimuli()
    recording = record(
        network,
        shown,
        out=tmp_path / "r.h5",
        repetitions=3,
        noise=True,
        seed=5,
        dtype=dtype,
        batch_size=3,
    )
    images = to_images(shown.pixels, 8)
    loaded = {area: recording.load(area) for area in recording.areas}
    logits = recording.logits()
    for repetition in range(3):
        seeds = torch.tensor([trial_seed(5, s, repetition) for s in shown.stimulus_ids])
        state = network.init_state(7, trial_seeds=seeds)
        for timestep in range(4):
            with torch.no_grad():
                state = network.step(images, state)
                expected_logits = network.readout(state).numpy()
            seen = logits.values[logits["repetition"] == repetition][:, :, timestep]
            np.testing.assert_allclose(seen, expected_logits, rtol=1e-5, atol=1e-6)
            for area, x in loaded.items():
                stored = x.values[x["repetition"] == (repetition if area != "a1" else 0)]
                expected = state[area]["h"].flatten(1).numpy().astype(dtype)
                # Batches of three and of seven may differ in the order of summation.
                np.testing.assert_allclose(
                    stored[:, :, timestep],
                    expected,
                    rtol=2e-3 if dtype == "float16" else 1e-5,
                    atol=1e-6,
                )


def test_the_assembly_says_what_each_number_is(tmp_path):
    recording = record(
        model(), stimuli(), out=tmp_path / "r.h5", repetitions=2, noise=True, timesteps=6
    )
    x = assemblies.check(recording.load("a2", timesteps=[1, 4]))
    assert x.shape == (14, 32 * 2 * 2, 2)
    assert x["timestep"].values.tolist() == [1, 4]
    assert x["time_bin_start"].values.tolist() == [10, 40]
    assert x["time_bin_end"].values.tolist() == [20, 50]
    assert x["stimulus_id"].values.tolist() == [f"s{i}" for i in range(7)] * 2
    assert x["repetition"].values.tolist() == [0] * 7 + [1] * 7
    assert x["label"].values.tolist() == [0, 1, 2, 0, 1, 2, 0] * 2
    assert str(x["neuroid_id"].values[5]) == "a2.1.0.1"
    assert (x["channel"][5], x["row"][5], x["col"][5]) == (1, 0, 1)
    assert recording.areas == ("a1", "integration", "a2", "a3")
    assert recording.logits().dims == ("presentation", "class", "time_bin")
    assert recording.provenance["timesteps"] == 6


def test_areas_without_noise_are_stored_once_and_trials_differ(tmp_path):
    recording = record(model(), stimuli(), out=tmp_path / "r.h5", repetitions=2, noise=True)
    assert not recording.is_stochastic("a1")
    assert recording.is_stochastic("integration")
    assert recording.load("a1").sizes["presentation"] == 7
    first, second = recording.load("a3").values.reshape(2, 7, -1)
    assert np.abs(first - second).max() > 1e-3


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(n=st.integers(1, 9), batch_size=st.integers(1, 10), repetitions=st.integers(1, 3))
def test_the_result_never_depends_on_the_batch_size(tmp_path, n, batch_size, repetitions):
    shown, network = stimuli(n), model()
    kwargs = {"repetitions": repetitions, "noise": True}
    for name in ("a.h5", "b.h5"):
        (tmp_path / name).unlink(missing_ok=True)
    a = record(network, shown, out=tmp_path / "a.h5", batch_size=batch_size, **kwargs)
    b = record(network, shown, out=tmp_path / "b.h5", batch_size=n * 4, **kwargs)
    for area in a.areas:
        np.testing.assert_allclose(a.load(area).values, b.load(area).values, rtol=1e-5, atol=1e-6)


def test_xarray_reads_the_groups(tmp_path):
    path = record(model(), stimuli(), out=tmp_path / "r.h5", repetitions=2, noise=True).path
    with xr.open_dataset(path, group="areas/integration", engine="h5netcdf") as dataset:
        assert dataset["activity"].dims == ("presentation", "neuroid", "time_bin")
        assert dataset["activity"].shape == (14, 16 * 4 * 4, 4)
        assert {"stimulus_id", "neuroid_id", "timestep", "time_bin_start"} <= set(dataset.coords)


def test_the_netcdf_library_reads_the_groups(tmp_path):
    # In a process of its own: the wheels of netCDF4 and h5py each bring an HDF5 library.
    pytest.importorskip("netCDF4", reason="netCDF4 is not installed")
    path = record(model(), stimuli(), out=tmp_path / "r.h5").path
    script = (
        "import netCDF4, sys; d = netCDF4.Dataset(sys.argv[1])['areas/a2'];"
        "print(d['activity'].dimensions, d['activity'].shape, d['stimulus_id'][3])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "('presentation', 'neuroid', 'time_bin') (7, 128, 4) s3"


SCRIPT = """
import sys, time
sys.path[:0] = [{tests!r}, {root!r}]
from test_recording import model, stimuli
from neurorec.recording import record
record(model(), stimuli(40), out=sys.argv[1], repetitions=3, noise=True, batch_size=4,
       progress=lambda n: (print("batch", flush=True), time.sleep(0.01)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("n_batches", [1, 2, 11, 29])
def test_killed_and_resumed_is_the_same_file_byte_for_byte(tmp_path, n_batches):
    root = Path(__file__).parents[2]
    script = SCRIPT.format(tests=str(Path(__file__).parent), root=str(root))
    killed, whole = tmp_path / "killed.h5", tmp_path / "whole.h5"
    command = [sys.executable, "-c", script, str(killed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(n_batches):
            assert process.stdout.readline() == "batch\n"
        time.sleep(0.005)
        process.kill()
    partial = open_recording(killed)
    assert not partial.complete
    with pytest.raises(ValueError, match=r"is not finished: \d+ of 30 batches are whole"):
        partial.load("a1")
    for out in (killed, whole):
        subprocess.run([sys.executable, "-c", script, str(out)], check=True, capture_output=True)
    assert (
        hashlib.sha256(killed.read_bytes()).digest() == hashlib.sha256(whole.read_bytes()).digest()
    )


def test_an_interruption_keeps_finished_batches(tmp_path):
    network, shown, out = model(), stimuli(), tmp_path / "r.h5"
    seen = []

    def stop_after_two(n):
        seen.append(n)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(network, shown, out=out, batch_size=2, progress=stop_after_two)
    with h5py.File(out) as file:
        assert file["journal"][()].tolist() == [1, 1, 0, 0]
    finished = record(network, shown, out=out, batch_size=2)
    assert finished.complete
    straight = record(network, shown, out=tmp_path / "s.h5", batch_size=2)
    assert out.read_bytes() == straight.path.read_bytes()


def test_a_finished_recording_is_not_made_again(tmp_path):
    network, shown, out = model(), stimuli(), tmp_path / "r.h5"
    record(network, shown, out=out)
    before = out.stat().st_mtime_ns
    record(network, shown, out=out)
    assert out.stat().st_mtime_ns == before
    for other in ({"noise": True}, {"seed": 1}, {"timesteps": 2}, {"areas": ["a1"]}):
        with pytest.raises(ValueError, match="holds a recording of another model"):
            record(network, shown, out=out, **other)
    with pytest.raises(ValueError, match="holds a recording of another model"):
        record(model(name="ff"), shown, out=out)
    with pytest.raises(ValueError, match="holds a recording of another model"):
        record(network, stimuli(seed=1), out=out)


def test_bad_input(tmp_path):
    out = tmp_path / "r.h5"
    with pytest.raises(ValueError, match=r"no area \['IT'\]; this model has \['a1', 'integration'"):
        record(model(), stimuli(), out=out, areas=["IT"])
    with pytest.raises(ValueError, match="would be 3 copies of one another: noise is off"):
        record(model(), stimuli(), out=out, repetitions=3)
    with pytest.raises(ValueError, match=r"would be 3 copies .* has no noise"):
        record(model(name="ff"), stimuli(), out=out, repetitions=3, noise=True)
    with pytest.raises(ValueError, match="dtype must be one of"):
        record(model(), stimuli(), out=out, dtype="int8")
    with pytest.raises(ValueError, match="timesteps must be at least 1, got 0"):
        record(model(), stimuli(), out=out, timesteps=0)
    assert not out.exists()
    recording = record(model(), stimuli(), out=out)
    with pytest.raises(ValueError, match=r"no area 'V4' in .*; it has \['a1', 'integration'"):
        recording.load("V4")
    with pytest.raises(
        ValueError, match=r"timesteps \[9\] were not recorded; .* has \[0, 1, 2, 3\]"
    ):
        recording.load("a1", timesteps=[0, 9])


def test_a_recording_that_does_not_fit_is_refused_before_it_begins(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(OSError, match=r"needs .* GB and .* free; .* leave out area 'a1'"):
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


def test_a_disk_that_is_full_is_found_before_the_first_batch(small_disk, monkeypatch):
    # 60 stimuli in 6 repetitions need 3.2 MB. The free space is looked at first; here it is taken
    # by someone else between that look and the first write.
    monkeypatch.setattr("neurorec.recording.recorder.check_space", lambda plan, out: None)
    kwargs = {"repetitions": 6, "noise": True, "batch_size": 10}
    with pytest.raises(
        OSError, match=r"has no room for a recording of 3.2 MB .* make space and run"
    ):
        record(model(), stimuli(60), out=small_disk / "r.h5", **kwargs)
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_takes_nothing_away(small_disk, tmp_path):
    kwargs = {"repetitions": 4, "noise": True, "batch_size": 10}

    def fill(n):
        with (small_disk / "other").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    recording = record(model(), stimuli(60), out=small_disk / "r.h5", progress=fill, **kwargs)
    assert (small_disk / "other").stat().st_size > 0
    other = record(model(), stimuli(60), out=tmp_path / "s.h5", **kwargs)
    assert recording.path.read_bytes() == other.path.read_bytes()


def test_the_plan_predicts_the_size(tmp_path):
    kwargs = {"repetitions": 2, "noise": True, "batch_size": 7}
    predicted = plan(model(), stimuli(), **kwargs).n_bytes
    with h5py.File(record(model(), stimuli(), out=tmp_path / "r.h5", **kwargs).path) as file:
        stored = sum(group["activity"].nbytes for group in file["areas"].values())
        stored += file["logits/logits"].nbytes
    assert predicted == stored


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


def test_recording_on_this_device(tmp_path, device):
    a = record(model(), stimuli(), out=tmp_path / "a.h5", noise=True, device=device)
    b = record(model(), stimuli(), out=tmp_path / "b.h5", noise=True, device="cpu")
    for area in a.areas:
        np.testing.assert_allclose(a.load(area).values, b.load(area).values, rtol=1e-4, atol=1e-5)


def test_activity_that_is_not_finite_is_not_kept(tmp_path):
    network = model(name="ff")
    torch.nn.init.constant_(network.areas["a1"].bias, 1e5)
    with pytest.raises(ValueError, match=r"a1 is not finite as torch.float16: .* dtype='float32'"):
        record(network, stimuli(), out=tmp_path / "r.h5", dtype="float16")
    with h5py.File(tmp_path / "r.h5") as file:
        assert file["journal"][()].sum() == 0


def test_stimulus_columns_that_a_recording_uses_itself(tmp_path):
    shown = stimuli()
    clash = StimulusSet(
        identifier="x", pixels=shown.pixels, table=shown.table.assign(row=0, channel=1)
    )
    with pytest.raises(ValueError, match=r"stimulus columns \['channel', 'row'\] .* rename them"):
        record(model(), clash, out=tmp_path / "r.h5")


def test_other_labels_are_another_stimulus_set(tmp_path):
    shown = stimuli()
    record(model(), shown, out=tmp_path / "r.h5")
    relabelled = StimulusSet(
        identifier=shown.identifier, pixels=shown.pixels, table=shown.table.assign(label=0)
    )
    with pytest.raises(ValueError, match=r"\(stimuli_sha256 differ\)"):
        record(model(), relabelled, out=tmp_path / "r.h5")


def test_a_frozen_mask_makes_no_trials(tmp_path):
    wiring = model().wiring
    areas = tuple(
        a.model_copy(update={"noise": a.noise.model_copy(update={"resample": "frozen"})})
        if a.noise
        else a
        for a in wiring.areas
    )
    frozen = build(wiring.model_copy(update={"areas": areas}))
    with pytest.raises(ValueError, match="would be 2 copies of one another"):
        record(frozen, stimuli(), out=tmp_path / "r.h5", repetitions=2, noise=True)


def test_recording_leaves_every_part_in_the_mode_it_found(tmp_path):
    model = build("greco2025-fb", input_size=8).train()
    model.areas["a1"].eval()
    before = {name: part.training for name, part in model.named_modules()}
    record(model, stimuli(), out=tmp_path / "x.h5", timesteps=2)
    assert {name: part.training for name, part in model.named_modules()} == before
    assert before["areas.a1"] != before["areas.a2"]


def test_batch_norms_are_used_and_not_trained(tmp_path):
    areas = [{**a, "norm": "batch"} for a in build("greco2025-fb").wiring.model_dump()["areas"]]
    model = build("greco2025-fb", input_size=8, areas=areas).train()
    before = {name: x.clone() for name, x in model.state_dict().items()}
    one = record(model, stimuli(), out=tmp_path / "one.h5", timesteps=2, batch_size=1)
    all_ = record(model, stimuli(), out=tmp_path / "all.h5", timesteps=2, batch_size=64)
    # A presentation does not depend on the others in its batch, but for rounding.
    np.testing.assert_allclose(one.load("a3"), all_.load("a3"), atol=1e-5)
    for name, x in model.state_dict().items():
        assert torch.equal(x, before[name])
