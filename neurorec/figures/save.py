"""A figure on disk: vector, raster, and the numbers behind it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure

from neurorec._checks import atomic_path
from neurorec.figures.style import DPI, journal_style

SUFFIXES: Final = (".pdf", ".png", ".csv")
PDF_RASTER_DPI: Final = 600  # for matrices inside the vector figure


def save(
    figure: Figure,
    stem: str | Path,
    *,
    table: pd.DataFrame,
    provenance: Mapping[str, Any],
) -> list[Path]:
    """Write ``stem.pdf``, ``stem.png`` and ``stem.csv``; return their paths in that order.

    The provenance is kept as JSON inside the figure files: the PDF's ``Keywords`` and the PNG's
    ``provenance`` text. No file holds a date, so the same figure gives the same bytes.

    Parameters
    ----------
    stem
        Path without suffix; missing folders are made.
    table
        The values drawn, one row each.
    provenance
        What JSON can hold; anything else is written as its text.

    Raises
    ------
    ValueError
        If ``stem`` ends in one of the suffixes, or the table is empty.
    """
    stem = Path(stem)
    if stem.suffix in SUFFIXES:
        raise ValueError(
            f"stem must come without its suffix, got {stem.name!r}; "
            f"save(figure, {stem.stem!r}, ...) writes {', '.join(stem.stem + s for s in SUFFIXES)}"
        )
    if table.empty:
        raise ValueError(f"the table behind {stem.name!r} is empty; pass the values that are drawn")
    record = json.dumps(provenance, sort_keys=True, default=str)
    pdf, png, csv = (stem.with_name(stem.name + suffix) for suffix in SUFFIXES)
    with journal_style():
        with atomic_path(pdf) as temporary:
            metadata = {"Creator": "neurorec", "Keywords": record, "CreationDate": None}
            figure.savefig(temporary, format="pdf", dpi=PDF_RASTER_DPI, metadata=metadata)
        with atomic_path(png) as temporary:
            metadata = {"Software": "neurorec", "provenance": record}
            figure.savefig(temporary, format="png", dpi=DPI, metadata=metadata)
    with atomic_path(csv) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    return [pdf, png, csv]
