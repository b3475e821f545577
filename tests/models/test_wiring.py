"""Wirings: what is refused, and how it is said."""

import re

import pytest
import yaml

from neurorec.models import PRESETS, Wiring, build, preset, wiring

GOOD = preset("greco2025-fb-dropout").model_dump(mode="json")


def edited(change):
    content = yaml.safe_load(yaml.safe_dump(GOOD))
    change(content)
    return content


def set_area(index, **fields):
    return lambda w: w["areas"][index].update(fields)


def set_connection(index, **fields):
    return lambda w: w["connections"][index].update(fields)


#: A change that makes the wiring wrong, and what the error must say.
WRONG = {
    "unknown key": (lambda w: w.update(dt=10), "dt: unknown key; check its spelling or remove it"),
    "missing key": (lambda w: w.pop("readout"), "readout: this key is missing; add it"),
    "wrong type": (set_area(0, channels="many"), "areas.0.channels: .*, got 'many'"),
    "no channels": (
        set_area(0, channels=0),
        "areas.0.channels: .*greater than or equal to 1, got 0",
    ),
    "even kernel": (set_area(0, kernel=2), "kernel of area 'a1' must be odd, got 2"),
    "unknown cell": (set_area(0, cell="lstm"), "areas.0.cell: .*'rectified' or 'time_decay'"),
    "reserved name": (set_area(0, name="image"), "an area may not be called 'image'"),
    "name with a dot": (set_area(0, name="a.1"), "areas.0.name: .*, got 'a.1'"),
    "same name twice": (set_area(0, name="a2"), "area names must differ"),
    "dropout of one": (set_area(1, noise={"p": 1.0}), "noise.p: .*less than 1, got 1.0"),
    "dropout of zero": (set_area(1, noise={"p": 0}), "noise.p: .*greater than 0, got 0"),
    "unknown resample": (
        set_area(1, noise={"p": 0.5, "resample": "batch"}),
        "noise.resample: .*'step', 'trial' or 'frozen', got 'batch'",
    ),
    "no areas": (lambda w: w.update(areas=[]), "areas: .*at least 1 item"),
    "unknown source": (
        set_connection(0, source="retina"),
        r"starts at an unknown area 'retina'; the areas are \['image', 'a1'",
    ),
    "unknown target": (set_connection(1, target="V9"), "ends at an unknown area 'V9'"),
    "negative delay": (set_connection(4, delay=-1), "connections.4.delay: .*, got -1"),
    "fractional delay": (set_connection(4, delay=0.5), "connections.4.delay: .*, got 0.5"),
    "delayed image": (set_connection(0, delay=1), "image → a1 must have delay 0, got 1"),
    "zero-delay cycle": (
        set_connection(7, delay=0),
        "connections of zero delay form a cycle, .*; give one of them a delay",
    ),
    "lateral to itself only": (set_connection(4, kind="feedback"), "has kind 'feedback'; lateral"),
    "feedback without resize": (
        set_connection(7, resize=None),
        r"a3 → integration brings a map of \(4, 4\) where \(16, 16\) is needed; give it a resize",
    ),
    "silenced feedforward": (
        set_connection(1, silenced=True),
        "is feedforward and can neither be resized nor silenced",
    ),
    "same connection twice": (
        lambda w: w["connections"].append(w["connections"][4]),
        "two connections join the same areas with the same delay",
    ),
    "no input": (
        lambda w: w["connections"].pop(0),
        "the size of area 'a1' cannot be known: no chain of feedforward connections",
    ),
    "unknown readout": (lambda w: w.update(readout="IT"), r"readout must be one of the areas"),
    "one class": (lambda w: w.update(classes=1), "classes: .*, got 1"),
    "no time": (lambda w: w.update(dt_ms=0), "dt_ms: .*greater than 0, got 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_gives_one_line(name, tmp_path):
    change, message = WRONG[name]
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(edited(change)))
    with pytest.raises(ValueError, match=message) as caught:
        wiring(path)
    text = str(caught.value)
    assert "\n" not in text
    assert re.match(rf"{re.escape(str(path))}, line \d+: ", text)


def test_the_line_is_the_key_s(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("name: x\nreadout: a\nareas:\n  - name: a\n    channels: 0\nconnections: []\n")
    with pytest.raises(ValueError, match=r"wrong.yaml, line 5: areas.0.channels"):
        wiring(path)


@pytest.mark.parametrize(
    ("name", "location"),
    [
        ("unknown source", "connections.0"),
        ("unknown target", "connections.1"),
        ("zero-delay cycle", "connections.7"),
        ("feedback without resize", "connections.7"),
        ("unknown readout", "readout"),
    ],
)
def test_a_fault_of_the_whole_names_the_entry_that_causes_it(name, location, tmp_path):
    path = tmp_path / "wrong.yaml"
    content = edited(WRONG[name][0])
    path.write_text(yaml.safe_dump(content, sort_keys=False, default_flow_style=False))
    with pytest.raises(ValueError, match=re.escape(location)) as caught:
        wiring(path)
    line = int(re.search(r"line (\d+)", str(caught.value)).group(1))
    text = path.read_text().splitlines()
    if location == "readout":
        assert text[line - 1].startswith("readout:")
    else:
        number = int(location.split(".")[1])
        starts = [i for i, x in enumerate(text, 1) if x.startswith("- delay:")]
        assert line == starts[number]


def test_not_yaml_and_not_a_mapping(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("a: [")
    with pytest.raises(ValueError, match="is not YAML"):
        wiring(path)
    path.write_text("- a")
    with pytest.raises(ValueError, match="must hold a mapping of keys to values, got list"):
        wiring(path)
    with pytest.raises(ValueError, match="there is no wiring file"):
        wiring(tmp_path / "absent.yaml")


def test_presets_build_and_round_trip(tmp_path):
    for name in PRESETS:
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(preset(name).model_dump(mode="json")))
        assert wiring(path) == preset(name)
    assert Wiring.model_validate_json(preset(name).model_dump_json()) == preset(name)


def test_unknown_preset_and_change():
    with pytest.raises(ValueError, match=r"preset must be one of .*greco2025-fb"):
        build("greco2025")
    with pytest.raises(ValueError, match="timestep: unknown key"):
        build("greco2025-ff", timestep=3)
    with pytest.raises(ValueError, match=r"no area 'V4'; the areas are \['a1', 'integration'"):
        preset("greco2025-ff").area("V4")


def test_taking_away_what_is_not_there():
    with pytest.raises(ValueError, match="has no noise to take away"):
        preset("greco2025-fb").without("noise")
    with pytest.raises(ValueError, match="has no feedback to take away"):
        preset("greco2025-ff").without("feedback")
