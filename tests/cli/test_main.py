"""The `neurorec` command: what it prints, and how it ends when something goes wrong."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import neurorec
from neurorec import cli

ROOT = Path(neurorec.__file__).parents[1]


def neurorec_command(*arguments: str) -> subprocess.CompletedProcess:
    """Run the command as a user does, in a process of its own."""
    code = "from neurorec.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_help_reads_like_the_work():
    done = neurorec_command("--help")
    assert done.returncode == 0
    _, _, commands = done.stdout.partition("Commands:")
    lines = [line.split(maxsplit=1) for line in commands.strip().splitlines()]
    assert tuple(line[0] for line in lines) == cli.VERBS
    assert all(len(line) == 2 for line in lines), "a command has no help"


@pytest.mark.parametrize("verb", cli.VERBS)
def test_help_of_a_verb(verb):
    done = neurorec_command(verb, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: neurorec {verb}")
    assert "----" not in done.stdout, "a docstring of numpydoc is no help text"


def test_version():
    done = neurorec_command("--version")
    assert (done.returncode, done.stdout) == (0, f"neurorec {neurorec.__version__}\n")


def test_without_arguments_it_prints_help():
    done = neurorec_command()
    assert "Usage: neurorec" in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [("recrod",), ("doctor", "--fast")])
def test_wrong_usage(arguments):
    done = neurorec_command(*arguments)
    assert done.returncode == 2
    assert arguments[-1] in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_input_is_one_line():
    done = neurorec_command("data", "info", "no-such-data")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("neurorec: ")
    assert "no-such-data" in done.stderr
    assert "cowley-2023" in done.stderr  # what there is


ERRORS = {
    "value": (
        ValueError("area must be one of ['V4'],\n  got 'V5'"),
        "area must be one of ['V4'], got 'V5'",
    ),
    "key": (KeyError("no area 'V5'; there are V1, V4"), "no area 'V5'; there are V1, V4"),
    "bare": (KeyError("V5"), "KeyError: V5"),
    "empty": (ValueError(), "ValueError: "),
    "file": (
        FileNotFoundError(2, "No such file or directory", "a.h5"),
        "a.h5: No such file or directory",
    ),
    "disk": (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
    "import": (ImportError("neurorec.brainscore needs it"), "neurorec.brainscore needs it"),
}


def application(error: BaseException) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise error

    return app


@pytest.mark.parametrize(("error", "text"), ERRORS.values(), ids=ERRORS)
def test_error_of_the_api_is_one_line(error, text, capsys, monkeypatch):
    monkeypatch.delenv("NEUROREC_DEBUG", raising=False)
    with pytest.raises(SystemExit) as end:
        cli.run(application(error), [])
    assert end.value.code == 2
    assert capsys.readouterr().err == f"neurorec: {text}\n"


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setenv("NEUROREC_DEBUG", "1")
    with pytest.raises(ValueError, match="got 'V5'"):
        cli.run(application(ERRORS["value"][0]), [])


def test_fault_of_neurorec_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.run(application(ZeroDivisionError()), [])


def test_success_and_own_exit_code():
    app = typer.Typer()

    @app.command()
    def leave(code: int) -> None:
        raise typer.Exit(code)

    for code in (0, 3):
        with pytest.raises(SystemExit) as end:
            cli.run(app, [str(code)])
        assert end.value.code == code


def test_interrupt_says_that_work_is_kept():
    code = (
        "import time, typer; from neurorec import cli; app = typer.Typer()\n"
        "@app.command()\n"
        "def work():\n"
        "    print('started', flush=True); time.sleep(60)\n"
        "cli.run(app, [])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "neurorec: interrupted; what was finished is kept\n"
