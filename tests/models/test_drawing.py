"""Wirings as text."""

import re
import textwrap
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorec.models import PRESETS, preset
from neurorec.models.drawing import diagram, drawn_order, lanes, ports

from .small import chain, joined, wired

WIRINGS = {name: preset(name) for name in PRESETS}


def drawn(text: str) -> str:
    return textwrap.dedent(text).strip("\n")


def test_a_row():
    expected = """
              ┌───────┐    ┌───────────────┐    ┌───────┐    ┌───────┐
    image ───▶│ a1 ↺1 │───▶│ integration ~ │───▶│ a2 ↺1 │───▶│ a3 ↺1 │───▶ logits
              └───────┘    └───────────────┘    └───────┘    └───────┘
                                   ▲                             │
                                   └──────────────1──────────────┘

    numbers: delay in timesteps; ↺ lateral; ~ noise
    """
    assert diagram(WIRINGS["greco2025-fb-dropout"]) == drawn(expected)


def test_a_column():
    wiring = chain(
        3,
        delay=2,
        further=[
            joined("a0", "a2", kind="skip", delay=3),
            joined("a2", "a0", kind="feedback", delay=1, silenced=True),
            joined("a2", "a1", kind="feedback", delay=12),
            joined("a1", "a1", 1, silenced=True),
        ],
    )
    expected = """
          image
            ▼
    ┌──│   a0    │◀┄┄┄┄┐
    │       ▼ 2        ┆
    3  │ a1 (↺1) │◀─┐  1
    │       ▼ 2     12 ┆
    │  │   a2    │──┘  ┆
    └─▶│         │┄┄┄┄┄┘
            ▼
         logits

    numbers: delay in timesteps; ↺ lateral; ┄ or in brackets: silenced
    """
    assert diagram(wiring, width=30) == drawn(expected)


def test_what_climbs_is_above_and_what_descends_below():
    wiring = wired(
        {"a": {}, "b": {"combine": "multiply"}, "c": {}},
        [
            joined("image", "a"),
            joined("a", "b"),
            joined("b", "c"),
            joined("a", "c", 2, kind="skip"),
            joined("c", "b", 1, kind="feedback", role="modulation"),
            joined("c", "a", 3, kind="feedback"),
        ],
    )
    expected = """
                ┌────────2────────┐
                │                 ▼
              ┌───┐    ┌───┐    ┌───┐
    image ───▶│ a │───▶│ b │───▶│ c │───▶ logits
              └───┘    └───┘    └───┘
                ▲        ◇       │ │
                │        └───1───┘ │
                └────────3─────────┘

    numbers: delay in timesteps; ◇ modulates
    """
    assert diagram(wiring) == drawn(expected)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("width", [40, 80, 120])
def test_every_preset(name, width):
    wiring, found = WIRINGS[name], diagram(WIRINGS[name], width=width)
    picture = found.rsplit("\n\n", 1)[0] if "\n\n" in found else found
    assert max(map(len, found.splitlines())) <= max(width, 80)
    for area in wiring.areas:
        assert len(re.findall(rf"(?<!\w){area.name}(?!\w)", picture)) >= 1
    heads = sum(picture.count(head) for head in "▶◀▲▼◇")
    laterals = [c for c in wiring.connections if c.kind == "lateral"]
    assert picture.count("↺") == len(laterals)
    modulating_loops = sum(c.role == "modulation" for c in laterals)
    # One for each connection, and one for the readout.
    assert heads - modulating_loops == len(wiring.connections) - len(laterals) + 1


@pytest.mark.parametrize("name", PRESETS)
def test_delays_are_written(name):
    wiring, found = WIRINGS[name], diagram(WIRINGS[name])
    picture = found.rsplit("\n\n", 1)[0] if "\n\n" in found else found
    names = "|".join(sorted((a.name for a in wiring.areas), key=len, reverse=True))
    numbers = re.findall(r"\d+", re.sub(names, "", picture))
    expected = [str(c.delay) for c in wiring.connections if c.delay or c.kind == "lateral"]
    assert sorted(numbers) == sorted(expected)


def test_regions_stay_together_in_the_order_of_the_path():
    order = drawn_order(WIRINGS["blt-vs"])
    assert order[:4] == ("Retina_bu", "LGN_bu", "LGN_td", "V1_bu")
    assert order[-1] == "Readout_td"
    places = [WIRINGS["blt-vs"].area(name).place for name in order]
    assert len([a for a, b in pairwise(places) if a != b]) == 7


def test_the_order_of_the_file_does_not_matter():
    wiring = WIRINGS["greco2025-fb"]
    turned = wiring.model_copy(
        update={"areas": wiring.areas[::-1], "connections": wiring.connections[::-1]}
    )
    assert diagram(turned) == diagram(wiring)


def test_a_plain_chain_has_no_legend():
    assert "delay" not in diagram(WIRINGS["cornet-z"])
    assert diagram(WIRINGS["cornet-z"]).endswith("logits")


SPANS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 10)).map(lambda x: (x[0], x[0] + x[1])),
    max_size=12,
)


@given(SPANS)
def test_spans_of_one_lane_do_not_meet(spans):
    found = lanes(spans)
    for i, (low, high) in enumerate(spans):
        for j, (other_low, other_high) in enumerate(spans[:i]):
            if found[i] == found[j]:
                assert high < other_low or other_high < low


@given(SPANS)
def test_no_lane_is_left_out(spans):
    assert set(lanes(spans)) == set(range(len(set(lanes(spans)))))


def test_lanes_by_hand():
    assert lanes([(0, 10), (1, 3), (5, 6), (2, 5)]) == [2, 0, 0, 1]


def test_ports_by_hand():
    # From node 1: to 0, to 2, to 3; nested arcs do not cross.
    assert ports([(0, 1), (1, 2), (3, 1)]) == {
        0: [(0, 0)],
        1: [(0, 1), (2, 1), (1, 0)],
        2: [(1, 1)],
        3: [(2, 0)],
    }
