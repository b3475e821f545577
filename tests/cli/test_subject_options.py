"""The options by which commands say what is scored: parsed, refused, handed on."""

from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Annotated

import pytest
import typer

from neurorec.cli import run
from neurorec.cli._several import SeveralValues
from neurorec.cli._subjects import SubjectOptions, make_subject, pairs, subject_options


@pytest.fixture
def command(capsys):
    """A command with these options; what they were, and exit code, output and error."""
    seen: dict = {}
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @subject_options()
    def show(
        model: Annotated[str, typer.Argument()],
        others: Annotated[list[str], typer.Argument()],
        how: SubjectOptions,
        out: Annotated[Path | None, typer.Option()] = None,
    ) -> None:
        """Show what was asked."""
        seen.update(model=model, others=others, how=how, out=out)

    app.command(cls=SeveralValues)(show)

    def answer(*arguments):
        with pytest.raises(SystemExit) as end:
            run(app, list(arguments))
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    answer.seen = seen
    return answer


def test_nothing_said(command):
    assert command("m", "b", "c")[0] == 0
    said = {"model": "m", "others": ["b", "c"]}
    assert command.seen == {**said, "how": SubjectOptions(), "out": None}


def test_all_said(command):
    command(
        *("m", "b", "--region", "V4=a,b", "--region", "IT=c", "--region-map", "r.json"),
        *("--areas", "V4=x.1", "IT=y", "--dt-ms", "20", "--onset-ms", "50", "--timesteps", "3"),
        *("--visual-degrees", "4", "--seed", "7", "--no-noise", "--cache-dir", "d"),
        *("--device", "cpu", "--out", "o"),
    )
    assert command.seen["out"] == Path("o")
    how = command.seen["how"]
    assert how == SubjectOptions(
        region=["V4=a,b", "IT=c"],
        region_map=Path("r.json"),
        areas=["V4=x.1", "IT=y"],
        dt_ms=20.0,
        onset_ms=50.0,
        timesteps=3,
        visual_degrees=4.0,
        seed=7,
        noise=False,
        cache_dir=Path("d"),
        device="cpu",
    )
    assert all(getattr(how, f.name) != f.default for f in fields(how))  # every one of them


def test_help(command):
    _, text, _ = command("--help")
    for option in ("--region", "--region-map", "--areas", "--no-noise", "--cache-dir", "--out"):
        assert option in text
    assert "Show what was asked." in text


def test_without_some():
    @subject_options(without=("region", "dt_ms"))
    def show(model: str, how: SubjectOptions) -> None:
        seen.append(how)

    seen: list[SubjectOptions] = []
    known = {p.name: p.default for p in signature(show).parameters.values() if p.name != "model"}
    assert set(known) == {one.name for one in fields(SubjectOptions)} - {"region", "dt_ms"}
    show(model="m", **{**known, "seed": 7})
    assert seen == [SubjectOptions(seed=7)]


@pytest.mark.parametrize("text", ["V4", "V4=", "=a", "="])
def test_a_pair_needs_both(text):
    with pytest.raises(ValueError, match=rf"--region must be such as V4=layer2, got '{text}'"):
        pairs([text], "--region", "V4=layer2")


def test_a_pair_comes_once():
    with pytest.raises(ValueError, match="--region names 'V4' twice: 'a' and 'b'"):
        pairs(["V4=a", "V4=b"], "--region", "V4=layer2")


def test_the_model(tmp_path):
    """Every option reaches the subject."""
    pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
    (tmp_path / "r.json").write_text('{"V4": "a1", "IT": ["a2", "a3"]}')
    counted = []
    how = SubjectOptions(
        region=["V4=a2,integration"],
        region_map=tmp_path / "r.json",
        dt_ms=20.0,
        onset_ms=50.0,
        timesteps=3,
        visual_degrees=4.0,
        seed=7,
        noise=False,
        cache_dir=tmp_path,
        device="cpu",
    )
    made = make_subject("greco2025-fb-dropout", how, progress=counted.append)
    assert made.regions == {"V4": ("a2", "integration"), "IT": ("a2", "a3")}
    assert (made.timeline.dt_ms, made.timeline.onset_ms, made.timeline.n_timesteps) == (20, 50, 3)
    assert made.visual_degrees() == 4
    assert made.settings["noise"] is False
    assert made.settings["seed"] == 7
    from neurorec.brainscore import untrained

    fresh = make_subject("greco2025-fb-dropout", how, make=untrained)
    assert fresh.identifier == made.identifier  # a preset has first weights already


def test_a_model_of_theirs_takes_no_settings(tmp_path):
    pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
    from neurorec.brainscore import export, subject
    from neurorec.models import build

    made = subject(build("greco2025-fb", input_size=8), {"V4": "a2"})
    folder = export(made, "mine", tmp_path / "plugin")
    opened = make_subject(str(folder), SubjectOptions(), progress=print)
    assert opened.regions == {"V4": ("a2",)}
    with pytest.raises(ValueError, match=r"model of Brain-Score, .*; leave out onset_ms, regions"):
        make_subject(str(folder), SubjectOptions(onset_ms=5.0, region=["V4=a1"]))


def test_areas_of_a_torch_module(tmp_path, monkeypatch):
    pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
    (tmp_path / "my_models_4713.py").write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(3, 2, 64, stride=32), nn.ReLU())\n"
    )
    monkeypatch.chdir(tmp_path)
    made = make_subject("my_models_4713:make", SubjectOptions(areas=["V4=0", "IT=1"]))
    assert made.regions == {"V4": ("V4",), "IT": ("IT",)}
    assert made.timeline.end_ms == 10_000
