"""The models of Veerabadran et al.: sizes, the fixed stem, time, and what learns."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from neurorec.models import build, preset
from neurorec.models.build import wiring
from neurorec.models.presets import PRESETS
from neurorec.models.summary import cost

pytestmark = pytest.mark.slow

NAMES = [name for name in PRESETS if name.startswith("veerabadran2023")]
PATHFINDER = [name for name in NAMES if "pathfinder" in name]
MAZES = [name for name in NAMES if "mazes" in name]
#: Cells whose norms have parameters of each timestep.
BOUND = [name for name in NAMES if "hconvgru" in name]


def small(name, **changes):
    """The preset for small images, ready to be looked at."""
    size = 24 if name in PATHFINDER else 8
    return build(name, **{"input_size": size, **changes}).eval()


@torch.no_grad()
def drawn(network):
    """The network with norms and biases that do something."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        if tensor.ndim == 1 and "halting" not in name:
            tensor += 0.3 * torch.rand(tensor.shape, generator=generator)
    return network


def areas(network) -> Any:
    return network.areas


def unit(network) -> Any:
    """The halting unit."""
    return network.halting


def batch_normed(norm, x, eps):
    """By the statistics of the norm."""
    scale = norm.weight / (norm.running_var + eps).sqrt()
    shift = norm.bias - norm.running_mean * scale
    return x * scale[:, None, None] + shift[:, None, None]


def images(network, n_trials=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    size = network.wiring.input_size
    return torch.rand(n_trials, 3, size, size, generator=generator)


def with_cell(found, **cell):
    """The wiring with another recurrent cell."""
    areas = [area.model_dump() for area in found.areas]
    areas[1]["cell"] = cell
    return wiring(found, areas=areas)


def test_every_cell_has_both_wrappers():
    cells = ("locrnn", "convgru", "hconvgru", "rresnet", "rgc")
    wanted = {
        f"veerabadran2023-{cell}-{task}" for cell in cells for task in ("pathfinder", "mazes")
    }
    assert wanted <= set(NAMES)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("locrnn", 335_520), ("hconvgru", 244_064), ("convgru", 637_408), ("rresnet", 632_592)],
)
def test_parameters_of_the_maze_models(cell, expected):
    assert cost(preset(f"veerabadran2023-{cell}-mazes"), "parameters") == expected


def test_parameters_of_the_maze_models_without_a_cell():
    found = preset("veerabadran2023-rgc-mazes")
    assert cost(with_cell(found, kind="none"), "parameters") == 22_816


@pytest.mark.parametrize(
    ("name", "cell", "expected"),
    [
        ("locrnn-pathfinder", {}, 223_872),
        ("locrnn-pathfinder", {"kind": "locrnn", "kernel": 7, "interneuron_kernel": 5}, 158_336),
        ("locrnn-pathfinder-24k7", {}, 89_952),
        ("convgru-pathfinder", {}, 197_640),
        # With a norm of its output.
        ("hconvgru-pathfinder", {}, 171_296),
        ("rgc-pathfinder", {}, 102_528),
    ],
)
def test_parameters_of_the_pathfinder_cells(name, cell, expected):
    found = preset(f"veerabadran2023-{name}")
    around = 2 * 32 + (found.area("recurrent").channels + 1) * 2 + (2 + 1) * 2
    found = with_cell(found, **cell) if cell else found
    assert cost(found, "parameters") - around == expected


@pytest.mark.parametrize("name", NAMES)
def test_timesteps_and_cells(name):
    found, maze = preset(name), name in MAZES
    assert found.timesteps == {"veerabadran2023-rresnet-mazes": 8}.get(name, 15 if maze else 12)
    # The options with which the cells agree with the public ones, but for their kernels.
    cell = found.area("recurrent").cell
    kernels = {key: value for key, value in cell.model_dump().items() if key.endswith("kernel")}
    assert cell == type(cell)(**kernels)


def test_maps():
    assert preset("veerabadran2023-locrnn-pathfinder").shapes() == {
        "gabor": (32, 80, 80),
        "recurrent": (32, 40, 40),
        "scores": (2, 40, 40),
    }
    assert preset("veerabadran2023-locrnn-mazes").shapes() == {
        "stem": (64, 32, 32),
        "recurrent": (64, 32, 32),
        "head1": (32, 32, 32),
        "head2": (8, 32, 32),
        "head3": (2, 32, 32),
    }


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is(name):
    found = preset(name)
    assert "2311.06964" in found.source
    assert (found.input_mean, found.input_std) == (0, 1)
    assert found.our_choices
    foreign = name in ("veerabadran2023-rgc-mazes", "veerabadran2023-rresnet-pathfinder")
    assert ("the combination of this cell with this task" in found.our_choices) == foreign


@pytest.mark.parametrize("name", MAZES)
def test_mazes_have_logits_for_every_pixel_at_every_timestep(name):
    network = build(name, timesteps=3).eval()
    with torch.no_grad():
        logits = network(images(network))
    assert tuple(logits.shape) == (3, 2, 2, 32, 32)
    assert not logits[1].equal(logits[2])


@pytest.mark.parametrize("name", PATHFINDER)
def test_pathfinder_has_two_logits_at_every_timestep(name):
    network = small(name, timesteps=3)
    with torch.no_grad():
        logits = network(images(network))
    assert tuple(logits.shape) == (3, 2, 2)


@pytest.mark.parametrize("name", PATHFINDER)
@torch.no_grad()
def test_pathfinder_around_the_cell(name):
    network = drawn(small(name, timesteps=2))
    gabor, recurrent, scores = (areas(network)[a] for a in ("gabor", "recurrent", "scores"))
    x = images(network)
    *_, (_, state) = network.unroll(x, 2)
    filtered = F.conv2d(x, gabor.links["image_0"].operator.weight, stride=2, padding=5)
    stem = F.relu(batch_normed(gabor.norm.norms[0], filtered, 1e-5))
    torch.testing.assert_close(state["gabor"]["h"], stem)
    carried = recurrent.links["gabor_0"](stem, 0)
    torch.testing.assert_close(carried, F.max_pool2d(stem, 3, 2, 1))
    link, h = scores.links["recurrent_0"], state["recurrent"]["h"]
    if name in BOUND:
        scored = scores.operator(batch_normed(link.norm.norms[0], h, 1e-3))
    else:
        scored = link.operator(h) + scores.bias
    torch.testing.assert_close(state["scores"]["h"], scored)
    linear: Any = network.decoder.linear
    torch.testing.assert_close(network.readout(state), linear(scored.amax(dim=(2, 3))))


@torch.no_grad()
def test_the_output_norm_of_the_hconvgru_precedes_the_head():
    network = drawn(small("veerabadran2023-hconvgru-mazes", timesteps=2))
    *_, (_, state) = network.unroll(images(network), 2)
    head, h = areas(network)["head1"], state["recurrent"]["h"]
    normed = batch_normed(head.links["recurrent_0"].norm.norms[0], h, 1e-3)
    convolved = F.conv2d(normed, head.operator.weight, padding=1)
    expected = F.relu(batch_normed(head.norm.norms[0], convolved, 1e-5))
    torch.testing.assert_close(state["head1"]["h"], expected)


@pytest.mark.parametrize("size", [24, 28])
def test_weights_do_not_depend_on_the_size_of_the_maze(size):
    name = "veerabadran2023-locrnn-mazes"
    weights = small(name).state_dict()
    larger = small(name, input_size=size, seed=1)
    larger.load_state_dict(weights)
    with torch.no_grad():
        assert tuple(larger(images(larger), timesteps=2).shape) == (2, 2, 2, size, size)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_learns(name):
    network = drawn(small(name))
    network.answer(images(network)).logits.square().sum().backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


@pytest.mark.parametrize("name", [n for n in NAMES if n not in BOUND])
def test_runs_for_longer_than_it_was_trained(name):
    network = small(name, timesteps=2)
    with torch.no_grad():
        n_timesteps = len(network(images(network), timesteps=4))
    assert n_timesteps == 4


@pytest.mark.parametrize("name", BOUND)
def test_norms_of_single_timesteps_forbid_that(name):
    network = small(name)
    n = network.wiring.timesteps
    with pytest.raises(ValueError, match=f"for {n} timesteps, not for {n + 1}: area 'recurrent'"):
        network(images(network), timesteps=n + 1)


@pytest.mark.parametrize("name", BOUND)
def test_a_noisy_start_belongs_to_the_trial(name):
    network = small(name, timesteps=2)
    x = images(network, n_trials=1).expand(3, -1, -1, -1)
    state = network.init_state(3, trial_seeds=torch.tensor([7, 8, 7]))
    std = state["recurrent"]["h"].std().item()
    assert std == pytest.approx(network.wiring.area("recurrent").cold_start.std, rel=0.1)
    with torch.no_grad():
        first, second, third = network(x, state=state)[-1]
    assert first.equal(third)
    assert not first.equal(second)


@pytest.mark.parametrize("cell", ["locrnn", "rresnet"])
def test_what_starts_from_its_drive_waits_for_it(cell):
    name = f"veerabadran2023-{cell}-mazes"
    at_once = small(name, timesteps=6)
    late = build(at_once.wiring.unrolled("biological")).eval()
    weights = at_once.state_dict()
    late.load_state_dict(
        {k if "image" in k else k.replace("_0.", "_1."): weights[k] for k in weights}
    )
    x = images(at_once)
    with torch.no_grad():
        # Four connections between areas lie between image and logits.
        torch.testing.assert_close(late(x, timesteps=10)[4:], at_once(x))


ACT = "veerabadran2023-locrnn-pathfinder-act"


def test_the_halting_unit_reads_the_long_range_population():
    network = small(ACT)
    assert tuple(unit(network).weight.shape) == (32,)
    _, state = next(network.unroll(images(network), 1))
    expected = unit(network)(state["recurrent"]["h"])
    assert state["halting"]["p"].equal(expected)


@pytest.mark.parametrize("bias", [-1, -2, -3])
def test_a_trial_halts_when_its_probabilities_add_up(bias):
    network = small(ACT)
    with torch.no_grad():
        unit(network).weight.zero_()
        unit(network).bias.fill_(bias)
        longest = 2 * network.wiring.timesteps
        logits, timestep = network.answer(images(network), timesteps=longest)
    p = 1 / (1 + math.exp(-bias))
    assert timestep.tolist() == [math.ceil(0.99 / p) - 1] * 2
    assert tuple(logits.shape) == (2, 2)


def test_fresh_networks_halt_at_the_ninth_timestep():
    network = small(ACT)
    with torch.no_grad():
        assert network.answer(images(network)).timestep.tolist() == [8, 8]


def test_a_trial_that_never_halts_takes_twice_the_time_if_it_may():
    network = small(ACT)
    with torch.no_grad():
        unit(network).bias.fill_(-20)
        for n_timesteps in (12, 24):
            answer = network.answer(images(network), timesteps=n_timesteps)
            assert answer.timestep.tolist() == [n_timesteps - 1] * 2


def test_with_one_timestep_halting_changes_nothing():
    network = small(ACT)
    x = images(network)
    with torch.no_grad():
        assert network.answer(x, timesteps=1).logits.equal(network(x, timesteps=1)[0])


def test_halting_costs_nothing_to_count():
    fixed = preset("veerabadran2023-locrnn-pathfinder")
    assert cost(preset(ACT), "flops") == cost(fixed, "flops")


def test_the_halting_area_must_exist():
    halting = {"area": "recurent"}
    with pytest.raises(ValueError, match=r"halting.area: must be one of .*, got 'recurent'"):
        wiring(ACT, halting=halting)
