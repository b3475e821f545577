"""Memory, disk and time that scoring needs, before it starts."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import neurorec

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from brainscore_vision.model_interface import BrainModel

from neurorec.brainscore import NeurorecBrainModel, benchmark, forecast, score
from neurorec.brainscore import scoring as module
from neurorec.models import build

from .common import v4_session

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:xarray|brainscore_core|brainscore_vision"
)

N_STIMULI = 12


@pytest.fixture(scope="module")
def v4(shared_data):
    return v4_session(shared_data, N_STIMULI)


@pytest.fixture
def opened(v4, tmp_path):
    def make(**settings):
        return benchmark(v4, visual_degrees=8, folder=tmp_path, **{"metric": "ridge", **settings})

    return make


def model(regions=None, **settings):
    network = build("greco2025-fb-dropout", input_size=16, timesteps=5)
    regions = {"V4": "a2", "IT": ["a3", "integration"]} if regions is None else regions
    return NeurorecBrainModel(network, regions, dt_ms=20, device="cpu", **settings)


def units(made, *areas):
    return sum(math.prod(made.model.area_shapes[area]) for area in areas)


class Theirs(BrainModel):
    """A model of Brain-Score's own interface, without a plan."""

    identifier = "theirs"

    def __init__(self):
        self.inside = model()
        self.n_shown = []

    def visual_degrees(self):
        return 8

    def start_recording(self, recording_target, time_bins):
        self.inside.start_recording(recording_target, time_bins)

    def look_at(self, stimuli, number_of_trials=1):
        self.n_shown.append(len(stimuli))
        return self.inside.look_at(stimuli, number_of_trials)


class TestForecast:
    def test_sizes(self, opened):
        """Kept are the averages of what is recorded, of one time bin; before it all timesteps."""
        made = model({"V4": ("a2", "a3")})
        (pair,) = forecast([made], [opened(number_of_trials=3)]).pairs
        n_units = units(made, "a2", "a3")
        assert (pair.n_presentations, pair.n_units) == (3 * N_STIMULI, n_units)
        kept = 4 * N_STIMULI * n_units
        logits = 4 * 3 * N_STIMULI * math.prod(made.model.logits_shape) * 5
        assert pair.disk_bytes == kept + 3 * 5 * kept + logits
        assert pair.memory_bytes >= 3 * kept
        assert pair.seconds > 0

    def test_a_pass_counts_once(self, opened):
        calls = [opened(), opened(metric="cka")]
        first, second = forecast([model()], calls).pairs
        assert first.disk_bytes > 0 == second.disk_bytes
        assert first.seconds > second.seconds
        whole = forecast([model(), model()], calls)
        assert whole.disk_bytes == 2 * first.disk_bytes
        assert whole.memory_bytes == first.memory_bytes > second.memory_bytes
        assert "4 scores: about" in str(whole)
        assert str(forecast([model()], [opened()])).startswith("1 score: about")

    def test_nothing_is_kept_or_counted(self, opened):
        shown = []
        made = model(progress=shown.append)
        before = made.identifier
        forecast([made], [opened()])
        assert shown == []
        assert made.identifier == before

    def test_a_model_of_brainscore(self, opened):
        """One stimulus is shown to it, under no name that a cache could keep it by."""
        made = Theirs()
        (pair,) = forecast([made], [opened()]).pairs
        assert made.n_shown == [1]
        assert (pair.model, pair.n_units) == ("theirs", units(made.inside, "a2"))

    def test_what_cannot_be_told(self, opened):
        class Task:
            identifier = "Some2018-i2n"
            version = 1

        found = forecast([model()], [opened(), Task()])
        assert math.isnan(found.pairs[1].memory_bytes)
        assert found.memory_bytes == found.pairs[0].memory_bytes > 0
        assert "of 1 it cannot be told" in str(found)


class TestCheck:
    def test_too_little(self, opened):
        found = forecast([model()], [opened()])
        assert found.check() is found
        with pytest.raises(OSError, match=r"needs about .* of memory and 0.0 MB are free; record"):
            replace(found, free_memory_bytes=1.0).check()
        with pytest.raises(OSError, match=r"of disk and .* are free; make space"):
            replace(found, free_disk_bytes=1.0).check()

    def test_score_refuses_unless_forced(self, opened, monkeypatch):
        little = replace(forecast([model()], [opened()]), free_memory_bytes=1.0)
        monkeypatch.setattr(module, "forecast", lambda models, benchmarks: little)
        shown = []
        with pytest.raises(OSError, match=r"start all the same with force \(--force\)"):
            score(model(progress=shown.append), opened())
        assert shown == []
        assert len(score(model(), opened(), force=True).pairs) == 1


MEASURED = """
import re, sys
from dataclasses import replace
import numpy as np
from neurorec import datasets
from neurorec.brainscore import NeurorecBrainModel, benchmark, forecast, score
from neurorec.models import build

data = datasets.load("cowley-2023", session="210325")
shown = data.stimuli.select(slice(0, 200))
known = np.isin(data.assembly["stimulus_id"].values, shown.stimulus_ids)
data = replace(data, stimuli=shown, assembly=data.assembly.isel(presentation=known))
model = NeurorecBrainModel(
    build("greco2025-fb", input_size=int(sys.argv[2]), timesteps=2), {"V4": "a2"}, dt_ms=50,
    device="cpu",
)
call = benchmark(data, metric="ridge", visual_degrees=8, folder=sys.argv[1])
small = NeurorecBrainModel(
    build("greco2025-fb", input_size=16, timesteps=2), {"V4": "a2"}, dt_ms=50, device="cpu"
)
score(small, call)  # what is imported and loaded at the first score

def peak():  # of this process alone; what getrusage says begins at that of its parent
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])

before = peak()
said = forecast([model], [call])
score(model, call, force=True)
print(int(said.memory_bytes), peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from Linux's /proc")
def test_memory_is_as_forecast(shared_data, tmp_path, monkeypatch):
    """Within a factor of two of the peak, as the kernel saw it."""
    monkeypatch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path), "160"],
        cwd=Path(neurorec.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    said, measured = map(int, done.stdout.split()[-2:])
    assert 0.5 < measured / said < 2, (said, measured)
