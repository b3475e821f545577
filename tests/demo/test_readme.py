"""The README's Python does what it says, as written."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
@pytest.mark.data
def test_the_python_example_runs(mirror, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = README.read_text(encoding="utf-8")
    # The section on Brain-Score is run with its own commands.
    page = page.partition("\n## Score a model on Brain-Score\n")[0]
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    numbers = [float(x) for x in re.findall(r"-?\d+\.\d+", capsys.readouterr().out)]
    assert len(numbers) == 5
    assert all(0.1 < x < 1 for x in numbers)


def test_the_figure_is_there():
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / path).is_file(), f"README shows {path}, which is not there"
