"""A laid out wiring on axes whose units are mm: boxes, lines, and the legend."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, PathPatch, Rectangle
from matplotlib.path import Path

from neurorec.figures._parts import ICON, IMAGE, Layout, Line, Node, line_height, text_width
from neurorec.figures._paths import Point
from neurorec.figures.style import FAINT, INK, MUTED, NOTE_PT, TEXT_PT

#: Okabe and Ito's colours of the kinds of connections; a skip is feedforward and dash-dotted.
COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "feedforward": "#0072B2",
        "skip": "#0072B2",
        "lateral": "#009E73",
        "feedback": "#D55E00",
        "readout": INK,
    }
)
LEGEND_ROW: Final = 4.2
_SKIP: Final = (0.0, (5.0, 1.3, 1.1, 1.3))
_SILENCED: Final = (0.0, (2.2, 1.8))
_LINE_PT: Final = 0.9
_HEAD_PT: Final = 5.0
_DIAMOND: Final = (1.5, 1.1)  # length and width
_BOX: Final = "#f3f4f6"
_ROUND: Final = 1.6
_SAMPLE: Final = 7.0
_BESIDE_SAMPLE: Final = 1.2
_BETWEEN_ENTRIES: Final = 5.0


@final
@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a legend's entry shows: a line or, with ``noise``, the sign of that kind of noise."""

    colour: str
    kind: str = "feedforward"
    modulates: bool = False
    silenced: bool = False
    noise: str | None = None


Entry = tuple[str, Sample | None]
#: Entries of each row, with their places from its left.
Rows = list[list[tuple[float, Entry]]]


def pale(colour: str) -> str:
    """A colour for what is there and does nothing."""
    red, green, blue = (0.45 * channel + 0.55 for channel in to_rgb(colour))
    return to_hex((red, green, blue))


def draw(axes: Axes, layout: Layout) -> None:
    """Boxes, lines and frames."""
    for frame in layout.frames:
        corner, size = (
            (frame.left, frame.bottom),
            (frame.right - frame.left, frame.top - frame.bottom),
        )
        _rounded(axes, corner, size, face="none", edge=FAINT, order=1)
        if frame.title:
            place = ((frame.left + frame.right) / 2, frame.bottom - 0.6)
            _text(axes, place, frame.title, NOTE_PT, MUTED, ground=True, va="top")
    for line in layout.lines:
        _line(axes, line)
    for node in layout.nodes.values():
        if node.name == IMAGE:
            _image(axes, node)
        else:
            _box(axes, node)


def _line(axes: Axes, line: Line) -> None:
    edge = line.edge
    colour = pale(COLOURS[edge.kind]) if edge.silenced else COLOURS[edge.kind]
    sample = Sample(colour=colour, kind=edge.kind, modulates=edge.modulates, silenced=edge.silenced)
    _arrow(axes, line.path, sample)
    if edge.label:
        _text(axes, line.label_at, edge.label, NOTE_PT, colour, ground=True)


def _arrow(axes: Axes, path: Path, sample: Sample) -> None:
    style: Any = _SILENCED if sample.silenced else _SKIP if sample.kind == "skip" else "-"
    look: dict[str, Any] = {"linewidth": _LINE_PT, "linestyle": style, "zorder": 2}
    if sample.modulates:
        axes.add_patch(PathPatch(path, facecolor="none", edgecolor=sample.colour, **look))
        _diamond(axes, path, sample.colour)
        return
    arrow = FancyArrowPatch(
        path=path,
        arrowstyle="-|>",
        mutation_scale=_HEAD_PT,
        color=sample.colour,
        joinstyle="miter",
        **look,
    )
    axes.add_patch(arrow)


def _diamond(axes: Axes, path: Path, colour: str) -> None:
    """The head of a modulating connection: open, with its tip where the path ends."""
    before, tip = np.asarray(path.vertices)[-2:]
    along = (tip - before) / max(float(np.hypot(*(tip - before))), 1e-9)
    back, across = _DIAMOND[0] * along, _DIAMOND[1] / 2 * np.array([-along[1], along[0]])
    corners = [tip, tip - back / 2 + across, tip - back, tip - back / 2 - across, tip]
    axes.add_patch(
        PathPatch(
            Path(corners, closed=True),
            facecolor="white",
            edgecolor=colour,
            linewidth=0.7,
            zorder=3,
        )
    )


def _rounded(
    axes: Axes, corner: Point, size: tuple[float, float], *, face: str, edge: str, order: int
) -> None:
    box = FancyBboxPatch(
        corner,
        *size,
        boxstyle=f"round,pad=0,rounding_size={_ROUND}",
        facecolor=face,
        edgecolor=edge,
        linewidth=0.6,
        zorder=order,
    )
    axes.add_patch(box)


def _box(axes: Axes, node: Node) -> None:
    """A box with its texts below each other, or turned beside each other, and the sign of noise."""
    size = (node.width, node.height)
    _rounded(axes, (node.left, node.bottom), size, face=_BOX, edge=INK, order=3)
    lines = sum(line_height(size) for _, size, _ in node.texts)
    icon = ICON if node.noise else 0.0
    at = node.x - lines / 2 if node.turned else node.y + (lines + icon) / 2
    for text, pt, colour in node.texts:
        half = line_height(pt) / 2
        if node.turned:
            place = at + half, node.y + icon / 2
            _text(axes, place, text, pt, colour, rotation=90, rotation_mode="anchor")
        else:
            _text(axes, (node.x, at - half), text, pt, colour)
        at += 2 * half if node.turned else -2 * half
    if node.noise:
        y = node.bottom + 0.9 + icon / 2 if node.turned else at - icon / 2
        _noise(axes, (node.x, y), min(node.width - 2.4, 14.0), node.noise)


def _noise(axes: Axes, place: Point, width: float, kind: str) -> None:
    """Units of which every third is silenced, or a trace that fluctuates."""
    x, y = place
    look: dict[str, Any] = {"color": MUTED, "zorder": 4}
    if kind != "dropout":
        steps = np.linspace(x - width / 2, x + width / 2, 25)
        heights = 0.75 * np.random.default_rng(0).uniform(-1, 1, len(steps))
        axes.plot(steps, y + heights, linewidth=0.6, **look)
        return
    units = np.linspace(x - width / 2, x + width / 2, max(int(width / 1.6), 3))
    silent = np.arange(len(units)) % 3 == 1
    look["linestyle"] = "none"
    active, still = units[~silent], units[silent]
    axes.plot(active, np.full(len(active), y), marker="o", markersize=2.2, **look)
    axes.plot(
        still, np.full(len(still), y), marker="x", markersize=2.6, markeredgewidth=0.7, **look
    )


def _image(axes: Axes, node: Node) -> None:
    """A small picture, a bright disc on a ground of two tones, and what it is called."""
    side, corner = node.width, (node.left, node.bottom)
    axes.add_patch(Rectangle(corner, side, side, facecolor="#9db4c8", zorder=3))
    axes.add_patch(Rectangle(corner, side, side * 0.36, facecolor="#6f8f72", zorder=3))
    disc = (node.left + side * 0.62, node.bottom + side * 0.64)
    axes.add_patch(Circle(disc, side * 0.17, color="#f6e7b4", zorder=3))
    border: dict[str, Any] = {"facecolor": "none", "edgecolor": INK, "linewidth": 0.6}
    axes.add_patch(Rectangle(corner, side, side, zorder=3, **border))
    y = node.bottom - 0.5
    looks = ((TEXT_PT, INK), (NOTE_PT, MUTED))
    for text, (size, colour) in zip(node.caption, looks, strict=False):
        _text(axes, (node.x, y - line_height(size) / 2), text, size, colour)
        y -= line_height(size)


def _text(
    axes: Axes,
    place: Point,
    text: str,
    size: float,
    colour: str,
    *,
    ground: bool = False,
    **options: Any,
) -> None:
    box: Any = {"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none"}
    settings: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 5, **options}
    axes.text(*place, text, fontsize=size, color=colour, bbox=box if ground else None, **settings)


def in_rows(entries: Iterable[Entry], width: float) -> Rows:
    """Entries of a legend in as few rows as ``width`` allows."""
    rows: Rows = [[]]
    x = 0.0
    for entry in entries:
        length = _length(entry)
        if rows[-1] and x + length > width:
            rows.append([])
            x = 0.0
        rows[-1].append((x, entry))
        x += length + _BETWEEN_ENTRIES
    return rows


def _length(entry: Entry) -> float:
    text, sample = entry
    beside = 0.0 if sample is None else _SAMPLE + _BESIDE_SAMPLE
    return beside + text_width(text, NOTE_PT)


def draw_legend(axes: Axes, rows: Sequence[Sequence[tuple[float, Entry]]], top: Point) -> None:
    """The legend, centred below ``top``."""
    width = max(row[-1][0] + _length(row[-1][1]) for row in rows)
    for i, row in enumerate(rows):
        y = top[1] - LEGEND_ROW * (i + 0.5)
        for offset, (text, sample) in row:
            x = top[0] - width / 2 + offset
            if sample is not None:
                _sample(axes, (x, y), sample)
                x += _SAMPLE + _BESIDE_SAMPLE
            _text(axes, (x, y), text, NOTE_PT, INK if sample else MUTED, ha="left")


def _sample(axes: Axes, start: Point, sample: Sample) -> None:
    x, y = start
    if sample.noise is not None:
        _noise(axes, (x + _SAMPLE / 2, y), _SAMPLE - 1.0, sample.noise)
    else:
        _arrow(axes, Path([(x, y), (x + _SAMPLE, y)]), sample)
