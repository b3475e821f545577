"""Several measures of a recorded area from one pass, against reading its file twice.

20,000 units, 500 stimuli and 30 timesteps in float32, 1.2 GB. Reading is what ``Recording.stream``
gives, in the blocks that it chooses by itself, and nothing is done with them; the pass reads what
``Recording.pieces`` gives, in the order of the file. A file in the page cache is the harder case:
from a disk, reading takes longer and arithmetic does not. ``TMPDIR`` chooses the disk.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from benchmarks._compare import seconds
from benchmarks._geometry_rows import Row
from neurorec import dimensionality, geometry
from neurorec.geometry import over_time
from neurorec.models.adapters import per_timestep
from neurorec.recording import Recording, Sample, open_recording, record
from neurorec.stimuli import StimulusSet

#: Of float32 products, as a share of the largest value.
TOLERANCE = 1e-5
MEASURES = ("rdm", "linear_cka", "participation_ratio")
#: Peak of memory, in MB, of a process of its own, after what is loaded at the start.
MEMORY = """
import re, sys
sys.path.insert(0, sys.argv[1])
from benchmarks._geometry_pass import MEASURES
from neurorec.geometry import over_time
from neurorec.recording import open_recording
def now(key):
    text = open("/proc/self/status").read()
    return int(re.search(key + r":\\s+(\\d+)", text)[1]) / 1024
area = open_recording(sys.argv[2]).area("V1")
before = now("VmRSS")
over_time(area, measures=MEASURES)
print(now("VmHWM") - before)
"""


class Leaking(nn.Module):
    """One area whose units see the image through a nonlinearity that changes over time."""

    def __init__(self, n_timesteps: int, channels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.n_timesteps = n_timesteps
        self.V1 = nn.Conv2d(3, channels, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        for timestep in range(self.n_timesteps):
            answer = self.V1(torch.sin((0.3 * timestep + 1) * images))
        return answer.mean(dim=(2, 3))


def recorded(out: Path, *, n_stimuli: int, n_units: int, n_timesteps: int) -> Recording:
    """A recording of that size."""
    size = 64
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n_stimuli, size, size, 3)).astype(np.uint8)
    table = pd.DataFrame({"stimulus_id": [f"s{i:04d}" for i in range(n_stimuli)]})
    stimuli = StimulusSet(identifier="noise", pixels=pixels, table=table)
    channels = -(-n_units // size**2)
    model = per_timestep(Leaking(n_timesteps, channels), areas={"V1": "V1"}, input_size=size)
    options = {"units": Sample(n_units), "images": False, "device": "cpu"}
    return record(model, stimuli, out=out, dtype="float32", **options)


def read(recording: Recording, *, times: int) -> float:
    """Stream the area so many times; the sum of some of its values."""
    total = 0.0
    for _ in range(times):
        for block in recording.stream("V1"):
            total += float(block.values[0, 0, 0])
    return total


def largest_difference(recording: Recording) -> float:
    """Between the panel in float32 and measures in float64, as a share of the largest value."""
    area = recording.area("V1")
    panel = over_time(area, measures=MEASURES)
    exact = {
        "rdm": geometry.rdm(area),
        "linear_cka": geometry.linear_cka(area),
        "participation_ratio": dimensionality.participation_ratio(area),
    }
    return max(
        float(np.abs(panel[name] - one.values).max() / np.abs(one.values).max())
        for name, one in exact.items()
    )


def peak_memory(path: Path) -> float:
    """MB that the pass takes beyond what is loaded before."""
    repository = str(Path(__file__).resolve().parents[1])
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, repository, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=repository,
    )
    return float(done.stdout)


def forgotten(path: Path) -> None:
    """Take the file out of the page cache, so that it is read from the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def one_pass(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """RDMs, CKA and participation ratio of a recording together, against reading it twice.

    Once with the file in the page cache, and once with both beginning on the disk.
    """
    sizes = {"n_stimuli": 60, "n_units": 1000, "n_timesteps": 6}
    if not quick:
        sizes = {"n_stimuli": 500, "n_units": 20_000, "n_timesteps": 30}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wide.h5"
        recording = recorded(path, **sizes)
        area = open_recording(path).area("V1")
        difference, memory = largest_difference(recording), peak_memory(path)
        if not difference <= TOLERANCE:
            raise SystemExit(f"one pass: the numbers differ by {difference:.2g}")

        def turns(prepare: Callable[[], None]) -> tuple[float, float]:
            times = []
            for job in (
                lambda: read(recording, times=2),
                lambda: over_time(area, measures=MEASURES),
            ) * n_runs:
                prepare()
                times.append(seconds(job))
            return statistics.median(times[::2]), statistics.median(times[1::2])

        rows = []
        for where, prepare in (
            ("page cache", lambda: None),
            ("disk", lambda: forgotten(path)),
        ):
            peer_s, ours_s = turns(prepare)
            rows.append(
                Row(
                    job="RDMs, CKA, PR of {n_units} x {n_stimuli} x {n_timesteps}".format(**sizes)
                    + f", {memory:.0f} MB, from {where}",
                    peer=f"reading the file of {path.stat().st_size / 2**20:.0f} MB twice",
                    largest_difference=difference,
                    tolerance=TOLERANCE,
                    peer_s=peer_s,
                    ours_s=ours_s,
                )
            )
    return rows
