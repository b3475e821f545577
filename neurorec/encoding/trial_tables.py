"""Single trials in rectangles of stimuli and repetitions."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from neurorec.assemblies import NEUROID, TIME_BIN
from neurorec.stats.repetitions import Trials, by_stimulus


class Table(NamedTuple):
    """Trials of the neuroids that lack the same repetitions.

    Parameters
    ----------
    neuroids
        Their places in the assembly.
    repetition
        Number of the repetition, from 0; no stimulus has one twice.
    valid
        Whether there is such a trial.
    values
        Responses; 0 where there is no trial.
    """

    neuroids: Int[np.ndarray, " neuroid"]
    repetition: Int[np.ndarray, "stimulus repetition"]
    valid: Bool[np.ndarray, "stimulus repetition"]
    values: Float[np.ndarray, "stimulus repetition neuroid time_bin"]

    @property
    def counts(self) -> Int[np.ndarray, " stimulus"]:
        """Repetitions of each stimulus."""
        return self.valid.sum(axis=1)

    @property
    def is_complete(self) -> bool:
        """Whether all stimuli have the same repetitions."""
        return bool(self.valid.all() and (self.repetition == self.repetition[0]).all())

    def restricted(self, kept: Bool[np.ndarray, " stimulus"]) -> "Table":
        """The same with some of the stimuli."""
        if kept.all():
            return self
        stimuli = (self.repetition[kept], self.valid[kept], self.values[kept])
        return Table(self.neuroids, *stimuli)

    def block(self, start: int, stop: int) -> Float[np.ndarray, "stimulus repetition target"]:
        """Every time bin of the neuroids from ``start`` to ``stop`` as one target."""
        values = self.values[:, :, start:stop]
        return values.reshape(*values.shape[:2], -1)


def tables(responses: xr.DataArray) -> list[Table]:
    """One table per set of repetitions that neuroids have, with stimuli in order of appearance.

    A number of a repetition that a stimulus has twice becomes another number the second time.
    """
    trials = by_stimulus(responses)
    numbers = _numbers(trials, responses["repetition"].values)
    order = np.lexsort((numbers, trials.groups))
    sizes = np.bincount(trials.groups, minlength=trials.n_stimuli)
    row = trials.groups[order]
    slot = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    shape = (trials.n_stimuli, int(sizes.max()))
    repetition = np.zeros(shape, dtype=np.int64)
    repetition[row, slot] = numbers[order]
    in_order = np.array_equal(order, np.arange(len(order)))
    found = []
    for neuroids, present in _patterns(trials.valid()):
        valid = np.zeros(shape, dtype=bool)
        valid[row, slot] = present[order]
        of_all = len(neuroids) == trials.values.shape[1]
        values = trials.values if of_all else trials.values[:, neuroids]
        if not present.all():
            values = np.where(present[:, None, None], values, 0)
        if valid.size == len(order):  # no stimulus has fewer repetitions than another
            rectangle = values if in_order else values[order]
            rectangle = rectangle.reshape(*shape, *values.shape[1:])
        else:
            rectangle = np.zeros((*shape, *values.shape[1:]))
            rectangle[row, slot] = values[order]
        found.append(Table(neuroids, repetition, valid, rectangle))
    return found


def labelled(responses: xr.DataArray) -> dict:
    """Coordinates of the neuroids and the time bins."""
    return {
        str(name): coordinate
        for name, coordinate in responses.coords.items()
        if coordinate.dims in ((NEUROID,), (TIME_BIN,))
    }


def _numbers(trials: Trials, repetition: np.ndarray) -> Int[np.ndarray, " presentation"]:
    """Repetitions numbered from 0, no number twice for a stimulus."""
    _, numbers = np.unique(repetition, return_inverse=True)
    numbers = numbers.ravel()
    pair = trials.groups * (numbers.max() + 1) + numbers
    order = np.argsort(pair, kind="stable")
    is_new = np.append(True, np.diff(pair[order]) > 0)
    first = np.maximum.accumulate(np.where(is_new, np.arange(len(pair)), 0))
    occurrence = np.empty(len(pair), dtype=np.int64)
    occurrence[order] = np.arange(len(pair)) - first
    _, unique = np.unique(occurrence * (numbers.max() + 1) + numbers, return_inverse=True)
    return unique.ravel()


def _patterns(
    valid: Bool[np.ndarray, "presentation neuroid"],
) -> list[tuple[Int[np.ndarray, " _"], Bool[np.ndarray, " presentation"]]]:
    """Neuroids that have the same presentations, and which those are."""
    if valid.all():
        return [(np.arange(valid.shape[1]), valid[:, 0])]
    members: dict[bytes, list[int]] = {}
    for i, column in enumerate(np.ascontiguousarray(valid.T)):
        members.setdefault(column.tobytes(), []).append(i)
    return [(np.array(group), valid[:, group[0]]) for group in members.values()]
