"""The Python of docs/encoding.md does what it says, as written."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "encoding.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
def test_the_examples_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for i, block in enumerate(BLOCKS):
        exec(compile(block, f"docs/encoding.md, block {i}", "exec"), names)
    assert (tmp_path / "scores.nc").exists()
    assert names["scores"].sizes["model_time"] == 8
    assert set(names["few"]["neuroid_id"].values) < set(names["more"]["neuroid_id"].values)


def test_every_readout_of_the_command_line_is_described():
    from neurorec.cli._comparing import READOUTS

    table = PAGE.read_text(encoding="utf-8").partition("## Readouts")[2].partition("\n\n")[2]
    for name, of in READOUTS.items():
        assert re.search(rf"`{of}\(.*\| `{name}` \|", table), name
