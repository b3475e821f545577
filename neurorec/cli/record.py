"""``neurorec record``: from a checkpoint and images to a recording."""

from pathlib import Path
from typing import Annotated

import typer


def record(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint (.safetensors).")],
    stimuli: Annotated[
        str, typer.Argument(help="A folder of images of one size, or the name of a data set.")
    ],
    out: Annotated[Path, typer.Option(help="Recording to write (.h5).")],
    areas: Annotated[
        list[str] | None, typer.Option("--area", help="Area to record; repeat for several.")
    ] = None,
    timesteps: Annotated[
        int | None, typer.Option(help="Timesteps; as many as in training if left out.")
    ] = None,
    repetitions: Annotated[int, typer.Option(help="Stochastic passes; needs --noise.")] = 1,
    noise: Annotated[bool, typer.Option("--noise", help="Let the model's noise act.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    dtype: Annotated[str, typer.Option(help="float32 or float16, on disk.")] = "float32",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Record every unit of a model at every timestep, for every image.

    After Ctrl-C, the same command records what is missing.
    """
    from neurorec import datasets, models
    from neurorec import stimuli as stimulus_sets
    from neurorec.cli._progress import stage
    from neurorec.recording import record as record_model

    network = models.load(checkpoint)
    if Path(stimuli).is_dir():
        shown = stimulus_sets.from_folder(stimuli)
    else:
        shown = datasets.load(stimuli).stimuli
        if shown is None:
            raise ValueError(f"data set {stimuli!r} comes without images; give a folder of images")
    total = len(shown) * repetitions
    with stage(f"recording {shown.identifier}", total=total) as bar:
        done = 0

        def advance(n_presentations: int) -> None:
            nonlocal done
            done += n_presentations
            bar(done, "")

        recording = record_model(
            network,
            shown,
            out=out,
            areas=areas,
            timesteps=timesteps,
            repetitions=repetitions,
            noise=noise,
            seed=seed,
            dtype=dtype,
            device=device,
            progress=advance,
        )
    typer.echo(f"{recording.path}  areas {', '.join(recording.areas)}")
