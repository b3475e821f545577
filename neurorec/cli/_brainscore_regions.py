"""``neurorec brainscore regions``: which areas of a model stand for the regions of a data set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurorec.cli._subjects import MODEL_HELP, SubjectOptions, make_subject

if TYPE_CHECKING:
    from neurorec.brainscore import RegionFit


def regions(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET[@SESSION]", help="A data set, as 'neurorec data list' names it."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="File to write (JSON).")] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(metavar="REGION", help="Region, such as V4; once for each. All if none."),
    ] = None,
    areas: Annotated[
        list[str] | None,
        typer.Option("--areas", metavar="AREA...", help="Areas to choose from; all if none."),
    ] = None,
    max_areas: Annotated[int, typer.Option(help="Most areas of a region.")] = 1,
    train_fraction: Annotated[
        float, typer.Option(help="Share of the images on which the choice rests; 1 is all.")
    ] = 0.5,
    seed: Annotated[int, typer.Option(help="Of the draw of images, and of noise.")] = 0,
    metric: Annotated[str, typer.Option(help="pls or ridge.")] = "pls",
    dt_ms: Annotated[
        float | None, typer.Option(help="Milliseconds of a timestep; the model's if left out.")
    ] = None,
    onset_ms: Annotated[
        float, typer.Option(help="From stimulus onset to the first timestep.")
    ] = 0.0,
    timesteps: Annotated[
        int | None, typer.Option(help="Timesteps; as many as in training if left out.")
    ] = None,
    visual_degrees: Annotated[
        float, typer.Option(help="Degrees of visual angle that the model's input spans.")
    ] = 8.0,
    stimulus_degrees: Annotated[
        float | None,
        typer.Option(
            help="Width of the stimuli in degrees of visual angle; as the data set says if left "
            "out, otherwise all that the model sees."
        ),
    ] = None,
    trials: Annotated[int, typer.Option(help="Trials of every image, where noise acts.")] = 1,
    cache_dir: Annotated[
        Path | None, typer.Option(help="Folder in which recordings are kept for the next time.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
) -> None:
    """Choose the areas that stand for each region, by fit on some of the images.

    The model sees a random share of the images; each area predicts the neurons in their time bins,
    cross-validated among these images, and the best is chosen. With --max-areas others join it as
    long as they help. OUT says which images were used: score the model on the others, or on another
    session.

    neurorec brainscore regions fb.safetensors cowley-2023@210325 --dt-ms 20 --out regions.json
    """
    from neurorec.brainscore import fit_regions, uncommitted
    from neurorec.brainscore.benchmarks import degrees_of
    from neurorec.cli._files import refuse
    from neurorec.cli._progress import of_total

    refuse([] if out is None else [out], force)
    data = _data(dataset)
    seen = _Seen()
    how = SubjectOptions(
        dt_ms=dt_ms,
        onset_ms=onset_ms,
        timesteps=timesteps,
        visual_degrees=visual_degrees,
        seed=seed,
        device=device,
        cache_dir=cache_dir,
    )
    subject = make_subject(model, how, make=uncommitted, progress=seen.advance)
    with of_total(f"{Path(model).name} → {data.identifier}") as progress:
        seen.show = progress
        fitted = fit_regions(
            subject,
            data,
            regions=region,
            areas=areas,
            max_areas=max_areas,
            train_fraction=train_fraction,
            seed=seed,
            metric=metric,
            visual_degrees=degrees_of(data, stimulus_degrees, visual_degrees),
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


def _data(text: str) -> Any:
    from neurorec import datasets

    name, _, session = text.partition("@")
    datasets.info(name)  # an unknown name before anything is read
    return datasets.load(name, **({"session": session} if session else {}))


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
