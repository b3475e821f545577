"""The files that commands write: not over others, and whole or not at all."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


def stem_of(figure: Path | None) -> Path | None:
    """Path of a figure without its suffix."""
    if figure is None:
        return None
    return figure.with_suffix("") if figure.suffix in (".pdf", ".png") else figure


def drawn(stem: Path | None) -> list[Path]:
    """The files of a figure."""
    endings = (".pdf", ".png", ".csv")
    return [] if stem is None else [stem.with_name(stem.name + ending) for ending in endings]


def refuse(paths: list[Path], force: bool) -> None:
    """Refuse to write over what exists, unless told to, and where nothing can be written."""
    for path in paths:
        if path.exists() and not force:
            raise ValueError(f"{path} exists; name another file, or replace it with --force")
        if path.is_dir():
            raise ValueError(f"{path} is a folder; name a file")
        there = next(parent for parent in path.absolute().parents if parent.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            why = "may not be written to" if there.is_dir() else "is no folder"
            raise ValueError(f"{path} cannot be written: {there} {why}; name another place")


def text_of(path: Path) -> str:
    """What a text file says."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: {error}") from None


def write(results: "xr.Dataset", out: Path) -> None:
    """Write netCDF."""
    from neurorec._checks import atomic_path

    with atomic_path(out) as temporary:
        results.to_netcdf(temporary, engine="h5netcdf")
