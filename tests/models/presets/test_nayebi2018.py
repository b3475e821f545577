"""The ConvRNNs of Nayebi et al.: sizes, time, and the equations of whole nodes."""

import pytest
import torch
import torch.nn.functional as F

from neurorec.models import RecurrentNetwork, Wiring, build, preset
from neurorec.models.cell_options import (
    UGRNN,
    ConvGRU,
    ConvLSTM,
    IntersectionRNN,
    Memoryless,
    RGCMedian,
    RGCShallow,
    SimpleRNN,
)
from neurorec.models.parts import Norm
from neurorec.models.summary import cost

from .plain_nayebi2018 import (
    DEPTH,
    MEAN,
    STD,
    TRUNKS,
    after,
    convolved,
    depth,
    first_layer,
    images,
    pooled,
    reduced,
    running,
    weights,
)

pytestmark = pytest.mark.slow

#: Parameters of the released models, shallow and intermediate.
N_PARAMETERS = {
    "timedecay": (4_197_739, 16_403_439),
    "simplernn": (6_272_872, 33_512_936),
    "gru": (25_434_472, 67_725_032),
    "lstm": (21_126_248, 84_832_232),
    "ugrnn": (18_355_560, 50_617_832),
    "intersectionrnn": (32_513_384, 84_832_232),
    "rgc": (23_956_840, 15_445_800),
}
NAMES = [f"nayebi2018-{cell}-{trunk}" for cell in N_PARAMETERS for trunk in DEPTH]
#: Feedback of the intermediate RGC: sources of each layer's.
FEEDBACK = {5: (8,), 6: (7, 9), 7: (10,), 9: (10,)}


@pytest.mark.parametrize("cell", N_PARAMETERS)
def test_parameter_counts(cell):
    counts = [cost(preset(f"nayebi2018-{cell}-{trunk}"), "parameters") for trunk in DEPTH]
    assert tuple(counts) == N_PARAMETERS[cell]


@pytest.mark.parametrize(
    ("trunk", "expected"), [("shallow", 4_197_736), ("intermediate", 16_403_432)]
)
def test_parameter_counts_of_the_trunks(trunk, expected):
    content = preset(f"nayebi2018-timedecay-{trunk}").model_dump()
    for area in content["areas"]:
        area["cell"] = "none"
    assert cost(Wiring.model_validate(content), "parameters") == expected


@pytest.mark.parametrize(
    ("name", "channels", "sizes"),
    [
        ("timedecay-shallow", [64, 128, 256, 256, 512, 1000], [112, 56, 28, 14, 7, 3]),
        ("simplernn-shallow", [64, 128, 128, 256, 256, 1000], [112, 56, 28, 14, 7, 3]),
        ("lstm-shallow", [64, 128, 128, 256, 256, 1000], [112, 56, 28, 14, 7, 3]),
        (
            "gru-intermediate",
            [64, 64, 64, 128, 128, 256, 256, 512, 512, 512, 512],
            [112, 56, 56, 56, 28, 28, 14, 7, 7, 7, 4],
        ),
        (
            "rgc-intermediate",
            [64, 128, 128, 128, 128, 256, 256, 256, 512, 512, 512],
            [112, 56, 56, 56, 28, 28, 14, 7, 7, 7, 4],
        ),
    ],
)
def test_maps(name, channels, sizes):
    shapes = preset(f"nayebi2018-{name}").shapes()
    found = [shapes[f"conv{n}"] for n in range(1, len(sizes))] + [shapes["readout"]]
    assert found == [(c, n, n) for c, n in zip(channels, sizes, strict=True)]


@pytest.mark.parametrize("trunk", DEPTH)
@pytest.mark.parametrize("mode", ["biological", "engineering"])
def test_without_decay_the_readout_becomes_the_feedforward_output(trunk, mode):
    n = DEPTH[trunk]
    found = reduced(f"nayebi2018-timedecay-{trunk}", on_timesteps=None, timesteps=n + 2)
    network = running(found.unrolled(mode))
    image = images(network, 2)
    with torch.no_grad():
        logits, expected = network(image), TRUNKS[trunk](weights(network), image)
    known = n - 1 if mode == "biological" else 0
    for t in range(known, n + 2):
        torch.testing.assert_close(logits[t], expected, rtol=1e-10, atol=1e-10)
    for t in range(known):
        assert (logits[t] - expected).abs().max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_a_change_climbs_one_layer_per_timestep(name):
    changed_at, timesteps = 2, depth(name) + 2
    network = running(reduced(name, on_timesteps=None, timesteps=timesteps))
    frames = images(network, timesteps, 1).repeat(1, 2, 1, 1, 1)
    frames[changed_at, 1] = 1 - frames[changed_at, 1]
    first = {}
    with torch.no_grad():
        for t, state in network.unroll(frames, timesteps):
            for area in network.area_shapes:
                one, other = state[area]["h"]
                if (one - other).abs().max() > 1e-9 * one.abs().max():  # more than rounding
                    first.setdefault(area, t)
    for area in network.wiring.areas:
        n = depth(name) if area.name == "readout" else int(area.place.removeprefix("conv"))
        assert first[area.name] == changed_at + n - 1, area.name


@pytest.mark.parametrize("name", NAMES)
def test_the_unroll_is_the_biological_one(name):
    found = preset(name)
    assert found.unrolled("biological") == found
    climbing = [c for c in found.unrolled("engineering").connections if c.kind != "feedback"]
    assert {c.delay for c in climbing} == {0}


def drawn_state(network, n_trials):
    generator = torch.Generator().manual_seed(3)
    state = network.init_state(n_trials)
    for name in network.area_shapes:
        for key, old in state[name].items():
            state[name][key] = torch.randn(old.shape, generator=generator, dtype=old.dtype)
    return state


def assert_cell_got(network, name, old, new, drive, modulation):
    """See that the cell of ``name`` was given a drive and a modulation."""
    cell = network.areas[name].cell
    expected = cell(cell.prepare(drive, modulation), old[name], 0)
    for key in cell.states:
        torch.testing.assert_close(new[name][key], expected[key], rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_shallow_rgc_hears_its_input_twice():
    network = running(reduced("nayebi2018-rgc-shallow"))
    p, old = weights(network), drawn_state(network, 2)
    new = network.step(images(network, 2), old)
    for n in (3, 4, 5):
        before, name = f"conv{n - 1}", f"conv{n}"
        u = pooled(old[before]["h"])
        drive = F.elu(convolved(p, u, before, name, padding=1))
        gate = p[f"areas.{name}.links.{before}_modulation.operator.weight"]
        assert_cell_got(network, name, old, new, drive, F.conv2d(u, gate, padding=1))


@torch.no_grad()
def test_intermediate_rgc_hears_its_input_and_the_concatenated_feedback():
    network = running(reduced("nayebi2018-rgc-intermediate"))
    p, old, image = weights(network), drawn_state(network, 2), images(network, 2)
    new = network.step(image, old)
    torch.testing.assert_close(new["conv1"]["h"], first_layer(p, image), rtol=1e-10, atol=1e-10)
    for n in (2, 3):
        before, name = f"conv{n - 1}", f"conv{n}"
        u = after(n - 1, old[before]["h"])
        expected = F.elu(convolved(p, u, before, name, padding=1))
        torch.testing.assert_close(new[name]["h"], expected, rtol=1e-10, atol=1e-10)
    for n in range(4, 11):
        before, name = f"conv{n - 1}", f"conv{n}"
        links = f"areas.{name}.links."
        u = after(n - 1, old[before]["h"])
        projection = p.get(f"{links}{before}_modulation.operator.weight")
        modulation = u if projection is None else F.conv2d(u, projection)
        if n in FEEDBACK:
            parts = [f"{links}conv{source}_modulation.operator." for source in FEEDBACK[n]]
            maps = [
                F.interpolate(
                    after(source, old[f"conv{source}"]["h"]),
                    u.shape[2:],
                    mode="bilinear",
                    align_corners=True,
                )
                for source in FEEDBACK[n]
            ]
            kernel = torch.cat([p[f"{part}weight"] for part in parts], 1)
            [bias] = [p[f"{part}bias"] for part in parts if f"{part}bias" in p]
            modulation = modulation + F.conv2d(torch.cat(maps, 1), kernel, bias)
        drive = convolved(p, u, before, name, padding=1)
        assert_cell_got(network, name, old, new, drive, modulation)


@pytest.mark.parametrize("name", ["gru-shallow", "gru-intermediate", "rgc-intermediate"])
def test_the_released_off_stimulus(name):
    released = preset(f"nayebi2018-{name}")
    assert (released.on_timesteps, released.dt_ms) == (12, 10)
    assert released.timesteps == {6: 16, 11: 17}[depth(name)]
    found = reduced(released.name, on_timesteps=1, timesteps=depth(name) + 2)
    network, shown = running(found), running(found.model_copy(update={"on_timesteps": None}))
    image = images(network, 1)
    raw = (MEAN + STD / 2).expand(image.shape[1:])
    known = torch.tensor([0.600, 0.568, 0.519], dtype=torch.float64)
    torch.testing.assert_close(raw[:, 0, 0], known, rtol=0, atol=6e-4)
    frames = torch.stack([image, *[raw[None]] * (found.timesteps - 1)])
    with torch.no_grad():
        torch.testing.assert_close(network(image), shown(frames), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("cell", "trunk", "expected"),
    [
        ("simplernn", "shallow", SimpleRNN(nonlinearity="elu", norm=Norm(kind="group"))),
        ("simplernn", "intermediate", SimpleRNN(nonlinearity="elu")),
        ("gru", "*", ConvGRU(nonlinearity="tanh", update="keep", reset_offset=1, gate_bias=1)),
        ("lstm", "intermediate", ConvLSTM(forget_offset=1, initial_bias=0)),
        ("ugrnn", "*", UGRNN(gate_offset=1)),
        ("intersectionrnn", "*", IntersectionRNN(gate_offset=1)),
        ("rgc", "shallow", RGCShallow(kernel=3, bias=False)),
        (
            "rgc",
            "intermediate",
            RGCMedian(memory_channels=64, kernel=3, gate_kernel=7, memory_kernel=2),
        ),
    ],
)
def test_cells(cell, trunk, expected):
    for name in DEPTH if trunk == "*" else (trunk,):
        areas = preset(f"nayebi2018-{cell}-{name}").areas
        cells = [area.cell for area in areas if area.cell != Memoryless()]
        assert cells == [expected] * {"shallow": 3, "intermediate": 7}[name]


@pytest.mark.parametrize(
    ("layer", "bias", "offset"),
    [("conv3", 1.6428, 1.3562), ("conv4", -1.1660, 0.9780), ("conv5", -1.3495, 0.9249)],
)
def test_biases_of_the_shallow_lstm(layer, bias, offset):
    cell = RecurrentNetwork(reduced("nayebi2018-lstm-shallow")).areas[layer].cell
    assert cell.forget_offset == offset
    torch.testing.assert_close(cell.of_drive.bias, torch.full_like(cell.of_drive.bias, bias))


@pytest.mark.parametrize("trunk", DEPTH)
def test_biases_of_the_gru(trunk):
    cells = [
        area.cell
        for name, area in RecurrentNetwork(reduced(f"nayebi2018-gru-{trunk}")).areas.items()
        if hasattr(area.cell, "of_drive")
    ]
    assert len(cells) == {"shallow": 3, "intermediate": 7}[trunk]
    for cell in cells:
        gates, candidate = cell.of_drive.bias.tensor_split([2 * cell.frame.channels])
        assert (gates == 1).all()
        assert (candidate == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_parameter(name):
    network = running(reduced(name))
    network(images(network, 1)).square().sum().backward()
    unreached = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not unreached


def test_fewer_timesteps_than_the_image_is_on():
    network = running(reduced("nayebi2018-rgc-intermediate", timesteps=6))
    assert network(images(network, 1)).shape == (6, 1, 10)


def test_the_control_of_an_rgc_has_no_modulation():
    found = preset("nayebi2018-rgc-shallow")
    control = found.matched_control()
    assert {c.role for c in control.connections} == {"drive"}
    wanted = cost(found, "parameters")
    assert cost(control, "parameters") == pytest.approx(wanted, rel=0.01)


@pytest.mark.slow
def test_full_width():
    network = build("nayebi2018-rgc-intermediate", input_size=64, timesteps=6)
    logits = network(torch.rand(1, 3, 64, 64))
    logits.sum().backward()
    assert logits.shape == (6, 1, 1000)


@pytest.mark.slow
@torch.no_grad()
def test_full_size():
    network = build("nayebi2018-rgc-intermediate")
    state = network.init_state(1)
    for _ in range(2):
        state = network.step(torch.rand(1, 3, 224, 224), state)
    assert network.readout(state).shape == (1, 1000)
    assert state["conv10"]["c"].shape == (1, 64, 7, 7)
