"""The BLT networks of CCN 2023: sizes, the constructor, and which connections act."""

import pytest
import torch

from neurorec.models import Area, RecurrentNetwork, Wiring, preset
from neurorec.models.blt import blt
from neurorec.models.parts import Conv, Norm, Pool, Transposed
from neurorec.models.summary import cost

NAMES = ("V1", "V2", "V4", "IT")
WIDTHS = (64, 128, 256, 512)


def small(name, **changes):
    """The preset with a few channels, for small images."""
    content = preset(name).model_dump()
    for area in content["areas"]:
        area["channels"] = max(2, area["channels"] // 32)
    return Wiring.model_validate(
        {**content, "input_size": 16, "classes": 3, "timesteps": 4, **changes}
    )


def images():
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("blt-ccn23", 7.55),
        ("blt-ccn23-multiplicative", 7.55),
        ("blt-ccn23-released-v1", 7.55),  # with V1's lateral and top-down connections
        ("blt-ccn23-128", 21.61),
    ],
)
def test_parameter_counts(name, millions):
    n = cost(preset(name), "parameters")
    assert round(n / 1e6, 2) == millions
    assert n == {7.55: 7_546_852, 21.61: 21_605_860}[millions]


@pytest.mark.parametrize(
    ("name", "combine", "kernel"),
    [
        ("blt-ccn23", "sum", 3),
        ("blt-ccn23-multiplicative", "multiply", 3),
        ("blt-ccn23-128", "sum", 5),
    ],
)
def test_the_constructor_makes_the_preset(name, combine, kernel):
    wiring, norm = preset(name), Norm(kind="layer")
    areas = [
        Area(name="Retina", channels=32, bias=False),
        *[
            Area(name=n, channels=c, kernel=kernel, bias=False, norm=norm)
            for n, c in zip(NAMES, WIDTHS, strict=True)
        ],
        Area(name="GAP", channels=512, kernel=1, bias=False, norm=norm),
    ]
    pool = {"pool": Pool(kind="max", size=2)}
    retina = Conv(kernel=kernel, bias=True)
    made = blt(
        areas,
        bottom_up={
            "Retina": {"name": "Retina_bottom_up", "operator": retina},
            **dict.fromkeys(NAMES[1:], pool),
            "GAP": {"pool": Pool(kind="average", size="all"), "operator": "identity"},
        },
        lateral=(*NAMES, "GAP"),
        top_down=dict.fromkeys(NAMES[:3], Transposed(kernel=kernel, stride=2)),
        combine=combine,
        **wiring.model_dump(exclude={"areas", "connections"}),
    )
    assert made == wiring


def test_the_constructor_refuses_what_is_not_there():
    areas = [Area(name="a", channels=2), Area(name="b", channels=2)]
    with pytest.raises(ValueError, match=r"no areas \['c'\]; the areas are \['a', 'b'\]"):
        blt(areas, lateral=["c"], name="x", readout="b")
    with pytest.raises(ValueError, match="'b', the highest area; nothing is above it"):
        blt(areas, top_down={"b": Transposed()}, name="x", readout="b")


def gradients(name):
    """Which of V1's connections learn anything."""
    network = RecurrentNetwork(small(name))
    network(images())[-1].square().sum().backward()
    weights = {key: link.operator.weight for key, link in network.areas["V1"].links.items()}
    return {key for key, w in weights.items() if w.grad is not None and w.grad.any()}


def test_v1_hears_itself_and_v2_unless_it_is_to_be_as_released():
    assert gradients("blt-ccn23") == {"Retina_0", "V1_1", "V2_1"}
    assert gradients("blt-ccn23-multiplicative") == {
        "Retina_0",
        "V1_1_modulation",
        "V2_1_modulation",
    }
    assert gradients("blt-ccn23-released-v1") == {"Retina_0"}
    own, released = (cost(preset(f"blt-ccn23{x}"), "parameters") for x in ("", "-released-v1"))
    assert own == released


@torch.no_grad()
def test_multiplied_or_added_the_first_timestep_is_bottom_up():
    added, multiplied = (RecurrentNetwork(small(f"blt-ccn23{x}")) for x in ("", "-multiplicative"))
    multiplied.load_state_dict(
        dict(zip(multiplied.state_dict(), added.state_dict().values(), strict=True))
    )
    pairs = zip(added(images()), multiplied(images()), strict=True)
    differences = [(a - b).abs().max().item() for a, b in pairs]
    assert differences[0] == 0
    assert min(differences[1:]) > 1e-3
