"""``neurorec score``: models on benchmarks of Brain-Score, or of local data."""

from pathlib import Path
from typing import Annotated

import typer

from neurorec.cli._subjects import (
    MODEL_HELP,
    STIMULUS_DEGREES_HELP,
    SubjectOptions,
    subject_options,
)

_BENCHMARK_HELP = (
    "DATASET[@SESSION][/REGION]:METRIC of local data, such as cowley-2023@210325:pls, or an "
    "identifier of Brain-Score, such as MajajHong2015public.IT-pls. Several may follow."
)


def _list_benchmarks(asked: bool | None) -> None:
    if asked:
        from neurorec.cli._scoring import say_benchmarks

        say_benchmarks()
        raise typer.Exit


@subject_options()
def score(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    benchmarks: Annotated[list[str], typer.Argument(metavar="BENCHMARK...", help=_BENCHMARK_HELP)],
    how: SubjectOptions,
    out: Annotated[
        Path | None, typer.Option(help="File of scores to write (JSON), after each score.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Keep the scores that OUT has, add those that are missing."),
    ] = False,
    controls: Annotated[
        bool,
        typer.Option("--controls", help="Score the pixels and an untrained copy of MODEL too."),
    ] = False,
    layers: Annotated[
        bool,
        typer.Option(
            "--layers",
            help="Also show the score of every area at every timestep, of MODEL and its controls; "
            "with OUT, also write them beside it as OUT-layers.csv.",
        ),
    ] = False,
    held_out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of 'neurorec brainscore regions', most often that of --region-map: stimuli "
            "on which its choice rests are not scored.",
        ),
    ] = None,
    trials: Annotated[
        int, typer.Option(help="Trials of each stimulus that the model sees, of local data.")
    ] = 1,
    stimulus_degrees: Annotated[float | None, typer.Option(help=STIMULUS_DEGREES_HELP)] = None,
    ceiling: Annotated[
        float | None, typer.Option(help="Reliability of local data that hold only means.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace OUT, and start with less memory than forecast."),
    ] = False,
    list_benchmarks: Annotated[
        bool | None,  # None where it is not given, since it is eager
        typer.Option(
            "--list",
            callback=_list_benchmarks,
            is_eager=True,
            help="List the benchmarks of local data, and the public ones of Brain-Score.",
        ),
    ] = None,
) -> None:
    """Score how brain-like a model is, through Brain-Score's own call of each benchmark.

    What the benchmarks ask of the same stimuli, all regions and time bins, is recorded in one pass.
    The table shows raw scores, ceilings and the ceiled scores. After Ctrl-C, or if the machine
    went down, the same command with --resume scores what is missing; with another model it adds
    its scores to the file.

    neurorec score fb.safetensors cowley-2023@210325:pls cowley-2023@210325:ridge --region V4=V4
    --controls --out scores.json
    """
    from neurorec.cli._scoring import Asked, run

    local = {"number_of_trials": trials, "visual_degrees": stimulus_degrees, "ceiling": ceiling}
    run(
        Asked(
            model=model,
            benchmarks=tuple(benchmarks),
            how=how,
            local=local,
            out=out,
            resume=resume,
            controls=controls,
            layers=layers,
            held_out=held_out,
            force=force,
        )
    )
