"""Normalisation: what is normed, and whose parameters it has."""

import pytest
import torch
from torch.testing import assert_close

from neurorec.models import RecurrentNetwork
from neurorec.models.norms import StepNorm
from neurorec.models.parts import Norm

from .small import FLOAT64, built, chain, image, joined, responses, wired

X = 3 * torch.rand(4, 6, 5, 5, generator=torch.Generator().manual_seed(0), **FLOAT64) + 1
#: The axes over which each kind takes its moments, of (trial, group, channel, row, column).
AXES = {"batch": (0, 3, 4), "group": (2, 3, 4), "layer": (1, 2, 3, 4), "instance": (3, 4)}


def standardised(kind: str, groups: int = 1):
    x = X.unflatten(1, (groups, -1))
    variance, mean = torch.var_mean(x, dim=AXES[kind], keepdim=True, correction=0)
    return ((x - mean) / (variance + 1e-5).sqrt()).flatten(1, 2)


@pytest.mark.parametrize(
    ("kind", "groups"), [("group", 1), ("group", 3), ("layer", 1), ("instance", 1), ("batch", 1)]
)
def test_norms_against_their_equation(kind, groups):
    norm = StepNorm(Norm(kind=kind, groups=groups, gain=0.5), (6, 5, 5), 1).double()
    torch.nn.init.normal_(norm.norms[0].bias)
    bias = norm.norms[0].bias.reshape((6, 5, 5) if kind == "layer" else (6, 1, 1))
    assert_close(norm(X, 0), standardised(kind, groups) / 2 + bias)


def test_a_layer_norm_has_a_gain_per_unit_and_a_group_norm_one_per_channel():
    sizes = {k: StepNorm(Norm(kind=k), (6, 5, 5), 1).norms[0].weight.numel() for k in AXES}
    assert sizes == {"batch": 6, "group": 6, "layer": 150, "instance": 6}


def test_a_batch_norm_keeps_moments_for_the_test():
    norm = StepNorm(Norm(kind="batch"), (6, 5, 5), 1).double()
    for _ in range(200):
        norm(X, 0)
    variance, mean = torch.var_mean(X, dim=(0, 2, 3), keepdim=True)
    assert_close(norm.eval()(X, 0), (X - mean) / (variance + 1e-5).sqrt())


def test_no_norm_is_the_map_itself():
    assert StepNorm(None, (6, 5, 5), 3)(X, 2) is X
    assert not list(StepNorm(None, (6, 5, 5), 3).parameters())


def test_eps_is_the_option_s():
    norm = StepNorm(Norm(kind="instance", eps=10.0), (6, 5, 5), 1).double()
    variance, mean = torch.var_mean(X, dim=(2, 3), keepdim=True, correction=0)
    assert_close(norm(X, 0), (X - mean) / (variance + 10).sqrt())


def test_each_timestep_may_have_its_own():
    norm = StepNorm(Norm(kind="group", per_step=True), (6, 5, 5), 3).double()
    assert norm.max_timesteps == 3
    for step, own in enumerate(norm.norms):
        torch.nn.init.constant_(own.weight, step)
        assert_close(norm(X, step), step * standardised("group"))
    assert StepNorm(Norm(kind="group"), (6, 5, 5), 3).max_timesteps is None


#: Where a norm may be, as fields of an area, a connection or a cell.
PLACES = {
    "area": {"area": {"norm": {"kind": "batch", "per_step": True}}},
    "cell": {"area": {"cell": {"kind": "simple_rnn", "norm": {"kind": "batch", "per_step": True}}}},
    "cornet_s": {"area": {"cell": {"kind": "cornet_s", "stride": 1}}},
    "hconvgru": {"area": {"cell": {"kind": "hconvgru"}}},
    "adaptation": {"area": {"cell": {"kind": "hgru", "adaptation": True}}},
    "connection": {
        "further": [
            {
                "source": "a0",
                "target": "a0",
                "kind": "lateral",
                "delay": 1,
                "norm": {"kind": "batch", "per_step": True},
            }
        ]
    },
}


@pytest.mark.parametrize("place", PLACES)
def test_with_parameters_of_each_timestep_there_is_no_further_one(place):
    network = RecurrentNetwork(chain(1, timesteps=3, input_size=3, **PLACES[place])).eval()
    x = torch.rand(1, 3, 3, 3)
    assert network.max_timesteps == 3
    assert network(x).shape == (3, 1, 10)
    message = r"'small' can run for 3 timesteps, not for 4: area 'a0' has .* each of 3 timesteps"
    with pytest.raises(ValueError, match=message):
        network(x, timesteps=4)
    *_, (_, state) = network.unroll(x, 3)
    with pytest.raises(ValueError, match="can run for 3 timesteps, not for 4"):
        network.step(x, state)
    with pytest.raises(ValueError, match="not for 5"):
        list(network.unroll(x, 2, state))


def test_what_starts_late_lasts_longer():
    late = {"cold_start": "silent", "norm": {"kind": "group", "per_step": True}, "channels": 4}
    areas = {"a": {}, "b": late}
    network = RecurrentNetwork(
        wired(areas, [joined("image", "a"), joined("a", "b", 2)], timesteps=3)
    )
    assert network.max_timesteps == 5
    assert network(torch.rand(1, 3, 1, 1), timesteps=5).shape == (5, 1, 10)
    with pytest.raises(ValueError, match="can run for 5 timesteps, not for 6"):
        network(torch.rand(1, 3, 1, 1), timesteps=6)


def test_shared_norms_run_on():
    network = RecurrentNetwork(chain(1, timesteps=3, area={"norm": "group"}))
    assert network.max_timesteps is None
    assert network(torch.rand(1, 3, 1, 1), timesteps=50).shape == (50, 1, 10)


def test_a_learned_softmax_over_time_has_no_weight_for_a_further_timestep():
    readout = {"area": "a0", "over_time": "softmax"}
    network = RecurrentNetwork(chain(1, timesteps=3, readout=readout))
    assert network.max_timesteps == 3
    with pytest.raises(ValueError, match=r"not for 4: its readout has a weight for each timestep"):
        network(torch.rand(1, 3, 1, 1), timesteps=4)


def test_the_norm_of_a_timestep_is_used_at_that_timestep():
    norm = {"kind": "group", "per_step": True}
    further = [{"source": "a0", "target": "a0", "kind": "lateral", "delay": 1, "norm": norm}]
    network = built(chain(1, timesteps=3, further=further), {"a0.image_0": 1})
    for step, own in enumerate(network.areas["a0"].links["a0_1"].norm.norms):
        torch.nn.init.zeros_(own.weight)
        torch.nn.init.constant_(own.bias, 10 * step)
    assert responses(network, image(1), 3, "a0")[:, 0, 0, 0, 0].tolist() == [1, 11, 21]


def test_batch_statistics_are_those_of_each_timestep():
    # Constant drive, batch norm in training: every timestep is standardised over the batch.
    network = built(chain(1, area={"norm": "batch"}, input_size=4)).train()
    seen = responses(network, torch.rand(8, 3, 4, 4, **FLOAT64), 2, "a0")
    assert_close(seen.mean(dim=(1, 3, 4)), torch.zeros(2, 3, **FLOAT64), atol=1e-12, rtol=0)
    assert network.areas["a0"].norm.norms[0].num_batches_tracked > 0
