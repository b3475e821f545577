"""A recording larger than memory is fitted block by block."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from neurorec.assemblies import build
from neurorec.encoding import Bootstrap, KFold, Ridge, fit
from neurorec.models.adapters import per_timestep
from neurorec.recording import open_recording, record
from neurorec.stimuli import StimulusSet

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are those of Linux"),
]

N_STIMULI, N_TIMESTEPS, SIZE, CHANNELS = 64, 8, 64, 96
LEFT_MIB = 400

CHILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from test_larger_than_memory import LEFT_MIB, scores
print(json.dumps(scores(sys.argv[2], LEFT_MIB)))
"""


def scores(path, left_mib=None):
    """Scores of the whole area, and its bytes if it can be loaded; both under a limit."""
    area = open_recording(path).area("V1")
    n = len(area.labels()["stimulus_id"])
    few = area.load(neuroids=np.arange(0, area.n_neuroids, area.n_neuroids // 50))
    weights = np.random.default_rng(0).normal(size=(few.shape[1], 5))
    responses = build(
        np.einsum("nut,uq->nqt", few.values, weights),
        presentation={"stimulus_id": few["stimulus_id"].values, "repetition": np.zeros(n, int)},
        neuroid={"neuroid_id": [f"n{i}" for i in range(5)], "region": ["V1"] * 5},
        time_bin_start=few["time_bin_start"].values,
        time_bin_end=few["time_bin_end"].values,
    )
    options = {
        "time": "grid",
        "splits": KFold(3),
        "readout": Ridge(penalties=np.logspace(-1, 5, 7)),
        "bootstrap": Bootstrap(n_draws=20),
        "device": "cpu",
    }
    fit(few, responses, **options)  # loads what is loaded when it is first needed
    if left_mib is not None:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limit = taken + left_mib * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    found = {"score": fit(area, responses, **options)["score"].values.tolist()}
    try:
        return found | {"bytes": area.load().nbytes}
    except MemoryError:
        return found | {"bytes": None}


class Wide(nn.Module):
    """One area of many units that leak, shown the same image at every timestep."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.V1 = nn.Conv2d(3, CHANNELS, 3, padding=1)

    def forward(self, x):
        for timestep in range(N_TIMESTEPS):
            answer = self.V1(torch.sin((timestep + 1) * x))
        return answer.mean(dim=(2, 3))


@pytest.fixture
def path(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (N_STIMULI, SIZE, SIZE, 3)).astype(np.uint8)
    table = pd.DataFrame({"stimulus_id": [f"s{i:03d}" for i in range(N_STIMULI)]})
    stimuli = StimulusSet(identifier="noise", pixels=pixels, table=table)
    model = per_timestep(Wide(), areas={"V1": "V1"}, input_size=SIZE)
    record(model, stimuli, out=tmp_path / "wide.h5", dtype="float16", device="cpu", images=False)
    return tmp_path / "wide.h5"


def test_larger_than_memory(path):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    limited, whole = json.loads(done.stdout), scores(path)
    # Loaded, the area takes more than there is: the limit is one.
    assert limited["bytes"] is None
    assert whole["bytes"] > 1.5 * LEFT_MIB * 2**20
    np.testing.assert_array_equal(limited["score"], whole["score"])
