"""``neurorec brainscore regions``: which areas of a model stand for the regions of a data set."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurorec.cli._subjects import (
    MODEL_HELP,
    STIMULUS_DEGREES_HELP,
    SubjectOptions,
    make_subject,
    subject_options,
)

if TYPE_CHECKING:
    from neurorec.brainscore import RegionFit


@subject_options(without=("region", "region_map", "areas"))
def regions(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET[@SESSION]", help="A data set, as 'neurorec data list' names it."
        ),
    ],
    how: SubjectOptions,
    out: Annotated[Path | None, typer.Option(help="File to write (JSON).")] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REGION",
            help="Region of the data for which areas are chosen, such as V4; once for each. All if "
            "none. ('neurorec score', where areas are given, takes REGION=AREA.)",
        ),
    ] = None,
    areas: Annotated[
        list[str] | None,
        typer.Option(
            "--areas",
            metavar="AREA...",
            help="Areas to choose from; of a torch model also AREA=MODULE, as in 'neurorec score'. "
            "All if none.",
        ),
    ] = None,
    max_areas: Annotated[int, typer.Option(help="Most areas of a region.")] = 1,
    train_fraction: Annotated[
        float, typer.Option(help="Share of the images on which the choice rests; 1 is all.")
    ] = 0.5,
    metric: Annotated[str, typer.Option(help="pls or ridge.")] = "pls",
    stimulus_degrees: Annotated[float | None, typer.Option(help=STIMULUS_DEGREES_HELP)] = None,
    trials: Annotated[int, typer.Option(help="Trials of every image, where noise acts.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
) -> None:
    """Choose the areas that stand for each region, by fit on some of the images.

    The model sees a random share of the images, drawn by --seed; each area predicts the neurons in
    their time bins, cross-validated among these images, and the best is chosen. With --max-areas
    others join it as long as they help. OUT says which images were used, and at which time of the
    model: 'neurorec score --region-map OUT' has the same time, and with --held-out OUT it scores
    the other images.

    neurorec brainscore regions fb.safetensors cowley-2023@210325 --dt-ms 20 --out regions.json
    """
    from neurorec.brainscore import fit_regions, uncommitted
    from neurorec.brainscore.benchmarks import degrees_of
    from neurorec.brainscore.local_data import loaded, name_and_session
    from neurorec.cli._files import refuse
    from neurorec.cli._progress import of_total

    refuse([] if out is None else [out], force)
    data = loaded(*name_and_session(dataset))
    seen = _Seen()
    named = [area.partition("=")[0] for area in areas or []]
    modules = [area for area in areas or [] if "=" in area]
    subject = make_subject(
        model, replace(how, areas=modules or None), make=uncommitted, progress=seen.advance
    )
    with of_total(f"{Path(model).name} → {data.identifier}") as progress:
        seen.show = progress
        fitted = fit_regions(
            subject,
            data,
            regions=region,
            areas=named or None,
            max_areas=max_areas,
            train_fraction=train_fraction,
            seed=how.seed,
            metric=metric,
            visual_degrees=degrees_of(data, stimulus_degrees, how.visual_degrees),
            number_of_trials=trials,
            progress=progress,
        )
    _say(fitted)
    if out is not None:
        print(fitted.to_json(out))


class _Seen:
    """Counts the presentations of the pass, whose number is not known beforehand."""

    def __init__(self) -> None:
        self.n_presentations = 0
        self.show: Any = lambda done, total: None

    def advance(self, n_presentations: int) -> None:
        self.n_presentations += n_presentations
        self.show(self.n_presentations, None)


def _say(fitted: "RegionFit") -> None:
    """Scores of the areas, the best first, and what may be scored."""
    from rich.console import Console
    from rich.table import Table

    table = Table("region", "areas", "r in training", "")
    for region, areas, score, error, chosen in _rows(fitted):
        table.add_row(region, areas, f"{score:.3f} ± {error:.3f}", "chosen" if chosen else "")
    console = Console()
    console.print(table)
    console.print(
        f"median r over neurons, cross-validated within {len(fitted.training_stimuli)} training "
        "images ± standard error over splits; the best is too high to be quoted: score other "
        "images",
        highlight=False,
    )
    for region, areas in fitted.regions.items():
        print(f"{region}: {', '.join(areas)}")


def _rows(fitted: "RegionFit") -> list[tuple[str, str, float, float, bool]]:
    """Region, areas together, score, error and whether it was chosen; by step, the best first."""
    found = []
    for region, areas in fitted.regions.items():
        for step, n_areas in enumerate(fitted.scores["n_areas"].values):
            cells = fitted.scores.sel(region=region, n_areas=n_areas).dropna("area")
            together = [" + ".join([*areas[:step], str(name)]) for name in cells["area"].values]
            columns = (cells[name].values.tolist() for name in ("score", "error", "chosen"))
            rows = sorted(zip(*columns, together, strict=True), reverse=True)
            found += [(region, name, *numbers) for *numbers, name in rows]
    return found
