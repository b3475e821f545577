"""Plugins of Brain-Score that lie in a folder are loaded as they load theirs."""

import sys

import numpy as np
import pytest

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

import brainscore_vision

from neurorec.brainscore import export, subject
from neurorec.models import save

from .common import model, stimuli_of

MODEL = """
from pathlib import Path
from neurorec.brainscore import NeurorecBrainModel
from neurorec.models import load
from {here}regions import REGIONS

def get_model(identifier):
    network = load(Path(__file__).parent / "weights.safetensors")
    return NeurorecBrainModel(network, REGIONS, identifier=identifier, device="cpu")
"""
REGISTERED = """
from brainscore_vision import model_registry
from .model import get_model

model_registry["{identifier}"] = lambda: get_model("{identifier}")
"""


@pytest.fixture
def plugin(tmp_path):
    """A folder with a model and its weights."""
    folder = tmp_path / "my_plugin"
    folder.mkdir()
    save(model("fb"), folder / "weights.safetensors")
    (folder / "regions.py").write_text('REGIONS = {"V4": "a2"}\n')
    (folder / "model.py").write_text(MODEL.format(here="."))
    (folder / "__init__.py").write_text(REGISTERED.format(identifier="my-model"))
    return folder


def test_what_it_registers(plugin, tmp_path, monkeypatch):
    monkeypatch.setitem(brainscore_vision.model_registry, "another", None)
    before = dict(brainscore_vision.model_registry)
    made = subject(str(plugin))
    assert made.identifier.startswith("my-model-")
    assert dict(brainscore_vision.model_registry) == before
    assert not (plugin / "__pycache__").exists()
    stimuli = stimuli_of(tmp_path / "stimuli", n=2)
    live = subject(model("fb"), {"V4": "a2"})
    for one in (made, live):
        one.start_recording("V4", [(0, 20)])
    np.testing.assert_array_equal(made.look_at(stimuli).values, live.look_at(stimuli).values)


def test_what_is_there_now(plugin):
    """A folder that was changed is read again."""
    assert subject(plugin).regions == {"V4": ("a2",)}
    (plugin / "regions.py").write_text('REGIONS = {"IT": "a3", "V4": "a2"}\n')
    assert subject(plugin).regions == {"IT": ("a3",), "V4": ("a2",)}


def test_wrong_folders(plugin, tmp_path):
    with pytest.raises(ValueError, match=r"is no plugin of Brain-Score: it needs an __init__.py"):
        subject(tmp_path)
    with pytest.raises(ValueError, match=r"model of Brain-Score, which has its own .* out dt_ms"):
        subject(plugin, dt_ms=3)
    two = REGISTERED.format(identifier="a") + REGISTERED.format(identifier="b")
    (plugin / "__init__.py").write_text(two)
    with pytest.raises(ValueError, match=r"registers \['a', 'b'\]; say which"):
        subject(plugin)
    (plugin / "__init__.py").write_text(REGISTERED.format(identifier="a"))
    (plugin / "model.py").write_text("def get_model(name):\n    return 3\n")
    with pytest.raises(ValueError, match="makes a int, which commits no areas to regions"):
        subject(plugin)


def test_an_exported_one(plugin, tmp_path):
    made = subject(model("fb-dropout"), {"V4": "a2", "IT": ["a3", "integration"]}, onset_ms=40)
    opened = subject(export(made, "mine", tmp_path / "exported"))
    assert opened.identifier.rpartition("-")[2] == made.identifier.rpartition("-")[2]


def test_a_fault_of_the_plugin_leaves_no_trace(plugin):
    before = dict(brainscore_vision.model_registry)
    text = REGISTERED.format(identifier="half") + "raise RuntimeError('its own fault')\n"
    (plugin / "__init__.py").write_text(text)
    known = set(sys.modules)
    with pytest.raises(RuntimeError, match="its own fault"):
        subject(plugin)
    assert dict(brainscore_vision.model_registry) == before
    assert not [name for name in set(sys.modules) - known if name.startswith("neurorec_plugin")]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_plugin_in_their_style(tmp_path, monkeypatch):
    """A torch module in their wrapper, committed by them, is their model, as it is."""
    monkeypatch.setenv("RESULTCACHING_DISABLE", "1")
    (tmp_path / "model.py").write_text(
        "from functools import partial\n"
        "from torch import nn\n"
        "from brainscore_vision.model_helpers.activations.pytorch import (\n"
        "    PytorchWrapper, load_preprocess_images)\n"
        "def get_model(identifier):\n"
        "    module = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.ReLU())\n"
        "    seen = partial(load_preprocess_images, image_size=16)\n"
        "    return PytorchWrapper(module, seen, identifier=identifier, batch_size=2)\n"
    )
    (tmp_path / "__init__.py").write_text(
        "from brainscore_vision import model_registry\n"
        "from brainscore_vision.model_helpers.brain_transformation import ModelCommitment\n"
        "from .model import get_model\n"
        "model_registry['theirs'] = lambda: ModelCommitment('theirs', get_model('theirs'), ['1'],\n"
        "    region_layer_map={'IT': '1'})\n"
    )
    made = subject(tmp_path)
    made.start_recording("IT", [(70, 170)])
    assert made.look_at(stimuli_of(tmp_path / "stimuli", n=2)).sizes["neuroid"] == 4 * 4 * 4
