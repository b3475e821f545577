"""``neurorec train``: from a wiring to a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    model: Annotated[
        str, typer.Argument(help="A preset (see 'neurorec models list') or a wiring file (.yaml).")
    ],
    out: Annotated[Path, typer.Option(help="Checkpoint to write (.safetensors).")],
    images: Annotated[
        Path | None,
        typer.Option(help="HDF5 file of labelled images such as CIFAR-10; digits if left out."),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and noise.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a model to classify images at every timestep.

    After Ctrl-C, the same command goes on from the last finished epoch.
    """
    from neurorec import models, tasks
    from neurorec.cli._progress import stage
    from neurorec.training import Training
    from neurorec.training import train as train_model

    task = tasks.digits() if images is None else tasks.from_file(images)
    network = models.build(model, seed=seed, classes=task.n_classes)
    with stage(f"training {model} on {task.title}", total=epochs) as bar:
        result = train_model(
            network,
            task,
            out=out,
            settings=Training(epochs=epochs, seed=seed),
            device=device,
            progress=lambda epoch, loss: bar(epoch + 1, f"loss {loss:.3f}"),
        )
    typer.echo(f"{result.path}  loss {result.losses[0]:.3f} → {result.losses[-1]:.3f}")
