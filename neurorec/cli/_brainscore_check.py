"""``neurorec brainscore check``: what a submission meets, before it is submitted."""

from pathlib import Path
from typing import Annotated

import typer


def check(folder: Annotated[Path, typer.Argument(help="Folder of a plugin.")]) -> None:
    """Run the checks that a submission to Brain-Score meets; nothing is sent or installed.

    Files are looked at first. Then Brain-Score loads the model in a process of its own, where its
    generic tests of models and the plugin's own tests run, which takes half a minute for a small
    model. The exit code is 1 if a check failed.
    """
    from rich.console import Console
    from rich.text import Text

    from neurorec.brainscore import check_plugin

    console, failed, total = Console(highlight=False), 0, 0
    with Console(stderr=True).status("checking"):
        for found in check_plugin(folder):
            total, failed = total + 1, failed + (not found.passed)
            mark = Text("passed", "green") if found.passed else Text("failed", "bold red")
            said = found.what if found.problem is None else f"{found.what}: {found.problem}"
            console.print(mark, Text(said), soft_wrap=True)
    print(f"{folder}: {total - failed} of {total} checks passed")
    if failed:
        raise typer.Exit(1)
