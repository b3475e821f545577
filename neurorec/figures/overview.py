"""The project in one figure: the design, and what it shows against neurons and over time."""

from collections.abc import Sequence
from typing import Final

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec, SubplotSpec

from neurorec._checks import check_option
from neurorec.figures._axes import colour_bar, timestep_axis, timestep_label
from neurorec.figures._finish import finish
from neurorec.figures._results import is_simulated, names, padded_limits, sentence
from neurorec.figures._small_wiring import draw_small_wiring
from neurorec.figures._text import handle, note_below, panel_letter
from neurorec.figures.encoding import (
    check_encoding,
    draw_encoding,
    encoding_over_time_table,
    level_labels,
    score_label,
)
from neurorec.figures.generalization import brain_cells, check_brain, draw_generalization
from neurorec.figures.rsa import (
    check_rsa,
    draw_rsa,
    rsa_labels,
    rsa_limits,
    rsa_over_time_table,
    say_no_ceiling,
)
from neurorec.figures.style import (
    DOUBLE_COLUMN_MM,
    MODELS,
    journal_style,
    model_styles,
    new_figure,
)
from neurorec.figures.wiring import draw_wiring

#: Width in which the scheme is laid out.
_SCHEME_MM: Final = 92.0
#: (model, row, column, feedback, dropout) of the key.
_DESIGN: Final = (
    ("ff", 0, 0, False, False),
    ("ff-dropout", 0, 1, False, True),
    ("fb", 1, 0, True, False),
    ("fb-dropout", 1, 1, True, True),
)


def overview(
    encoding: xr.Dataset,
    brain: xr.Dataset,
    rsa: xr.Dataset,
    *,
    encoding_area: str | None = None,
    rsa_area: str | None = None,
    target: str | None = None,
    note: bool = True,
    simulated: bool = False,
) -> Figure:
    """The 2 x 2 design, encoding of neurons, a brain's temporal generalization, and RSA.

    Parameters
    ----------
    encoding
        As for :func:`encoding_over_time`.
    brain
        As for :func:`temporal_generalization`.
    rsa
        As for :func:`rsa_over_time`.
    encoding_area, rsa_area
        Area to draw; left out, the integration area (else the last) and the last. They are named
        above the panels and never chosen by their scores.
    target
        Target of the RSA; the first if left out.

    Notes
    -----
    The attribute ``population`` of each result names the brain above its panel.

    Raises
    ------
    ValueError
        If an area or target is not among the results', or a variable, dimension or coordinate is
        missing.
    """
    scores, matrix, similarity = _checked(encoding, brain, rsa)
    chosen = _chosen(scores, similarity, encoding_area, rsa_area, target)
    with journal_style():
        figure = new_figure(DOUBLE_COLUMN_MM, 104.0)
        if note:
            note_below(figure, _note(encoding, brain, rsa))
        outer = figure.add_gridspec(2, 1, height_ratios=(40.0, 60.0))
        _draw_design(figure, outer[0], _all_names(scores, similarity))
        lower = GridSpecFromSubplotSpec(
            1, 3, subplot_spec=outer[1], wspace=0.08, width_ratios=(1.0, 1.28, 1.0)
        )
        first, second, third = (figure.add_subplot(lower[i]) for i in range(3))
        draw_encoding(first, scores, chosen["encoding_area"])
        timestep_axis(first, scores["timestep"].values)
        first.set_ylim(*_encoding_limits(scores, chosen["encoding_area"]))
        first.set_xlabel(timestep_label(encoding.attrs))
        first.set_ylabel(score_label(scores))
        neurons = encoding.attrs.get("population", "neurons")
        first.set_title(f"{neurons} encoding\n(area {chosen['encoding_area']})")
        image = draw_generalization(second, matrix)
        second.set_title(f"{brain.attrs.get('population', 'brain')} decoding\nacross time")
        second.set_anchor("N")
        second.set_xlabel("test time (ms)")
        second.set_ylabel("train time (ms)")
        chance = float(brain.attrs["chance"]) if "chance" in brain.attrs else None
        colour_bar(image, [second], "decoding accuracy", chance=chance)
        draw_rsa(third, similarity, chosen["rsa_area"], chosen["target"])
        third.set_ylim(*rsa_limits(similarity, chosen["target"]))
        third.set_xlabel(timestep_label(rsa.attrs))
        third.set_ylabel(str(rsa.attrs.get("score_label", "RDM correlation")))
        third.set_title(f"{chosen['target']} RSA\n(area {chosen['rsa_area']})")
        for axes, letter in zip((first, second, third), "bcd", strict=True):
            panel_letter(axes, letter)
        say_no_ceiling(third, similarity, chosen["target"])
        return finish(
            figure,
            simulated=is_simulated(encoding, brain, rsa, asked=simulated),
            beside={
                first: level_labels(scores),
                third: rsa_labels(similarity, chosen["target"]),
            },
        )


def overview_table(
    encoding: xr.Dataset,
    brain: xr.Dataset,
    rsa: xr.Dataset,
    *,
    encoding_area: str | None = None,
    rsa_area: str | None = None,
    target: str | None = None,
) -> pd.DataFrame:
    """What :func:`overview` draws; ``panel`` is the panel's letter, other panels' fields empty."""
    scores, matrix, similarity = _checked(encoding, brain, rsa)
    chosen = _chosen(scores, similarity, encoding_area, rsa_area, target)
    b = encoding_over_time_table(scores.sel(area=[chosen["encoding_area"]]))
    selected = similarity.sel(area=[chosen["rsa_area"]], target=[chosen["target"]])
    d = rsa_over_time_table(selected)
    parts = [b.assign(panel="b"), brain_cells(matrix).assign(panel="c"), d.assign(panel="d")]
    table = pd.concat(parts, ignore_index=True)
    return table.reindex(columns=["panel", *(c for c in table.columns if c != "panel")])


def _draw_design(figure: Figure, place: SubplotSpec, drawn: Sequence[str]) -> None:
    """The scheme, and beside it the 2 x 2 key that is also the legend."""
    from neurorec.models import preset

    columns = GridSpecFromSubplotSpec(1, 2, subplot_spec=place, width_ratios=(1.15, 1.0))
    scheme = figure.add_subplot(columns[0])
    draw_wiring(scheme, preset("greco2025-fb-dropout"), width_mm=_SCHEME_MM)
    panel_letter(scheme, "a", x_pt=0.0, y_pt=-2.0)
    others = [name for name in drawn if name not in {design[0] for design in _DESIGN}]
    n_rows = -(-len(others) // 2)
    key = GridSpecFromSubplotSpec(
        3, 2, subplot_spec=columns[1], height_ratios=(1.0, 1.0, 0.25 * max(n_rows, 0.4)), hspace=0.0
    )
    for model, row, column, feedback, dropout in _DESIGN:
        axes = figure.add_subplot(key[row, column])
        style = MODELS[model]
        draw_small_wiring(axes, feedback=feedback, dropout=dropout, colour=style.colour)
        axes.legend(handles=[handle(style)], loc="lower left", bbox_to_anchor=(0.0, 1.0))
    axes = figure.add_subplot(key[2, :])
    axes.set_axis_off()
    if others:
        handles = [handle(style) for style in model_styles(others).values()]
        axes.legend(handles=handles, loc="center left", ncols=2)


def _encoding_limits(scores: xr.Dataset, area: str) -> tuple[float, float]:
    selected = scores.sel(area=area)
    levels = [value for _, value, _ in level_labels(scores)]
    return padded_limits(
        selected["median"], selected["ci_low"], selected["ci_high"], include=[0.0, *levels]
    )


def _all_names(*results: xr.Dataset) -> list[str]:
    return list(dict.fromkeys(name for result in results for name in names(result, "model")))


def _note(encoding: xr.Dataset, brain: xr.Dataset, rsa: xr.Dataset) -> str:
    parts = [
        sentence(
            encoding.attrs, "{n_neuroids} neurons, {n_stimuli} images", "{dataset}", about="b"
        ),
        sentence(
            brain.attrs,
            "{n_classes} classes, {n_neuroids} neurons, {n_presentations} presentations",
            "{dataset}",
            about="c",
        ),
        sentence(rsa.attrs, "{n_stimuli} images", "{dataset}", about="d"),
        sentence(encoding.attrs, "Bands in b: {interval}"),
        sentence(rsa.attrs, "Bands in d: {interval}"),
        sentence(encoding.attrs, "{training}"),
    ]
    return ". ".join(part for part in parts if part)


def _chosen(
    scores: xr.Dataset,
    similarity: xr.Dataset,
    encoding_area: str | None,
    rsa_area: str | None,
    target: str | None,
) -> dict[str, str]:
    areas, rsa_areas = names(scores, "area"), names(similarity, "area")
    targets = names(similarity, "target")
    default = "integration" if "integration" in areas else areas[-1]
    return {
        "encoding_area": check_option("encoding_area", encoding_area or default, areas),
        "rsa_area": check_option("rsa_area", rsa_area or rsa_areas[-1], rsa_areas),
        "target": check_option("target", target or targets[0], targets),
    }


def _checked(
    encoding: xr.Dataset, brain: xr.Dataset, rsa: xr.Dataset
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    return (
        check_encoding(encoding, "overview (encoding)"),
        check_brain(brain, "overview (brain)"),
        check_rsa(rsa, "overview (rsa)"),
    )
