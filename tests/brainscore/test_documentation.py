"""The Python of docs/brainscore.md, and the commands of README.md, run as they are written."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")

from neurorec import brainscore

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "brainscore.md").read_text(encoding="utf-8")
SECTION = ((REPOSITORY / "README.md").read_text(encoding="utf-8")).partition(
    "\n## Score a model on Brain-Score\n"
)[2]
SECTION = SECTION.partition("\n## ")[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for i, block in enumerate(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)):
        exec(compile(block, f"docs/brainscore.md, block {i}", "exec"), names)
    written = brainscore.Scores.from_json(tmp_path / "scores.json")
    assert written.table["score"].notna().all()
    assert set(names["fitted"].regions) == {"IT"}
    assert (tmp_path / "plugin" / "model.py").exists()


@pytest.fixture
def shell(tmp_path, monkeypatch, mirror):
    """A folder of its own, in which `neurorec` is the one that is tested."""
    command = tmp_path / "bin" / "neurorec"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m neurorec.cli "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("NEUROREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_readme_runs(shell, monkeypatch):
    (block,) = re.findall(r"(?:^    neurorec .+\n)+", SECTION, re.MULTILINE)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], cwd=shell, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    scores = brainscore.Scores.from_json(shell / "scores.json").table
    models = scores["model"].str.replace(r"-[0-9a-f]{12}$", "", regex=True)
    assert set(models) == {"fb", "fb-untrained", "pixels-64"}
    assert set(scores["region"]) == {"V4"}
    assert scores["score"].between(0, 1).all()
    regions = brainscore.read_regions(shell / "regions.json")
    assert brainscore.subject(shell / "plugin").regions == {k: tuple(v) for k, v in regions.items()}
    for file in ("__init__.py", "model.py", "test.py", "region_layer_map/my-model.json"):
        assert (shell / "plugin" / file).exists()
    monkeypatch.chdir(shell)
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})


@pytest.mark.parametrize("text", [PAGE, SECTION], ids=["page", "section"])
def test_commands_and_names_exist(text):
    """Also those that are too slow to be run, or need a network."""
    from neurorec.cli import VERBS

    verbs = re.findall(r"(?:^    |`)neurorec ([a-z]+)", text, re.MULTILINE)
    assert verbs
    assert set(verbs) <= set(VERBS)
    for name in re.findall(r"\bbrainscore\.(\w+)", text.replace("docs/brainscore.md", "")):
        assert hasattr(brainscore, name), name
