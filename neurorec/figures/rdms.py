"""RDMs over time: as a strip, and as a film."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast, final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.figure import Figure

from neurorec._checks import atomic_path
from neurorec.figures._axes import colour_bar, title_of
from neurorec.figures._finish import finish
from neurorec.figures._rdms import (
    Shown,
    colour_limits,
    draw_rdm,
    evenly,
    left_mm,
    name_groups,
    pair_table,
    shown,
)
from neurorec.figures._text import note_below
from neurorec.figures.style import (
    DOUBLE_COLUMN_MM,
    SINGLE_COLUMN_MM,
    journal_style,
    new_figure,
)

Rdms = xr.DataArray | Mapping[str, xr.DataArray]

#: RDMs of one row of a strip, at most.
_MOST: Final = 7
_FILM_DPI: Final = 150


def rdm_strip(
    rdms: Rdms,
    *,
    by: str | None = None,
    n_times: int = _MOST,
    note: bool = True,
    simulated: bool = False,
) -> Figure:
    """RDMs at some times, side by side; a row for each population.

    Parameters
    ----------
    rdms
        RDMs (time_bin, condition, condition_b), with at most one leading dimension such as
        ``area``; or a mapping of such by name, a brain and a model for example, which may have
        other times.
    by
        Coordinate of the conditions by which they are sorted and grouped; ``category``,
        ``object_name`` or ``label`` if left out and there is one.
    n_times
        Time bins that are drawn, evenly spaced, the first and the last among them.
    note
        Write under the panels what is drawn.
    simulated
        Mark the figure as simulated; RDMs that say so themselves are always marked.

    Raises
    ------
    ValueError
        If a dimension or coordinate is missing, there are several leading dimensions, ``n_times``
        is no positive number, or everything is NaN.
    """
    every = shown(rdms, "rdm_strip", by=by)
    if n_times < 1:
        raise ValueError(f"n_times must be at least 1, got {n_times}")
    times = [evenly(len(one.values), n_times) for one in every]
    n_columns = max(len(one) for one in times)
    left = left_mm(every)
    side = min((DOUBLE_COLUMN_MM - left - 14.0) / n_columns - 1.5, 40.0)
    # Titles of two lines where the panels are narrow.
    titles = [
        [title_of(one.when(t), side) for t in own] for one, own in zip(every, times, strict=True)
    ]
    lines = max(title.count("\n") for row in titles for title in row)
    with journal_style():
        width = max(min(DOUBLE_COLUMN_MM, left + 16.0 + n_columns * (side + 1.5)), 70.0)
        figure = new_figure(width, (side + 6.5 + 3.0 * lines) * len(every) + 8.0)
        if note:
            note_below(figure, _note(every))
        panels = figure.subplots(len(every), n_columns, squeeze=False)
        limits = colour_limits(every)
        for row, one, own, texts in zip(panels, every, times, titles, strict=True):
            for axes, t, text in zip(row, own, texts, strict=False):
                image = draw_rdm(axes, one.values[t], limits, one.groups)
                axes.set_title(text, fontsize="medium")
            for axes in row[len(own) :]:
                axes.set_axis_off()
            name_groups(row[0], one.groups, side)
            row[0].set_ylabel(one.name)
        colour_bar(image, list(panels.ravel()), every[0].units, shrink=min(1.0, 1.6 / len(every)))
        return finish(figure, simulated=_simulated(rdms) or simulated)


def rdm_strip_table(rdms: Rdms, *, by: str | None = None, n_times: int = _MOST) -> pd.DataFrame:
    """What :func:`rdm_strip` draws: one row per pair of conditions, time and population."""
    every = shown(rdms, "rdm_strip", by=by)
    return pair_table(every, {i: evenly(len(o.values), n_times) for i, o in enumerate(every)})


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Movie:
    """Frames that are drawn when they are needed.

    Parameters
    ----------
    figure
        On which they are drawn; it shows the first.
    n_frames
        How many there are.
    draw
        Draws one, by its number.
    """

    figure: Figure
    n_frames: int
    draw: Callable[[int], None]

    def save(self, path: str | Path, *, frames_per_second: float | int = 4) -> Path:
        """Write an animated GIF, or an MP4 where ffmpeg is installed; return its path.

        Raises
        ------
        ValueError
            If the suffix is another, or ``frames_per_second`` is not positive.
        ImportError
            If an MP4 is asked for and there is no ffmpeg.
        """
        path = Path(path)
        writer = _writer(path, frames_per_second)
        with journal_style(), atomic_path(path) as temporary:
            # ffmpeg chooses the format by the suffix.
            beside = temporary.with_name(temporary.name + path.suffix)
            try:
                with writer.saving(self.figure, str(beside), _FILM_DPI):
                    for frame in range(self.n_frames):
                        self.draw(frame)
                        writer.grab_frame()
                beside.replace(temporary)
            finally:
                beside.unlink(missing_ok=True)
        self.draw(0)
        return path


def _writer(path: Path, frames_per_second: float | int) -> AbstractMovieWriter:
    if frames_per_second <= 0:
        raise ValueError(f"frames_per_second must be positive, got {frames_per_second}")
    if path.suffix == ".gif":
        return PillowWriter(fps=cast(Any, frames_per_second))
    if path.suffix != ".mp4":
        raise ValueError(f"a film ends in .gif or .mp4, got {path.name!r}")
    if not FFMpegWriter.isAvailable():
        raise ImportError("an .mp4 needs the program ffmpeg, which is not installed; write a .gif")
    return FFMpegWriter(fps=cast(Any, frames_per_second))


def rdm_movie(
    rdms: Rdms, *, by: str | None = None, note: bool = True, simulated: bool = False
) -> Movie:
    """RDMs over time, one frame for each time bin; populations side by side.

    ``rdm_movie(rdm).save("rdm.gif")`` writes it. Frames are the time bins of the first population;
    of the others that time bin is shown whose middle, in ms, is nearest.

    Parameters
    ----------
    rdms, by, note, simulated
        As for :func:`rdm_strip`.

    Raises
    ------
    ValueError
        As :func:`rdm_strip`.
    """
    every = shown(rdms, "rdm_movie", by=by)
    first = every[0]
    with journal_style():
        width = SINGLE_COLUMN_MM if len(every) == 1 else min(62.0 * len(every), DOUBLE_COLUMN_MM)
        side = (width - 16.0 - left_mm(every[:1])) / len(every) - 4.0
        figure = new_figure(width, side + 24.0)
        if note:
            note_below(figure, _note(every))
        panels = list(figure.subplots(1, len(every), squeeze=False)[0])
        limits = colour_limits(every)
        images = [
            draw_rdm(axes, one.values[0], limits, one.groups)
            for axes, one in zip(panels, every, strict=True)
        ]
        for axes, one in zip(panels, every, strict=True):
            axes.set_title(_frame_title(one, _widest(one)))
        name_groups(panels[0], first.groups, side)
        colour_bar(images[0], panels, first.units)
        finish(figure, simulated=_simulated(rdms) or simulated)
        figure.draw_without_rendering()  # the layout settles when it is made a second time
        figure.set_layout_engine("none")  # frames must not move

    def draw(frame: int) -> None:
        for axes, image, one in zip(panels, images, every, strict=True):
            t = _nearest(one, first, frame)
            values = np.array(one.values[t])
            np.fill_diagonal(values, np.nan)
            image.set_data(values)
            axes.title.set_text(_frame_title(one, t))

    draw(0)
    return Movie(figure=figure, n_frames=len(first.values), draw=draw)


def rdm_movie_table(rdms: Rdms, *, by: str | None = None) -> pd.DataFrame:
    """What :func:`rdm_movie` draws: one row per pair of conditions, time bin and population."""
    every = shown(rdms, "rdm_movie", by=by)
    first = every[0]
    frames = range(len(first.values))
    return pair_table(
        every, {i: sorted({_nearest(o, first, f) for f in frames}) for i, o in enumerate(every)}
    )


def _nearest(one: Shown, first: Shown, frame: int) -> int:
    return frame if one is first else int(np.abs(one.middles - first.middles[frame]).argmin())


def _widest(one: Shown) -> int:
    """The time bin whose name takes most room, for which the layout is made."""
    return max(range(len(one.values)), key=lambda t: len(one.when(t)))


def _frame_title(one: Shown, t: int) -> str:
    return f"{one.name}\n{one.when(t)}" if one.name else one.when(t)


def _note(every: list[Shown]) -> str:
    sizes = sorted({len(one.stimulus_ids) for one in every})
    parts = [f"RDMs of {' and '.join(map(str, sizes))} stimuli"]
    columns = sorted({one.by.replace("_", " ") for one in every if one.by})
    if columns:
        parts.append(f"sorted by {' and '.join(columns)}")
    parts.append("one scale of colours, from the 1st to the 99th percentile")
    if any(np.isnan(one.values).any() for one in every):
        parts.append("grey: undefined")
    return "; ".join(parts)


def _simulated(rdms: Rdms) -> bool:
    every = rdms.values() if isinstance(rdms, Mapping) else [rdms]
    return any(bool(one.attrs.get("simulated", False)) for one in every)
