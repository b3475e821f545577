"""``neurorec brainscore export``: from a checkpoint to the folder that Brain-Score takes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from neurorec.cli._subjects import SubjectOptions, regions_of


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint (.safetensors).")],
    name: Annotated[str, typer.Option(help="Under which Brain-Score lists the model.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    region: Annotated[
        list[str] | None,
        typer.Option(help="A region and its areas, as IT=PIT,AIT; once for each region."),
    ] = None,
    region_map: Annotated[
        Path | None, typer.Option(help='File of all regions: {"V4": "V4", "IT": ["PIT", "AIT"]}.')
    ] = None,
    weights_url: Annotated[
        str | None, typer.Option(help="Where the checkpoint is, or will be, for download.")
    ] = None,
    bibtex: Annotated[Path | None, typer.Option(help="File with the entry to cite.")] = None,
    onset_ms: Annotated[
        float | None, typer.Option(help="From stimulus onset to the first timestep.")
    ] = None,
    dt_ms: Annotated[float | None, typer.Option(help="What a timestep stands for.")] = None,
    timesteps: Annotated[int | None, typer.Option(help="As many as in training, if not.")] = None,
    visual_degrees: Annotated[
        float | None, typer.Option(help="Degrees of visual angle that the model's input spans.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Names of the model's classes: a file with one a line, or imagenet."),
    ] = None,
    noise: Annotated[bool, typer.Option(help="Whether noise acts, where there is any.")] = True,
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace a plugin at OUT.")] = False,
) -> None:
    """Write the plugin of a checkpoint that a submission to Brain-Score needs.

    Without --region and --region-map the areas that are called after Brain-Score's regions stand
    for these. Weights are part of the folder, or at --weights-url, whose file is verified and kept
    when it is first needed. 'neurorec brainscore check OUT' then runs Brain-Score's tests.

    neurorec brainscore export fb.safetensors --name my-model --out plugin --region IT=a3
    """
    from neurorec.brainscore import Behaviour
    from neurorec.brainscore import export as write

    given: dict[str, Any] = {
        "onset_ms": onset_ms,
        "dt_ms": dt_ms,
        "timesteps": timesteps,
        "visual_degrees": visual_degrees,
        "behaviour": None if labels is None else Behaviour(labels=_labels(labels)),
        "noise": noise,
        "seed": seed,
    }
    written = write(
        checkpoint,
        name,
        out,
        regions_of(SubjectOptions(region=region, region_map=region_map)),
        weights_url=weights_url,
        bibtex=None if bibtex is None else bibtex.read_text(encoding="utf-8"),
        force=force,
        **{option: value for option, value in given.items() if value is not None},
    )
    print(f"{name}: {written}")
    print(f"neurorec brainscore check {written}")


def _labels(text: str) -> list[str] | str:
    if text == "imagenet":
        return text
    lines = Path(text).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]
