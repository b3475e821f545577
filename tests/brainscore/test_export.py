"""From a checkpoint to the folder that Brain-Score takes as a model, and back."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch import nn

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from brainscore_core.metadata import load as load_metadata
from brainscore_core.metadata import vocabulary_warnings
from brainscore_vision.benchmark_helpers import screen
from brainscore_vision.model_interface import BrainModel

import neurorec
from neurorec.brainscore import Behaviour, NeurorecBrainModel, export, open_plugin, subject
from neurorec.brainscore.overlay import overlay
from neurorec.brainscore.plugin_metadata import is_recurrent
from neurorec.brainscore.plugin_names import taken
from neurorec.brainscore.plugin_registries import registered
from neurorec.brainscore.region_maps import REGIONS as RECORDED
from neurorec.brainscore.region_maps import default_regions
from neurorec.models import adapters, build, load, preset, save
from neurorec.recording import Sample

from . import plugins
from .common import model, stimuli_of

REGIONS = {"V4": "a2", "IT": ["a3", "integration"]}
LABELS = [f"thing {n}" for n in range(10)]


@pytest.fixture
def checkpoint(tmp_path):
    return save(model(), tmp_path / "some.safetensors")


def contents(folder):
    """Digest of every file, by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return {str(p.relative_to(folder)): d for p, d in zip(files, digests, strict=True)}


def test_files(checkpoint, tmp_path):
    folder = export(checkpoint, "my-model", tmp_path / "plugin", REGIONS)
    assert folder == tmp_path / "plugin"
    assert set(contents(folder)) == {
        "README.md",
        "__init__.py",
        "metadata.yaml",
        "model.py",
        "my-model.safetensors",
        "region_layer_map/my-model.json",
        "requirements.txt",
        "test.py",
    }
    lines = (folder / "__init__.py").read_text().splitlines()
    assert "model_registry['my-model'] = lambda: get_model('my-model')" in lines
    assert registered(folder) == ["my-model"]
    committed = json.loads((folder / "region_layer_map" / "my-model.json").read_text())
    assert committed == REGIONS
    pinned = (folder / "requirements.txt").read_text()
    assert pinned == f"neurorec[brainscore]=={neurorec.__version__}\n"
    assert (folder / "my-model.safetensors").read_bytes() == checkpoint.read_bytes()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_same_input_gives_the_same_bytes(checkpoint, tmp_path):
    """Of a checkpoint, its network, and a subject of it, anywhere and at any time."""
    settings = {"onset_ms": 30, "behaviour": Behaviour(labels=LABELS)}
    made_here = NeurorecBrainModel(load(checkpoint), REGIONS, identifier="another", **settings)
    made = [
        export(checkpoint, "same", tmp_path / "a", REGIONS, **settings),
        export(str(checkpoint), "same", tmp_path / "deep" / "b", REGIONS, **settings),
        export(load(checkpoint), "same", tmp_path / "c", REGIONS, **settings),
        export(made_here, "same", tmp_path / "d"),
    ]
    assert len({json.dumps(contents(folder)) for folder in made}) == 1
    other = export(checkpoint, "same", tmp_path / "e", REGIONS, **{**settings, "onset_ms": 31})
    assert contents(other) != contents(made[0])


SETTINGS = {
    "none": {},
    "time": {"dt_ms": 12.5, "onset_ms": -7, "timesteps": 3},
    "noise": {"seed": 11},
    "quiet": {"noise": False},
    "units": {"units": Sample(9, seed=2)},
    "degrees": {"visual_degrees": 6},
    "answers": {"behaviour": Behaviour(areas=["a2", "a3"], strength=0.5, similarity="cosine")},
    "labels": {"behaviour": Behaviour(labels=LABELS, time_bin_ms=(10, 30))},
}


def test_what_is_opened_is_the_live_model(checkpoint, tmp_path):
    """And whatever changes an answer changes the identifier."""
    identifiers = set()
    for name, settings in SETTINGS.items():
        live = NeurorecBrainModel(load(checkpoint), REGIONS, identifier="mine", **settings)
        opened = open_plugin(export(checkpoint, "mine", tmp_path / name, REGIONS, **settings))
        assert opened.identifier == live.identifier, name
        assert opened.regions == live.regions
        assert opened.timeline == live.timeline
        assert opened.behaviour == live.behaviour
        assert opened.visual_degrees() == live.visual_degrees()
        assert opened.settings == live.settings
        identifiers.add(opened.identifier)
    assert len(identifiers) == len(SETTINGS)
    assert all(identifier.startswith("mine-") for identifier in identifiers)


@pytest.mark.parametrize(
    "name",
    [
        "dropout",
        pytest.param("deterministic", marks=pytest.mark.slow),
        pytest.param("lateral-and-feedback", marks=pytest.mark.slow),
    ],
)
def test_activity_and_answers_are_the_same(tmp_path, name):
    regions, settings = plugins.EXPORTED[name]
    network = plugins.network(name)
    settings = {**settings, "behaviour": Behaviour(labels=LABELS[: network.logits_shape[0]])}
    regions = regions or default_regions(network)
    live = NeurorecBrainModel(network, regions, identifier=name, device="cpu", **settings)
    opened = open_plugin(export(network, name, tmp_path / "plugin", regions, **settings))
    assert opened.identifier == live.identifier
    stimuli = stimuli_of(tmp_path / "stimuli")
    for region in regions:
        shown = []
        for one in (live, opened):
            one.start_recording(region, [(10, 40), (30, 60)])
            shown.append(one.look_at(stimuli, number_of_trials=2, require_variance=True))
        np.testing.assert_array_equal(shown[0].values, shown[1].values)
        first, second = np.split(shown[1].values, 2)
        assert (first != second).any() == (name == "dropout")
    for task, given in {"label": LABELS[:3], "probabilities": stimuli, "odd_one_out": None}.items():
        answers = []
        for one in (live, opened):
            one.start_task(task, given)
            answers.append(one.look_at(stimuli))
        np.testing.assert_array_equal(answers[0].values, answers[1].values)


def test_it_is_what_is_scored_from_the_same_checkpoint(tmp_path):
    """With the classes that training kept, and the time of a model without any."""
    network = build("greco2025-ff", input_size=8, timesteps=1, classes=3)
    classes = {"classes": json.dumps(["a", "b", "c"])}
    checkpoint = save(network, tmp_path / "some.safetensors", metadata=classes)
    scored = subject(checkpoint, REGIONS, identifier="mine")
    folder = export(checkpoint, "mine", tmp_path / "p", REGIONS)
    opened = open_plugin(folder)
    assert opened.behaviour.labels == ("a", "b", "c")
    assert opened.timeline.dt_ms == 10_000
    assert opened.identifier == scored.identifier
    again = export(folder, "another", tmp_path / "q")  # of a plugin, under another name
    assert open_plugin(again).settings == {**opened.settings, "identifier": "another"}


def test_metadata(checkpoint, tmp_path):
    folder = export(checkpoint, "mine", tmp_path / "p", REGIONS, visual_degrees=7, onset_ms=40)
    document = load_metadata((folder / "metadata.yaml").read_text(), "vision")
    assert vocabulary_warnings(document) == []
    (entry,) = document["models"].values()
    assert list(document["models"]) == ["mine"]
    said = entry["model"]
    assert said["recurrent"] is True
    assert said["architecture"]["family"] == "recurrent_convolutional_neural_network"
    assert said["visual_degrees"] == 7
    assert said["input_resolution"] == {"channels": 3, "height": 8, "width": 8}
    assert said["parameter_count"] == sum(p.numel() for p in model().parameters())
    assert "4 timesteps of 10 ms from 40 ms" in entry["io"]["interface"]
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert entry["provenance"] == {"checkpoint": f"sha256:{digest}"}


@pytest.mark.parametrize(
    ("name", "recurrent"),
    [
        ("greco2025-ff", True),  # whose areas hear themselves
        ("greco2025-fb", True),
        ("cornet-z", False),
        ("cornet-rt", True),
        ("blt-vs", True),
    ],
)
def test_what_is_recurrent(name, recurrent):
    assert is_recurrent(preset(name)) is recurrent


def test_regions_by_the_wiring(tmp_path):
    """The area of a region's name, otherwise all its stages."""
    network = plugins.lateral_and_feedback()
    opened = open_plugin(export(network, "mine", tmp_path / "p"))
    assert opened.regions == {"V1": ("V1",), "V4": ("V4_in", "V4_out"), "IT": ("IT",)}
    with pytest.raises(ValueError, match=r"no area of 'greco2025.* is called V1, V2, V4 or IT"):
        export(model(), "mine", tmp_path / "q")


class TestBibtex:
    def test_given(self, checkpoint, tmp_path):
        entry = '@article{x2020,\n title = {Gr{\\"o}sse},\n author = {A. B}, year = 2020}'
        folder = export(checkpoint, "mine", tmp_path / "p", REGIONS, bibtex=entry)
        assert bibtex_of(folder) == entry + "\n"

    def test_with_quotes_that_end_a_text(self, checkpoint, tmp_path):
        entry = '@article{x, title = {of """ quotes}}'
        folder = export(checkpoint, "mine", tmp_path / "p", REGIONS, bibtex=entry)
        assert bibtex_of(folder) == entry + "\n"

    def test_made(self, checkpoint, tmp_path):
        folder = export(checkpoint, "mine", tmp_path / "p", REGIONS)
        assert bibtex_of(folder).startswith("@misc{mine,\n  title = {mine}")
        assert "2508.07115" in bibtex_of(folder)  # the source that the wiring names

    @pytest.mark.parametrize(
        ("text", "match"),
        [("@article{x, title = {open", "cannot be read"), ("a paper", "no entry in the BibTeX")],
        ids=["broken", "none"],
    )
    def test_wrong(self, checkpoint, tmp_path, text, match):
        with pytest.raises(ValueError, match=match):
            export(checkpoint, "mine", tmp_path / "p", REGIONS, bibtex=text)
        assert [path.name for path in tmp_path.iterdir()] == ["some.safetensors"]


def bibtex_of(folder):
    scope = {"__file__": str(folder / "model.py"), "__name__": "model"}
    exec((folder / "model.py").read_text(), scope)
    return scope["get_bibtex"]("mine")


class TestNames:
    @pytest.mark.parametrize(
        "name", ["", "a b", "it's", "a/b", "_a", ".a", "a]", "größe", "a" * 201, "a\n"]
    )
    def test_not_allowed(self, checkpoint, tmp_path, name):
        with pytest.raises(ValueError, match=r"letters, digits and '\.', '_', '-'"):
            export(checkpoint, name, tmp_path / "p", REGIONS)

    @pytest.mark.parametrize("name", ["alexnet", "cornet-s", "PIXELS"])
    def test_taken_whatever_the_case(self, checkpoint, tmp_path, name):
        with pytest.raises(ValueError, match=f"has a model '{name}' already"):
            export(checkpoint, name, tmp_path / "p", REGIONS)
        assert not (tmp_path / "p").exists()

    def test_a_plugin_is_not_in_its_own_way(self):
        folder = taken("alexnet")
        assert folder is not None
        assert folder.name == "alexnet"
        assert taken("alexnet", but=folder) is None

    def test_with_a_dot(self, checkpoint, tmp_path):
        folder = export(checkpoint, "mine-1.5", tmp_path / "p", REGIONS)
        assert open_plugin(folder).identifier.startswith("mine-1.5-")
        assert "submission/models/mine-1_5" in (folder / "README.md").read_text()


class TestPlace:
    """A folder appears whole or not at all, and never in the place of something else."""

    def test_another_plugin_is_kept(self, checkpoint, tmp_path):
        folder = export(checkpoint, "first", tmp_path / "p", REGIONS)
        before = contents(folder)
        with pytest.raises(ValueError, match=r"holds the plugin of first.*--force"):
            export(checkpoint, "second", folder, REGIONS)
        assert contents(folder) == before
        (folder / "notes.txt").write_text("of before")
        export(checkpoint, "second", folder, REGIONS, force=True)
        assert registered(folder) == ["second"]
        assert not (folder / "notes.txt").exists()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "some.safetensors"]

    def test_what_is_no_plugin_is_never_replaced(self, checkpoint, tmp_path):
        folder = tmp_path / "thesis"
        folder.mkdir()
        (folder / "text").write_text("three years")
        for out in (folder, folder / "text"):
            with pytest.raises(ValueError, match="exists and is no plugin; name another folder"):
                export(checkpoint, "mine", out, REGIONS, force=True)
        assert (folder / "text").read_text() == "three years"

    def test_an_empty_folder_is_filled(self, checkpoint, tmp_path):
        (tmp_path / "p").mkdir()
        assert registered(export(checkpoint, "mine", tmp_path / "p", REGIONS)) == ["mine"]

    def test_a_failure_leaves_what_was(self, checkpoint, tmp_path):
        folder = export(checkpoint, "mine", tmp_path / "p", REGIONS)
        before = contents(folder)
        with pytest.raises(ValueError, match="cannot be read"):
            export(checkpoint, "mine", folder, REGIONS, force=True, bibtex="@a{")
        assert contents(folder) == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "some.safetensors"]


class TestWrongInput:
    def test_of_torch(self, tmp_path):
        module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten())
        adapted = adapters.feedforward(module, {"V1": "0"}, input_size=8)
        words = r"write the plugin by hand: in model.py, get_model\(identifier\) returns"
        for given in (adapted, module, tmp_path / "resnet18.pth", "weights.ckpt"):
            with pytest.raises(ValueError, match=words):
                export(given, "mine", tmp_path / "p", {"V1": "V1"})
        made = NeurorecBrainModel(adapted, {"V1": "V1"})
        with pytest.raises(ValueError, match=f"got Feedforward; of a torch module, .* {words}"):
            export(made, "mine", tmp_path / "p")
        with pytest.raises(ValueError, match="got Sequential; of a torch module"):
            export(module, "mine", tmp_path / "p", {"V1": "V1"})

    def test_what_is_said_of_torch_is_a_plugin(self, tmp_path):
        folder = tmp_path / "by hand"
        folder.mkdir()
        (folder / "model.py").write_text(
            "from torch import nn\n"
            "import neurorec.brainscore\n\n"
            "def get_model(identifier):\n"
            "    module = nn.Sequential(nn.Conv2d(3, 2, 8, stride=8), nn.ReLU())\n"
            "    regions = {'V4': '0'}\n"
            "    return neurorec.brainscore.subject(module, regions, identifier=identifier)\n"
        )
        (folder / "__init__.py").write_text(
            "from brainscore_vision import model_registry\n"
            "from .model import get_model\n\n"
            "model_registry['mine'] = lambda: get_model('mine')\n"
        )
        opened = open_plugin(folder)
        assert (opened.name, opened.regions) == ("mine", {"V4": ("module_0",)})

    def test_a_subject_has_its_settings(self, tmp_path):
        made = NeurorecBrainModel(model(), REGIONS)
        with pytest.raises(ValueError, match="which has its own regions and time; leave out"):
            export(made, "mine", tmp_path / "p", REGIONS)
        with pytest.raises(ValueError, match="which has its own regions and time; leave out"):
            export(made, "mine", tmp_path / "p", onset_ms=3)

    def test_unknown_settings(self, checkpoint, tmp_path):
        with pytest.raises(
            ValueError, match=r"settings of an exported.*'units'\], got \['onset'\]"
        ):
            export(checkpoint, "mine", tmp_path / "p", REGIONS, onset=3)

    def test_an_area_that_is_not_there(self, checkpoint, tmp_path):
        with pytest.raises(ValueError, match="committed to 'a9', which is no area"):
            export(checkpoint, "mine", tmp_path / "p", {"V4": "a9"})

    def test_no_checkpoint(self, tmp_path):
        with pytest.raises(ValueError, match="there is no checkpoint"):
            export(tmp_path / "x.safetensors", "mine", tmp_path / "p", REGIONS)
        with pytest.raises(ValueError, match="no model 'fb': it must be a checkpoint"):
            export("fb", "mine", tmp_path / "p", REGIONS)

    @pytest.mark.parametrize("url", ["weights.safetensors", "ftp://a.org/w", "https:///w"])
    def test_no_url(self, checkpoint, tmp_path, url):
        with pytest.raises(ValueError, match="must begin with https://, got"):
            export(checkpoint, "mine", tmp_path / "p", REGIONS, weights_url=url)

    def test_a_url_of_no_file(self, tmp_path):
        with pytest.raises(ValueError, match=r"weights with a URL are a file.*models\.save"):
            export(model(), "mine", tmp_path / "p", REGIONS, weights_url="https://a.org/w")

    def test_no_plugin_to_open(self, checkpoint, tmp_path):
        with pytest.raises(ValueError, match=r"is no plugin of Brain-Score: it needs an __init__"):
            open_plugin(tmp_path)
        folder = export(checkpoint, "mine", tmp_path / "p", REGIONS)
        with pytest.raises(ValueError, match=r"registers \['mine'\], and not 'yours'"):
            open_plugin(folder, "yours")
        with (folder / "__init__.py").open("a") as file:
            file.write("model_registry['more'] = None\n")
        with pytest.raises(ValueError, match=r"registers \['mine', 'more'\]; say which"):
            open_plugin(folder)
        assert open_plugin(folder, "mine").regions == {"V4": ("a2",), "IT": ("a3", "integration")}


def test_recorded_regions_are_those_of_brainscore():
    targets = vars(BrainModel.RecordingTarget).items()
    assert {region for name, region in targets if not name.startswith("_")} == set(RECORDED)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:xarray|brainscore_core|brainscore_vision")
# Of their StimulusSet, to which paths are given as attributes.
@pytest.mark.filterwarnings("ignore:Pandas doesn't allow columns to be created:UserWarning")
def test_brainscore_loads_and_scores_it_as_the_live_model(shared_data, tmp_path, monkeypatch):
    """In a process of its own, by Brain-Score's ``load_model``: every number is the same."""
    monkeypatch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
    monkeypatch.setenv("RESULTCACHING_DISABLE", "1")
    monkeypatch.setattr(screen, "root_path", tmp_path / "screen")
    live, folders = {}, {}
    call = plugins.v4_benchmark(tmp_path / "images")
    for name, (regions, settings) in plugins.EXPORTED.items():
        network = plugins.network(name)
        folders[name] = export(network, name, tmp_path / name, regions, **settings)
        committed = regions or default_regions(network)
        made = NeurorecBrainModel(network, committed, identifier=name, **settings)
        live[name] = plugins.scored(made, call)
    with overlay(folders) as (copy, environment):
        done = subprocess.run(
            [sys.executable, plugins.__file__, str(tmp_path / "images"), *folders],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        assert Path(found.pop("of")).parent == copy
    assert {n: b.split("{")[1].split(",")[0] for n, b in found.pop("bibtex").items()} == {
        name: name for name in folders
    }
    assert found == live
    assert len({one["score"] for one in live.values()}) == len(live)
    assert all(np.isfinite(one["score"]) for one in live.values())
