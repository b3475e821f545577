"""Divisions of stimuli into training and held-out folds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import numpy as np
import xarray as xr
from jaxtyping import Int

Indices = Int[np.ndarray, " stimulus"]


@runtime_checkable
class Splits(Protocol):
    """Whatever divides the stimuli of an assembly of one presentation each."""

    def split(self, responses: xr.DataArray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the positions of training and of held-out stimuli."""
        ...


@final
@dataclass(frozen=True)
class KFold:
    """Folds of shuffled stimuli; each stimulus is held out once.

    Sizes of folds differ by one at most.

    Parameters
    ----------
    n_splits
        Number of folds.
    seed
        Seed of the shuffle; the same seed and number of stimuli give the same folds.

    Raises
    ------
    ValueError
        If fewer than two folds are asked for.
    """

    n_splits: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_splits < 2:
            raise ValueError(f"n_splits must be at least 2, got {self.n_splits}")

    def split(self, responses: xr.DataArray) -> Iterator[tuple[Indices, Indices]]:
        """Yield the positions of training and of held-out stimuli, both in ascending order.

        Raises
        ------
        ValueError
            If there are fewer stimuli than folds.
        """
        n_stimuli = responses.sizes["presentation"]
        if n_stimuli < self.n_splits:
            raise ValueError(
                f"{self.n_splits} folds need at least {self.n_splits} stimuli, got {n_stimuli}; "
                "ask for fewer folds"
            )
        order = np.random.default_rng(self.seed).permutation(n_stimuli)
        for held_out in np.array_split(order, self.n_splits):
            yield np.setdiff1d(order, held_out), np.sort(held_out)
