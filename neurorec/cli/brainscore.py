"""``neurorec brainscore``: models and neurorec's metrics as plugins of Brain-Score.

Each command lives in a file of its own, ``neurorec/cli/_brainscore_<command>.py``, and is one line
here.
"""

import typer

from neurorec.cli._brainscore_check import check
from neurorec.cli._brainscore_export import export
from neurorec.cli._brainscore_regions import regions
from neurorec.cli._several import SeveralValues

app = typer.Typer(
    no_args_is_help=True,
    help="Submit models to Brain-Score: export a checkpoint, check what was exported.",
)


@app.callback()
def brainscore() -> None:
    """Keep the name of a command even where there is only one."""


app.command()(export)
app.command()(check)
app.command(cls=SeveralValues)(regions)
