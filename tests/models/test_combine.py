"""How the inputs of an area become one drive."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from neurorec.models import RecurrentNetwork

from .small import FLOAT64, built, joined, responses, wired

X = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0), **FLOAT64)


def meeting(combine: str, *, modulated: bool = True, fields=None, **connection):
    """Area b hears a directly and c through a connection that may modulate it."""
    area = {"combine": combine, "nonlinearity": "identity", **(fields or {})}
    if combine == "concat":
        area["operator"] = {"kind": "conv", "kernel": 3, "bias": True}
    c = {"kind": "skip", "role": "modulation" if modulated else "drive", **connection}
    wiring = wired(
        {"a": {"channels": 4}, "c": {"channels": 3}, "b": area},
        [joined("image", "a"), joined("image", "c"), joined("a", "b"), joined("c", "b", **c)],
        input_size=5,
    )
    network = built(wiring)
    if network.areas["b"].bias is not None:
        torch.nn.init.normal_(network.areas["b"].bias)
    return network


def parts(network):
    """Drive with its bias, and modulation, from the links' convolutions."""
    a, c = (responses(network, X, 1, name)[0] for name in "ac")
    module = network.areas["b"]
    links = dict(module.links.items())
    drive = F.conv2d(a, links["a_0"].operator.weight, padding=1) + module.bias
    key = "c_0_modulation" if "c_0_modulation" in links else "c_0"
    return drive, F.conv2d(c, links[key].operator.weight, padding=1)


RULES = {
    "sum": lambda d, m: d + m,
    "multiply": lambda d, m: d * (1 + m),
    "sigmoid_gate": lambda d, m: 2 * torch.relu(d) * torch.sigmoid(m),
}


@pytest.mark.parametrize("rule", RULES)
def test_rules_against_torch(rule):
    network = meeting(rule, modulated=rule != "sum")
    assert_close(responses(network, X, 1, "b")[0], RULES[rule](*parts(network)).detach())


@pytest.mark.parametrize(("rule", "alone"), [("multiply", lambda d: d), ("sigmoid_gate", F.relu)])
def test_without_modulation_there_is_the_drive(rule, alone):
    network = meeting(rule, silenced=True)
    assert_close(responses(network, X, 1, "b")[0], alone(parts(network)[0]).detach())


def test_several_connections_of_one_role_are_added():
    connections = [joined("image", "a"), joined("image", "b"), joined("a", "b", kind="skip")]
    connections += [
        joined("a", "b", 1, kind="skip", role="modulation"),
        joined("b", "b", 1, role="modulation"),
    ]
    wiring = wired({"a": {}, "b": {"combine": "multiply"}}, connections, input_size=5)
    network = built(wiring)
    states = [s for _, s in network.unroll(X, 2)]
    links = dict(network.areas["b"].links.items())
    drive = links["image_0"](X, 0) + links["a_0"](states[1]["a"]["h"], 0)
    modulation = links["a_1_modulation"](states[0]["a"]["h"], 0)
    modulation = modulation + links["b_1_modulation"](states[0]["b"]["h"], 0)
    assert_close(states[1]["b"]["h"], torch.relu(drive * (1 + modulation)))


def test_a_gated_drive_is_not_rectified_again():
    network = meeting("sigmoid_gate", fields={"nonlinearity": None})
    module = network.areas["b"]
    assert module.nonlinearity(torch.tensor(-1.0)) == -1


@pytest.mark.parametrize("silenced", [False, True])
def test_concat_is_a_convolution_of_the_maps_in_the_order_of_their_names(silenced):
    network = meeting("concat", modulated=False, silenced=silenced)
    module = network.areas["b"]
    assert module.bias is None
    a, c = (responses(network, X, 1, name)[0] for name in "ac")
    stacked = torch.cat([a, torch.zeros_like(c) if silenced else c], dim=1)
    expected = F.conv2d(stacked, module.operator.weight, module.operator.bias, padding=1)
    assert_close(responses(network, X, 1, "b")[0], expected.detach())
    assert module.operator.weight.shape == (2, 7, 3, 3)


def test_what_is_concatenated_may_be_convolved_before():
    network = meeting("concat", modulated=False, operator={"kind": "conv", "kernel": 1})
    assert network.areas["b"].links["c_0"].operator.weight.shape == (3, 3, 1, 1)


def test_a_norm_of_what_is_concatenated_has_the_source_s_channels():
    network = meeting("concat", modulated=False, norm={"kind": "group", "groups": 3})
    assert network.areas["b"].links["c_0"].norm.norms[0].weight.shape == (3,)
    assert responses(network, X, 1, "b").isfinite().all()


def test_a_modulation_is_not_concatenated():
    network = meeting("concat", fields={"cell": "rgc_shallow"})
    module = network.areas["b"]
    assert module.operator.weight.shape == (2, 4, 3, 3)
    assert module.links["c_0_modulation"].operator.weight.shape == (2, 3, 3, 3)
    assert responses(network, X, 2, "b").isfinite().all()


def test_an_area_that_hears_nothing_yet_has_its_bias():
    wiring = wired({"a": {}}, [joined("image", "a", starts=1)], input_size=5)
    network = RecurrentNetwork(wiring).double()
    torch.nn.init.constant_(network.areas["a"].bias, 2)
    seen = responses(network, X, 2, "a")
    assert (seen[0] == 2).all()
    assert seen[1].std() > 0
