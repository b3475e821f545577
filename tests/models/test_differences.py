"""What sets two wirings apart."""

import pytest

from neurorec.models import preset
from neurorec.models.differences import Difference, differences, same_parameters, verdict

from .small import chain, joined

FEEDBACK = preset("greco2025-fb")


def test_a_wiring_does_not_differ_from_itself_whatever_it_is_called():
    renamed = FEEDBACK.model_copy(update={"name": "other", "source": "", "claims": ()})
    assert differences(FEEDBACK, renamed) == ()
    assert verdict(FEEDBACK, renamed) == "There is no difference but the name."


def test_silenced_feedback_is_said_plainly():
    feedforward = preset("greco2025-ff")
    assert differences(FEEDBACK, feedforward) == (
        Difference(part="a3 → integration", field="silenced", one="no", other="yes"),
    )
    expected = "The only difference: feedback silenced in greco2025-ff."
    assert verdict(FEEDBACK, feedforward) == expected
    assert verdict(feedforward, FEEDBACK) == expected
    assert same_parameters(FEEDBACK, feedforward)


def test_both_conditions_are_said():
    assert verdict(preset("greco2025-fb-dropout"), preset("greco2025-ff")) == (
        "The only differences: noise of integration; feedback silenced in greco2025-ff."
    )


def test_one_of_several_silenced_connections_is_named():
    found = verdict(preset("blt-vs"), preset("blt-vs-released"))
    assert "V4_td → V1_td" in found
    assert found.endswith("silenced in blt-vs-released.")


def test_another_time_is_said_plainly():
    found = verdict(preset("cornet-rt"), preset("cornet-r"))
    assert found == "The only difference: delays, cornet-rt is cornet-r in biological time."
    assert not same_parameters(preset("cornet-rt"), preset("cornet-r"))  # keys name the delay
    biological = FEEDBACK.unrolled("biological")
    assert verdict(FEEDBACK, biological).endswith("the second is the first in biological time.")


def test_other_delays_are_counted_or_named():
    one, other = chain(2, delay=2), chain(2, delay=3)
    assert verdict(one, other) == "The only difference: delay of a0 → a1."
    assert differences(one, other)[0].other == "3"
    long = "The only difference: delay of 7 connections."
    assert verdict(chain(8, delay=2), chain(8, delay=3)) == long


def test_connections_of_the_same_ends_are_paired_by_role_and_delay():
    twice = [joined("a0", "a0", 1), joined("a0", "a0", 2)]
    one = chain(1, further=twice)
    other = chain(1, further=[joined("a0", "a0", 2), joined("a0", "a0", 4)])
    assert [(d.part, d.field, d.one, d.other) for d in differences(one, other)] == [
        ("a0 → a0", "delay", "1", "4")
    ]


def test_what_only_one_has_is_listed_once():
    found = differences(chain(1), chain(2))
    only = [(d.field, d.one, d.other) for d in found if "only" in d.field]
    assert only == [("only areas", "–", "a1"), ("only connections", "–", "a0 → a1")]


def test_much_is_left_to_the_table():
    assert verdict(FEEDBACK, preset("cornet-rt")) == (
        "They differ in 8 ways, which the table lists."
    )


@pytest.mark.parametrize("names", [("greco2025-fb", "cornet-s"), ("blt-vs", "blt-ccn23")])
def test_differences_mirror(names):
    one, other = map(preset, names)
    forwards = sorted((d.part, d.field, d.one, d.other) for d in differences(one, other))
    backwards = sorted((d.part, d.field, d.other, d.one) for d in differences(other, one))
    assert forwards == backwards


def test_operators_are_told_apart_as_they_act():
    wide = chain(2, further=[joined("a1", "a1", 1, operator={"kind": "conv", "kernel": 5})])
    narrow = chain(2, further=[joined("a1", "a1", 1)])
    assert differences(narrow, wide) == (
        Difference(part="a1 → a1", field="operator", one="conv 1 × 1", other="conv 5 × 5"),
    )
