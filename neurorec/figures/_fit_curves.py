"""Scores of ``encoding.fit`` over time: over neural bins, over model timesteps, or as points."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from neurorec.figures._axes import (
    curve,
    level,
    stimulus_marks,
    timestep_axis,
    title_of,
    zero_line,
)
from neurorec.figures._finish import finish
from neurorec.figures._fits import Fitted, Line, shared_attrs
from neurorec.figures._results import padded_limits, sentence
from neurorec.figures._text import legend_above, note_below
from neurorec.figures.style import (
    DOUBLE_COLUMN_MM,
    INK,
    MUTED,
    SINGLE_COLUMN_MM,
    ModelStyle,
    journal_style,
    model_styles,
    new_figure,
    side_by_side,
)

DASHED: Final = (0.0, (3.0, 1.5))
_CEILING: Final = "noise ceiling"
#: Where a ceiling comes from, by the method of ``encoding.Ceiling``.
_CEILINGS: Final = {
    "split_half": "split halves, Spearman-Brown corrected",
    "explainable_variance": "explainable variance",
}
_STATIC: Final = "static control"
CHOSEN: Final = "chosen in training"
_ONE: Final = "#0072B2"  # of a single model, which needs no name
_MOST_BANDS: Final = 4  # lines of one panel whose bands can be told apart
_NOTE: Final = (
    "Median over {n_neuroids} neurons, {n_stimuli} stimuli",
    "{n_unreliable} below the stated reliability, kept",
    "stimulus off at {stimulus_off_ms:g} ms",
    "model time: {time}",
    "{splits}",
)


def draw_fits(results: Mapping[str, Fitted], *, named: bool, note: bool, simulated: bool) -> Figure:
    """Curves of every model, in the form that the number of bins and timesteps asks for."""
    _check_same_bins(results)
    if len(_first(results).middles) > 1:
        stepwise = any(len(result.timesteps) > 1 for result in results.values())
        draw = _draw_steps_over_bins if stepwise else _draw_over_bins
    else:
        stepwise = any(len(result.timesteps) > 1 for result in results.values())
        draw = _draw_over_timesteps if stepwise else _draw_points
    with journal_style():
        figure = draw(results, named=named, note=note)
        return finish(figure, simulated=simulated)


def bin_label(result: Fitted) -> str:
    """Label of the axis of neural time; says how wide bins are where all are the same."""
    widths = result.bin_end - result.bin_start
    width = f", middle of {widths[0]:g} ms bins" if np.allclose(widths, widths[0]) else ""
    return f"time from stimulus onset (ms{width})"


def step_label(result: Fitted) -> str:
    """Label of the axis of model time."""
    cumulative = str(result.attrs.get("time", "")) == "cumulative"
    label = "model timesteps up to" if cumulative else "model timestep"
    if "dt_ms" in result.attrs:
        return f"{label} ({float(result.attrs['dt_ms']):g} ms each)"
    return label


def fit_note(results: Mapping[str, Fitted], *more: str) -> str:
    """What was compared, in a sentence of what all results agree on."""
    attrs = shared_attrs(results)
    parts = [sentence(attrs, *_NOTE), *more, _ceiling_note(attrs)]
    return "; ".join(part for part in parts if part)


def _ceiling_note(attrs: Mapping[str, Any]) -> str:
    """How the ceiling was estimated, in short; the attribute ``convention`` says it in full."""
    if "ceiling_options" not in attrs:
        return ""
    method = json.loads(str(attrs["ceiling_options"]))["method"]
    return f"noise ceiling from {_CEILINGS[method]}"


def _panel(
    results: Mapping[str, Fitted], more: Sequence[str], *, named: bool, note: bool
) -> tuple[Figure, Axes, Mapping[str, ModelStyle]]:
    """A figure of one panel, with its legend and its note."""
    figure = new_figure(SINGLE_COLUMN_MM, 68.0)
    styles = _styles(results, named)
    _legend(figure, results, styles if named else {}, MUTED if named else _ONE)
    if note:
        note_below(figure, fit_note(results, f"bands: {_first(results).interval}", *more))
    return figure, side_by_side(figure, 1.0)[0].subplots(), styles


def _draw_over_bins(results: Mapping[str, Fitted], *, named: bool, note: bool) -> Figure:
    """One line for each model, each with its static control."""
    figure, axes, styles = _panel(results, [control_note(results)], named=named, note=note)
    _bin_axes(axes, results, _limits(results, bands=True))
    for name, result in results.items():
        low, high = result.ci_low[0], result.ci_high[0]
        x, style = result.middles, styles[name]
        curve(axes, x, result.median[0], style, low=low, high=high, markers=_few(x))
        _control(axes, result, style.colour)
    axes.set_xlabel(bin_label(_first(results)))
    axes.set_ylabel(_first(results).label)
    return figure


def _draw_steps_over_bins(results: Mapping[str, Fitted], *, named: bool, note: bool) -> Figure:
    """A panel for each model, in which each timestep is a line, dark for early ones."""
    n_columns = min(3, len(results))
    n_rows = -(-len(results) // n_columns)
    bands = max(len(result.timesteps) for result in results.values()) <= _MOST_BANDS
    wide = SINGLE_COLUMN_MM if len(results) == 1 else DOUBLE_COLUMN_MM
    figure = new_figure(wide, 70.0 if n_rows == 1 else 26.0 + 44.0 * n_rows)
    _legend(figure, results, {}, INK, steps=True)
    if note:
        chosen = any(result.dynamic is not None for result in results.values())
        said = "bands" if bands else ("band" if chosen else "intervals in the table")
        interval = f"{said}: {_first(results).interval}"
        note_below(figure, fit_note(results, interval, control_note(results)))
    body = side_by_side(figure, 1.0)[0]
    grid = body.add_gridspec(n_rows, n_columns)
    panels = [body.add_subplot(grid[divmod(i, n_columns)]) for i in range(len(results))]
    colours = _step_colours(results)
    limits = _limits(results, bands=bands)
    for index, (axes, (name, result)) in enumerate(zip(panels, results.items(), strict=True)):
        _bin_axes(axes, {name: result}, limits)
        for row, timestep in enumerate(result.timesteps):
            colour = to_hex(colours.to_rgba(timestep))  # type: ignore[arg-type]
            style = ModelStyle(label=f"{timestep:g}", colour=colour)
            limits_of = {"low": result.ci_low[row], "high": result.ci_high[row]}
            interval = limits_of if bands else {}
            thin = {"markers": bands and _few(result.middles)}
            curve(axes, result.middles, result.median[row], style, **thin, **interval)
            axes.lines[-1].set_linewidth(1.1 if bands else 0.8)
        _control(axes, result, INK)
        if result.dynamic is not None:
            _draw_chosen(axes, result.middles, result.dynamic)
        if named:
            label = model_styles([name])[name].label
            axes.set_title(title_of(label, 120.0 / n_columns), fontsize="medium")
        lowest = index + n_columns >= len(panels)
        axes.tick_params(labelleft=index % n_columns == 0, labelbottom=lowest)
    body.supxlabel(bin_label(_first(results)), fontsize="medium")
    body.supylabel(_first(results).label, fontsize="medium")
    _step_bar(body, panels, colours, step_label(_first(results)))
    return figure


def _draw_over_timesteps(results: Mapping[str, Fitted], *, named: bool, note: bool) -> Figure:
    """One neural bin: a line over model timesteps, or a level for a model of one."""
    figure, axes, styles = _panel(results, [], named=named, note=note)
    _levels(axes, results, _limits(results, bands=True))
    steps = np.concatenate([r.timesteps for r in results.values() if len(r.timesteps) > 1])
    timestep_axis(axes, steps)
    for name, result in results.items():
        x, style = result.timesteps, styles[name]
        y, low, high = (v[:, 0] for v in (result.median, result.ci_low, result.ci_high))
        if len(x) == 1:
            x = np.array(axes.get_xlim())
            y, low, high = (np.repeat(v, 2) for v in (y, low, high))
        curve(axes, x, y, style, low=low, high=high, markers=len(result.timesteps) > 1 and _few(x))
    stepwise = next(result for result in results.values() if len(result.timesteps) > 1)
    axes.set_xlabel(step_label(stepwise))
    axes.set_ylabel(stepwise.label)
    return figure


def _draw_points(results: Mapping[str, Fitted], *, named: bool, note: bool) -> Figure:
    """One number for each model."""
    figure = new_figure(SINGLE_COLUMN_MM, 26.0 + 7.0 * len(results))
    styles = _styles(results, named)
    _legend(figure, results, {}, MUTED)
    if note:
        note_below(figure, fit_note(results, f"lines: {_first(results).interval}"))
    axes = side_by_side(figure, 1.0)[0].subplots()
    corrected = _first(results).is_corrected
    axes.set_xlim(*_limits(results, bands=True))
    places = np.arange(len(results))[::-1]
    for place, (name, result) in zip(places, results.items(), strict=True):
        style = styles[name]
        y = np.full(2, float(place))
        ends = np.array([result.ci_low[0, 0], result.ci_high[0, 0]])
        axes.plot(ends, y, color=style.colour, linewidth=1.1)
        axes.plot(result.median[0], y[:1], color=style.colour, marker=style.marker, markersize=4.0)
    if corrected:
        axes.axvline(1.0, color=MUTED, linewidth=0.7, zorder=1)
    axes.set_ylim(-0.6, len(results) - 0.4)
    wrapped = [title_of(style.label, 34.0) if named else "" for style in styles.values()]
    axes.set_yticks(places, wrapped)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(_first(results).label)
    return figure


def _bin_axes(axes: Axes, results: Mapping[str, Fitted], limits: tuple[float, float]) -> None:
    """Limits, the stimulus, the ceiling and zero, behind the curves."""
    one = _first(results)
    room = 0.02 * float(np.ptp(one.middles))
    axes.set_xlim(one.middles.min() - room, one.middles.max() + room)
    _levels(axes, results, limits)
    stimulus_marks(axes, one.attrs, both=False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))


def _levels(axes: Axes, results: Mapping[str, Fitted], limits: tuple[float, float]) -> None:
    """The ceiling and, where scores go below it, zero."""
    one = _first(results)
    axes.set_ylim(*limits)
    if one.is_corrected:
        level(axes, 1.0, dashed=False)
    elif one.quantity == "score" and one.ceiling is not None:
        x = one.middles if len(one.middles) > 1 else np.array([0.0, 1.0])
        across = None if len(one.middles) > 1 else axes.get_yaxis_transform()
        look: dict[str, Any] = {} if across is None else {"transform": across}
        y = one.ceiling if across is None else np.repeat(one.ceiling, 2)
        axes.plot(x, y, color=MUTED, linewidth=0.7, zorder=1, **look)
    lowest = [low for r in results.values() for low in (r.median, r.ci_low)]
    zero_line(axes, np.concatenate([np.ravel(v) for v in lowest]))


def _control(axes: Axes, result: Fitted, colour: str) -> None:
    if result.static is not None:
        y = result.static.median
        axes.plot(result.middles, y, color=colour, linewidth=0.9, linestyle=DASHED)


def _draw_chosen(axes: Axes, x: np.ndarray, line: Line) -> None:
    style = line_only(CHOSEN, INK, "-")
    curve(axes, x, line.median, style, low=line.ci_low, high=line.ci_high, markers=False)
    axes.lines[-1].set_linewidth(1.5)


def _limits(results: Mapping[str, Fitted], *, bands: bool) -> tuple[float, float]:
    drawn: list[np.ndarray] = []
    include = [0.0]
    for result in results.values():
        drawn += [result.median, *([result.ci_low, result.ci_high] if bands else [])]
        for line in (result.static, result.dynamic):
            if line is not None:
                drawn += [v for v in (line.median, line.ci_low, line.ci_high) if v is not None]
        if result.is_corrected:
            include.append(1.0)
        elif result.quantity == "score" and result.ceiling is not None:
            drawn.append(result.ceiling)
    return padded_limits(*drawn, include=include)


def _legend(
    figure: Figure,
    results: Mapping[str, Fitted],
    styles: Mapping[str, ModelStyle],
    colour: str,
    *,
    steps: bool = False,
) -> None:
    """Models, where there are several, what they are held against, and the ceiling."""
    shown = dict(styles)
    if steps and any(result.dynamic is not None for result in results.values()):
        shown[CHOSEN] = line_only(CHOSEN, colour, "-")
    if any(result.static is not None for result in results.values()):
        shown[_STATIC] = line_only(_STATIC, colour, DASHED)
    one = _first(results)
    if one.is_corrected or (one.quantity == "score" and one.ceiling is not None):
        shown[_CEILING] = line_only(_CEILING, MUTED, "-")
    if shown:
        legend_above(figure, shown)


def line_only(label: str, colour: str, line: Any) -> ModelStyle:
    """Style of a line without marks, for the legend."""
    return ModelStyle(label=label, colour=colour, line=line, marker="none")


def control_note(results: Mapping[str, Fitted]) -> str:
    """What static control and chosen timesteps are, where they are drawn."""
    parts = []
    if any(result.dynamic is not None for result in results.values()):
        parts.append("chosen in training: the timestep best there, for each neuron and bin")
    if any(result.static is not None for result in results.values()):
        parts.append("static control: one timestep per neuron, chosen in training, at all bins")
    return "; ".join(parts)


def _styles(results: Mapping[str, Fitted], named: bool) -> dict[str, ModelStyle]:
    if named:
        return model_styles(list(results))
    (name,) = results
    return {name: ModelStyle(label="scores", colour=_ONE)}


def _step_colours(results: Mapping[str, Fitted]) -> ScalarMappable:
    """Colours of timesteps; the palest end of the map cannot be seen on white."""
    steps = np.concatenate([result.timesteps for result in results.values()])
    colours = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.88, 256)))
    return ScalarMappable(Normalize(steps.min(), steps.max()), colours)


def _step_bar(figure: Any, panels: Sequence[Axes], colours: ScalarMappable, label: str) -> None:
    aspect = 26 if len(panels) == 1 else 30
    bar = figure.colorbar(colours, ax=list(panels), label=label, aspect=aspect, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=1.5)
    low, high = colours.get_clim()
    ticks = MaxNLocator(nbins=5, integer=True).tick_values(low, high)
    bar.ax.yaxis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))


def _few(x: np.ndarray) -> bool:
    """Whether each point can have a mark."""
    return len(x) <= 25


def _first(results: Mapping[str, Fitted]) -> Fitted:
    return next(iter(results.values()))


def _check_same_bins(results: Mapping[str, Fitted]) -> None:
    bins = [np.stack([result.bin_start, result.bin_end]) for result in results.values()]
    for name, own in zip(results, bins, strict=True):
        if not np.array_equal(own, bins[0]):
            raise ValueError(
                f"encoding_over_time draws results of the same time bins: {next(iter(results))!r} "
                f"has {bins[0].shape[1]}, {name!r} has {own.shape[1]} or others; select those of "
                "both"
            )
