"""``neurorec doctor``: what is on this machine, and what to type for what is missing."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from neurorec.cli._facts import Fact

COLOURS = {"ok": "green", "missing": "yellow", "broken": "bold red"}


def doctor() -> None:
    """Say what this machine has, and what to type for more.

    Looks at the libraries, the device, the optional parts and the recordings. Exits with 1 if
    something that neurorec cannot do without is broken.
    """
    from neurorec.cli import _facts

    report = {
        "Software": _facts.stack(),
        "Machine": _facts.machine(),
        "Optional parts": _facts.parts(),
        "Recordings": _facts.data(),
    }
    show(report)
    if any(fact.mark == "broken" for facts in report.values() for fact in facts):
        raise typer.Exit(1)


def show(report: Mapping[str, Sequence["Fact"]]) -> None:
    """Print the facts, by heading, as one table; then what to type, one remedy a line."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for heading, facts in report.items():
        table.add_row(Text(heading, style="bold"))
        for fact in facts:
            # Text, because a name such as neurorec[brainscore] would be read as markup.
            mark = Text(fact.mark, style=COLOURS[fact.mark])
            table.add_row(Text(f"  {fact.name}"), mark, Text(fact.found))
    console.print(table)
    remedies = [fact for facts in report.values() for fact in facts if fact.remedy]
    if remedies:
        console.print(Text("\nFor more, type", style="bold"))
        for fact in remedies:
            console.print(Text(f"  {fact.name}: {fact.remedy}"), soft_wrap=True)
