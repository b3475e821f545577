"""BLT-VS: sizes, its two unrolls, and which connections act. Its arithmetic is in tests/oracles."""

import pytest
import torch

from neurorec.models import Wiring, preset
from neurorec.models.summary import cost

from .drawn import images_of, running

NAMES = ("blt-vs", "blt-vs-released", "blt-vs-bio")
SIZE = 16


def small(name, **changes):
    """The preset with a few channels, for small images."""
    content = preset(name).model_dump()
    for area in content["areas"]:
        area["channels"] = 5 if area["region"] == "Readout" else 4
    for connection in content["connections"]:
        if connection["kind"] == "skip" and connection["operator"]:
            connection["operator"]["groups"] = 2
    return Wiring.model_validate({**content, "input_size": SIZE, "classes": 3, **changes})


def images():
    return images_of(SIZE)


def without_delays(wiring):
    return {c.model_copy(update={"delay": 0}) for c in wiring.connections}


@pytest.mark.parametrize("name", NAMES)
def test_parameter_counts(name):
    """The release has another 64, of the norm of a top-down stream of the retina, of no effect."""
    assert cost(preset(name), "parameters") == 34_989_668
    ecoset = preset(name).model_dump()
    for area in ecoset["areas"][-2:]:
        area["channels"] = 565 + 100
    assert cost(Wiring.model_validate({**ecoset, "classes": 565}), "parameters") == 27_332_363


@torch.no_grad()
@pytest.mark.parametrize(("name", "silent"), [("blt-vs", 0), ("blt-vs-bio", 4)])
def test_when_there_is_an_answer(name, silent):
    wiring = small(name)
    logits = running(wiring)(images())
    assert len(logits) - silent == {"blt-vs": 6, "blt-vs-bio": 8}[name]
    answered = [bool(x.any()) for x in logits]
    assert answered == [False] * silent + [True] * (len(logits) - silent)


def test_onsets_in_biological_time():
    onsets = preset("blt-vs-bio").onsets()
    # V4 hears V1 before it hears V3, and the readout hears LOC at once.
    regions = ("Retina", "LGN", "V1", "V2", "V3", "V4", "LOC", "Readout")
    expected = dict(zip(regions, (0, 1, 2, 3, 4, 3, 4, 4), strict=True))
    assert {name: expected[name.split("_")[0]] for name in onsets} == onsets


def learning(name):
    """Which links get a gradient."""
    network = running(small(name))
    network(images()).square().sum().backward()
    return {
        f"{target}.{key}"
        for target, area in network.areas.items()
        for key, link in area.links.items()
        if any(p.grad is not None and p.grad.any() for p in link.parameters())
    }


@pytest.mark.slow
def test_the_skip_from_v4_to_v1_arrives_unless_it_is_to_be_as_released():
    assert learning("blt-vs") - learning("blt-vs-released") == {"V1_td.V4_td_0"}
    assert "V1_td.V4_td_1" in learning("blt-vs-bio")


@torch.no_grad()
def test_the_skip_to_v1_also_gates_its_bottom_up_stream_a_timestep_later():
    gated = small("blt-vs")
    silenced = [
        c.model_copy(update={"silenced": c.name == "V1_skip_gate"}) for c in gated.connections
    ]
    states = [
        [s["V1_bu"]["h"] for _, s in running(wiring).unroll(images(), 2)]
        for wiring in (gated, small("blt-vs", connections=silenced))
    ]
    assert torch.equal(states[0][0], states[1][0])
    assert (states[0][1] - states[1][1]).abs().max() > 1e-3


def test_biological_time_is_an_unroll_but_for_the_readout_and_one_modulation():
    bio, unrolled = preset("blt-vs-bio"), preset("blt-vs").unrolled("biological")
    assert bio.areas == unrolled.areas
    only_bio = set(bio.connections) - set(unrolled.connections)
    only_unrolled = set(unrolled.connections) - set(bio.connections)
    assert {(str(c), c.delay, c.role) for c in only_bio} == {
        ("LOC_bu → Readout_bu", 0, "drive"),
        ("V1_bu → V4_td", 1, "modulation"),
    }
    assert {(str(c), c.delay) for c in only_unrolled} == {("LOC_bu → Readout_bu", 1)}


def test_the_sweeps_within_a_timestep_are_not_the_engineering_unroll():
    own = preset("blt-vs")
    engineering = own.unrolled("engineering")
    assert without_delays(own) == without_delays(engineering)
    apart = set(engineering.connections) - set(own.connections)
    # What descends takes a timestep there and none here.
    assert {c.delay for c in apart} == {1}
    assert {str(c) for c in apart} == {
        str(c)
        for c in own.connections
        if c.target.endswith("_td") and c.source.endswith("_td") and c.kind != "lateral"
    } - {"Readout_bu → Readout_td"}
