"""Marks that several plots share: curves with their interval, matrices, chance."""

import textwrap
from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator

from neurorec.figures.style import FAINT, INK, MUTED, ModelStyle

ACCURACY_MAP: Final = "magma"
SIMILARITY_MAP: Final = "viridis"

_NO_BREAK: Final = "\N{NO-BREAK SPACE}"
_MM_PER_CHARACTER: Final = 1.4  # of DejaVu Sans at 7 pt, on average


def curve(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    style: ModelStyle,
    *,
    low: np.ndarray | None = None,
    high: np.ndarray | None = None,
    markers: bool = True,
) -> None:
    """A line through (x, y) with its interval as a band of the same colour."""
    if low is not None and high is not None:
        axes.fill_between(x, low, high, color=style.colour, alpha=0.14, linewidth=0)
    axes.plot(
        x,
        y,
        color=style.colour,
        linestyle=style.line,
        marker=style.marker if markers else "none",
        markeredgecolor="white",
        markeredgewidth=0.3,
        label=style.label,
    )


def level(axes: Axes, y: float, *, dashed: bool = True, colour: str = MUTED) -> None:
    """A horizontal line behind the curves: a ceiling, a reference or chance."""
    line = (0.0, (4.0, 2.0)) if dashed else "-"
    axes.axhline(y, color=colour, linewidth=0.7, linestyle=line, zorder=1)


def zero_line(axes: Axes, values: Any) -> None:
    """A pale line at zero where values go below it."""
    if np.nanmin(np.asarray(values), initial=0.0) < 0:
        level(axes, 0.0, dashed=False, colour=FAINT)


def timestep_axis(axes: Axes, timesteps: np.ndarray) -> None:
    """Whole timesteps as ticks, with a little room at both ends."""
    room = 0.04 * max(float(np.ptp(timesteps)), 1.0)
    axes.set_xlim(float(timesteps.min()) - room, float(timesteps.max()) + room)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def timestep_label(attrs: Any) -> str:
    """Label of a model's time axis; says how long a step lasts where the results know."""
    if "dt_ms" in attrs:
        return f"model timestep ({float(attrs['dt_ms']):g} ms each)"
    return "model timestep"


def title_of(label: str, width_mm: float) -> str:
    """A model's label broken into lines that a panel of ``width_mm`` has room for."""
    bound = label.replace(" + ", f" +{_NO_BREAK}")  # the plus begins a line, it does not end one
    lines = textwrap.wrap(bound, max(int(width_mm / _MM_PER_CHARACTER), 1))
    return "\n".join(lines).replace(_NO_BREAK, " ")


def matrix(
    axes: Axes,
    values: np.ndarray,
    *,
    edges: tuple[float, float],
    limits: tuple[float, float],
    colours: str,
    column_edges: tuple[float, float] | None = None,
) -> AxesImage:
    """Rows upwards, columns to the right, both from ``edges[0]`` to ``edges[1]`` in square cells.

    Columns may have edges of their own; the matrix then fills its axes.
    """
    image = axes.imshow(
        values,
        origin="lower",
        extent=(*(column_edges or edges), *edges),
        vmin=limits[0],
        vmax=limits[1],
        cmap=colours,
        interpolation="nearest",
        aspect="equal" if column_edges is None else "auto",
    )
    axes.spines[["left", "bottom"]].set_visible(False)
    return image


def outlines(inside: np.ndarray, x: np.ndarray, y: np.ndarray) -> list[list[tuple[float, float]]]:
    """Edges between cells that are inside and cells that are not, as (start, end)."""
    found = []
    for row, column in np.argwhere(inside[1:] != inside[:-1]):
        found.append([(x[column], y[row + 1]), (x[column + 1], y[row + 1])])
    for row, column in np.argwhere(inside[:, 1:] != inside[:, :-1]):
        found.append([(x[column + 1], y[row]), (x[column + 1], y[row + 1])])
    return found


def even_edges(centres: np.ndarray, what: str) -> tuple[float, float]:
    """Outer edges of evenly spaced cells around ``centres``.

    Raises
    ------
    ValueError
        If the centres are not evenly spaced and rising.
    """
    steps = np.diff(centres)
    if len(centres) < 2 or steps[0] <= 0 or not np.allclose(steps, steps[0]):
        raise ValueError(
            f"{what} must be at least two evenly spaced, rising times to draw a matrix, got "
            f"{centres.tolist()}; select bins of one width"
        )
    half = steps[0] / 2
    return float(centres[0] - half), float(centres[-1] + half)


def colour_bar(
    image: ScalarMappable,
    axes: Sequence[Axes],
    label: str,
    *,
    chance: float | None = None,
    shrink: float = 1.0,
    extend: str = "neither",
) -> Colorbar:
    """Labelled colour bar beside ``axes``, with chance marked on it.

    ``extend="min"`` gives it a tip: there are values below its range.
    """
    figure = cast(Figure, axes[0].get_figure(root=True))
    if len(axes) == 1:  # as high as the matrix, whatever room the layout leaves around it
        place: dict[str, Any] = {"cax": axes[0].inset_axes((1.04, 0.0, 0.05, 1.0))}
    else:
        place = {"ax": list(axes), "shrink": shrink, "aspect": 18, "pad": 0.02}
    bar = figure.colorbar(image, label=label, extend=extend, **place)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.tick_params(length=1.5)
    low, high = image.get_clim()
    inside = [
        t
        for t in MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        if low <= t <= high
    ]
    ticks = [(float(t), f"{t:.2g}") for t in inside]
    if chance is not None:
        ticks = [(t, text) for t, text in ticks if abs(t - chance) > 0.1 * (high - low)]
        ticks.append((chance, "chance"))
        bar.ax.axhline(chance, color="white", linewidth=2.0)
        bar.ax.axhline(chance, color=INK, linewidth=0.8)
    ticks.sort()
    bar.ax.yaxis.set_major_locator(FixedLocator([t for t, _ in ticks]))
    bar.ax.yaxis.set_major_formatter(FixedFormatter([text for _, text in ticks]))
    return bar


def stimulus_marks(axes: Axes, attrs: Any, *, both: bool) -> None:
    """Thin lines where the stimulus comes on (0 ms) and goes off, where the results say when."""
    limits = axes.get_xlim()
    times = [0.0] + [float(attrs[k]) for k in ("stimulus_off_ms",) if k in attrs]
    for time in times:
        if limits[0] < time < limits[1]:
            look: dict[str, Any] = {"color": "white" if both else FAINT, "linewidth": 0.6}
            axes.axvline(time, alpha=0.7 if both else 1.0, zorder=1.5, **look)
            if both:
                axes.axhline(time, alpha=0.7, zorder=1.5, **look)
