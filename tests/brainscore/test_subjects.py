"""Whatever a model is, it becomes a subject that says where its regions are, and when."""

import json

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from neurorec.brainscore import (
    Behaviour,
    NeurorecBrainModel,
    Viewing,
    default_regions,
    read_regions,
    subject,
)
from neurorec.models import RecurrentNetwork, adapters, build, save, to_images, wiring
from neurorec.stimuli.images import read_image

from .common import model, stimuli_of

SMALL = Viewing(input_size=8)
REGIONS = {"V4": "a2", "IT": "a3"}


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory):
    return stimuli_of(tmp_path_factory.mktemp("stimuli"), size=8)


def recorded(made, stimuli, region="V4", bins=((0, 10),)):
    made.start_recording(region, list(bins))
    return made.look_at(stimuli)


def images_of(stimuli, size=8):
    pixels = np.stack([read_image(stimuli.get_stimulus(s)) for s in stimuli["stimulus_id"]])
    return to_images(pixels, size)


class Recurrent(nn.Module):
    """Four areas by the names of regions, each called at every timestep, as in CORnet-RT."""

    def __init__(self, timesteps=3):
        super().__init__()
        self.timesteps = timesteps
        for region, n_inputs in zip(("V1", "V2", "V4", "IT"), (3, 4, 4, 4), strict=True):
            setattr(self, region, Cell(n_inputs))

    def forward(self, x):
        states = dict.fromkeys(("V1", "V2", "V4", "IT"))
        for _ in range(self.timesteps):
            carried = x
            for region in states:
                carried, states[region] = getattr(self, region)(carried, states[region])
        return carried.mean((2, 3))


class Cell(nn.Module):
    """What arrives, and half of what was before."""

    def __init__(self, n_inputs):
        super().__init__()
        self.conv = nn.Conv2d(n_inputs, 4, 3, padding=1)

    def forward(self, x, state):
        new = self.conv(x) + (0 if state is None else state / 2)
        return torch.relu(new), new


class Stages(nn.Module):
    """A network without time, made of stages: inside another module, as training leaves it."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Module()
        for i, n in enumerate((3, 4, 4), 1):
            setattr(self.trunk, f"stage{i}", nn.Sequential(nn.Conv2d(n, 4, 3), nn.ReLU()))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 5))

    def forward(self, x):
        return self.head(self.trunk.stage3(self.trunk.stage2(self.trunk.stage1(x))))


def seeded(kind):
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        return kind()


class TestWhatItTakes:
    def test_a_brain_model_stays_as_it_is(self):
        made = subject(model(), REGIONS)
        assert subject(made) is made
        with pytest.raises(ValueError, match=r"model of Brain-Score.*leave out dt_ms, regions"):
            subject(made, REGIONS, dt_ms=5)

    def test_a_network_of_ours(self, stimuli):
        network = model("fb")
        made = subject(network, REGIONS, onset_ms=5, dt_ms=20)
        assert isinstance(made, NeurorecBrainModel)
        assert made.identifier.startswith("greco2025-fb-")
        direct = NeurorecBrainModel(network, REGIONS, onset_ms=5, dt_ms=20)
        bins = [(5, 25), (30, 60)]
        np.testing.assert_array_equal(
            recorded(made, stimuli, bins=bins).values, recorded(direct, stimuli, bins=bins).values
        )
        assert made.identifier == direct.identifier

    def test_a_checkpoint(self, stimuli, tmp_path):
        network, path = model("fb"), tmp_path / "mine.safetensors"
        save(network, path)
        for given in (path, str(path)):
            made = subject(given, REGIONS)
            assert made.identifier.startswith("mine-")
            np.testing.assert_array_equal(
                recorded(made, stimuli).values, recorded(subject(network, REGIONS), stimuli).values
            )

    def test_presets_and_wirings_have_first_weights(self, tmp_path):
        from neurorec.models import as_yaml

        name = "greco2025-fb"
        made, other = (subject(name, REGIONS, seed=seed) for seed in (0, 1))
        assert made.identifier.startswith("greco2025-fb-untrained-")
        assert made.identifier != other.identifier
        assert weights_equal(made.model, build(name, seed=0))
        assert weights_equal(other.model, build(name, seed=1))
        (tmp_path / "mine.yaml").write_text(as_yaml(wiring(name, name="mine")))
        assert weights_equal(subject(tmp_path / "mine.yaml", REGIONS).model, made.model)

    def test_what_a_function_makes(self, tmp_path, monkeypatch):
        """Of a module in the folder where the command is typed."""
        (tmp_path / "my_models_4711.py").write_text(
            "from torch import nn\n"
            "def make():\n"
            "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))\n"
            "ready = make()\n"
            "nothing = 3\n"
        )
        monkeypatch.chdir(tmp_path)
        how = {"viewing": SMALL}
        before = torch.random.get_rng_state()
        one, again, other = (
            subject("my_models_4711:make", {"V4": "1"}, seed=seed, **how) for seed in (0, 0, 1)
        )
        assert one.identifier.startswith("make-")
        assert one.identifier == again.identifier
        assert not weights_equal(one.model, other.model)
        assert subject("my_models_4711:ready", {"V4": "1"}, **how).identifier.startswith("ready-")
        assert torch.equal(torch.random.get_rng_state(), before)
        for text, message in (
            ("my_models_4711:absent", "module 'my_models_4711' has no 'absent'"),
            ("my_models_4711:nothing", "a model must be a BrainModel, .* got int"),
            ("my_models_4712:make", "no module 'my_models_4712' for my_models_4712:make"),
        ):
            with pytest.raises(ValueError, match=message):
                subject(text)

    def test_a_fault_of_the_function_is_its_own(self, tmp_path, monkeypatch):
        (tmp_path / "my_models_4713.py").write_text("import not_there_4713\n")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ModuleNotFoundError, match="not_there_4713"):
            subject("my_models_4713:make")

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ("cornet", r"no model 'cornet': it must be a checkpoint .* did you mean 'cornet-"),
            ("absent.safetensors", "there is no checkpoint absent.safetensors"),
            ("absent.yaml", "there is no wiring file absent.yaml"),
            ("weights.pth", "weights.pth may hold weights, but not the model .* torchvision:NAME"),
            ("pixels:x", "pixels:x: the size must be a number of pixels"),
            ("pixels:0", "at least 1 pixel along a side, got 0"),
            (3, "a model must be a BrainModel, a RecurrentModel, a torch module, or text.*got int"),
        ],
    )
    def test_wrong(self, given, message):
        with pytest.raises(ValueError, match=message):
            subject(given, REGIONS)


def weights_equal(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


class TestRegions:
    def test_areas_that_are_called_so(self):
        """CORnet-S has two stages of V1; the one of that name stands for it."""
        network = RecurrentNetwork(wiring("cornet-s", input_size=32), seed=None)
        assert default_regions(network) == {r: [r] for r in ("V1", "V2", "V4", "IT")}

    def test_areas_that_the_wiring_says_are_of_it(self):
        found = default_regions(RecurrentNetwork(wiring("blt-vs", input_size=64), seed=None))
        assert found == {r: [f"{r}_bu", f"{r}_td"] for r in ("V1", "V2", "V4")}

    def test_given_ones_are_all_there_are(self):
        made = subject("cornet-z", {"IT": "V4"})
        assert made.regions == {"IT": ("V4",)}
        assert made.timeline.end_ms == 10_000  # a wiring of one timestep has no time either

    def test_none(self):
        with pytest.raises(
            ValueError,
            match=r"no area of 'greco2025-fb' is called V1, V2, V4 or IT; say which areas .* "
            r"regions=\{'IT': 'a3'\} or --region IT=a3, or .* it has \['a1', 'integration'",
        ):
            subject(model("fb"))

    def test_of_a_file(self, tmp_path):
        path = tmp_path / "regions.json"
        path.write_text('{"V4": "a2", "IT": ["a2", "a3"]}')
        assert read_regions(path) == {"V4": ["a2"], "IT": ["a2", "a3"]}
        assert subject(model(), read_regions(path)).regions["IT"] == ("a2", "a3")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("V4", "is no JSON"),
            ("[]", "must hold regions such as"),
            ('{"V4": 3}', "region 'V4' must be one area or a list of them, got 3"),
        ],
    )
    def test_of_a_wrong_file(self, tmp_path, content, message):
        path = tmp_path / "regions.json"
        path.write_text(content)
        with pytest.raises(ValueError, match=message):
            read_regions(path)


@pytest.mark.slow
def test_cornet_s(stimuli):
    """The preset brings its regions and its time; V4 after IT is V4."""
    network = build("cornet-s", input_size=32)
    made, alone = subject(network), subject(network, {"V4": "V4"})
    bins = [(10 * t, 10 * t + 10) for t in range(10)]
    it, v4 = (recorded(made, stimuli, region, bins) for region in ("IT", "V4"))
    np.testing.assert_array_equal(v4.values, recorded(alone, stimuli, "V4", bins).values)
    state = network.init_state(len(stimuli))
    with torch.inference_mode():
        images = images_of(stimuli, 32)
        h = [s["V4"]["h"].flatten(1) for _, s in network.eval().unroll(images, 10, state)]
    # Sums of at most 9 × 4 × 256 products in single precision, in 15 layers.
    atol = 15 * np.sqrt(9 * 1024) * np.finfo(np.float32).eps * float(torch.stack(h).abs().max())
    np.testing.assert_allclose(v4.values, torch.stack(h, dim=2), atol=atol)
    # An area is run to its end before the next one starts: four repetitions of V4, two of IT.
    assert distinct(v4) == 1 + 4
    assert distinct(it) == 1 + 2


def distinct(x):
    """Different activities over time, zeros before the area starts among them."""
    return len({x.values[..., t].tobytes() for t in range(x.sizes["time_bin"])})


class TestModulesWithTime:
    """Areas that a module calls several times are recorded call by call."""

    def test_known_answer(self, stimuli):
        module = seeded(Recurrent)
        made = subject(module, viewing=SMALL)
        assert made.regions == {r: (r,) for r in ("V1", "V2", "V4", "IT")}
        assert (made.timeline.dt_ms, made.timeline.n_timesteps) == (10, 3)
        x = recorded(made, stimuli, "V1", [(0, 10), (10, 20), (20, 30)])
        with torch.no_grad():
            drive = module.V1.conv(images_of(stimuli)).flatten(1)
        # The image stands still: the state is the drive times 2 - 2^-t.
        for t in range(3):
            expected = torch.relu(drive * (2 - 0.5**t))
            np.testing.assert_allclose(x.values[..., t], expected, atol=1e-6)

    def test_v4_after_it_is_v4(self, stimuli):
        made = subject(seeded(Recurrent), viewing=SMALL)
        it = recorded(made, stimuli, "IT")
        v4 = recorded(made, stimuli, "V4")
        alone = recorded(subject(seeded(Recurrent), viewing=SMALL), stimuli, "V4")
        np.testing.assert_array_equal(v4.values, alone.values)
        assert (v4.values != it.values).any()

    def test_it_ends(self):
        made = subject(seeded(Recurrent), viewing=SMALL)
        with pytest.raises(ValueError, match=r"no timestep in the time bins .* from 0 to 30 ms"):
            made.start_recording("V4", [(70, 170)])

    def test_areas_that_are_called_unequally(self):
        with pytest.raises(ValueError, match=r"numbers of calls are \{'a': 3, 'b': 1\}"):
            subject(Unequal(), areas={"a": "often", "b": "once"}, viewing=SMALL)

    def test_areas_that_do_not_exist(self):
        with pytest.raises(ValueError, match="no submodule 'nowhere' for area 'V1'"):
            subject(seeded(Recurrent), areas={"V1": "nowhere"}, viewing=SMALL)


class Unequal(nn.Module):
    def __init__(self):
        super().__init__()
        self.often, self.once = nn.Identity(), nn.Identity()

    def forward(self, x):
        for _ in range(3):
            x = self.often(x)
        return self.once(x)


class TestModulesWithoutTime:
    def test_stages_are_found(self, stimuli):
        module = seeded(Stages).train()
        made = subject(module, {"V4": "stage2"}, viewing=SMALL)
        assert module.training
        assert all(part.training for part in module.modules())
        assert list(made.model.area_shapes) == ["stage1", "stage2", "stage3"]
        x = recorded(made, stimuli)
        with torch.no_grad():
            expected = module.trunk.stage2(module.trunk.stage1(images_of(stimuli))).flatten(1)
        np.testing.assert_allclose(x.values[..., 0], expected, atol=1e-6)

    def test_regions_may_name_submodules(self, stimuli):
        made = subject(seeded(Stages), {"V4": ["stage2", "trunk.stage1.0"]}, viewing=SMALL)
        assert made.regions == {"V4": ("stage2", "trunk_stage1_0")}
        assert recorded(made, stimuli).sizes["neuroid"] == 4 * (4 * 4 + 6 * 6)
        full = subject(seeded(Stages), {"V4": "trunk.stage2"}, viewing=SMALL)
        assert full.regions == {"V4": ("stage2",)}

    def test_areas_are_given(self, stimuli):
        made = subject(seeded(Stages), areas={"V4": "trunk.stage2"}, viewing=SMALL)
        assert made.regions == {"V4": ("V4",)}
        assert list(made.model.area_shapes) == ["V4"]

    def test_they_answer_at_all_times(self, stimuli):
        """The rule: one timestep from onset on, longer than any trial, but nothing before."""
        made = subject(seeded(Stages), {"V4": "stage2"}, viewing=SMALL)
        bins = [(0, 10), (70, 170), (480, 500), (9000, 9999), (-50, 50)]
        x = recorded(made, stimuli, bins=bins)
        for b in range(1, len(bins)):
            np.testing.assert_array_equal(x.values[..., b], x.values[..., 0])
        assert x.attrs["time_bin_coverage"] == [1, 1, 1, 1, 0.5]
        with pytest.raises(ValueError, match="no timestep in the time bins"):
            made.start_recording("V4", [(-20, 0)])

    def test_their_time_may_be_given(self):
        module = seeded(Stages)
        how = {"regions": {"V4": "stage2"}, "viewing": SMALL}
        assert subject(module, **how, dt_ms=50).timeline.end_ms == 50
        assert subject(module, **how, timesteps=4).timeline.end_ms == 40
        swept = subject(module, **how, mode="sweep")
        assert (swept.timeline.dt_ms, swept.timeline.n_timesteps) == (10, 3)
        with pytest.raises(ValueError, match="mode must be one of"):
            subject(module, **how, mode="fast")

    def test_images_are_normed_as_brainscore_norms_them(self):
        module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 2, 3), nn.Flatten())
        made = subject(module, {"V4": "0"})
        assert made.model.input_size == 224
        assert made.model.input_mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
        assert made.model.input_std.flatten().tolist() == pytest.approx([0.229, 0.224, 0.225])

    def test_nothing_is_found(self):
        module = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
        with pytest.raises(ValueError, match=r"found no areas in Sequential, .* it has \['0', '1'"):
            subject(module, viewing=SMALL)
        assert subject(module, {"V4": "1"}, viewing=SMALL).regions == {"V4": ("module_1",)}

    def test_another_size(self):
        with pytest.raises(ValueError, match=r"Stages cannot look at images of 9 × 9 pixels: .*Vi"):
            subject(Stages(), {"V4": "stage2"}, viewing=Viewing(input_size=9))

    def test_areas_of_what_has_some(self):
        with pytest.raises(ValueError, match=r"'greco2025-fb' has areas of its own, \['a1'"):
            subject(model("fb"), REGIONS, areas={"V4": "a2"})


class TestLabels:
    def test_of_a_checkpoint(self, tmp_path):
        names = ["dog", "cat", *"abcdefgh"]
        path = save(
            model("fb"), tmp_path / "m.safetensors", metadata={"classes": json.dumps(names)}
        )
        made = subject(path, REGIONS)
        assert made.behaviour.labels == tuple(names)
        mine = subject(path, REGIONS, behaviour=Behaviour(labels=list("0123456789"), strength=1.0))
        assert mine.behaviour.labels == tuple("0123456789")
        assert mine.behaviour.strength == 1

    def test_that_do_not_fit_are_left_out(self, tmp_path):
        """A readout may have more classes than the task that it was trained on."""
        path = save(model("fb"), tmp_path / "m.safetensors", metadata={"classes": '["dog"]'})
        assert subject(path, REGIONS).behaviour.labels is None

    @pytest.mark.parametrize("classes", [{}, {"classes": "null"}], ids=["absent", "none"])
    def test_of_a_checkpoint_without(self, tmp_path, classes):
        path = save(model("fb"), tmp_path / "m.safetensors", metadata=classes)
        assert subject(path, REGIONS).behaviour.labels is None


def test_an_adapter_keeps_its_areas(stimuli):
    network = adapters.feedforward(seeded(Stages), {"V4": "trunk.stage1"}, input_size=8)
    made = subject(network)
    assert made.regions == {"V4": ("V4",)}
    assert made.timeline.end_ms == 10_000
