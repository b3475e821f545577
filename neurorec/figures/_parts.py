"""Parts of a wiring's drawing, in mm; y grows upwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final

import matplotlib
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from neurorec.figures._paths import Point

IMAGE: Final = "image"
ICON: Final = 2.6  # height of the sign for noise
_MM_PER_PT: Final = 25.4 / 72
_LINE: Final = 1.28  # height of a line of text, in sizes of its type


@final
@dataclass(frozen=True, kw_only=True)
class Node:
    """A box: its texts (with size in points and colour), its least size, and where it stands.

    ``caption`` is written below it.
    """

    name: str
    texts: tuple[tuple[str, float, str], ...]
    width: float = 0.0
    height: float = 0.0
    caption: tuple[str, ...] = ()
    noise: str | None = None
    turned: bool = False
    column: int = 0
    row: int = 0
    x: float = 0.0
    y: float = 0.0

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        return self.y + self.height / 2

    @property
    def bottom(self) -> float:
        return self.y - self.height / 2


@final
@dataclass(frozen=True, kw_only=True)
class Edge:
    """A connection; ``label`` is what is written beside it."""

    source: str
    target: str
    kind: str
    modulates: bool = False
    silenced: bool = False
    label: str = ""

    @property
    def ends(self) -> tuple[str, str]:
        return self.source, self.target


@final
@dataclass(frozen=True, kw_only=True)
class Line:
    """An edge's way, and where its label is centred."""

    edge: Edge
    path: Path
    label_at: Point


@final
@dataclass(frozen=True, kw_only=True)
class Frame:
    """Around the areas of one region; its title, if they do not say it themselves."""

    title: str
    left: float
    right: float
    bottom: float
    top: float


@final
@dataclass(frozen=True, kw_only=True)
class Layout:
    """All parts, and the rectangle that holds them."""

    nodes: Mapping[str, Node]
    lines: tuple[Line, ...]
    frames: tuple[Frame, ...]
    left: float
    right: float
    bottom: float
    top: float


#: Nodes of each column, from top to bottom.
Columns = Sequence[Sequence[Node]]


def text_width(text: str, size: float) -> float:
    """Width of a line of text, in the typeface that is set."""
    return _width(text, size, tuple(matplotlib.rcParams["font.sans-serif"])) if text else 0.0


@lru_cache(maxsize=1024)
def _width(text: str, size: float, typefaces: tuple[str, ...]) -> float:
    # ``typefaces`` are those in which matplotlib measures; they tell one measurement from another.
    return float(TextPath((0, 0), text, size=size).get_extents().width) * _MM_PER_PT


def line_height(size: float) -> float:
    """Height of a line of text."""
    return size * _LINE * _MM_PER_PT
