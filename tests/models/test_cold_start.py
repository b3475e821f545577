"""Where an area starts."""

import pytest
import torch
from torch.testing import assert_close

from neurorec.models import CELLS, RecurrentNetwork

from .small import FLOAT64, built, chain, image, joined, responses, wired

DECAY = {"cell": "time_decay"}


def decaying(decay: float, **area):
    network = built(chain(1, area={**DECAY, **area}), {"a0.image_0": 1})
    torch.nn.init.constant_(network.areas["a0"].cell.decay, decay)
    return network


def test_zeros():
    assert_close(
        responses(decaying(0.5), image(2), 1, "a0").unique(), torch.tensor([2.0], **FLOAT64)
    )


def test_the_drive_itself():
    # h = d / 2 + d, and then it goes on as ever.
    seen = responses(decaying(0.5, cold_start="drive"), image(2), 3, "a0")[:, 0, 0, 0, 0]
    assert_close(seen, torch.tensor([3, 3.5, 3.75], **FLOAT64))


@pytest.mark.parametrize("start", ["drive", "project"])
def test_a_start_from_the_drive_waits_for_it(start):
    area = {**DECAY, "cold_start": start, "bias": False}
    network = built(chain(2, delay=2, area=area), {"a0.image_0": 1, "a1.a0_2": 1})
    for module in network.areas.values():
        torch.nn.init.constant_(module.cell.decay, 0.5)
        for projection in module.projections.values():
            projection.weight.data[:, :, 0, 0] = torch.eye(3)
    # a0: 2 / 2 + 2, and so on; a1 begins two timesteps later with what a0 sent first.
    first, second = (responses(network, image(2), 4, a)[:, 0, 0, 0, 0] for a in ("a0", "a1"))
    assert_close(first, torch.tensor([3, 3.5, 3.75, 3.875], **FLOAT64))
    assert_close(second, torch.tensor([0, 0, 4.5, 5.75], **FLOAT64))


def test_every_state_starts_from_the_drive():
    network = built(chain(1, area={"cell": "conv_lstm", "cold_start": "drive"}), {"a0.image_0": 1})
    drive, cell = image(2), network.areas["a0"].cell
    expected = cell(cell.prepare(drive), {"h": drive, "c": drive}, 0)
    _, state = next(network.unroll(drive, 1))
    assert_close(state["a0"]["c"], expected["c"])
    assert_close(state["a0"]["h"], expected["h"])


def test_a_projection_of_the_drive():
    network = decaying(0.5, cold_start="project")
    projection = network.areas["a0"].projections["h"]
    torch.nn.init.normal_(projection.bias)
    drive = image(2)
    expected = projection(drive) / 2 + drive
    assert_close(responses(network, drive, 1, "a0")[0], expected.detach())


def test_every_state_has_a_projection_of_its_own():
    area = {"cell": "conv_lstm", "cold_start": "project"}
    network = RecurrentNetwork(chain(1, area=area))
    assert set(network.areas["a0"].projections) == {"h", "c"}


def noise(n_trials: int, seeds=None, **area):
    network = decaying(1, cold_start={"kind": "noise", "std": 0.5}, **area)
    seeds = None if seeds is None else torch.tensor(seeds)
    return network.init_state(n_trials, trial_seeds=seeds)["a0"]


def test_noise_of_the_given_size_that_follows_from_the_trials_seed():
    many = noise(2000, list(range(2000)))["h"].flatten()
    # 6000 draws: the standard error of a standard deviation is 1 / sqrt(2 n) of it.
    assert abs(many.std().item() / 0.5 - 1) < 5 / 12000**0.5
    assert abs(many.mean().item()) < 5 * 0.5 / 6000**0.5
    assert torch.equal(noise(3, [7, 8, 9])["h"][1], noise(1, [8])["h"][0])
    assert not torch.equal(noise(2, [7, 8])["h"][0], noise(2, [7, 8])["h"][1])
    network = decaying(1, cold_start={"kind": "noise", "std": 0.5})
    state = network.init_state(1, trial_seeds=torch.tensor([8]))
    seen = responses(network, image(0), 1, "a0", state)[0]
    assert torch.equal(seen, state["a0"]["h"])


def test_noise_is_the_same_in_all_trials_without_seeds():
    drawn = noise(3)["h"]
    assert torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn, noise(3)["h"])
    assert drawn.std() > 0


def test_states_and_areas_have_noise_of_their_own():
    network = RecurrentNetwork(chain(2, area={"cell": "conv_lstm", "cold_start": "noise"}))
    state = network.init_state(1, trial_seeds=torch.tensor([1]))
    draws = [state[area][name] for area in ("a0", "a1") for name in ("h", "c")]
    assert all(not torch.equal(x, y) for i, x in enumerate(draws) for y in draws[:i])


def biased(cold_start: str, **changes):
    further = [joined("a0", "a0", 1, starts=1)]
    wiring = chain(3, delay=1, further=further, area={"cold_start": cold_start}, **changes)
    network = built(wiring, {"a0.image_0": 0, "a0.a0_1": 0, "a1.a0_1": 0, "a2.a1_1": 0})
    for area in network.areas.values():
        torch.nn.init.constant_(area.bias, 1)
    return network


def test_a_silent_area_waits_for_its_first_signal():
    # Biases alone make others speak at once.
    for cold_start, onsets in (("zeros", (0, 0, 0)), ("silent", (0, 1, 2))):
        network = biased(cold_start)
        for i, onset in enumerate(onsets):
            seen = responses(network, image(1), 4, f"a{i}")[:, 0, 0, 0, 0]
            assert_close(seen, (torch.arange(4) >= onset).double())


def test_onsets_are_those_of_the_shortest_way():
    areas = {"a": {}, "b": {}, "c": {}, "d": {}}
    connections = [
        joined("image", "a"),
        joined("a", "b", 2),
        joined("b", "c", 2),
        joined("c", "d", 1),
        joined("a", "c", 1, kind="skip"),
        joined("a", "d", 1, kind="skip", silenced=True),
    ]
    assert wired(areas, connections).onsets() == {"a": 0, "b": 2, "c": 1, "d": 2}
    connections[4] |= {"starts": 3}
    assert wired(areas, connections).onsets() == {"a": 0, "b": 2, "c": 3, "d": 4}


def test_a_late_area_counts_its_own_timesteps():
    # Its norms of single timesteps begin with its first, and last as long as there are any.
    area = {"cold_start": "silent", "norm": {"kind": "group", "per_step": True}}
    network = built(chain(2, delay=1, area=area, timesteps=2), {"a0.image_0": 1, "a1.a0_1": 1})
    for module in network.areas.values():
        for step, norm in enumerate(module.norm.norms):
            torch.nn.init.zeros_(norm.weight)
            torch.nn.init.constant_(norm.bias, step + 1)
    assert responses(network, image(1), 2, "a0")[:, 0, 0, 0, 0].tolist() == [1, 2]
    assert responses(network, image(1), 2, "a1")[:, 0, 0, 0, 0].tolist() == [0, 1]


def test_the_connections_of_a_late_area_count_its_own_timesteps():
    further = [joined("a1", "a1", 1, weights="per_step")]
    wiring = chain(2, delay=1, further=further, area={"cold_start": "silent"}, timesteps=2)
    network = built(wiring, {"a0.image_0": 1, "a1.a0_1": 1})
    for step, operator in enumerate(network.areas["a1"].links["a1_1"].operator):
        torch.nn.init.zeros_(operator.weight)
        operator.weight.data[:, :, 0, 0] += (step + 1) * torch.eye(3)
    # From its start at 1 on: x, then x and twice itself.
    seen = responses(network, image(1), 3, "a1")[:, 0, 0, 0, 0]
    assert seen.tolist() == [0, 1, 3]


def test_a_silent_area_sends_nothing_not_even_a_bias():
    operator = {"kind": "conv", "kernel": 1, "bias": True}
    further = [joined("a1", "a0", 1, kind="feedback", operator=operator)]
    for cold_start, first in (("zeros", 0), ("silent", 3)):
        wiring = chain(2, delay=2, further=further, area={"cold_start": cold_start})
        network = built(wiring, {"a0.image_0": 0, "a1.a0_2": 0, "a0.a1_1": 0})
        torch.nn.init.ones_(network.areas["a0"].links["a1_1"].operator.bias)
        seen = responses(network, image(1), 5, "a0")[:, 0, 0, 0, 0]
        assert_close(seen, (torch.arange(5) >= first).double())


@pytest.mark.parametrize("kind", sorted(set(CELLS) - {"cornet_s"}))
@pytest.mark.parametrize("start", ["drive", "project", "noise", "silent"])
def test_every_cell_starts_in_every_way(kind, start):
    cell = {"kind": kind, "memory_channels": 3} if kind == "rgc_median" else kind
    if kind == "residual" and start in ("noise", "silent"):
        return
    network = RecurrentNetwork(chain(1, area={"cell": cell, "cold_start": start}, input_size=5))
    x = torch.rand(2, 3, 5, 5)
    assert responses(network.eval(), x, 2, "a0").isfinite().all()
