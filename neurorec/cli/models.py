"""``neurorec models``: the wirings that come with the package."""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="List the models that come with neurorec; show one.")


@app.command("list")
def list_models() -> None:
    """List the preset wirings with their areas and numbers of parameters."""
    from rich.console import Console
    from rich.table import Table

    from neurorec.models import PRESETS, build

    table = Table("model", "areas", "timesteps", "parameters")
    for name in PRESETS:
        network = build(name)
        areas = " → ".join(network.area_shapes)
        n_parameters = sum(p.numel() for p in network.parameters())
        table.add_row(name, areas, str(network.wiring.timesteps), f"{n_parameters:,}")
    Console().print(table)


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="A preset, a wiring file (.yaml) or a checkpoint.")],
) -> None:
    """Show areas, connections, delays and sizes of a model."""
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from neurorec.models import build, load

    network = load(model) if Path(model).suffix == ".safetensors" else build(model)
    wiring, console = network.wiring, Console()
    console.print(f"[bold]{wiring.name}[/bold]  {wiring.source}", highlight=False)
    areas = Table("area", "channels × height × width", "units", "combine", "noise")
    for name, shape in network.area_shapes.items():
        area = wiring.area(name)
        noise = "–" if area.noise is None else f"dropout {area.noise.p} per {area.noise.resample}"
        units = shape[0] * shape[1] * shape[2]
        areas.add_row(name, " × ".join(map(str, shape)), f"{units:,}", area.combine, noise)
    console.print(areas)
    connections = Table("connection", "kind", "delay (timesteps)", "")
    for connection in wiring.connections:
        note = "silenced" if connection.silenced else connection.resize or ""
        connections.add_row(str(connection), connection.kind, str(connection.delay), note)
    console.print(connections)
    n_parameters = sum(p.numel() for p in network.parameters())
    console.print(
        f"{n_parameters:,} parameters; {wiring.timesteps} timesteps of {wiring.dt_ms:g} ms; "
        f"input {wiring.input_size} × {wiring.input_size}; {wiring.classes} classes",
        highlight=False,
    )
    for choice in wiring.our_choices:
        console.print(f"  our choice: {choice}", highlight=False)
