"""``neurorec brainscore regions``: what is chosen, written, and refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from neurorec import datasets
from neurorec.brainscore import read_regions
from neurorec.datasets import Population, simulate_population, synthetic_images
from neurorec.models import build, save

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:xarray|brainscore_core|brainscore_vision"
)

N_STIMULI = 24


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "fb.safetensors"
    return save(build("greco2025-fb", input_size=8, timesteps=2), path)


@pytest.fixture
def known(monkeypatch, tmp_path):
    """Simulated data of two regions under the name of a data set; the options it was asked for."""
    shown = synthetic_images(np.arange(N_STIMULI), size=16, seed=0)
    population = Population(n_neuroids=6, dimension=3, start_ms=0, stop_ms=20, bin_width_ms=20)
    data = simulate_population(shown, population, seed=0).data
    regions = ("neuroid", ["V4"] * 3 + ["IT"] * 3)
    # Its own: some pixels' values.
    columns = shown.pixels.reshape(N_STIMULI, -1)[:, :6].astype(float)
    order = [shown.stimulus_ids.index(s) for s in data.assembly["stimulus_id"].values]
    assembly = data.assembly.assign_coords(region=regions)
    assembly = assembly.copy(data=columns[order][:, :, None])
    asked = {}
    found = replace(data, assembly=assembly, stimuli=replace(shown, visual_degrees=None))
    monkeypatch.setattr(datasets, "load", lambda name, **options: asked.update(options) or found)
    monkeypatch.setattr(datasets, "info", lambda name: None)
    monkeypatch.setenv("NEUROREC_CACHE", str(tmp_path / "cache"))
    return asked


@pytest.fixture
def choose(neurorec, known, checkpoint):
    def answer(*options, dataset="simulated@one"):
        common = ("--metric", "ridge", "--dt-ms", 10, "--stimulus-degrees", 8)
        return neurorec("brainscore", "regions", checkpoint, dataset, *common, *options)

    return answer


def test_a_file_of_regions(choose, known, tmp_path):
    out = tmp_path / "regions.json"
    code, text, err = choose("--areas", "a1", "a2", "--out", out, "--train-fraction", 0.75)
    assert code == 0, err
    assert known == {"session": "one"}
    regions = read_regions(out)
    assert set(regions) == {"V4", "IT"}
    assert {area for areas in regions.values() for area in areas} <= {"a1", "a2"}
    for region, areas in regions.items():
        assert f"{region}: {', '.join(areas)}" in text
    assert text.rstrip().endswith(str(out))
    content = json.loads(out.read_text())
    assert len(content["training_stimuli"]) == 18
    assert content["provenance"]["timeline"] == {"dt_ms": 10, "onset_ms": 0, "timesteps": 2}
    assert "18 training images" in text
    code, _, err = choose("--out", out)
    assert (code, err) == (
        2,
        f"neurorec: {out} exists; name another file, or replace it with --force\n",
    )


def test_refusals(choose, neurorec, known, checkpoint, tmp_path):
    code, _, err = choose("--region", "V1")
    assert code == 2
    assert "regions must be one of ['IT', 'V4'], got 'V1'" in err
    code, _, err = neurorec("brainscore", "regions", checkpoint, "simulated")
    assert code == 2
    assert (
        err
        == (
            "neurorec: simulated-population does not say how wide its images were; give "
            "--stimulus-degrees, 8 is usual in Brain-Score\n"
        )
        or "give --stimulus-degrees, 8 is usual" in err
    )
    code, _, err = neurorec("brainscore", "regions", tmp_path / "no.safetensors", "simulated")
    assert code == 2
    assert "no.safetensors" in err
