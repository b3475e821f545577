"""Means of single presentations over the repetitions of each stimulus, as weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64, Int, Num
from scipy.sparse import csr_array
from torch import Tensor

from neurorec.assemblies import PRESENTATION, average_repetitions


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Presentations:
    """Some of the presentations, with the number of the stimulus that each one shows.

    Parameters
    ----------
    rows
        Their positions among all presentations.
    stimulus
        Number of the stimulus of each of ``rows``.
    n_stimuli
        Number of stimuli, of which some may be absent here.
    """

    rows: Int[np.ndarray, " presentation"]
    stimulus: Int[np.ndarray, " presentation"]
    n_stimuli: int

    @property
    def counts(self) -> Int[np.ndarray, " stimulus"]:
        """Presentations of each stimulus."""
        return np.bincount(self.stimulus, minlength=self.n_stimuli)

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the residuals around the means of the stimuli."""
        return len(self.rows) - int(np.count_nonzero(self.counts))

    def where(self, chosen: np.ndarray) -> "Presentations":
        """Those of ``rows`` for which ``chosen`` holds."""
        return Presentations(
            rows=self.rows[chosen], stimulus=self.stimulus[chosen], n_stimuli=self.n_stimuli
        )

    def sets(self, labels: xr.DataArray, *, by_repetition: bool) -> "list[Presentations]":
        """All of them, or those of each repetition."""
        if not by_repetition:
            return [self]
        return [self.where(inside) for _, inside in each_repetition(labels)]

    def weights(self, device: torch.device) -> Float64[Tensor, "stimulus presentation"]:
        """Means over stimuli are ``weights @ responses[rows]``; 0 for absent stimuli."""
        weights = torch.zeros(self.n_stimuli, len(self.rows), dtype=torch.float64)
        share = torch.from_numpy(1 / np.maximum(self.counts, 1))
        weights[self.stimulus, torch.arange(len(self.rows))] = share[self.stimulus]
        return weights.to(device)

    def sums(
        self, responses: Num[np.ndarray, "presentation unit time_bin"]
    ) -> Float64[np.ndarray, "stimulus unit time_bin"]:
        """Sums over the repetitions of each stimulus."""
        if len(self.rows) == self.n_stimuli and (self.counts == 1).all():
            return responses[self.rows[np.argsort(self.stimulus)]].astype(np.float64, copy=False)
        ones = np.ones(len(self.rows))
        adding = csr_array((ones, (self.stimulus, self.rows)), (self.n_stimuli, len(responses)))
        flat = adding @ responses.reshape(len(responses), -1)
        return flat.reshape(self.n_stimuli, *responses.shape[1:])

    def means(
        self, responses: Num[np.ndarray, "presentation unit time_bin"]
    ) -> Float64[np.ndarray, "stimulus unit time_bin"]:
        """Means over the repetitions of each stimulus; 0 for absent stimuli."""
        return self.sums(responses) / np.maximum(self.counts, 1)[:, None, None]


def presentations_of(labels: xr.DataArray) -> Presentations:
    """All presentations, stimuli numbered in order of their first appearance."""
    identifiers = labels["stimulus_id"].values
    _, first, inverse = np.unique(identifiers, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return Presentations(
        rows=np.arange(len(identifiers)),
        stimulus=np.argsort(order)[inverse.ravel()],
        n_stimuli=len(first),
    )


def each_repetition(labels: xr.DataArray) -> Iterator[tuple[int, np.ndarray]]:
    """Each repetition and which presentations are of it, in increasing order."""
    repetition = labels["repetition"].values
    for one in np.unique(repetition):
        yield int(one), repetition == one


def labels_of_means(labels: xr.DataArray) -> xr.DataArray:
    """Labels of the means over repetitions; as they are if no stimulus is repeated.

    Raises
    ------
    ValueError
        If there are fewer than three stimuli.
    """
    n_stimuli = len(np.unique(labels["stimulus_id"].values))
    if n_stimuli < 3:
        raise ValueError(
            f"expected at least 3 stimuli, got {n_stimuli} "
            f"({labels.sizes[PRESENTATION]} presentations); add stimuli"
        )
    one_unit = labels[:, :1]
    return one_unit if n_stimuli == len(one_unit) else average_repetitions(one_unit)
