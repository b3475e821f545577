"""``neurorec record``: from a checkpoint and images to a recording."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurorec._words import size_in_words

if TYPE_CHECKING:
    from neurorec.recording.units import AbstractUnits
    from neurorec.stimuli import StimulusSet

_UNITS = "all, sample:N, sample:N:channel, centre:R, mean or project:K"


def record(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint (.safetensors).")],
    stimuli: Annotated[
        str,
        typer.Argument(
            help="Images or films: a folder, an array file (.npy, .npz, .h5), a film, or the name "
            "of a data set."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Recording to write (.h5).")],
    areas: Annotated[
        list[str] | None,
        typer.Option(
            "--areas",
            metavar="AREA...",
            help="Areas, such as V4 IT; V4.c is a state of one. All if none.",
        ),
    ] = None,
    states: Annotated[
        list[str] | None,
        typer.Option(
            "--states",
            metavar="STATE...",
            help="States of each area, such as h c. What it sends if none.",
        ),
    ] = None,
    timesteps: Annotated[
        int | None, typer.Option(help="Timesteps; as many as in training if left out.")
    ] = None,
    repetitions: Annotated[int, typer.Option(help="Trials of every stimulus.")] = 1,
    noise: Annotated[
        bool | None,
        typer.Option(help="Whether noise acts; if left out, when there are several repetitions."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    units: Annotated[str, typer.Option(help=f"Units of each area: {_UNITS}.")] = "all",
    dtype: Annotated[str, typer.Option(help="float32 or float16, on disk.")] = "float32",
    batch_size: Annotated[
        int | None, typer.Option(help="Presentations at once; fits the model if left out.")
    ] = None,
    compression: Annotated[
        str | None, typer.Option(help="gzip, which every reader knows, or zstd, a plugin.")
    ] = None,
    dt_ms: Annotated[
        float | None, typer.Option(help="Milliseconds of a timestep; the model's if left out.")
    ] = None,
    on: Annotated[
        int | None, typer.Option(help="Timesteps for which the stimulus is shown, then grey.")
    ] = None,
    field_of_view: Annotated[
        float | None, typer.Option(help="Degrees of visual angle that the model's input spans.")
    ] = None,
    images: Annotated[bool, typer.Option(help="Keep the images as the model sees them.")] = True,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Finish OUT; what it shall hold is read from it.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be recorded, and do not record.")
    ] = False,
) -> None:
    """Record what a model does at every timestep, for every image and trial.

    After Ctrl-C, or if the machine went down, the same command records what is missing; with
    --resume it need not repeat the settings. Started by torchrun, every process records a share;
    'neurorec recording merge' then makes one file of them.

    neurorec record fb.safetensors images --areas V4 IT --repetitions 10 --out fb.h5
    """
    from neurorec import models, recording
    from neurorec.cli._progress import counting

    network, shown = models.load(checkpoint), _stimuli(stimuli)
    asked = {
        "areas": areas or "all",
        "states": states or ("h",),
        "timesteps": timesteps,
        "repetitions": repetitions,
        "noise": noise,
        "seed": seed,
        "units": _units(units),
        "dtype": dtype,
        "batch_size": "auto" if batch_size is None else batch_size,
        "compression": compression,
        "dt_ms": dt_ms,
        "on": on,
        "field_of_view": field_of_view,
        "images": images,
    }
    if plan:
        _say_plan(recording.plan(network, shown, device=device, **asked), out)
        return
    if resume:
        settings = recording.open_recording(out, partial=True).provenance["options"]
        repetitions = settings["repetitions"]
    trials = repetitions if network.stochastic_areas else 1
    with counting(f"{shown.identifier} → {out.name}", len(shown) * trials) as progress:
        how = {"out": out, "device": device, "progress": progress}
        if resume:
            made = recording.resume(network, shown, **how)
        else:
            made = recording.record(network, shown, **asked, **how)
    typer.echo(made.summary())


def _stimuli(name: str) -> "StimulusSet":
    from neurorec import datasets
    from neurorec.stimuli import as_stimulus_set

    if Path(name).exists() or name not in datasets.names():
        return as_stimulus_set(Path(name))
    shown = datasets.load(name).stimuli
    if shown is None:
        raise ValueError(f"data set {name!r} comes without images; give a folder of images")
    return shown


def _units(text: str) -> "AbstractUnits | str":
    """The choice of units that ``text`` names."""
    from neurorec.recording import Centre, Project, Sample, SpatialMean

    kind, *values = text.split(":")
    try:
        match kind, values:
            case "all", []:
                return "all"
            case "sample", [n]:
                return Sample(int(n))
            case "sample", [n, ("area" | "channel") as by]:
                return Sample(int(n), by=by)
            case "centre", [r]:
                return Centre(float(r))
            case "mean", []:
                return SpatialMean()
            case "project", [k]:
                return Project(int(k))
    except ValueError as error:
        raise ValueError(f"--units {text}: {error}; it may be {_UNITS}") from None
    raise ValueError(f"--units must be {_UNITS}, got {text!r}")


def _say_plan(planned: Any, out: Path) -> None:
    import shutil

    free = shutil.disk_usage(next(p for p in out.resolve().parents if p.exists())).free
    typer.echo(f"{planned}; {size_in_words(free)} free")
    change, remaining = next(iter(planned.levers().items()))
    typer.echo(f"smallest with {change}: {size_in_words(remaining)}")
