"""Presentations grouped by stimulus, and moments over repetitions by count."""

from dataclasses import dataclass
from typing import final

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array

from neurorec.assemblies import check


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Trials:
    """Single presentations with the number of the stimulus that each one shows.

    Parameters
    ----------
    values
        Responses; NaN where a repetition is missing.
    groups
        Number of the stimulus of each presentation, from 0 without gaps.
    stimulus_ids
        Identifiers of the stimuli, in order of first appearance.
    first
        Position of the first presentation of each stimulus.
    """

    values: Float[np.ndarray, "presentation neuroid time_bin"]
    groups: Int[np.ndarray, " presentation"]
    stimulus_ids: np.ndarray
    first: Int[np.ndarray, " stimulus"]

    @property
    def n_stimuli(self) -> int:
        """Number of different stimuli."""
        return len(self.first)

    def valid(self) -> Bool[np.ndarray, "presentation neuroid"]:
        """Whether a presentation counts for a neuroid: no time bin of it is NaN."""
        return ~np.isnan(self.values).any(axis=2)

    def counts(self) -> Int[np.ndarray, "stimulus neuroid"]:
        """Repetitions of each stimulus that count, for each neuroid."""
        return self._sum(self.valid()).astype(np.int64)

    def means(self) -> Float[np.ndarray, "stimulus neuroid time_bin"]:
        """Mean over the repetitions of each stimulus that count.

        Raises
        ------
        ValueError
            If a neuroid has no response to some stimulus.
        """
        counts = self.counts()
        if not counts.all():
            stimulus, neuroid = np.argwhere(counts == 0)[0]
            raise ValueError(
                f"{np.sum(counts == 0)} pairs of neuroid and stimulus have no response that is "
                f"not NaN, the first is neuroid number {neuroid} at stimulus "
                f"{self.stimulus_ids[stimulus]!r}; leave out those neuroids or stimuli"
            )
        return self._sum(self._filled()) / counts[:, :, None]

    def residuals(self) -> Float[np.ndarray, "presentation neuroid time_bin"]:
        """Deviation of each presentation from the mean of its stimulus; NaN where it is missing."""
        return np.where(self.valid()[:, :, None], self.values, np.nan) - self.means()[self.groups]

    def variances(self) -> Float[np.ndarray, "stimulus neuroid time_bin"]:
        """Unbiased variance over the repetitions of each stimulus; NaN with fewer than two."""
        squares = self._sum(np.nan_to_num(self.residuals()) ** 2)
        freedom = (self.counts() - 1)[:, :, None]
        return np.where(freedom > 0, squares / np.maximum(freedom, 1), np.nan)

    def _filled(self) -> np.ndarray:
        complete = not np.isnan(self.values).any()
        return self.values if complete else np.where(self.valid()[:, :, None], self.values, 0.0)

    def _sum(self, values: np.ndarray) -> np.ndarray:
        """Sum over the presentations of each stimulus."""
        n = len(values)
        members = csr_array((np.ones(n), (self.groups, np.arange(n))), (self.n_stimuli, n))
        return (members @ values.reshape(n, -1)).reshape(self.n_stimuli, *values.shape[1:])


def by_stimulus(assembly: xr.DataArray) -> Trials:
    """Presentations of ``assembly`` with the number of the stimulus that each one shows.

    Raises
    ------
    ValueError
        If ``assembly`` is none, or holds infinite values.
    """
    assembly = check(assembly)
    values = np.asarray(assembly.values, dtype=float)
    if np.isinf(values).any():
        raise ValueError("the assembly holds infinite values; mark missing repetitions with NaN")
    identifiers = assembly["stimulus_id"].values
    _, first, inverse = np.unique(identifiers, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return Trials(
        values=values,
        groups=np.argsort(order)[inverse.ravel()],
        stimulus_ids=identifiers[first[order]],
        first=first[order],
    )
