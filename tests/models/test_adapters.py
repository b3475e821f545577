"""Modules that are not wirings, seen as models with areas and timesteps."""

import copy
import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from neurorec._torchvision import make_torchvision_importable
from neurorec.models import RecurrentModel, to_images
from neurorec.models.adapters import feedforward, per_timestep
from neurorec.recording import record
from neurorec.stimuli import StimulusSet

SIZE = 16
AREAS = {"V1": "0", "V4": "3", "IT": "6"}


def sequential():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(6 * 4 * 4, 8),
        nn.Dropout(),
        nn.Linear(8, 5),
    ).eval()


class Area(nn.Module):
    """Input and state to output and state; no input is an input of zeros."""

    def __init__(self, n_inputs, channels, stride, size):
        super().__init__()
        self.shape = (channels, size, size)
        self.input = nn.Conv2d(n_inputs, channels, 3, stride=stride, padding=1)
        self.lateral = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.nonlinearity = nn.ReLU(inplace=True)

    def forward(self, x, state, n_trials):
        drive = torch.zeros(n_trials, *self.shape) if x is None else self.input(x)
        state = 0 if state is None else state
        output = self.nonlinearity(self.lateral(drive + state))
        return output, output


class CORnetLike(nn.Module):
    """Two areas that hear one another's last output, for ``times`` timesteps."""

    def __init__(self, times=4, every_timestep=False):
        super().__init__()
        torch.manual_seed(1)
        self.times, self.every_timestep = times, every_timestep
        self.V1, self.IT = Area(3, 4, 2, 8), Area(4, 6, 2, 4)
        self.decoder = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))

    def forward(self, x):
        v1 = it = state_v1 = state_it = None
        answers = []
        for _ in range(self.times):
            v1_before = v1
            v1, state_v1 = self.V1(x, state_v1, len(x))
            it, state_it = self.IT(v1_before, state_it, len(x))
            if self.every_timestep:
                answers.append(self.decoder(it))
        return answers if self.every_timestep else self.decoder(it)


class Net(nn.Module):
    """A net that counts its passes and may need values, which the meta device does not have."""

    def __init__(self, net, needs_values):
        super().__init__()
        self.net, self.needs_values, self.passes = net, needs_values, []
        self.register_buffer("n_passes", torch.zeros(()))

    def forward(self, x):
        self.n_passes += 1
        self.passes.append(len(x))
        if self.needs_values and x.sum().item() < 0:
            raise ValueError("negative images")
        return self.net(x)


@pytest.fixture
def images():
    return torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))


def hooked(module, paths, x):
    """All outputs of the submodules, by hooks of the test's own, and what the module returned."""
    seen = {path: [] for path in paths}
    handles = []
    for path, outputs in seen.items():

        def keep(_module, _inputs, output, outputs=outputs):
            outputs.append((output[0] if isinstance(output, tuple) else output).clone())

        handles.append(module.get_submodule(path).register_forward_hook(keep))
    returned = module(x)
    for handle in handles:
        handle.remove()
    return seen, returned


def recorded(model, images, timesteps):
    """Activity (trial, unit, timestep) by area and logits, gathered as a recording does."""
    slabs = {area: [] for area in [*model.area_shapes, "logits"]}
    with torch.inference_mode():
        for _, state in model.unroll(images, timesteps, model.init_state(len(images))):
            for area in model.area_shapes:
                slabs[area].append(state[area]["h"].flatten(1))
            slabs["logits"].append(model.readout(state))
    return {name: torch.stack(values, dim=2) for name, values in slabs.items()}


def hooks_left(module):
    return sum(len(m._forward_hooks) for m in module.modules())


def adapters():
    return {
        "constant": feedforward(sequential(), AREAS, input_size=SIZE),
        "sweep": feedforward(sequential(), AREAS, input_size=SIZE, mode="sweep"),
        "per_timestep": per_timestep(CORnetLike(), {"V1": "V1", "IT": "IT"}, input_size=SIZE),
    }


@pytest.mark.parametrize("kind", adapters())
def test_the_protocol(kind, images):
    model = adapters()[kind]
    assert isinstance(model, RecurrentModel)
    assert model.stochastic_areas == frozenset()
    assert model.device == torch.device("cpu")
    assert model.logits_shape == (5,)
    assert (model.input_size, model.dt_ms) == (SIZE, 10)
    seeded = model.init_state(2, trial_seeds=torch.tensor([1, 2]))
    plain = model.init_state(2)
    steps = min(model.timesteps, 3)
    for (_, a), (_, b) in zip(
        model.unroll(images, steps, seeded), model.unroll(images, steps, plain), strict=True
    ):
        for area, shape in model.area_shapes.items():
            assert a[area]["h"].shape == plain[area]["h"].shape == (2, *shape)
            assert len(shape) == 3
            assert torch.equal(a[area]["h"], b[area]["h"])
        assert model.readout(a).shape == model.readout(plain).shape == (2, 5)


@pytest.mark.parametrize("kind", adapters())
@torch.no_grad()
def test_unroll_is_a_loop_over_step(kind, images):
    model = adapters()[kind]
    steps = 4
    state = model.init_state(2)
    for timestep, unrolled in model.unroll(images, steps):
        before = copy.deepcopy(state)
        after = model.step(images, state)
        assert torch.equal(state["trial"]["timestep"], before["trial"]["timestep"])
        state = after
        assert int(state["trial"]["timestep"]) == timestep + 1
        for name in [*model.area_shapes, "logits"]:
            assert torch.equal(state[name]["h"], unrolled[name]["h"])
    # And an unroll that begins on the way.
    states = [state for _, state in model.unroll(images, steps)]
    (first, later), *_ = model.unroll(images, 1, states[1])
    assert first == 0
    assert torch.equal(later["IT"]["h"], states[2]["IT"]["h"])
    assert torch.equal(later["trial"]["timestep"], states[2]["trial"]["timestep"])


def test_constant_is_what_direct_hooks_see(images):
    module = sequential()
    model = feedforward(module, AREAS, input_size=SIZE)
    assert model.area_shapes == {"V1": (4, 8, 8), "V4": (6, 4, 4), "IT": (8, 1, 1)}
    assert model.timesteps == 1
    expected, logits = hooked(module, AREAS.values(), images)
    seen = recorded(model, images, 3)
    for timestep in range(3):
        for area, path in AREAS.items():
            assert torch.equal(seen[area][:, :, timestep], expected[path][0].flatten(1))
        assert torch.equal(seen["logits"][:, :, timestep], logits)
    assert (expected["0"][0] < 0).any()  # which the next layer, in place, takes away


def test_sweep_releases_one_area_per_timestep(images):
    module = sequential()
    # Named in another order than they are called in.
    model = feedforward(module, dict(reversed(AREAS.items())), input_size=SIZE, mode="sweep")
    assert list(model.area_shapes) == ["V1", "V4", "IT"]
    assert model.timesteps == 3
    expected, logits = hooked(module, AREAS.values(), images)
    seen = recorded(model, images, 5)
    for onset, (area, path) in enumerate(AREAS.items()):
        assert (seen[area][:, :, :onset] == 0).all()
        for timestep in range(onset, 5):
            assert torch.equal(seen[area][:, :, timestep], expected[path][0].flatten(1))
    assert (seen["logits"][:, :, :2] == 0).all()
    for timestep in range(2, 5):
        assert torch.equal(seen["logits"][:, :, timestep], logits)


def test_sweep_of_a_sequence_is_a_pipeline(images):
    module = sequential()
    model = feedforward(module, AREAS, input_size=SIZE, mode="sweep")
    frames = torch.stack([images, 1 - images, images**2, images / 2])
    with torch.no_grad():
        states = [state for _, state in model.unroll(frames, 4)]
        for onset, (area, path) in enumerate(AREAS.items()):
            for timestep in range(onset, 4):
                expected, _ = hooked(module, [path], frames[timestep - onset])
                seen = states[timestep][area]["h"]
                assert torch.equal(seen.flatten(1), expected[path][0].flatten(1))
        assert torch.equal(model.readout(states[3]), module(frames[1]))
    with pytest.raises(ValueError, match="asked for 5 timesteps of a sequence of 4 frames"):
        next(model.unroll(frames, 5))


def test_every_call_of_a_module_is_a_timestep(images):
    module = CORnetLike()
    model = per_timestep(module, {"V1": "V1", "IT": "IT"}, input_size=SIZE)
    assert model.area_shapes == {"V1": (4, 8, 8), "IT": (6, 4, 4)}
    assert model.timesteps == model.max_timesteps == 4
    expected, logits = hooked(module, ["V1", "IT"], images)
    seen = recorded(model, images, 4)
    for area in ("V1", "IT"):
        for timestep in range(4):
            assert torch.equal(seen[area][:, :, timestep], expected[area][timestep].flatten(1))
    assert not torch.equal(seen["V1"][:, :, 1], seen["V1"][:, :, 2])
    # A single answer is the last timestep's.
    assert (seen["logits"][:, :, :3] == 0).all()
    assert torch.equal(seen["logits"][:, :, 3], logits)


def test_a_decoder_answers_at_every_timestep(images):
    module, answering = CORnetLike(), CORnetLike(every_timestep=True)
    areas = {"V1": "V1", "IT": "IT"}
    decoded = recorded(per_timestep(module, areas, input_size=SIZE, decoder="decoder"), images, 4)
    returned = recorded(per_timestep(answering, areas, input_size=SIZE), images, 4)
    assert torch.equal(decoded["logits"], returned["logits"])
    assert torch.equal(decoded["logits"][:, :, 3], module(images))
    assert torch.equal(torch.stack(answering(images), dim=2), returned["logits"])


@pytest.mark.parametrize("kind", adapters())
def test_a_recording_is_what_direct_hooks_see(kind, tmp_path):
    pixels = np.random.default_rng(4).integers(0, 256, (5, 20, 20, 3)).astype(np.uint8)
    table = pd.DataFrame({"stimulus_id": [f"s{i}" for i in range(5)]})
    model = adapters()[kind]
    training = {name: m.training for name, m in model.module.named_modules()}
    recording = record(
        model,
        StimulusSet(identifier="noise", pixels=pixels, table=table),
        out=tmp_path / "r.h5",
        batch_size=2,
        device="cpu",
    )
    with torch.no_grad():
        expected, logits = hooked(model.module, model.submodules.values(), to_images(pixels, SIZE))
    for area, path in model.submodules.items():
        seen = recording.load(area)
        assert seen.sizes["time_bin"] == model.timesteps
        last = expected[path][-1].flatten(1).numpy()
        # Batches of another size may be summed in another order.
        np.testing.assert_allclose(seen.values[:, :, -1], last, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(recording.logits().values[:, :, -1], logits, rtol=1e-5, atol=1e-6)
    assert {name: m.training for name, m in model.module.named_modules()} == training
    assert recording.provenance["model"] == model.description()


def test_images_are_normalised_for_the_module(images):
    module = sequential()
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    model = feedforward(module, AREAS, input_size=SIZE, input_mean=mean, input_std=std)
    of_channels = [torch.tensor(v).view(3, 1, 1) for v in (mean, std)]
    expected = module((images - of_channels[0]) / of_channels[1])
    torch.testing.assert_close(model.readout(model.step(images, model.init_state(2))), expected)


def test_gradients_flow_and_weights_are_the_modules(images):
    module = sequential().double()
    model = feedforward(module, AREAS, input_size=SIZE)
    assert set(model.state_dict()) == {f"module.{name}" for name in module.state_dict()}
    images.requires_grad_()
    state = model.step(images, model.init_state(2))
    assert state["V4"]["h"].dtype == model.init_state(2)["V4"]["h"].dtype == torch.float64
    (model.readout(state).sum() + state["V1"]["h"].sum()).backward()
    assert images.grad.abs().sum() > 0
    assert module[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("needs_values", [False, True])
def test_wrapping_changes_nothing(needs_values, images):
    module = Net(sequential().train(), needs_values)
    module.net[1].eval()
    training = {name: m.training for name, m in module.named_modules()}
    before = copy.deepcopy(module.state_dict())
    drawn = torch.get_rng_state()
    areas = {area: f"net.{path}" for area, path in AREAS.items()}
    model = feedforward(module, areas, input_size=SIZE)
    assert model.area_shapes == {"V1": (4, 8, 8), "V4": (6, 4, 4), "IT": (8, 1, 1)}
    # One pass of black images only where a copy without values does not do.
    assert len(module.passes) == needs_values
    assert torch.equal(torch.get_rng_state(), drawn)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert {p.device.type for p in module.parameters()} == {"cpu"}
    assert hooks_left(module) == 0
    model.step(images, model.init_state(2))
    assert {name: m.training for name, m in module.named_modules()} == training


def test_batch_norms_in_training_can_be_wrapped():
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4), nn.Flatten()
    )
    model = feedforward(module, {"V1": "2"}, input_size=8)
    assert model.area_shapes == {"V1": (4, 1, 1)}
    assert torch.equal(module[2].running_mean, torch.zeros(4))


def test_hooks_go_after_an_exception():
    module = Net(sequential(), needs_values=True)
    model = feedforward(module, {"V1": "net.0"}, input_size=SIZE)
    with pytest.raises(ValueError, match="negative images"):
        model.step(-torch.ones(1, 3, SIZE, SIZE), model.init_state(1))
    assert hooks_left(module) == 0


def test_descriptions_tell_models_apart():
    def description(**changes):
        return feedforward(sequential(), AREAS, input_size=SIZE, **changes).description()

    plain = description()
    assert json.loads(json.dumps(plain)) == plain
    assert plain == description()
    assert plain["areas"]["IT"] == {"submodule": "6", "shape": [8, 1, 1]}
    others = [description(mode="sweep"), description(input_mean=0.5), description(dt_ms=20)]
    cornet = per_timestep(CORnetLike(), {"V1": "V1"}, input_size=SIZE)
    activated = sequential()
    activated[4] = nn.GELU()
    others += [
        cornet.description(),
        feedforward(activated, AREAS, input_size=SIZE).description(),
    ]
    assert len({json.dumps(d) for d in [plain, *others]}) == 6
    assert cornet.name == "CORnetLike"


def test_torchvision(images):
    if not make_torchvision_importable():
        pytest.skip("torchvision is not installed")
    import torchvision

    torch.manual_seed(0)
    module = torchvision.models.resnet18(weights=None, num_classes=7).eval()
    areas = {"V1": "conv1", "V2": "layer1", "V4": "layer2.1.bn2", "IT": "avgpool"}
    model = feedforward(module, areas, input_size=SIZE, mode="sweep")
    assert model.area_shapes == {
        "V1": (64, 8, 8),
        "V2": (64, 4, 4),
        "V4": (128, 2, 2),
        "IT": (512, 1, 1),
    }
    with torch.no_grad():
        expected, logits = hooked(module, areas.values(), images)
    seen = recorded(model, images, 4)
    for area, path in areas.items():
        assert torch.equal(seen[area][:, :, 3], expected[path][0].flatten(1))
    assert torch.equal(seen["logits"][:, :, 3], logits)


@pytest.mark.parametrize("adapt", [feedforward, per_timestep])
@pytest.mark.parametrize(
    ("areas", "message"),
    [
        ({}, r"no areas were named; give at least one, such as \{"),
        ({"V 1": "0"}, r"may not be called 'V 1'; use letters"),
        ({"logits": "0"}, r"may not be called 'logits'; .* 'halting'"),
        ({"V1": "00"}, r"Sequential has no submodule '00' for area 'V1'; did you mean \['0'\]"),
        ({"V1": "layer"}, r"no submodule 'layer' for area 'V1'; it has \['0', '1'"),
    ],
)
def test_areas_that_cannot_be(adapt, areas, message):
    with pytest.raises(ValueError, match=message):
        adapt(sequential(), areas, input_size=SIZE)


class Odd(nn.Module):
    """Submodules that are of no use as areas."""

    def __init__(self, output="tensor"):
        super().__init__()
        self.output = output
        self.conv, self.unused, self.twice = nn.Conv2d(3, 4, 3), nn.Identity(), nn.ReLU()
        self.dictionary, self.first, self.volume = (
            Returning("dict"),
            Returning("time"),
            nn.Unflatten(1, (2, 2, 1)),
        )

    def forward(self, x):
        x = self.twice(self.twice(self.conv(x)))
        self.dictionary(x), self.first(x), self.volume(x)
        return {"out": x} if self.output == "dict" else [x.mean(dim=(2, 3))] * 5


class Returning(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        return {"out": x} if self.kind == "dict" else x.transpose(0, 1)


@pytest.mark.parametrize(
    ("adapt", "path", "message"),
    [
        (feedforward, "unused", r"Odd never calls the submodules of \{'V1': 'unused'\}"),
        (feedforward, "twice", r"'twice' \(area 'V1'\) is called 2 times .* use per_timestep"),
        (feedforward, "dictionary", r"'dictionary' .* must give a tensor.* got dict; name or wrap"),
        (feedforward, "first", r"'first' .* here with 3 trials, got \(4, 3, 14, 14\)"),
        (
            feedforward,
            "volume",
            r"\(trial, channel, row, col\) or less, got \(3, 2, 2, 1, 14, 14\)",
        ),
        (per_timestep, "twice", r"a list of 5 for 2 timesteps; name the submodule .* as decoder"),
    ],
)
def test_outputs_that_cannot_be_areas(adapt, path, message):
    module = Odd()
    with pytest.raises(ValueError, match=message):
        adapt(module, {"V1": path}, input_size=SIZE)
    assert hooks_left(module) == 0


def test_modules_that_give_no_logits():
    with pytest.raises(ValueError, match=r"the module must give a tensor, or several .* got dict"):
        feedforward(Odd("dict"), {"V1": "conv"}, input_size=SIZE)


def test_calls_that_are_no_timesteps():
    with pytest.raises(ValueError, match=r"numbers of calls are \{'V1': 4, 'D': 1\}; name"):
        per_timestep(CORnetLike(), {"V1": "V1", "D": "decoder"}, input_size=SIZE)
    with pytest.raises(ValueError, match="no submodule 'decode' for the decoder; did you mean"):
        per_timestep(CORnetLike(), {"V1": "V1"}, input_size=SIZE, decoder="decode")


def test_more_timesteps_than_the_module_runs(images):
    model = per_timestep(CORnetLike(), {"V1": "V1"}, input_size=SIZE)
    with pytest.raises(ValueError, match="CORnetLike is 4 timesteps, asked for 5; build"):
        next(model.unroll(images, 5))
    last = [state for _, state in model.unroll(images, 4)][-1]
    with pytest.raises(ValueError, match="is 4 timesteps, asked for 5"):
        model.step(images, last)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (4, 2, 3, SIZE, SIZE)])
def test_wrong_images(shape):
    model = per_timestep(CORnetLike(), {"V1": "V1"}, input_size=SIZE)
    with pytest.raises(ValueError, match=r"CORnetLike takes images \(trial, 3, 16, 16\), got \("):
        next(model.unroll(torch.zeros(shape), 1))


def test_wrong_mode():
    with pytest.raises(
        ValueError, match=r"mode must be one of \['constant', 'sweep'\], got 'both'"
    ):
        feedforward(sequential(), AREAS, input_size=SIZE, mode="both")
