"""What a wiring costs."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from neurorec.models import CELLS, RecurrentNetwork, preset, summarise
from neurorec.models.summary import cost

from .small import chain, joined, wired

CONVOLUTION = 2 * 8 * 8 * 9  # of one channel to one channel, 8 x 8 pixels, kernel 3


def two_areas(**fields):
    return wired(
        {"a": {"channels": 4}, "b": {"channels": 5, "stride": 2}},
        [
            joined("image", "a"),
            joined("a", "b"),
            joined("b", "a", 1, kind="feedback", operator={"kind": "transposed", "kernel": 4}),
        ],
        input_size=8,
        timesteps=3,
        **fields,
    )


def test_by_hand():
    summary = summarise(two_areas())
    a, b = summary.areas
    transposed = 2 * 4 * 4 * 5 * 4 * 16  # each of 4 x 4 pixels is spread over 4 x 4
    assert (a.name, a.shape, a.n_units) == ("a", (4, 8, 8), 256)
    assert (b.name, b.shape, b.n_units) == ("b", (5, 4, 4), 80)
    assert a.n_parameters == 3 * 4 * 9 + 5 * 4 * 16 + 4
    assert b.n_parameters == 4 * 5 * 9 + 5
    assert a.flops_per_timestep == 3 * 4 * CONVOLUTION + transposed
    assert b.flops_per_timestep == 4 * 5 * CONVOLUTION // 4
    readout = 2 * 5 * 10
    assert summary.n_parameters == a.n_parameters + b.n_parameters + 5 * 10 + 10
    assert summary.flops_per_timestep == a.flops_per_timestep + b.flops_per_timestep
    # The image is convolved once.
    once = 3 * 4 * CONVOLUTION
    assert summary.flops_per_presentation == once + 3 * (
        transposed + b.flops_per_timestep + readout
    )
    assert summary.n_units == 336


@pytest.mark.parametrize("kind", sorted(CELLS))
def test_operations_are_those_that_torch_counts(kind):
    # A kernel that is not applied by way of Fourier transforms, which torch does not count.
    narrow = {"kernel": 3} if "gru" in kind else {}
    start = "drive" if kind == "residual" else "zeros"
    area = {"cell": {"kind": kind, **narrow}, "cold_start": start}
    wiring = chain(2, area={**area, "kernel": 3}, input_size=8, timesteps=3)
    network = RecurrentNetwork(wiring).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.rand(1, 3, 8, 8))
    assert cost(wiring, "flops") == counter.get_total_flops()
    assert cost(wiring, "parameters") == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("operator", ["separable", "gabor", {"kind": "conv", "groups": 2}])
def test_operations_of_operators(operator):
    areas = {"a": {"channels": 4}, "b": {"channels": 4}}
    wiring = wired(areas, [joined("image", "a"), joined("a", "b", operator=operator)], input_size=8)
    network = RecurrentNetwork(wiring)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.rand(1, 3, 8, 8))
    assert cost(wiring, "flops") == counter.get_total_flops()


def test_nothing_is_allocated():
    areas = {"a": {"channels": 65536, "kernel": 31}, "b": {"channels": 65536, "kernel": 31}}
    wiring = wired(areas, [joined("image", "a"), joined("a", "b")], input_size=512)
    assert summarise(wiring).n_parameters > 10**12


def test_the_limit_of_time_is_reported():
    limited = summarise(chain(2, area={"norm": {"kind": "batch", "per_step": True}}, timesteps=4))
    assert limited.max_timesteps == 4
    assert "parameters of its own for each of 4 timesteps" in limited.limit
    free = summarise(two_areas())
    assert (free.max_timesteps, free.limit) == (None, "")


def test_an_area_counts_where_it_costs_most():
    # A projection of the drive happens once; it belongs to the timestep that has it.
    area = {"cell": "time_decay", "kernel": 3}
    plain = summarise(chain(1, area=area, input_size=8)).areas[0]
    started = summarise(chain(1, area={**area, "cold_start": "project"}, input_size=8)).areas[0]
    assert started.flops_per_timestep - plain.flops_per_timestep == 2 * 64 * 9


def test_the_halting_and_readout_of_a_presentation_are_counted_without_running_it():
    wiring = two_areas(halting={}, readout={"area": "b", "over_time": "halting"})
    assert cost(wiring, "flops") == cost(two_areas(), "flops")
    assert cost(wiring, "parameters") == cost(two_areas(), "parameters") + 5 + 1


def test_a_preset():
    summary = summarise(preset("greco2025-fb"))
    assert [a.name for a in summary.areas] == ["a1", "integration", "a2", "a3"]
    assert summary.n_parameters == cost(preset("greco2025-ff"), "parameters")
