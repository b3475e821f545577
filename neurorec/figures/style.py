"""How every figure looks: sizes in mm, type, lines, and the colours of the demo's models."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

import matplotlib
import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.typing import LineStyleType

SINGLE_COLUMN_MM: Final = 89.0
DOUBLE_COLUMN_MM: Final = 183.0
MM_PER_INCH: Final = 25.4
DPI: Final = 200  # of the screen and of the saved PNG: widths of texts depend on it

TEXT_PT: Final = 7.0
TITLE_PT: Final = 8.0
NOTE_PT: Final = 6.0

INK: Final = "#222222"
MUTED: Final = "#666666"
FAINT: Final = "#c9c9c9"

#: Settings of a journal figure, laid over matplotlib's own defaults. ``font.sans-serif`` is left
#: to the reader's matplotlibrc: matplotlib brings DejaVu Sans along, so that a figure has the same
#: bytes on every machine unless another typeface is asked for.
PARAMETERS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "font.family": "sans-serif",
        "font.size": TEXT_PT,
        "mathtext.default": "regular",
        "text.color": INK,
        "axes.titlesize": TITLE_PT,
        "axes.titlepad": 4.0,
        "axes.labelsize": TEXT_PT,
        "axes.labelpad": 2.5,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "axes.linewidth": 0.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "xtick.labelsize": TEXT_PT,
        "ytick.labelsize": TEXT_PT,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.major.size": 2.0,
        "ytick.major.size": 2.0,
        "xtick.major.width": 0.5,
        "ytick.major.width": 0.5,
        "xtick.major.pad": 2.0,
        "ytick.major.pad": 2.0,
        "lines.linewidth": 1.1,
        "lines.markersize": 2.8,
        "legend.fontsize": TEXT_PT,
        "legend.frameon": False,
        "legend.handlelength": 2.4,
        "legend.handletextpad": 0.6,
        "legend.columnspacing": 1.6,
        "legend.borderpad": 0.2,
        "legend.borderaxespad": 0.0,
        "pdf.fonttype": 42,  # TrueType, so that an editor can set the text again
        "ps.fonttype": 42,
        "svg.fonttype": "none",
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "savefig.dpi": DPI,
    }
)


@final
@dataclass(frozen=True, kw_only=True)
class ModelStyle:
    """How one model is drawn, in every figure."""

    label: str
    colour: str
    line: LineStyleType = "-"
    marker: str = "o"


_DASHED: Final = (0.0, (3.2, 1.4))

#: The demo's models. Okabe and Ito's colours: blues without feedback, orange-reds with it;
#: dropout is the lighter one of each family and dashed.
MODELS: Final[Mapping[str, ModelStyle]] = MappingProxyType(
    {
        "ff": ModelStyle(label="feedforward", colour="#0072B2"),
        "ff-dropout": ModelStyle(label="feedforward + dropout", colour="#56B4E9", line=_DASHED),
        "fb": ModelStyle(label="feedback", colour="#D55E00", marker="s"),
        "fb-dropout": ModelStyle(
            label="feedback + dropout", colour="#E69F00", line=_DASHED, marker="s"
        ),
        "untrained": ModelStyle(label="untrained", colour="#7F7F7F", marker="D"),
    }
)

#: For models the table does not know: (colour, marker), then again with other lines.
_CYCLE: Final = (
    ("#009E73", "^"),
    ("#CC79A7", "v"),
    ("#332288", "P"),
    ("#882255", "X"),
    ("#117733", "<"),
    ("#AA4499", ">"),
)
_LINES: Final = ("-", (0.0, (3.2, 1.4)), (0.0, (1.0, 1.2)), (0.0, (4.0, 1.2, 1.0, 1.2)))


def model_styles(names: Sequence[str]) -> dict[str, ModelStyle]:
    """Style of each of ``names``: the table's, or the next of the cycle under its own name."""
    styles: dict[str, ModelStyle] = {}
    unknown = 0
    for name in names:
        if name in MODELS:
            styles[name] = MODELS[name]
            continue
        rounds, position = divmod(unknown, len(_CYCLE))
        colour, marker = _CYCLE[position]
        line = _LINES[rounds % len(_LINES)]
        styles[name] = ModelStyle(label=name, colour=colour, line=line, marker=marker)
        unknown += 1
    return styles


@contextmanager
def journal_style() -> Iterator[None]:
    """Draw with :data:`PARAMETERS` over matplotlib's defaults, then with what was set before."""
    typeface = {"font.sans-serif": list(matplotlib.rcParams["font.sans-serif"])}
    with matplotlib.style.context(["default", typeface, dict(PARAMETERS)]):
        yield


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """Empty figure with constrained layout, drawn without a screen.

    Raises
    ------
    ValueError
        If a side is not positive.
    """
    if width_mm <= 0 or height_mm <= 0:
        raise ValueError(f"a figure needs positive sides, got {width_mm} x {height_mm} mm")
    size = (width_mm / MM_PER_INCH, height_mm / MM_PER_INCH)
    figure = Figure(figsize=size, dpi=DPI)
    FigureCanvasAgg(figure)  # attaches itself; texts can then be measured
    pad = 1.0 / MM_PER_INCH
    figure.set_layout_engine(ConstrainedLayoutEngine(w_pad=pad, h_pad=pad, wspace=0.0, hspace=0.0))
    return figure


def side_by_side(figure: Figure, *widths: float) -> list[SubFigure]:
    """Parts of ``figure`` beside each other, each with labels of its own for its axes."""
    grid = figure.add_gridspec(1, len(widths), width_ratios=widths, wspace=0.06)
    return [figure.add_subfigure(grid[0, column]) for column in range(len(widths))]


def stacked(figure: Figure, *heights: float) -> list[SubFigure]:
    """Parts of ``figure`` below each other."""
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    return [figure.add_subfigure(grid[row, 0]) for row in range(len(heights))]
