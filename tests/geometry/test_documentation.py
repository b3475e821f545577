"""The Python of docs/geometry.md does what it says, as written."""

import re
from pathlib import Path

import pytest

from neurorec.geometry import MEASURES

PAGE = Path(__file__).parents[2] / "docs" / "geometry.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
def test_the_examples_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for i, block in enumerate(BLOCKS):
        exec(compile(block, f"docs/geometry.md, block {i}", "exec"), names)
    assert (tmp_path / "g.nc").exists()
    assert (tmp_path / "rdm.gif").exists()
    assert names["panel"]["area"].values.tolist() == ["a1", "a3"]


def test_every_measure_is_described():
    table = PAGE.read_text(encoding="utf-8").partition("## Measures")[2].partition("\n\n`")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(MEASURES)
