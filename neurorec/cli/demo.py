"""``neurorec demo``: the main job, once through."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("neurorec-demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Smaller images, fewer timesteps: for a first look.")
    ] = False,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Use simulated recordings, marked as such.")
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(help="HDF5 file of labelled images to train on, such as CIFAR-10."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of weights, order, noise and resampling.")] = 0,
) -> None:
    """Train small recurrent models, hold them against macaque V4 and IT, and write a report.

    Trains the 2 x 2 design of feedback and dropout and an untrained control on scikit-learn's
    digits, records every unit at every timestep, compares with three public macaque data sets, and
    writes figures, tables and a report.html. Recordings are taken from the folders of
    NEUROREC_MIRROR, the cache or the network; where none answers, simulated ones take their place
    and every figure says so. After Ctrl-C, the same command goes on from what was finished.
    """
    from neurorec.demo import DemoSettings, run

    settings = DemoSettings(
        out=out, quick=quick, simulated=simulated, images=images, device=device, seed=seed
    )
    page = run(settings)
    typer.echo(f"report: {page.resolve()}")
