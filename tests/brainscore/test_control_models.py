"""Controls: the same model with first weights, and the pixels."""

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

import torchvision

from neurorec.brainscore import Viewing, controls, export, subject, untrained
from neurorec.models import build, save

from .common import model, stimuli_of

REGIONS = {"V4": "a2", "IT": "a3"}
SMALL = Viewing(input_size=8)


def trained():
    """A network whose weights are not those that it began with."""
    network = model("fb-dropout")
    with torch.no_grad():
        for x in network.parameters():
            x.mul_(1.5)
    return network


def same_weights(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


class TestOfWirings:
    @pytest.mark.parametrize("given", ["network", "subject", "checkpoint"])
    def test_weights_are_those_of_the_beginning(self, given, tmp_path):
        network = trained()
        first = build(network.wiring, seed=3)
        if given == "network":
            made = untrained(network, REGIONS, seed=3)
        elif given == "subject":
            made = untrained(subject(network, REGIONS), seed=3)
        else:
            path = save(network, tmp_path / "mine.safetensors", metadata={"classes": '["a"]'})
            made = untrained(path, REGIONS, seed=3)
        assert same_weights(made.model, first)
        assert made.regions == {"V4": ("a2",), "IT": ("a3",)}
        name = "mine" if given == "checkpoint" else "greco2025-fb-dropout"
        assert made.identifier.startswith(f"{name}-untrained-")
        assert not same_weights(network, first)
        assert same_weights(network, trained())  # which stays as it was

    def test_a_subject_keeps_its_settings(self, tmp_path):
        how = {"dt_ms": 20, "onset_ms": 50, "timesteps": 3, "visual_degrees": 4, "seed": 5}
        made = subject(trained(), REGIONS, **how, noise=False, cache_dir=tmp_path)
        fresh = untrained(made, seed=1)
        assert fresh.timeline == made.timeline
        assert fresh.visual_degrees() == 4
        assert fresh.behaviour == made.behaviour
        assert {**fresh.settings, "identifier": 0} == {**made.settings, "identifier": 0}
        stimuli = stimuli_of(tmp_path / "stimuli", n=2)
        fresh.start_recording("V4", [(50, 110)])
        fresh.look_at(stimuli)
        assert len(list(tmp_path.glob("*.h5"))) == 1
        assert (
            fresh.identifier
            == subject(
                build(made.model.wiring, seed=1), REGIONS, **how, noise=False, identifier=fresh.name
            ).identifier
        )

    def test_of_a_plugin(self, tmp_path):
        made = subject(trained(), REGIONS, dt_ms=20)
        folder = export(made, "mine", tmp_path / "plugin")
        fresh = untrained(folder, seed=1)
        assert same_weights(fresh.model, build(made.model.wiring, seed=1))
        assert (fresh.name, fresh.timeline.dt_ms) == ("mine-untrained", 20)

    def test_a_control_has_no_second_surname(self):
        once = untrained("greco2025-fb", REGIONS, seed=1)
        assert untrained(once, seed=2).name == once.name == "greco2025-fb-untrained"


def drawn_with(seed, make):
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        return make()


class TestOfTorch:
    def test_layers_draw_anew(self):
        module = drawn_with(
            9, lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3))
        )
        with torch.no_grad():
            module[1].running_mean.fill_(7)
        kept = {name: x.clone() for name, x in module.state_dict().items()}
        before = torch.random.get_rng_state()
        one, again, other = (
            untrained(module, {"V4": "2"}, seed=seed, viewing=SMALL) for seed in (0, 0, 1)
        )
        assert torch.equal(torch.random.get_rng_state(), before)
        assert one.identifier == again.identifier
        assert not same_weights(one.model, other.model)
        assert one.identifier.startswith("Sequential-untrained-")
        found = one.model.module
        assert (found[0].weight != kept["0.weight"]).all()
        assert (found[1].running_mean == 0).all()
        assert all(torch.equal(x, kept[name]) for name, x in module.state_dict().items())

    def test_a_subject_keeps_its_areas(self):
        module = drawn_with(9, lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)))
        made = subject(module, {"V4": "1"}, viewing=SMALL)
        fresh = untrained(made, seed=0)
        assert fresh.regions == made.regions
        assert list(fresh.model.area_shapes) == list(made.model.area_shapes)
        assert not same_weights(fresh.model, made.model)

    def test_torchvision_begins_as_it_does(self, tmp_path):
        """By its own rule of first weights, and not by that of the layers."""
        path = tmp_path / "w.pt"
        torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), path)
        regions = {"V4": "features_5"}
        made = untrained(f"torchvision:squeezenet1_1:{path}", regions, seed=2)
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(2)
            first = torchvision.models.squeezenet1_1(weights=None)
        assert same_weights(made.model.module, first)
        assert made.name == "squeezenet1_1-untrained"
        assert subject("torchvision:squeezenet1_1", regions, seed=2).identifier == made.identifier


class Fixed(nn.Module):
    """A weight without a rule."""

    def __init__(self):
        super().__init__()
        self.layer1 = nn.Conv2d(3, 4, 3)
        self.layer2 = nn.Conv2d(4, 4, 3)
        self.token = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x):
        return self.layer2(self.layer1(x) + self.token)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("pixels", "has no weights that could be drawn anew"),
        (Fixed(), r"nothing says how to draw the weights \['token'\] of Fixed anew"),
        (3, "a int is no torch module, whose weights could be drawn anew"),
    ],
    ids=["pixels", "parameter", "number"],
)
def test_what_has_no_first_weights(given, message):
    with pytest.raises(ValueError, match=message):
        untrained(given, {"V4": "layer1"})


def test_settings_of_what_keeps_its_own():
    with pytest.raises(ValueError, match="keeps its regions and settings; give it alone"):
        untrained(subject(model(), REGIONS), {"V4": "a1"})


def test_controls_of_a_subject(tmp_path):
    made = subject(trained(), {"V4": "a2"}, device="cpu", visual_degrees=4)
    pixels, fresh = controls(made, seed=3)
    assert pixels.visual_degrees() == fresh.visual_degrees() == 4
    assert pixels.regions == {"V4": ("pixels",)}
    assert fresh.identifier == untrained(made, seed=3).identifier
    stimuli = stimuli_of(tmp_path, n=3)
    for one in (made, pixels, fresh):
        one.start_recording("V4", [(0, 40)])
    x, _, y = (one.look_at(stimuli) for one in (made, pixels, fresh))
    assert x.shape == y.shape
    assert not np.array_equal(x.values, y.values)


def test_what_is_untrained_has_no_such_control():
    made = subject("greco2025-fb", REGIONS, seed=3)
    (pixels,) = controls(made, seed=3)
    assert list(pixels.regions) == ["V4", "IT"]
    assert len(controls(made, seed=4)) == 2


def test_controls_of_another(tmp_path):
    from brainscore_vision.model_interface import BrainModel

    class Other(BrainModel):
        identifier = "other"

    with pytest.raises(ValueError, match="controls are made of neurorec's subjects, other is a Ot"):
        controls(Other())
    with pytest.raises(ValueError, match="a Other is no torch module, whose weights could be"):
        untrained(Other())
