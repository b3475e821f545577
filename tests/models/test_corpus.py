"""Wrong files: each gives one line that names file, line, key, value and remedy.

Every file of the folder begins with the message it must give, ``# expect: regular expression``, and
has a comment ``# wrong`` on the line that the message must name.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from neurorec.cli import app, run
from neurorec.models import RecurrentNetwork, save, wiring

from .small import chain

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.yaml"))


def expected(path: Path) -> tuple[str, int | None]:
    """The message, and the line it must name (from 1) if that is marked."""
    lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    marked = [i for i, line in enumerate(lines, start=1) if line.endswith("# wrong")]
    return lines[0].removeprefix("# expect: "), marked[0] if marked else None


def check(text: str, path: Path) -> None:
    message, line = expected(path)
    assert "\n" not in text
    found = re.fullmatch(rf"{re.escape(str(path))}, line (\d+): (.*)", text)
    assert found, text
    assert re.match(message, found[2]), found[2]
    if line is not None:
        assert int(found[1]) == line, text


def test_the_corpus_is_there():
    assert len(CORPUS) >= 40


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_wrong_file_gives_one_line(path):
    with pytest.raises(ValueError, match=r".") as caught:
        wiring(path)
    check(str(caught.value), path)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_command_line_says_the_same(path, capsys):
    with pytest.raises(SystemExit) as end:
        run(app, ["models", "show", str(path)])
    captured = capsys.readouterr()
    assert (end.value.code, captured.out) == (2, "")
    assert captured.err.startswith("neurorec: ")
    check(captured.err.removeprefix("neurorec: ").removesuffix("\n"), path)


def process(*arguments: str) -> subprocess.CompletedProcess:
    code = "from neurorec.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


@pytest.mark.slow
def test_a_process_ends_with_one_line_and_no_traceback():
    path = next(path for path in CORPUS if path.stem == "cycle_of_zero_delay")
    done = process("models", "show", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    check(done.stderr.removeprefix("neurorec: ").removesuffix("\n"), path)


def test_a_norm_of_each_timestep_asked_to_run_longer_is_told_why(tmp_path, capsys):
    norm = {"kind": "batch", "per_step": True}
    network = RecurrentNetwork(chain(1, timesteps=3, input_size=8, area={"norm": norm}))
    checkpoint = save(network, tmp_path / "m.safetensors")
    Image.new("RGB", (8, 8)).save(tmp_path / "i.png")
    folder, out = str(tmp_path), str(tmp_path / "r.h5")
    with pytest.raises(SystemExit) as end:
        run(app, ["record", str(checkpoint), folder, "--out", out, "--timesteps", "4"])
    captured = capsys.readouterr()
    assert (end.value.code, captured.out) == (2, "")
    line = captured.err.splitlines()[-1]
    assert line.startswith("neurorec: 'small' can run for 3 timesteps, not for 4: area 'a0' has")
    assert "share them over time" in line
    assert "Traceback" not in captured.err
    assert not Path(out).exists()
