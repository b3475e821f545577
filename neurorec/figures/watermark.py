"""The word that keeps a simulated result from being taken for a recorded one."""

import math

from matplotlib import patheffects
from matplotlib.figure import Figure

WORD = "SIMULATED"
_ALPHA = 0.22
_GID = "neurorec-simulated"
_EMS_PER_WORD = 6.6  # width of the word in DejaVu Sans Bold, in units of the type size


def watermark(figure: Figure) -> Figure:
    """Write SIMULATED across ``figure``, once however often it is called, and return it."""
    if is_watermarked(figure):
        return figure
    width, height = figure.get_size_inches() * 72
    # A low, wide figure gets a flatter word, so that it stays inside.
    angle = min(math.atan2(height, width) * 0.8, math.radians(35))
    size = 0.7 * min(width / math.cos(angle), height / math.sin(angle)) / _EMS_PER_WORD
    text = figure.text(
        0.5,
        0.5,
        WORD,
        ha="center",
        va="center",
        rotation=math.degrees(angle),
        rotation_mode="anchor",
        fontsize=size,
        fontweight="bold",
        color="#b00020",
        alpha=_ALPHA,
        zorder=100,
        gid=_GID,
    )
    # Filled once, with a pale outline that keeps the word legible on dark matrices.
    outline = patheffects.Stroke(linewidth=0.8, foreground="white", alpha=_ALPHA)
    text.set_path_effects([outline])
    text.set_in_layout(False)
    return figure


def is_watermarked(figure: Figure) -> bool:
    """Whether ``figure`` carries the word."""
    return any(text.get_gid() == _GID for text in figure.texts)
