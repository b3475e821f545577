"""The one interface by which training, recording and dynamics know a model."""

import pytest
import torch

from neurorec.models import CELLS, RecurrentModel, RecurrentNetwork, build

from .small import chain


def test_a_network_satisfies_the_protocol():
    assert isinstance(build("greco2025-ff"), RecurrentModel)
    assert not isinstance(torch.nn.Linear(2, 2), RecurrentModel)


@pytest.mark.parametrize("kind", sorted(CELLS))
def test_a_state_is_all_that_a_network_remembers(kind):
    # Interrupted anywhere, by way of a copy, an unroll goes on as if it had not been.
    area = {"cell": kind, "cold_start": "drive" if kind == "residual" else "zeros"}
    network = RecurrentNetwork(chain(2, delay=2, area=area, input_size=4, timesteps=5)).eval()
    x = torch.rand(2, 3, 4, 4)
    states = [state for _, state in network.unroll(x, 5)]
    copied = {a: {n: y.clone() for n, y in s.items()} for a, s in states[1].items()}
    network(torch.rand(1, 3, 4, 4))
    *_, (_, last) = network.unroll(x, 3, copied)
    for area, tensors in last.items():
        for name, tensor in tensors.items():
            torch.testing.assert_close(tensor, states[-1][area][name])


@pytest.mark.parametrize("kind", sorted(CELLS))
def test_shapes_are_known_without_running(kind):
    area = {"cell": kind, "cold_start": "drive" if kind == "residual" else "zeros"}
    network = RecurrentNetwork(chain(2, area=area, input_size=5, timesteps=2)).eval()
    for state in (network.init_state(3), next(network.unroll(torch.rand(3, 3, 5, 5), 1))[1]):
        for name, shape in network.area_shapes.items():
            assert tuple(state[name]["h"].shape) == (3, *shape)
            assert set(network.areas[name].cell.states) <= set(state[name])


def test_noise_needs_a_source_of_randomness():
    network = build("greco2025-fb-dropout", input_size=8)
    assert "seed" not in network.init_state(2)["trial"]
    x = torch.rand(2, 3, 8, 8)
    quiet = network(x)
    assert torch.equal(quiet, network(x))
    assert torch.equal(network.train()(x), quiet)
    state = network.init_state(2, torch.Generator().manual_seed(0))
    assert not torch.allclose(network(x, state=state), quiet)
