"""The engine against arithmetic that can be done by hand."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from neurorec.models import RecurrentNetwork, build

from .small import FLOAT64, built, chain, image, joined, responses, wired

LATERAL = joined("a0", "a0", 1)


def test_constant_drive_sums_a_geometric_series():
    # h' = drive + h / 2 from 0 is 2 - 2^-t; this fails when the recurrence is deleted.
    network = built(chain(1, further=[LATERAL]), {"a0.image_0": 1, "a0.a0_1": 0.5})
    seen = responses(network, image(1), 8, "a0").flatten(1)
    assert_close(seen, (2 - 0.5 ** torch.arange(8, **FLOAT64))[:, None].expand(8, 3))


def test_linear_wiring_is_a_matrix_power(rng):
    feedforward, lateral, x = rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)
    wiring = chain(1, further=[LATERAL])
    network = built(wiring, {"a0.image_0": feedforward, "a0.a0_1": lateral})
    seen = responses(network, image(*x), 6, "a0")[-1].flatten().numpy()
    expected = sum(np.linalg.matrix_power(lateral, k) @ feedforward @ x for k in range(6))
    np.testing.assert_allclose(seen, expected, rtol=1e-12)


def test_a_loop_of_two_areas_is_a_power_of_their_block_matrix(rng):
    # Everything takes a timestep: (a0, a1)' = M (a0, a1) + (x, 0).
    wiring = chain(
        2, delay=1, further=[LATERAL, joined("a1", "a0", 1, kind="feedback"), joined("a1", "a1", 1)]
    )
    blocks = rng.normal(size=(2, 2, 3, 3)) / 2
    weights = {f"a{i}.a{j}_1": blocks[i, j] for i in range(2) for j in range(2)}
    network = built(wiring, {**weights, "a0.image_0": 1})
    x, matrix = rng.normal(size=3), np.block([[*row] for row in blocks])
    seen = np.concatenate([responses(network, image(*x), 7, a)[-1].flatten() for a in ("a0", "a1")])
    drive = np.concatenate([x, np.zeros(3)])
    expected = sum(np.linalg.matrix_power(matrix, k) @ drive for k in range(7))
    np.testing.assert_allclose(seen, expected, rtol=1e-12)


@pytest.mark.parametrize("delay", [0, 1, 2, 3, 5])
def test_a_delay_shifts_a_response_by_that_many_timesteps(delay):
    network = built(
        chain(3, delay=delay), {"a0.image_0": 1, f"a1.a0_{delay}": 1, f"a2.a1_{delay}": 1}
    )
    n_timesteps = 2 * delay + 3
    frames = torch.zeros(n_timesteps, 1, 3, 1, 1, **FLOAT64)
    frames[1] = 1  # one flash at timestep 1
    seen = responses(network, frames, n_timesteps, "a2").sum(dim=(1, 2, 3, 4))
    assert np.flatnonzero(seen).tolist() == [1 + 2 * delay]


def test_a_lateral_connection_of_delay_d_echoes_every_d_timesteps():
    network = built(chain(1, further=[joined("a0", "a0", 3)]), {"a0.image_0": 1, "a0.a0_3": 0.5})
    frames = torch.zeros(8, 1, 3, 1, 1, **FLOAT64)
    frames[0] = 1
    seen = responses(network, frames, 8, "a0")[:, 0, 0, 0, 0]
    assert_close(seen, torch.tensor([1, 0, 0, 0.5, 0, 0, 0.25, 0], **FLOAT64))


def test_one_source_may_reach_a_target_after_several_delays():
    wiring = chain(1, further=[joined("a0", "a0", 1), joined("a0", "a0", 2)])
    network = built(wiring, {"a0.image_0": 1, "a0.a0_1": 1, "a0.a0_2": 1})
    frames = torch.zeros(8, 1, 3, 1, 1, **FLOAT64)
    frames[0] = 1
    fibonacci = torch.tensor([1, 1, 2, 3, 5, 8, 13, 21], **FLOAT64)
    assert_close(responses(network, frames, 8, "a0")[:, 0, 0, 0, 0], fibonacci)


def test_both_unrolls_reach_the_fixed_point_of_a_contraction(rng):
    wiring = chain(3, further=[joined("a1", "a1", 1), joined("a2", "a0", 1, kind="feedback")])
    matrices = {name: rng.normal(size=(3, 3)) / 5 for name in ("image", "10", "21", "11", "02")}
    x = rng.normal(size=3)
    big = np.zeros((9, 9))
    for name in ("10", "21", "11", "02"):
        i, j = 3 * int(name[0]), 3 * int(name[1])
        big[i : i + 3, j : j + 3] = matrices[name]
    drive = np.concatenate([matrices["image"] @ x, np.zeros(6)])
    fixed = np.linalg.solve(np.eye(9) - big, drive)
    for mode, delay in (("biological", 1), ("engineering", 0)):
        weights = {
            "a0.image_0": matrices["image"],
            f"a1.a0_{delay}": matrices["10"],
            f"a2.a1_{delay}": matrices["21"],
            "a1.a1_1": matrices["11"],
            "a0.a2_1": matrices["02"],
        }
        network = built(wiring.unrolled(mode), weights)
        reached = [responses(network, image(*x), 60, f"a{i}")[-1].flatten() for i in range(3)]
        np.testing.assert_allclose(np.concatenate(reached), fixed, rtol=1e-10)


def test_without_recurrent_weights_the_network_is_feedforward_from_depth_minus_one_on():
    further = [joined("a3", "a1", 1, kind="feedback"), joined("a2", "a2", 1)]
    swept = chain(4, further=further, area={"nonlinearity": "relu"})
    delayed = built(swept.unrolled("biological"), {"a1.a3_1": 0, "a2.a2_1": 0})
    feedforward = RecurrentNetwork(chain(4, area={"nonlinearity": "relu"})).double()
    for name, weight in feedforward.named_parameters():
        key = (
            name.replace(".a0_0.", ".a0_1.").replace(".a1_0.", ".a1_1.").replace(".a2_0.", ".a2_1.")
        )
        weight.data.copy_(delayed.get_parameter(key).data)
    x = torch.rand(5, 3, 1, 1, **FLOAT64)
    target = responses(feedforward, x, 1, "a3")[0]
    assert torch.count_nonzero(target) > 0
    outputs = responses(delayed, x, 6, "a3")
    assert torch.count_nonzero(outputs[:3]) == 0
    assert_close(outputs[3:], target.expand(3, *target.shape))


@pytest.mark.parametrize("onset", [0, 2])
def test_a_change_of_the_image_takes_one_timestep_per_layer_in_the_biological_unroll(onset):
    wiring = build("greco2025-fb", input_size=8).wiring.unrolled("biological")
    network = RecurrentNetwork(wiring, seed=2).double()
    frames = torch.rand(onset + 5, 2, 3, 8, 8, **FLOAT64)
    other = frames.clone()
    other[onset:] = torch.rand(5, 2, 3, 8, 8, **FLOAT64)
    for layer, area in enumerate(("a1", "integration", "a2", "a3"), start=1):
        seen = responses(network, frames, onset + 5, area)
        differs = (seen != responses(network, other, onset + 5, area)).flatten(1).any(dim=1)
        assert np.flatnonzero(differs)[0] == onset + layer - 1


def test_the_image_gives_way_to_the_off_value():
    wiring = chain(1, on_timesteps=2, off_value=-0.5, input_mean=0.2, input_std=0.5)
    network = built(wiring, {"a0.image_0": 1})
    seen = responses(network, image(0.7), 4, "a0")[:, 0, 0, 0, 0]
    assert_close(seen, torch.tensor([1, 1, -0.5, -0.5], **FLOAT64))
    # Time is the state's, not that of the call.
    state = network.step(image(0.7), network.init_state(1))
    seen = responses(network, image(0.7), 3, "a0", state)[:, 0, 0, 0, 0]
    assert_close(seen, torch.tensor([1, -0.5, -0.5], **FLOAT64))


def test_images_are_normalised_by_channel():
    wiring = chain(1, input_mean=[0.1, 0.2, 0.3], input_std=[1, 2, 4])
    seen = responses(built(wiring, {"a0.image_0": 1}), image(1.1, 2.2, 4.3), 1, "a0").flatten()
    assert_close(seen, torch.tensor([1, 1, 1], **FLOAT64))


def completion(order=(0, 1)):
    areas = {"a": {"iterations": 2}, "b": {"iterations": 3}}
    names = [list(areas)[i] for i in order]
    connections = [joined("image", "a"), joined("a", "b"), joined("a", "a", 1), joined("b", "b", 1)]
    return wired(
        {name: {"kernel": 1, **areas[name]} for name in names},
        connections,
        schedule="area_to_completion",
        timesteps=5,
        readout="b",
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_areas_run_to_completion_one_after_the_other(order):
    wiring = completion(order)
    assert (wiring.window("a"), wiring.window("b")) == ((0, 2), (2, 5))
    weights = {"a.image_0": torch.ones(2, 3) / 3, "a.a_1": 0.5, "b.a_0": 1, "b.b_1": 0.5}
    network = built(wiring, weights)
    first, second = (responses(network, image(1), 5, area)[:, 0, 0, 0, 0] for area in "ab")
    assert_close(first, torch.tensor([1, 1.5, 1.5, 1.5, 1.5], **FLOAT64))
    assert_close(second, torch.tensor([0, 0, 1.5, 2.25, 2.625], **FLOAT64))
    with pytest.raises(ValueError, match="'small' can run for 5 timesteps, not for 6: its areas"):
        network(image(1), timesteps=6)
    with pytest.raises(ValueError, match="only a sweep can be unrolled in another way"):
        wiring.unrolled("biological")


def test_a_connection_may_start_late():
    network = built(chain(1, further=[{**LATERAL, "starts": 3}]), {"a0.image_0": 1, "a0.a0_1": 0.5})
    seen = responses(network, image(1), 5, "a0")[:, 0, 0, 0, 0]
    assert_close(seen, torch.tensor([1, 1, 1, 1.5, 1.75], **FLOAT64))


def test_a_fixed_weight_and_a_nonlinearity_belong_to_the_connection():
    further = [{**LATERAL, "weight": -2.0, "nonlinearity": "relu"}]
    network = built(chain(1, further=further), {"a0.image_0": 1, "a0.a0_1": 1})
    seen = responses(network, image(1), 4, "a0")[:, 0, 0, 0, 0]
    assert_close(seen, torch.tensor([1, -1, 1, -1], **FLOAT64))


def test_a_silenced_connection_delivers_nothing_and_keeps_its_weights():
    wiring = chain(1, further=[LATERAL])
    network = built(wiring.without("lateral"), {"a0.image_0": 1, "a0.a0_1": 0.5})
    assert_close(responses(network, image(1), 3, "a0"), torch.ones(3, 1, 3, 1, 1, **FLOAT64))
    assert list(network.state_dict()) == list(RecurrentNetwork(wiring).state_dict())


@pytest.mark.parametrize(
    ("area", "slope"),
    [
        ({}, 0),  # relu where there is no cell
        ({"cell": "time_decay"}, -1),
        ({"nonlinearity": "tanh"}, np.tanh(-1)),
        ({"cell": "time_decay", "nonlinearity": "relu"}, 0),
        ({"norm": {"kind": "batch", "eps": 1e-12}, "cell": "time_decay"}, -1),
    ],
)
def test_the_nonlinearity_if_none_is_said(area, slope):
    network = built(wired({"a": {"kernel": 1, **area}}, [joined("image", "a")]))
    torch.nn.init.constant_(network.areas["a"].links["image_0"].operator.weight, -1 / 3)
    seen = responses(network, image(1), 1, "a").flatten()
    assert_close(seen, torch.full((2,), float(slope), **FLOAT64))


def test_what_arrives_is_summed_biased_normed_and_rectified_in_this_order():
    area = {"kernel": 1, "norm": {"kind": "instance", "eps": 1e-9}, "operator": {"kind": "conv"}}
    network = built(wired({"a": area}, [joined("image", "a")], input_size=5))
    module = network.areas["a"]
    torch.nn.init.normal_(module.bias)
    x = torch.rand(2, 3, 5, 5, **FLOAT64)
    mixed = module.operator(module.links["image_0"].operator(x) + module.bias)
    centred = mixed - mixed.mean(dim=(2, 3), keepdim=True)
    expected = torch.relu(centred / centred.square().mean(dim=(2, 3), keepdim=True).sqrt())
    assert_close(responses(network, x, 1, "a")[0], expected.detach())


def test_shared_parameters_are_the_same_as_copied_ones():
    first = joined("a0", "a0", 1, name="first")
    second = joined("a0", "a0", 2)
    shared = built(chain(1, further=[first, {**second, "shares": "first"}]), seed=4)
    copied = built(chain(1, further=[first, second]))
    state = shared.state_dict()
    key = "areas.a0.links.a0_{}.operator.weight"
    copied.load_state_dict({**state, key.format(2): state[key.format(1)]})
    x = torch.rand(2, 3, 1, 1, **FLOAT64)
    assert_close(responses(shared, x, 5, "a0"), responses(copied, x, 5, "a0"))
    assert key.format(2) not in state


def test_areas_may_share_what_is_done_to_a_map():
    # b hears a, and c hears b, through one pool, resize rule, operator, nonlinearity and weight.
    areas = {"a": {"stride": 2}, "b": {"stride": 2}, "c": {"stride": 2}}
    climbing = [joined("image", name) for name in areas]
    how = {
        "kind": "skip", "pool": "max", "resize": "nearest", "nonlinearity": "tanh", "weight": 0.5,
        "operator": {"kind": "conv", "kernel": 3},
    }  # fmt: skip
    owner = joined("a", "b", **how, name="x")
    shared = wired(
        areas, [*climbing, owner, joined("b", "c", kind="skip", shares="x")], input_size=8
    )
    apart = wired(areas, [*climbing, owner, joined("b", "c", **how)], input_size=8)
    shared, apart = built(shared, seed=1), built(apart)
    state = shared.state_dict()
    key = "areas.{}.links.{}_0.operator.weight"
    apart.load_state_dict({**state, key.format("c", "b"): state[key.format("b", "a")]})
    x = torch.rand(2, 3, 8, 8, **FLOAT64)
    assert torch.equal(responses(shared, x, 2, "c"), responses(apart, x, 2, "c"))
    assert len(state) == len(apart.state_dict()) - 1


def test_what_is_frozen_is_not_trained():
    area = {"kernel": 1}
    wiring = wired(
        {"a": {**area, "frozen": True}, "b": {**area, "frozen": 2}, "c": area},
        [
            joined("image", "a"),
            joined("a", "b"),
            joined("b", "c"),
            joined("c", "c", 1, frozen=3),
            joined("b", "b", 1, frozen=True),
        ],
    )
    network = RecurrentNetwork(wiring)

    def trained():
        names = {n.removeprefix("areas.") for n, p in network.named_parameters() if p.requires_grad}
        return {n for n in names if not n.startswith("decoder")}

    c = {"c.links.b_0.operator.weight", "c.bias"}
    b = {"b.links.a_0.operator.weight", "b.bias"}
    assert trained() == c
    network.freeze(1)
    assert trained() == c
    network.freeze(2)
    assert trained() == c | b
    network.freeze(3)
    assert trained() == c | b | {"c.links.c_1.operator.weight"}
    network.freeze(0)
    assert trained() == c
    assert all(p.requires_grad for p in network.decoder.parameters())


def test_one_epoch_is_a_number_and_true_is_for_ever():
    for frozen, after in ((1, True), (True, False)):
        network = RecurrentNetwork(chain(1, area={"channels": 3, "kernel": 1, "frozen": frozen}))
        network.freeze(1)
        assert network.areas["a0"].links["image_0"].operator.weight.requires_grad == after


def test_time_decay_remembers_by_its_factor():
    network = built(chain(1, area={"cell": "time_decay"}), {"a0.image_0": 1})
    torch.nn.init.constant_(network.areas["a0"].cell.decay, 0.5)
    frames = torch.zeros(5, 1, 3, 1, 1, **FLOAT64)
    frames[0] = 1
    seen = responses(network, frames, 5, "a0")[:, 0, 0, 0, 0]
    assert_close(seen, 0.5 ** torch.arange(5, **FLOAT64))


def test_feedback_acts_from_the_second_timestep_on():
    images = torch.rand(4, 3, 32, 32)
    with_feedback, without = build("greco2025-fb", seed=1), build("greco2025-ff", seed=1)
    pairs = zip(with_feedback.unroll(images, 3), without.unroll(images, 3), strict=True)
    differences = [
        (a["integration"]["h"] - b["integration"]["h"]).abs().max() for (_, a), (_, b) in pairs
    ]
    assert differences[0] == 0
    assert differences[1] > 1e-3


def test_a_step_changes_neither_the_old_state_nor_the_image():
    network = build("greco2025-fb-dropout", input_size=8)
    state = network.init_state(2, torch.Generator().manual_seed(0))
    x = torch.rand(2, 3, 8, 8)
    state = network.step(x, state)
    before = {k: {n: y.clone() for n, y in v.items()} for k, v in state.items()}
    image_before = x.clone()
    network.step(x, state)
    assert torch.equal(x, image_before)
    for area, tensors in state.items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, before[area][name])


def test_stepping_is_unrolling():
    network = build("greco2025-fb-dropout", input_size=8)
    x = torch.rand(2, 3, 8, 8)
    start = network.init_state(2, trial_seeds=torch.tensor([4, 5]))
    state = start
    for _, unrolled in network.unroll(x, 4, start):
        state = network.step(x, state)
        assert_close(state["a3"]["h"], unrolled["a3"]["h"])


def test_an_unroll_may_be_continued():
    network = build("greco2025-fb-dropout", input_size=8)
    x = torch.rand(2, 3, 8, 8)
    start = network.init_state(2, trial_seeds=torch.tensor([4, 5]))
    states = [state for _, state in network.unroll(x, 5, start)]
    assert_close(
        responses(network, x, 3, "a3", states[1]),
        torch.stack([s["a3"]["h"] for s in states[2:]]).detach(),
    )
    assert int(states[-1]["trial"]["timestep"]) == 5


def test_a_generator_gives_each_trial_a_seed():
    network = build("greco2025-fb-dropout", input_size=8)
    first = network.init_state(3, torch.Generator().manual_seed(1))["trial"]["seed"]
    again = network.init_state(3, torch.Generator().manual_seed(1))["trial"]["seed"]
    assert torch.equal(first, again)
    assert len(first.unique()) == 3


def test_wrong_images_times_and_seeds_are_refused():
    network = build("greco2025-ff", input_size=8)
    with pytest.raises(ValueError, match=r"takes images \(trial, 3, 8, 8\), got \(2, 3, 9, 9\)"):
        network(torch.rand(2, 3, 9, 9))
    with pytest.raises(ValueError, match=r"expected images \(trial.*got shape \(3, 8, 8\)"):
        network(torch.rand(3, 8, 8))
    with pytest.raises(ValueError, match=r"expected images \(trial.*got shape \(8, 8\)"):
        list(network.unroll(torch.rand(8, 8), 1))
    with pytest.raises(ValueError, match="asked for 4 timesteps of a sequence of 2 frames"):
        list(network.unroll(torch.rand(2, 1, 3, 8, 8), 4))
    with pytest.raises(ValueError, match="timesteps must be at least 1, got 0"):
        network(torch.rand(2, 3, 8, 8), timesteps=0)
    with pytest.raises(ValueError, match="expected 3 trial seeds, got shape"):
        network.init_state(3, trial_seeds=torch.arange(2))
    with pytest.raises(ValueError, match="not both"):
        network.init_state(3, torch.Generator(), trial_seeds=torch.arange(3))


def test_stochastic_areas_are_those_that_hear_noise():
    assert build("greco2025-fb-dropout").stochastic_areas == {"integration", "a2", "a3"}
    assert build("greco2025-fb").stochastic_areas == frozenset()
    wiring = chain(3)
    assert wiring.with_dropout(0.5, areas=["a1"]).stochastic_areas() == {"a1", "a2"}
    frozen = wiring.with_dropout(0.5, areas=["a1"], resample="frozen")
    assert frozen.stochastic_areas() == frozenset()
    feedback = joined("a2", "a0", 1, kind="feedback")
    silenced = chain(3, further=[{**feedback, "silenced": True}]).with_dropout(0.5, areas=["a1"])
    assert silenced.stochastic_areas() == {"a1", "a2"}
    heard = chain(3, further=[feedback]).with_dropout(0.5, areas=["a1"])
    assert heard.stochastic_areas() == {"a0", "a1", "a2"}
    cold = chain(2, area={"cold_start": "noise"})
    assert cold.stochastic_areas() == {"a0", "a1"}
