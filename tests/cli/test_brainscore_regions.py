"""``neurorec brainscore regions``: what is chosen, written, and refused."""

import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from neurorec import assemblies, brainscore, datasets
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
    code, _, err = neurorec("brainscore", "regions", tmp_path / "no.safetensors", "simulated")
    assert code == 2
    assert "no.safetensors" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "."), ". exists; name another file, or replace it with --force"),
        (("--out", ".", "--force"), ". is a folder; name a file"),
        (("--out", "file/r.json"), "file/r.json cannot be written: {}/file is no folder; name an"),
        (("--train-fraction", 0.4), "stimuli of pixels are 10, and a choice of areas needs 11 or"),
        (("--train-fraction", "nan"), "train_fraction must be above 0 and at most 1, got nan"),
        (("--seed", -1), "seed must be 0 or more, got -1"),
        (("--areas", "a9"), "areas name 'a9', which is no area of"),
        (("--areas", "V4=a1"), "areas and viewing are those of a torch module"),
        (("--metric", "rdm"), "metric must be one of"),
    ],
    ids=lambda value: "_".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_one_line_before_the_work(choose, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    code, text, err = choose(*options)
    assert (code, text) == (2, "")
    assert message.format(tmp_path) in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("neurorec: ")


@pytest.mark.parametrize("dataset", ["@one", "pixels@"])
def test_a_data_set_needs_a_name(choose, dataset):
    code, _, err = choose(dataset=dataset)
    message = "data are named DATASET[@SESSION], such as cowley-2023@210325, got"
    assert (code, err) == (2, f"neurorec: {message} {dataset!r}\n")


@pytest.mark.filterwarnings("ignore:Pandas doesn't allow columns")  # theirs, as images are placed
def test_the_same_width_as_the_model_where_none_is_said(neurorec, known, checkpoint, tmp_path):
    asked = ("brainscore", "regions", checkpoint, "simulated", "--metric", "ridge")
    files = {name: tmp_path / f"{name}.json" for name in ("unsaid", "said", "wider")}
    for name, options in {
        "unsaid": (),
        "said": ("--stimulus-degrees", 8),
        "wider": ("--stimulus-degrees", 16),
    }.items():
        code, _, err = neurorec(*asked, *options, "--out", files[name])
        assert code == 0, err
    scores = {name: json.loads(file.read_text())["scores"] for name, file in files.items()}
    assert scores["unsaid"] == scores["said"] != scores["wider"]


@pytest.mark.parametrize(
    ("model", "areas"),
    [
        ("greco2025-fb", ["a1", "integration", "a2", "a3"]),
        ("pixels:8", ["pixels"]),
        ("test_brainscore_regions:module", ["layer1", "layer2"]),
    ],
)
def test_whatever_can_be_scored(neurorec, known, model, areas, monkeypatch):
    seen = []

    def stop(subject, data, **options):
        seen.append(list(subject.model.area_shapes))
        raise ValueError("enough was seen")

    monkeypatch.setattr(brainscore, "fit_regions", stop)
    monkeypatch.syspath_prepend(Path(__file__).parent)
    code, _, err = neurorec("brainscore", "regions", model, "simulated")
    assert (code, "enough was seen" in err) == (2, True), err
    assert seen == [areas]


def test_areas_of_a_torch_model(neurorec, known, monkeypatch):
    """AREA=MODULE names an area, as in ``neurorec score``, among which is then chosen."""

    def stop(subject, data, *, areas, **options):
        raise ValueError(f"areas {areas} of {list(subject.model.area_shapes)}")

    monkeypatch.setattr(brainscore, "fit_regions", stop)
    monkeypatch.syspath_prepend(Path(__file__).parent)
    asked = ("brainscore", "regions", "test_brainscore_regions:module", "simulated", "--areas")
    both = ["early", "late"]
    for areas, chosen in ((("early=layer1", "late=layer2"), both), (("layer2",), ["layer2"])):
        code, _, err = neurorec(*asked, *areas)
        known_areas = both if chosen == both else ["layer1", "layer2"]
        assert (code, f"areas {chosen} of {known_areas}" in err) == (2, True), err


def module():
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(layer1=nn.Conv2d(3, 2, 3, stride=8), layer2=nn.Conv2d(2, 2, 3, stride=2))
    )
