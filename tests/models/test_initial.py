"""Initial weights: how large they are, and what they depend on."""

import math

import pytest
import torch

from neurorec.models import CELLS, RecurrentNetwork, build

from .small import chain, joined, wired


def spread(weight) -> float:
    return weight.detach().std(correction=0).item()


def close(weight, variance) -> bool:
    """Within five standard errors of a standard deviation, 1 / sqrt(2 n) of it."""
    std = math.sqrt(variance)
    return abs(spread(weight) - std) < 5 * std / math.sqrt(2 * weight.numel())


def test_all_inputs_of_a_unit_share_one_variance():
    wiring = wired(
        {"a": {"channels": 32}, "b": {"channels": 24}},
        [
            joined("image", "a"),
            joined("a", "b", operator={"kind": "conv", "kernel": 5, "bias": True}),
            joined("b", "b", 1),
            joined("b", "a", 1, kind="feedback", operator={"kind": "transposed", "stride": 1}),
        ],
        input_size=8,
    )
    network = RecurrentNetwork(wiring)
    a, b = network.areas["a"].links, network.areas["b"].links
    into_a, into_b = 3 * 9 + 24 * 9, 32 * 25 + 24 * 9
    assert close(a["image_0"].operator.weight, 2 / into_a)
    assert close(a["b_1"].operator.weight, 2 / into_a)
    assert close(b["a_0"].operator.weight, 2 / into_b)
    assert close(b["b_1"].operator.weight, 2 / into_b)
    assert not b["a_0"].operator.bias.any()
    assert not network.areas["b"].bias.any()
    assert not network.decoder.linear.bias.any()
    bound = 1 / math.sqrt(24)
    assert 0.95 * bound < network.decoder.linear.weight.abs().max() <= bound


def test_of_a_stride_each_output_sees_a_part_of_the_kernel():
    wiring = wired(
        {"a": {"channels": 32}, "b": {"channels": 32, "stride": 2}},
        [
            joined("image", "a", operator={"kind": "conv", "kernel": 1}),
            joined("a", "b"),
            joined("b", "a", 1, kind="feedback", operator={"kind": "transposed", "kernel": 4}),
        ],
        input_size=8,
    )
    weight = RecurrentNetwork(wiring).areas["a"].links["b_1"].operator.weight
    assert close(weight, 2 / (3 + 32 * 16 / 4))


def test_grouped_convolutions_and_operators_have_their_own_variance():
    wiring = wired(
        {"a": {"channels": 32, "operator": {"kind": "conv"}}},
        [joined("image", "a"), joined("a", "a", 1, operator={"kind": "conv", "groups": 4})],
        input_size=8,
    )
    area = RecurrentNetwork(wiring).areas["a"]
    assert close(area.links["image_0"].operator.weight, 2 / (3 * 9))
    assert close(area.links["a_1"].operator.weight, 2 / (8 * 9))
    assert close(area.operator.weight, 2 / (32 * 9))


def test_weights_of_single_timesteps_are_inputs_of_one():
    lateral = joined("a", "a", 1, weights="per_step")
    wiring = wired(
        {"a": {"channels": 32}}, [joined("image", "a"), lateral], input_size=8, timesteps=3
    )
    links = RecurrentNetwork(wiring).areas["a"].links
    for operator in links["a_1"].operator:
        assert close(operator.weight, 2 / (3 * 9 + 32 * 9))


def test_projections_are_as_large_as_their_drive():
    area = {"channels": 32, "cell": "conv_lstm", "cold_start": "project"}
    projections = RecurrentNetwork(chain(1, area=area, input_size=4)).areas["a0"].projections
    for projection in projections.values():
        assert close(projection.weight, 2 / 32)
        assert not projection.bias.any()


def test_gains_are_the_option_s():
    area = {"norm": {"kind": "batch", "gain": 0.1, "per_step": True}}
    network = RecurrentNetwork(chain(1, area=area, timesteps=2))
    assert all((n.weight == 0.1).all() for n in network.areas["a0"].norm.norms)


def test_the_drive_keeps_the_scale_of_its_inputs():
    network = RecurrentNetwork(
        chain(4, input_size=16, area={"channels": 64, "kernel": 3, "nonlinearity": "relu"})
    )
    x = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    _, state = next(network.unroll(x, 1))
    power = [state[f"a{i}"]["h"].square().mean().item() for i in range(4)]
    # The borders see fewer inputs; nothing vanishes or explodes.
    assert all(0.4 < p / power[0] < 2.5 for p in power)


@pytest.mark.parametrize("kind", sorted(CELLS))
def test_weights_follow_from_the_seed_alone(kind):
    area = {"cell": kind, "cold_start": "drive" if kind == "residual" else "zeros"}
    wiring = chain(2, area=area, input_size=4, timesteps=3)
    torch.manual_seed(0)
    first = RecurrentNetwork(wiring, seed=3).state_dict()
    before = torch.random.get_rng_state()
    second = RecurrentNetwork(wiring, seed=3).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    other = RecurrentNetwork(wiring, seed=4).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    drawn = [name for name in first if not torch.equal(first[name], other[name])]
    # Biases, gains and factors begin with a number, kernels do not.
    assert {name for name, x in first.items() if x.ndim == 4} <= set(drawn)


def test_a_condition_has_the_weights_of_its_study():
    first = build("greco2025-ff", seed=5).state_dict()
    for name in ("ff-dropout", "fb", "fb-dropout"):
        second = build(f"greco2025-{name}", seed=5).state_dict()
        assert all(torch.equal(first[key], second[key]) for key in first)
    # In another time the keys name other delays.
    wiring = build("greco2025-fb").wiring
    modes = [
        RecurrentNetwork(wiring.unrolled(mode), seed=5).parameters()
        for mode in ("biological", "engineering")
    ]
    assert all(torch.equal(a, b) for a, b in zip(*modes, strict=True))


def test_shared_weights_are_inputs_of_every_area_that_they_lead_to():
    own = joined("a", "a", 1, name="own")
    wiring = wired(
        {"a": {"channels": 32}},
        [joined("image", "a"), own, joined("a", "a", 2, shares="own")],
        input_size=8,
    )
    link = RecurrentNetwork(wiring).areas["a"].links["a_1"]
    assert close(link.operator.weight, 2 / (3 * 9 + 2 * 32 * 9))
