"""``neurorec brainscore export``: from a model to the folder that Brain-Score takes."""

from pathlib import Path
from typing import Annotated

import typer

from neurorec.cli._files import text_of
from neurorec.cli._subjects import SubjectOptions, asked_of, subject_options


@subject_options(without=("areas", "cache_dir", "device"))
def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A checkpoint (.safetensors), or a preset or a wiring file (.yaml), untrained.",
        ),
    ],
    name: Annotated[str, typer.Option(help="Under which Brain-Score lists the model.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    how: SubjectOptions,
    weights_url: Annotated[
        str | None, typer.Option(help="Where the checkpoint is, or will be, for download.")
    ] = None,
    bibtex: Annotated[Path | None, typer.Option(help="File with the entry to cite.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Names of the model's classes: a file with one a line, or imagenet."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a plugin at OUT.")] = False,
) -> None:
    """Write the plugin of a model that a submission to Brain-Score needs.

    Without --region and --region-map the areas that are called after Brain-Score's regions stand
    for these. Weights are part of the folder, or at --weights-url, whose file is verified and kept
    when it is first needed. 'neurorec brainscore check OUT' then runs Brain-Score's tests.

    neurorec brainscore export fb.safetensors --name my-model --out plugin --region IT=a3
    """
    from neurorec.brainscore import Behaviour
    from neurorec.brainscore import export as write

    regions, settings = asked_of(how)
    if labels is not None:
        settings["behaviour"] = Behaviour(labels=_labels(labels))
    written = write(
        model,
        name,
        out,
        regions,
        weights_url=weights_url,
        bibtex=None if bibtex is None else text_of(bibtex),
        force=force,
        seed=how.seed,
        **settings,
    )
    print(f"{name}: {written}")
    print(f"neurorec brainscore check {written}")


def _labels(text: str) -> list[str] | str:
    if text == "imagenet":
        return text
    lines = text_of(Path(text)).splitlines()
    return [line.strip() for line in lines if line.strip()]
