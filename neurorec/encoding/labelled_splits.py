"""Divisions of stimuli that follow a column: groups held out whole, or sets that are given."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import sklearn.model_selection
import xarray as xr

from neurorec.encoding.splits import Indices, stimulus_column

Value = str | int | bool

_MOST_SHOWN = 4


@final
@dataclass(frozen=True)
class GroupFolds:
    """Folds that keep the stimuli of one value together; each value is held out once.

    Parameters
    ----------
    by
        Column of the stimuli, such as ``"category"`` or ``"object_name"``.
    n_splits
        Number of folds of about as many stimuli, as ``sklearn.model_selection.GroupKFold`` makes
        them: the largest group left goes to the smallest fold. If left out, each value is a fold.

    Raises
    ------
    ValueError
        If fewer than two folds are asked for.
    """

    by: str = "category"
    n_splits: int | None = None

    def __post_init__(self) -> None:
        if self.n_splits is not None and self.n_splits < 2:
            raise ValueError(f"n_splits must be at least 2, got {self.n_splits}")

    def split(self, responses: xr.DataArray) -> Iterator[tuple[Indices, Indices]]:
        """Yield the positions of training and of held-out stimuli, both in ascending order.

        Raises
        ------
        ValueError
            If there is no such column, or it has fewer values than folds.
        """
        values, groups = np.unique(stimulus_column(responses, self.by), return_inverse=True)
        groups = groups.ravel()
        fewest = self.n_splits or 2
        if len(values) < fewest:
            raise ValueError(
                f"{fewest} folds need at least {fewest} values of {self.by!r}, got {len(values)}: "
                f"{values.tolist()}; ask for fewer folds or group by another column"
            )
        if self.n_splits is None:
            folds = sklearn.model_selection.LeaveOneGroupOut()
        else:
            folds = sklearn.model_selection.GroupKFold(self.n_splits)
        yield from folds.split(groups, groups=groups)


@final
@dataclass(frozen=True, repr=False)
class FixedSplit:
    """One division that is given: by the values of a column that the sets have.

    ``FixedSplit()`` takes the sets of a data set that has them in a column ``split``;
    ``FixedSplit(by="stimulus_id", train=[...], test=[...])`` lists stimuli. Stimuli of other
    values are in neither set.

    Parameters
    ----------
    by
        Column of the stimuli.
    train, test
        A value or several.

    Raises
    ------
    ValueError
        If a set is empty or a value is in both.
    """

    by: str = "split"
    train: Value | Sequence[Value] | np.ndarray = "train"
    test: Value | Sequence[Value] | np.ndarray = "test"

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            object.__setattr__(self, name, _as_tuple(getattr(self, name)))
        train, test = self._values()
        for name, values in (("training", train), ("held-out", test)):
            if not values:
                raise ValueError(f"the {name} set is empty; give one or more values of {self.by!r}")
        both = set(train) & set(test)
        if both:
            raise ValueError(
                f"{len(both)} values of {self.by!r} are in both sets, {_shown(both)}; no stimulus "
                "may be held out that is trained on"
            )

    def __repr__(self) -> str:
        train, test = (_digest(values) for values in self._values())
        return f"FixedSplit(by={self.by!r}, train={train}, test={test})"

    def split(self, responses: xr.DataArray) -> Iterator[tuple[Indices, Indices]]:
        """Yield the positions of training and of held-out stimuli, both in ascending order.

        Raises
        ------
        ValueError
            If there is no such column, or no stimulus has one of the values.
        """
        column = stimulus_column(responses, self.by).tolist()
        train, test = (frozenset(values) for values in self._values())
        absent = (train | test) - set(column)
        if absent:
            raise ValueError(
                f"{len(absent)} of {len(train | test)} values of {self.by!r} belong to no "
                f"stimulus of the responses, {_shown(absent)}; its values are {_shown(set(column))}"
            )
        yield _places(column, train), _places(column, test)

    def _values(self) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
        return _as_tuple(self.train), _as_tuple(self.test)


def _as_tuple(values: Value | Sequence[Value] | np.ndarray) -> tuple[Value, ...]:
    if isinstance(values, str | int):
        return (values,)
    return tuple(np.asarray(values).tolist() if isinstance(values, np.ndarray) else values)


def _places(column: list, values: frozenset) -> Indices:
    return np.flatnonzero([value in values for value in column])


def _shown(values: set | frozenset) -> str:
    """A few of the values."""
    listed = sorted(values, key=str)
    more = ", ..." if len(listed) > _MOST_SHOWN else ""
    return ", ".join(repr(value) for value in listed[:_MOST_SHOWN]) + more


def _digest(values: tuple[Value, ...]) -> str:
    """The values, or their number and a digest: attributes of files hold no long lists."""
    if len(values) <= _MOST_SHOWN:
        return repr(values)
    digest = hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]
    return f"<{len(values)} values, sha256 {digest}>"
