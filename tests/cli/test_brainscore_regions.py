"""``neurorec brainscore regions``: what is chosen, written, and refused."""

import json

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from neurorec import assemblies, datasets
from neurorec.brainscore import read_regions
from neurorec.datasets import NeuralData
from neurorec.models import build, save
from neurorec.stimuli import StimulusSet

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
    """Neurons of two regions that look at a pixel each; the options they were asked for."""
    pixels = np.random.default_rng(0).integers(0, 256, (N_STIMULI, 8, 8, 3)).astype(np.uint8)
    names = [f"s{i}" for i in range(N_STIMULI)]
    assembly = assemblies.build(
        pixels.reshape(N_STIMULI, -1)[:, 90:96, None].astype(float),
        presentation={"stimulus_id": names, "repetition": np.zeros(N_STIMULI, dtype=int)},
        neuroid={"neuroid_id": [f"n{j}" for j in range(6)], "region": ["V4"] * 3 + ["IT"] * 3},
        time_bin_start=np.zeros(1),
        time_bin_end=np.full(1, 20.0),
    )
    shown = StimulusSet(
        identifier="noise", pixels=pixels, table=pd.DataFrame({"stimulus_id": names})
    )
    data = NeuralData(identifier="pixels", assembly=assembly, stimuli=shown, provenance={})
    asked = {}
    monkeypatch.setattr(datasets, "load", lambda name, **options: asked.update(options) or data)
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
    assert err == (
        "neurorec: pixels does not say how wide its images were; give --stimulus-degrees, 8 is "
        "usual in Brain-Score\n"
    )
    code, _, err = neurorec("brainscore", "regions", tmp_path / "no.safetensors", "simulated")
    assert code == 2
    assert "no.safetensors" in err
