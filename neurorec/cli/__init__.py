"""The command line: the verbs of the Python API in the order of the work, one short file each.

A verb lives in ``neurorec/cli/<verb>.py`` as a function of that name (or, where it has verbs of its
own, as a ``typer.Typer`` called ``app``) and is registered here. It follows four rules.

- Its module imports nothing heavier than typer; torch, xarray and the rooms of neurorec are
  imported inside the function. ``neurorec --help`` therefore answers at once.
- Its docstring is what ``--help`` prints: sentences, no numpydoc sections.
- It only calls the public API. A ``ValueError``, ``KeyError``, ``OSError`` or ``ImportError`` of
  the API is left to :func:`run`, which turns it into one line and exit code 2; any other exception
  is a fault of neurorec and keeps its traceback. ``NEUROREC_DEBUG=1`` shows every traceback.
- Results go to standard output, progress and errors to standard error. An exit code of its own is
  ``raise typer.Exit(code)``.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Final, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from neurorec import __version__
from neurorec.cli import (
    brainscore,
    compare,
    data,
    demo,
    doctor,
    geometry,
    models,
    record,
    recording,
    score,
    train,
)
from neurorec.cli._several import SeveralValues

#: Exit code after Ctrl-C, the shell's convention for SIGINT.
INTERRUPTED = 130
#: Exit code after a wrong input.
WRONG_INPUT = 2

#: The order of the work, which is that of ``neurorec --help``.
VERBS: Final = (
    "demo",
    "data",
    "models",
    "train",
    "record",
    "recording",
    "compare",
    "geometry",
    "score",
    "brainscore",
    "doctor",
)


class _InOrder(TyperGroup):
    """Commands in the order of :data:`VERBS`; typer lists those with verbs of their own last."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        return sorted(self.commands, key=VERBS.index)


app = typer.Typer(
    cls=_InOrder,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool | None) -> None:
    if asked:
        print(f"neurorec {__version__}")
        raise typer.Exit


@app.callback()
def neurorec(
    version: Annotated[
        bool | None,  # None where it is not given, since it is eager
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = None,
) -> None:
    """Hold recurrent vision models against primate visual cortex, timestep by timestep.

    The commands follow the work: see the whole path once (demo), look at recordings (data) and
    models, train a model, record its units over time, compare them with neurons, measure their
    geometry, score models on benchmarks, submit them to Brain-Score (brainscore), and check this
    machine (doctor).
    """


app.command()(demo.demo)
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")
app.command()(train.train)
app.command(cls=SeveralValues)(record.record)
app.add_typer(recording.app, name="recording")
app.command()(compare.compare)
app.command()(geometry.geometry)
app.add_typer(brainscore.app, name="brainscore")
app.command()(score.score)
app.command()(doctor.doctor)


def sentence(error: Exception) -> str:
    """Message of ``error`` on one line."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    elif isinstance(error, KeyError) and error.args:
        text = str(error.args[0])  # str() of a KeyError adds quotes
    else:
        text = str(error)
    text = " ".join(text.split())
    # A bare key or an empty message says nothing without its kind.
    return text if " " in text else f"{type(error).__name__}: {text}"


def run(application: typer.Typer, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run ``application`` with ``arguments`` (those of the process if left out), then exit."""
    try:
        get_command(application).main(args=arguments, prog_name="neurorec")
    except SystemExit as end:
        if end.code == INTERRUPTED:
            print("neurorec: interrupted; what was finished is kept", file=sys.stderr)
        raise
    except (ValueError, KeyError, OSError, ImportError) as error:
        if os.environ.get("NEUROREC_DEBUG", "0") not in ("", "0"):
            raise
        print(f"neurorec: {sentence(error)}", file=sys.stderr)
        raise SystemExit(WRONG_INPUT) from None
    raise SystemExit(0)


def main() -> NoReturn:
    """Entry point of the ``neurorec`` command."""
    run(app)
