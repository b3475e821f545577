"""``neurorec geometry``: from a recording to how its representations change over time."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import xarray as xr


def geometry(
    recording: Annotated[
        str,
        typer.Argument(
            metavar="RECORDING",
            help="Recording (.h5), or a data set: the geometry of its neurons.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Results to write (netCDF).")],
    area: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AREA",
            help="Area of the model, such as IT, or region of the neurons; may be given several "
            "times. All areas if left out.",
        ),
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MEASURE",
            help="Such as rdm, linear_cka, participation_ratio or n_components; may be given "
            "several times. These four if left out; a wrong name is answered with all there are.",
        ),
    ] = None,
    dissimilarity: Annotated[
        str, typer.Option(help="Of RDMs: correlation, cosine, squared_euclidean, crossnobis, ...")
    ] = "correlation",
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the stimuli with their classes, such as object_name, for "
            "manifolds, separability, few_shot and glue_style.",
        ),
    ] = None,
    components: Annotated[
        int | None,
        typer.Option(help="Dimensions of subspaces, for principal_angles and alignment_index."),
    ] = None,
    brain: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET", help="Also compare RDMs with those of a data set, over time."
        ),
    ] = None,
    comparison: Annotated[
        str, typer.Option(help="With the brain: spearman, pearson, kendall, cosine, ...")
    ] = "spearman",
    session: Annotated[
        str | None, typer.Option(help="Session of the data set; its default if left out.")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(help="Region of the brain's neurons, such as V4; all if left out."),
    ] = None,
    draws: Annotated[
        int, typer.Option(help="Bootstrap draws of the comparison with the brain.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    figure: Annotated[
        Path | None,
        typer.Option(
            help="Also draw everything: F.pdf or F.png writes both, and the numbers as F.csv."
        ),
    ] = None,
    movie: Annotated[
        Path | None, typer.Option(help="Also write the RDMs as a film, M.gif or M.mp4.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Measure the geometry of what a model represents, timestep by timestep.

    Each area is read once, some units at a time, so that it may be larger than memory; every
    measure is computed from the inner products of its responses to all stimuli. RDMs say which
    stimuli are told apart, linear CKA how alike the geometry is at two times, the participation
    ratio and the components for 90 % of the variance how many dimensions are in use. Both grow
    with the number of stimuli: compare areas and models at the same stimuli.

    With --brain the RDMs of every timestep are compared with those of a brain that saw the same
    images, with a bootstrap interval over stimuli; where the brain has time bins, with each of
    them. Where a measure is undefined, as before the stimulus reaches an area, it is a dash here
    and NaN in the file.

    neurorec geometry r.h5 --area V4 --area IT --out g.nc --figure g.pdf --movie g.gif

    neurorec geometry r.h5 --brain kriegeskorte-2008 --out g.nc

    neurorec geometry zhang-desimone-2011 --out it.nc --figure it.pdf
    """
    from neurorec import geometry as room
    from neurorec.cli._files import drawn, refuse, stem_of, write
    from neurorec.cli._geometry_text import say
    from neurorec.cli._measuring import brain_rdms, require_same_stimuli, source_of, the_measures
    from neurorec.cli._progress import of_total

    stem = stem_of(figure)
    refuse([out, *drawn(stem), *([] if movie is None else [movie])], force)
    measures = the_measures(
        measure or [],
        dissimilarity=dissimilarity,
        label=label,
        components=components,
        movie=movie,
    )
    how = room.BrainComparison(method=comparison, n_draws=draws, seed=seed)
    source, name = source_of(recording, brain=brain, session=session)
    options: dict[str, Any] = {}
    if brain is not None:
        rdms = brain_rdms(brain, session=session, region=region, dissimilarity=dissimilarity)
        require_same_stimuli(source, rdms, names=(recording, brain))
        options = {"brain": rdms, "comparison": how}
    with of_total(name) as progress:
        results = room.over_time(
            source,
            area[0] if area and len(area) == 1 else area or None,
            measures=measures,
            device=device,
            progress=progress,
            **options,
        )
    write(results, out)
    if stem is not None:
        _draw(results, stem)
    if movie is not None:
        from neurorec.figures import rdm_movie

        rdm_movie(results["rdm"]).save(movie)
    say(results, out)


def _draw(results: "xr.Dataset", stem: Path) -> None:
    import json

    from neurorec import figures

    provenance = json.loads(results.attrs["provenance"])
    table = figures.geometry_panel_table(results)
    figures.save(figures.geometry_panel(results), stem, table=table, provenance=provenance)
