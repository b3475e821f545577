"""``neurorec compare``: from a recording and a data set to how well one predicts the other."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import xarray as xr

_READOUTS = "ridge, pls, banded, one-to-one, soft-matching, factorised or identity"
_TIMES = "grid, match, match:MS, lag, all or cumulative"
_SPLITS = "kfold:N, random:N:SHARE, groups:COLUMN, groups:COLUMN:N or fixed:COLUMN"


def compare(
    recording: Annotated[
        str,
        typer.Argument(
            metavar="RECORDING",
            help="Recording (.h5), or pixels or gabor: a baseline of the data set's own images.",
        ),
    ],
    dataset: Annotated[
        str,
        typer.Argument(metavar="DATASET", help="A data set, as 'neurorec data list' names it."),
    ],
    out: Annotated[Path, typer.Option(help="Scores to write (netCDF).")],
    session: Annotated[
        str | None, typer.Option(help="Session of the data set; its default if left out.")
    ] = None,
    area: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AREA",
            help="Area of the model, such as IT; V4.c is a state of one. Given several times, the "
            "areas predict together, each a band of features.",
        ),
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Region of the neurons, such as V4; all if left out.")
    ] = None,
    readout: Annotated[str, typer.Option(help=f"From units to neurons: {_READOUTS}.")] = "ridge",
    time: Annotated[
        str, typer.Option(help=f"Which model timesteps predict which time bins: {_TIMES}.")
    ] = "grid",
    splits: Annotated[
        str,
        typer.Option(help=f"How stimuli are held out: {_SPLITS}; COLUMN describes the stimuli."),
    ] = "kfold:5",
    ceiling: Annotated[
        str, typer.Option(help="Noise ceiling: split-half or explainable-variance.")
    ] = "split-half",
    draws: Annotated[
        int | None, typer.Option(help="Bootstrap draws of the intervals; the default if left out.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of splits, ceiling and bootstrap.")] = 0,
    intersect: Annotated[
        bool,
        typer.Option("--intersect", help="Leave out stimuli that one side lacks, and count them."),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    figure: Annotated[
        Path | None,
        typer.Option(
            help="Also draw the scores: F.pdf or F.png writes both, and the numbers as F.csv."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Score how well a model predicts neurons, timestep by time bin.

    A readout is fitted on some stimuli and correlated with each neuron on the others. Stimuli are
    matched by their identifier, repetitions are averaged, and single trials give the noise ceiling
    by which scores are corrected. The table shows medians over neurons with a bootstrap interval
    over neurons and stimuli; the file holds the scores of every neuron and split.

    With --time grid each timestep of the model predicts each time bin. The best timestep of a bin
    is then chosen on the scores themselves: quote --time lag, which chooses on training stimuli,
    or the static control, one timestep for all bins, which a dynamic model should beat.

    neurorec compare r.h5 cowley-2023 --area V4 --time grid --out scores.nc --figure scores.pdf

    neurorec compare gabor cowley-2023 --out gabor.nc
    """
    from neurorec import encoding
    from neurorec.cli._comparing import (
        a_bootstrap,
        a_ceiling,
        a_readout,
        a_split,
        a_time,
        labelled,
        measured,
        predictors,
        share,
    )
    from neurorec.cli._files import drawn, refuse, stem_of, write
    from neurorec.cli._progress import of_total
    from neurorec.cli._scores_text import say
    from neurorec.datasets import info, load

    stem = stem_of(figure)
    refuse([out, *drawn(stem)], force)
    options: dict[str, Any] = {
        "readout": a_readout(readout),
        "time": a_time(time),
        "splits": a_split(splits, seed),
        "ceiling": a_ceiling(ceiling, seed),
    }
    if draws is not None:
        options["bootstrap"] = a_bootstrap(draws, seed)
    info(dataset)  # an unknown name before anything is read
    data = load(dataset, **({} if session is None else {"session": session}))
    responses = measured(data, region)
    recorded, features = predictors(recording, area or [], data, responses, device)
    share(features, responses, names=(recording, data.identifier), intersect=intersect)
    given: Any = next(iter(features.values())) if len(features) == 1 else features
    with of_total(f"{recording} → {data.identifier}") as progress:
        scores = encoding.fit(
            given,
            responses,
            device=device,
            on_mismatch="intersect" if intersect else "error",
            progress=progress,
            **options,
        )
    scores = labelled(scores, data, recorded)
    write(scores, out)
    if stem is not None:
        _draw(scores, stem)
    say(scores, out)


def _draw(scores: "xr.Dataset", stem: Path) -> None:
    """The matrix where there is one, otherwise scores over time."""
    import json

    from neurorec import figures

    both = min(scores.sizes["model_time"], scores.sizes["time_bin"]) > 1
    draw, table = (
        (figures.time_grid, figures.time_grid_table)
        if both
        else (figures.encoding_over_time, figures.encoding_over_time_table)
    )
    provenance = json.loads(scores.attrs["provenance"])
    figures.save(draw(scores), stem, table=table(scores), provenance=provenance)
