"""Random divisions of stimuli into training and held-out ones.

:mod:`~neurorec.encoding.labelled_splits` has those that follow what the stimuli are.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import numpy as np
import pandas as pd
import sklearn.model_selection
import xarray as xr
from jaxtyping import Int

from neurorec.assemblies import PRESENTATION, columns_of

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
    stratify
        Column of the stimuli, such as ``"object_name"``, whose values are spread over the folds
        alike: the folds of ``sklearn.model_selection.StratifiedKFold``, shuffled with
        ``random_state=seed``.

    Raises
    ------
    ValueError
        If fewer than two folds are asked for.
    """

    n_splits: int = 5
    seed: int = 0
    stratify: str | None = None

    def __post_init__(self) -> None:
        if self.n_splits < 2:
            raise ValueError(f"n_splits must be at least 2, got {self.n_splits}")

    def split(self, responses: xr.DataArray) -> Iterator[tuple[Indices, Indices]]:
        """Yield the positions of training and of held-out stimuli, both in ascending order.

        Raises
        ------
        ValueError
            If there are fewer stimuli, or fewer of one value of ``stratify``, than folds, or no
            such column.
        """
        n_stimuli = responses.sizes[PRESENTATION]
        if n_stimuli < self.n_splits:
            raise ValueError(
                f"{self.n_splits} folds need at least {self.n_splits} stimuli, got {n_stimuli}; "
                "ask for fewer folds"
            )
        if self.stratify is not None:
            classes = _classes(responses, self.stratify, fewest=self.n_splits)
            yield from sklearn.model_selection.StratifiedKFold(
                self.n_splits, shuffle=True, random_state=self.seed
            ).split(classes, classes)
            return
        order = np.random.default_rng(self.seed).permutation(n_stimuli)
        for held_out in np.array_split(order, self.n_splits):
            yield np.setdiff1d(order, held_out), np.sort(held_out)


@final
@dataclass(frozen=True)
class RandomSplits:
    """Repeated random divisions, each drawn anew: a stimulus may be held out often or never.

    The divisions of ``sklearn.model_selection.ShuffleSplit`` or, with ``stratify``, of
    ``StratifiedShuffleSplit`` for ``random_state=seed``. Those of Brain-Score's metrics are
    ``RandomSplits(seed=1, stratify="object_name")``, and without the column
    ``RandomSplits(seed=1)``, where the stimuli come in the order in which Brain-Score's averaged
    assembly has them.

    Parameters
    ----------
    n_splits
        Number of divisions.
    test_fraction
        Share of the stimuli that is held out, rounded up to whole stimuli.
    seed
        Of the draws.
    stratify
        Column of the stimuli, such as ``"object_name"``, each of whose values is held out in
        proportion.

    Raises
    ------
    ValueError
        If no division is asked for, or the fraction is not between 0 and 1.
    """

    n_splits: int = 10
    test_fraction: float | int = 0.1
    seed: int = 0
    stratify: str | None = None

    def __post_init__(self) -> None:
        if self.n_splits < 1:
            raise ValueError(f"n_splits must be at least 1, got {self.n_splits}")
        if not 0 < self.test_fraction < 1:
            raise ValueError(f"test_fraction must lie between 0 and 1, got {self.test_fraction}")

    def split(self, responses: xr.DataArray) -> Iterator[tuple[Indices, Indices]]:
        """Yield the positions of training and of held-out stimuli, both in ascending order.

        Raises
        ------
        ValueError
            If no stimulus is left to train on, there is no column ``stratify``, or one of its
            values has fewer than two stimuli or cannot be in both sets.
        """
        sizes = self._sizes(responses.sizes[PRESENTATION])
        options: dict[str, Any] = {"n_splits": self.n_splits, "random_state": self.seed} | sizes
        if self.stratify is None:
            places = np.arange(responses.sizes[PRESENTATION])
            folds = sklearn.model_selection.ShuffleSplit(**options).split(places)
        else:
            classes = _classes(responses, self.stratify, fewest=2)
            n_classes = len(np.unique(classes))
            if min(sizes.values()) < n_classes:
                raise ValueError(
                    f"{n_classes} values of {self.stratify!r} need as many training and held-out "
                    f"stimuli, got {sizes['train_size']} and {sizes['test_size']}; choose another "
                    "test_fraction or no stratify"
                )
            splitter = sklearn.model_selection.StratifiedShuffleSplit(**options)
            folds = splitter.split(classes, classes)
        for train, test in folds:
            yield np.sort(train), np.sort(test)

    def _sizes(self, n_stimuli: int) -> dict[str, int]:
        # Without the margin, 0.07 of 100 stimuli would be 8.
        n_test = math.ceil(self.test_fraction * n_stimuli - 1e-9)
        if n_test >= n_stimuli:
            raise ValueError(
                f"test_fraction={self.test_fraction} of {n_stimuli} stimuli leaves none to train "
                "on; choose a smaller one or give more stimuli"
            )
        return {"train_size": n_stimuli - n_test, "test_size": n_test}


def stimulus_column(responses: xr.DataArray, name: str) -> np.ndarray:
    """Values of a column of the stimuli.

    Raises
    ------
    ValueError
        If there is no such column or it lacks values.
    """
    columns = columns_of(responses, PRESENTATION)
    if name not in columns:
        raise ValueError(
            f"the responses have no stimulus column {name!r}; they have {sorted(columns)}"
        )
    missing = np.asarray(pd.isna(columns[name]))
    if missing.any():
        raise ValueError(
            f"{missing.sum()} of {len(missing)} stimuli have no value of {name!r}; fill them in "
            "or leave those stimuli out"
        )
    return columns[name]


def _classes(responses: xr.DataArray, name: str, *, fewest: int) -> Indices:
    """Number of the value that each stimulus has in a column."""
    values, classes, counts = np.unique(
        stimulus_column(responses, name), return_inverse=True, return_counts=True
    )
    if counts.min() < fewest:
        rarest = values[counts.argmin()]
        raise ValueError(
            f"each value of {name!r} must have at least {fewest} stimuli to be in every fold, "
            f"{str(rarest)!r} has {counts.min()}; ask for fewer folds or leave it out"
        )
    return classes.ravel()
