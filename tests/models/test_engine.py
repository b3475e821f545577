"""The engine against arithmetic that can be done by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec.models import Area, Connection, Noise, RecurrentModel, RecurrentNetwork, Wiring, build

FLOAT64 = {"dtype": torch.float64}


def chain(n_areas: int, *, delay: int = 0, lateral: bool = False, **changes) -> Wiring:
    """Image → a0 → a1 … with 1 × 1 kernels on a map of one pixel."""
    areas = [Area(name=f"a{i}", channels=3, kernel=1) for i in range(n_areas)]
    connections = [Connection(source="image", target="a0")]
    connections += [
        Connection(source=f"a{i}", target=f"a{i + 1}", delay=delay) for i in range(n_areas - 1)
    ]
    if lateral:
        connections.append(Connection(source="a0", target="a0", kind="lateral", delay=1))
    fields = {
        "name": "chain",
        "areas": areas,
        "connections": connections,
        "readout": f"a{n_areas - 1}",
        "input_size": 1,
        "input_mean": 0,
        "input_std": 1,
        **changes,
    }
    return Wiring.model_validate(fields)


def set_weight(network: RecurrentNetwork, area: str, source: str, matrix) -> None:
    weight = network.areas[area].combine.weights[source].weight
    with torch.no_grad():
        weight.copy_(torch.as_tensor(matrix, dtype=weight.dtype)[:, :, None, None])


def test_constant_drive_sums_a_geometric_series():
    # h' = relu(drive + h / 2) from 0 is 2 - 2^-t; this fails when the recurrence is deleted.
    network = RecurrentNetwork(chain(1, lateral=True)).double()
    set_weight(network, "a0", "image_0", torch.eye(3))
    set_weight(network, "a0", "a0_1", torch.eye(3) / 2)
    image = torch.ones(1, 3, 1, 1, **FLOAT64)
    seen = torch.stack([s["a0"]["h"].flatten() for _, s in network.unroll(image, 8)])
    expected = 2 - 0.5 ** torch.arange(8, **FLOAT64)
    torch.testing.assert_close(seen, expected[:, None].expand(8, 3))


def test_linear_wiring_is_a_matrix_power(rng):
    # With positive weights and inputs relu never cuts: h_t = sum_k L^k W x.
    network = RecurrentNetwork(chain(1, lateral=True)).double()
    feedforward, lateral = rng.random((3, 3)), rng.random((3, 3)) / 3
    set_weight(network, "a0", "image_0", feedforward)
    set_weight(network, "a0", "a0_1", lateral)
    x = rng.random(3)
    *_, (_, state) = network.unroll(torch.tensor(x)[None, :, None, None], 6)
    expected = sum(np.linalg.matrix_power(lateral, k) @ feedforward @ x for k in range(6))
    np.testing.assert_allclose(state["a0"]["h"].flatten().numpy(force=True), expected, rtol=1e-12)


@pytest.mark.parametrize("delay", [0, 1, 2, 3, 5])
def test_a_delay_shifts_a_response_by_that_many_timesteps(delay):
    network = RecurrentNetwork(chain(3, delay=delay)).double()
    for area, source in (("a0", "image_0"), ("a1", f"a0_{delay}"), ("a2", f"a1_{delay}")):
        set_weight(network, area, source, torch.eye(3))
    n_timesteps = 2 * delay + 3
    frames = torch.zeros(n_timesteps, 1, 3, 1, 1, **FLOAT64)
    frames[1] = 1  # one flash at timestep 1
    seen = [s["a2"]["h"].sum().item() for _, s in network.unroll(frames, n_timesteps)]
    assert np.flatnonzero(seen).tolist() == [1 + 2 * delay]


def test_without_recurrent_weights_the_network_is_feedforward_from_depth_minus_one_on(rng):
    synchronous = RecurrentNetwork(chain(4, delay=1)).double()
    swept = RecurrentNetwork(chain(4, delay=0)).double()
    for i in range(4):
        matrix = rng.random((3, 3))
        set_weight(swept, f"a{i}", "image_0" if i == 0 else f"a{i - 1}_0", matrix)
        set_weight(synchronous, f"a{i}", "image_0" if i == 0 else f"a{i - 1}_1", matrix)
    image = torch.rand(2, 3, 1, 1, **FLOAT64)
    target = next(swept.unroll(image, 1))[1]["a3"]["h"]
    outputs = [s["a3"]["h"] for _, s in synchronous.unroll(image, 6)]
    assert all(torch.count_nonzero(h) == 0 for h in outputs[:3])
    for h in outputs[3:]:
        torch.testing.assert_close(h, target)


def test_time_decay_remembers_by_its_factor():
    network = RecurrentNetwork(
        chain(1, areas=[Area(name="a0", channels=3, kernel=1, cell="time_decay")])
    ).double()
    set_weight(network, "a0", "image_0", torch.eye(3))
    torch.nn.init.constant_(network.areas["a0"].cell.decay, 0.5)
    frames = torch.zeros(5, 1, 3, 1, 1, **FLOAT64)
    frames[0] = 1
    seen = torch.stack([s["a0"]["s"][0, 0, 0, 0] for _, s in network.unroll(frames, 5)])
    torch.testing.assert_close(seen, 0.5 ** torch.arange(5, **FLOAT64))


def test_concat_is_a_convolution_of_the_stacked_maps(rng):
    wiring = build("greco2025-fb", input_size=8).wiring
    network = RecurrentNetwork(wiring, seed=3).double()
    image = torch.rand(2, 3, 8, 8, **FLOAT64)
    (_, first), (_, second) = network.unroll(image, 2)
    combine = network.areas["integration"].combine
    sent = torch.nn.functional.interpolate(
        first["a3"]["h"], second["a1"]["h"].shape[2:], mode="bilinear", align_corners=False
    )
    stacked = torch.cat([second["a1"]["h"], sent], dim=1)
    mixed = torch.nn.functional.conv2d(stacked, combine.mix.weight) + combine.bias
    expected = torch.relu(combine.integrate(mixed))
    torch.testing.assert_close(second["integration"]["h"], expected)


def test_feedback_acts_from_the_second_timestep_on():
    images = torch.rand(4, 3, 32, 32)
    with_feedback, without = build("greco2025-fb", seed=1), build("greco2025-ff", seed=1)
    pairs = zip(with_feedback.unroll(images, 3), without.unroll(images, 3), strict=True)
    differences = [
        (a["integration"]["h"] - b["integration"]["h"]).abs().max() for (_, a), (_, b) in pairs
    ]
    assert differences[0] == 0
    assert differences[1] > 1e-3


def test_the_design_holds_capacity_constant():
    sizes = {
        name: sum(p.numel() for p in build(f"greco2025-{name}").parameters())
        for name in ("ff", "fb", "ff-dropout", "fb-dropout")
    }
    assert len(set(sizes.values())) == 1
    first = build("greco2025-ff", seed=5).state_dict()
    second = build("greco2025-fb-dropout", seed=5).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_network_satisfies_the_protocol():
    assert isinstance(build("greco2025-ff"), RecurrentModel)


@settings(max_examples=20, deadline=None)
@given(
    order=st.permutations(range(4)),
    sizes=st.integers(5, 17),
    stride=st.integers(1, 3),
    delay=st.integers(0, 2),
)
def test_order_in_the_file_does_not_matter_and_shapes_are_as_predicted(order, sizes, stride, delay):
    wiring = build("greco2025-fb", input_size=sizes).wiring
    areas = [a.model_copy(update={"stride": stride}) for a in wiring.areas]
    connections = [
        c.model_copy(update={"delay": delay}) if c.source == "a1" != c.target else c
        for c in wiring.connections
    ]
    fields = wiring.model_dump() | {"areas": areas, "connections": connections}
    straight = RecurrentNetwork(Wiring.model_validate(fields), seed=0)
    fields |= {"areas": [areas[i] for i in order], "connections": connections[::-1]}
    shuffled = RecurrentNetwork(Wiring.model_validate(fields), seed=1)
    shuffled.load_state_dict(straight.state_dict())
    image = torch.rand(2, 3, sizes, sizes)
    for (_, a), (_, b) in zip(straight.unroll(image, 3), shuffled.unroll(image, 3), strict=True):
        for name, shape in straight.area_shapes.items():
            assert tuple(a[name]["h"].shape[1:]) == shape
            torch.testing.assert_close(a[name]["h"], b[name]["h"])


def test_a_step_changes_neither_the_old_state_nor_the_image():
    network = build("greco2025-fb-dropout", input_size=8)
    state = network.init_state(2, torch.Generator().manual_seed(0))
    image = torch.rand(2, 3, 8, 8)
    state = network.step(image, state)
    before = {k: {n: x.clone() for n, x in v.items()} for k, v in state.items()}
    image_before = image.clone()
    network.step(image, state)
    assert torch.equal(image, image_before)
    for area, tensors in state.items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, before[area][name])


def test_stepping_is_unrolling():
    network = build("greco2025-fb-dropout", input_size=8)
    image = torch.rand(2, 3, 8, 8)
    start = network.init_state(2, trial_seeds=torch.tensor([4, 5]))
    state = start
    for _, unrolled in network.unroll(image, 4, start):
        state = network.step(image, state)
        torch.testing.assert_close(state["a3"]["h"], unrolled["a3"]["h"])


def test_wrong_images_and_seeds_are_refused():
    network = build("greco2025-ff", input_size=8)
    with pytest.raises(ValueError, match=r"takes images \(trial, 3, 8, 8\), got \(2, 3, 9, 9\)"):
        network(torch.rand(2, 3, 9, 9))
    with pytest.raises(ValueError, match="asked for 4 timesteps of a sequence of 2 frames"):
        list(network.unroll(torch.rand(2, 1, 3, 8, 8), 4))
    with pytest.raises(ValueError, match="expected 3 trial seeds, got shape"):
        network.init_state(3, trial_seeds=torch.arange(2))
    with pytest.raises(ValueError, match="not both"):
        network.init_state(3, torch.Generator(), trial_seeds=torch.arange(3))


def test_stochastic_areas_are_those_that_hear_noise():
    assert build("greco2025-fb-dropout").stochastic_areas == {"integration", "a2", "a3"}
    assert build("greco2025-fb").stochastic_areas == frozenset()
    wiring = chain(3)
    noisy = wiring.model_copy(
        update={
            "areas": (
                wiring.areas[0],
                *(a.model_copy(update={"noise": Noise(p=0.5)}) for a in wiring.areas[1:2]),
                wiring.areas[2],
            )
        }
    )
    assert noisy.stochastic_areas() == {"a1", "a2"}
