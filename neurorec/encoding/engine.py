"""The pass over designs and folds that every fit is made of."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurorec.encoding.predictors import Predict, training_error
from neurorec.encoding.readout import Prediction
from neurorec.encoding.sheets import Sheet
from neurorec.encoding.targets import Fold, columns_of
from neurorec.encoding.times import Design
from neurorec.populations.rows import Rows

Entry = tuple[str, int]


class Predicted(NamedTuple):
    """Predictions of one entry of a result, fold by fold.

    Parameters
    ----------
    held_out
        For each fold, rows of its held-out stimuli: means over all model trials, then perhaps
        over halves of them.
    errors
        Mean squared errors on training stimuli that the fits did not see, as a share of their
        variance; None where nothing is chosen by them.
    """

    held_out: tuple[Float[Tensor, "row neuroid copy bin"], ...]
    errors: Float[Tensor, "split neuroid copy bin"] | None


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """What is fitted.

    Parameters
    ----------
    columns
        Responses, with the time bins of shuffled copies beside those of the responses.
    n_copies
        The responses and their shuffles.
    choosing
        Kinds of entries of which one will be chosen by its error.
    """

    predict: Predict
    columns: Float[Tensor, "stimulus neuroid column"]
    n_copies: int
    folds: Sequence[Fold]
    rows: Rows
    choosing: frozenset[str]

    @property
    def n_bins(self) -> int:
        """Time bins of the responses."""
        return self.columns.shape[2] // self.n_copies


def predictions(
    job: Job,
    designs: Sequence[Design],
    sheets: Iterator[Sheet],
    progress: Callable[[int, int], Any] | None = None,
) -> Iterator[tuple[Entry, Predicted]]:
    """Every entry, as soon as all its time bins are predicted.

    Raises
    ------
    ValueError
        At the end, if the features of no design vary.
    """
    started: dict[Entry, _Started] = {}
    varies = False
    for done, (design, sheet) in enumerate(zip(designs, sheets, strict=True), start=1):
        sheet_varies = sheet.varies
        varies = varies or sheet_varies
        wanted = any(use.entry[0] in job.choosing for use in design.uses)
        columns = columns_of(design.bins, job.n_bins, job.n_copies)
        fitted = _fit if sheet_varies else _means
        found = [fitted(job, sheet, columns, fold, wanted=wanted) for fold in job.folds]
        for use in design.uses:
            one = started.pop(use.entry, None) or _Started.of(job)
            one.fill(found, use.bins, [design.bins.index(b) for b in use.bins])
            if len(one.missing):
                started[use.entry] = one
            else:
                yield use.entry, one.predicted(use.entry[0] in job.choosing)
        if progress is not None:
            progress(done, len(designs))
    if not varies:
        raise ValueError(
            "every feature has zero variance: each unit responds the same to all stimuli at all "
            "timesteps; check that the recording saw the images"
        )


@final
@dataclass(frozen=True, eq=False)
class Best:
    """Of entries that were offered, for each neuroid that of least error on training stimuli.

    Parameters
    ----------
    choice
        Number of the entry chosen, for each split, neuroid and copy, and for each time bin unless
        one is chosen for all.
    """

    predicted: Predicted
    criterion: Float[Tensor, "split neuroid copy bin_or_1"]
    choice: Int[Tensor, "split neuroid copy bin_or_1"]

    @staticmethod
    def offer(
        best: "Best | None",
        number: int,
        offered: Predicted,
        *,
        groups: Int[np.ndarray, " neuroid"] | None = None,
        per_bin: bool = False,
    ) -> "Best":
        """The better of what was best so far and a new entry.

        Parameters
        ----------
        groups
            Number of the group of each neuroid whose members share a choice; each chooses for
            itself if left out.
        per_bin
            Whether each time bin may choose another entry.
        """
        assert offered.errors is not None
        criterion = offered.errors if per_bin else offered.errors.mean(dim=3, keepdim=True)
        if groups is not None:
            member = torch.as_tensor(groups, device=criterion.device)
            share = torch.nn.functional.one_hot(member).to(criterion)  # (neuroid, group)
            means = torch.einsum("ng,sncb->sgcb", share / share.sum(dim=0), criterion)
            criterion = means[:, member]
        if best is None:
            return Best(offered, criterion, torch.full_like(criterion, number, dtype=torch.int64))
        better = criterion < best.criterion
        held_out = tuple(
            torch.where(one, new, old)
            for one, new, old in zip(better, offered.held_out, best.predicted.held_out, strict=True)
        )
        return replace(
            best,
            predicted=Predicted(held_out, None),
            criterion=torch.where(better, criterion, best.criterion),
            choice=torch.where(better, number, best.choice),
        )


def _fit(job: Job, sheet: Sheet, columns: Sequence[int], fold: Fold, *, wanted: bool) -> Prediction:
    """Predictions of some columns in one fold, with their relative error if it is ``wanted``."""
    train, test = fold
    rows, y = job.rows.of(test), _columns(job, columns)
    found = job.predict(sheet, y, train, rows)
    error = None
    if wanted:
        error = found.training_error
        if error is None:
            error = training_error(job.predict, sheet, y, train)
        variance = y[train].var(dim=0, correction=0)
        error = _by_copy(job, error / torch.where(variance > 0, variance, 1.0))
    return Prediction(_by_copy(job, found.held_out), error)


def _means(
    job: Job, sheet: Sheet, columns: Sequence[int], fold: Fold, *, wanted: bool
) -> Prediction:
    """The same of features that do not vary, as before the image has arrived: training means."""
    train, test = fold
    means = _columns(job, columns)[train].mean(dim=0)
    held_out = means.expand(len(job.rows.of(test)), -1, -1)
    error = _by_copy(job, torch.ones_like(means)) if wanted else None
    return Prediction(_by_copy(job, held_out), error)


def _columns(job: Job, columns: Sequence[int]) -> Float[Tensor, "stimulus neuroid column"]:
    every = len(columns) == job.columns.shape[2]
    return job.columns if every else job.columns[:, :, list(columns)]


def _by_copy(job: Job, values: Tensor) -> Tensor:
    """Values (..., neuroid, column) as (..., neuroid, copy, bin)."""
    return values.reshape(*values.shape[:-1], job.n_copies, -1)


@final
@dataclass(frozen=True, eq=False)
class _Started:
    """An entry some of whose time bins are predicted."""

    held_out: tuple[Tensor, ...]
    errors: Tensor
    missing: set[int]

    @staticmethod
    def of(job: Job) -> "_Started":
        n_neuroids = job.columns.shape[1]
        shape = (n_neuroids, job.n_copies, job.n_bins)
        return _Started(
            tuple(job.columns.new_empty(len(job.rows.of(test)), *shape) for _, test in job.folds),
            job.columns.new_full((len(job.folds), *shape), float("nan")),
            set(range(job.n_bins)),
        )

    def fill(self, found: Sequence[Prediction], bins: Sequence[int], places: list[int]) -> None:
        where = list(bins)
        for k, one in enumerate(found):
            self.held_out[k][..., where] = one.held_out[..., places]
            if one.training_error is not None:
                self.errors[k][..., where] = one.training_error[..., places]
        self.missing.difference_update(bins)

    def predicted(self, chosen_by_error: bool) -> Predicted:
        return Predicted(self.held_out, self.errors if chosen_by_error else None)
