"""The main job as a user runs it, in a real process."""

import html.parser
import json
import os
import re
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from neurorec.demo import DemoSettings
from neurorec.demo.brains import load_brains
from neurorec.demo.drawing import FIGURES
from neurorec.demo.run import _claim

pytestmark = pytest.mark.slow

NEUROREC = [sys.executable, "-m", "neurorec.cli"]


def demo(*arguments, env=None):
    command = [*NEUROREC, "demo", "--quick", "--device", "cpu", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=500
    )


def check_folder(out, *, simulated):
    page = (out / "report.html").read_text(encoding="utf-8")
    html.parser.HTMLParser().feed(page)
    assert "trained on 8×8 digits" in page
    assert ("SIMULATED" in page) == simulated
    for name in FIGURES:
        for suffix in ("pdf", "png"):
            assert (out / "figures" / f"{name}.{suffix}").stat().st_size > 5000
        assert len(pd.read_csv(out / "figures" / f"{name}.csv")) > 5
    provenance = json.loads((out / "provenance.json").read_text())
    assert provenance["simulated"] is simulated
    assert provenance["seed"] == 0
    assert set(provenance["checkpoint_sha256"]) == {
        "ff",
        "ff-dropout",
        "fb",
        "fb-dropout",
        "untrained",
    }
    assert all(len(d) == 64 for d in provenance["checkpoint_sha256"].values())
    assert provenance["versions"]["torch"]
    return provenance


@pytest.mark.slow
@pytest.mark.data
def test_on_the_real_recordings(mirror, tmp_path):
    out = tmp_path / "demo"
    first = demo("--out", out)
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip() == f"report: {out / 'report.html'}"
    provenance = check_folder(out, simulated=False)
    digests = provenance["data"]["cowley-2023/210325"]["sha256"]
    assert all(re.fullmatch("[0-9a-f]{64}", d) for d in digests.values())
    figures = {p.name: p.read_bytes() for p in (out / "figures").iterdir()}
    recordings = {p.name: p.stat().st_mtime_ns for p in (out / "recordings").iterdir()}
    # A second run finds everything finished, and draws the same figures to the byte.
    assert demo("--out", out).returncode == 0
    assert {p.name: p.read_bytes() for p in (out / "figures").iterdir()} == figures
    assert {p.name: p.stat().st_mtime_ns for p in (out / "recordings").iterdir()} == recordings
    refused = demo("--out", out, "--seed", 1)
    assert refused.returncode == 2
    assert "holds a demo with other settings (seed)" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.slow
def test_stopped_and_run_again_on_simulated_recordings(tmp_path):
    out = tmp_path / "demo"
    command = [*NEUROREC, "demo", "--quick", "--simulated", "--device", "cpu", "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 300
        while not (out / "checkpoints" / "ff.safetensors").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; what was finished is kept" in errors
    finished = (out / "checkpoints" / "ff.safetensors").stat().st_mtime_ns
    assert not (out / "report.html").exists()
    again = demo("--simulated", "--out", out)
    assert again.returncode == 0, again.stderr
    assert "The recordings are SIMULATED" in again.stderr
    assert (out / "checkpoints" / "ff.safetensors").stat().st_mtime_ns == finished
    check_folder(out, simulated=True)


def test_without_mirror_and_network_the_recordings_are_simulated(tmp_path, monkeypatch):
    monkeypatch.delenv("NEUROREC_MIRROR", raising=False)
    monkeypatch.setenv("NEUROREC_CACHE", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    brains = load_brains(simulated=False, seed=0)
    assert brains.simulated
    assert "cowley-2023" in brains.reason
    assert "NEUROREC_MIRROR" in brains.reason
    assert "\n" not in brains.reason


def test_a_folder_belongs_to_its_settings(tmp_path):
    _claim(DemoSettings(out=tmp_path, quick=True), simulated=False)
    _claim(DemoSettings(out=tmp_path, quick=True, device="cpu"), simulated=False)
    with pytest.raises(
        ValueError, match=r"other settings \(quick, simulated\); give another folder"
    ):
        _claim(DemoSettings(out=tmp_path), simulated=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "absent.h5"], "there is no image file absent.h5"),
        (["--device", "tpu"], "device must be one of"),
    ],
)
def test_wrong_input_is_one_line(tmp_path, arguments, message):
    run = demo("--simulated", "--out", tmp_path / "d", *arguments)
    assert run.returncode == 2
    assert message in run.stderr.splitlines()[-1]
    assert "Traceback" not in run.stderr
