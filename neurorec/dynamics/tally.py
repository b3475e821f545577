"""From predictions to accuracies: over all presentations, per split, and by chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from neurorec.dynamics.chance import shares
from neurorec.dynamics.decoding import DecodingProblem
from neurorec.dynamics.evidence import Split, predictions


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Tally:
    """Accuracies; a cell is a train bin and a test bin, or one time bin.

    Parameters
    ----------
    accuracy
        Over all tests of a group of presentations, for each labelling; the first is the data's.
    per_split
        The same of each split alone, for the data.
    chance
        What the accuracy would be if the names that were given in each split had been dealt to
        its tests at random: its exact expectation.
    """

    accuracy: Float64[np.ndarray, "labelling group *cell"]
    per_split: Float64[np.ndarray, "split group *cell"]
    chance: Float64[np.ndarray, "group *cell"]  # noqa: F821


def tally(
    problem: DecodingProblem,
    splits: Sequence[Split],
    labellings: Int64[np.ndarray, "labelling presentation"],
    groups: Sequence[np.ndarray],
    *,
    across: bool,
    balanced: bool,
) -> Tally:
    """Fit and test all splits and labellings.

    Parameters
    ----------
    groups
        Numbers of the presentations over which accuracies are taken.

    Raises
    ------
    ValueError
        If a class is in a single fold, so that there is nothing to train on.
    """
    _require_classes(problem, splits)
    n = len(problem.codes)
    weights = _weights(labellings, groups, n, balanced=balanced)
    n_bins = int((~problem.empty).sum())
    cell = (n_bins, n_bins) if across else (n_bins,)
    accuracy = np.zeros((len(labellings), len(groups), *cell))
    per_split = np.full((len(splits), len(groups), *cell), np.nan)
    chance = np.zeros((len(groups), *cell))
    codes = torch.from_numpy(labellings)
    for found in predictions(problem.activity, problem.decoder, splits, labellings, across=across):
        tests = splits[found.split].testing
        named = found.classes.cpu()
        truth = codes[found.labellings][:, tests]
        right = (named == truth.view(len(truth), *[1] * len(cell), -1)).to(torch.float64)
        accuracy[found.labellings] += _weighted(right, weights[found.labellings][..., tests])
        if found.labellings.start == 0:
            own = [np.intersect1d(group, tests, assume_unique=True) for group in groups]
            alone = _weights(labellings[:1], own, n, balanced=balanced)[..., tests]
            per_split[found.split] = _mean(_weighted(right[:1], alone)[0], own, len(cell))
            chance += _by_chance(named[0], truth[0], weights[0][:, tests])
    return Tally(
        accuracy=_placed(_mean(accuracy, groups, len(cell)), problem.empty, len(cell)),
        per_split=_placed(per_split, problem.empty, len(cell)),
        chance=_placed(_mean(chance, groups, len(cell)), problem.empty, len(cell)),
    )


def _require_classes(problem: DecodingProblem, splits: Sequence[Split]) -> None:
    every = np.arange(len(problem.classes))
    for number, split in enumerate(splits):
        missing = np.setdiff1d(every, problem.codes[split.training])
        if len(missing):
            raise ValueError(
                f"without fold {number} no presentation of class "
                f"{str(problem.classes[missing[0]])!r} is left to train on; give fewer folds, or "
                "drop the class"
            )


def _mean(sums: np.ndarray, groups: Sequence[np.ndarray], n_axes: int) -> np.ndarray:
    """Sums (..., group, cell ...) over the sizes of groups; NaN for those without members."""
    sizes = np.array([len(group) or np.nan for group in groups])
    return sums / sizes.reshape(-1, *[1] * n_axes)


def _weights(
    labellings: np.ndarray, groups: Sequence[np.ndarray], n: int, *, balanced: bool
) -> Float64[np.ndarray, "labelling group presentation"]:
    """How much each presentation counts in each group; nothing outside of it."""
    weights = np.zeros((len(labellings), len(groups), n))
    for i, group in enumerate(groups):
        if len(group):
            weights[:, i, group] = shares(labellings[:, group], balanced=balanced)
    return weights


def _weighted(right: Tensor, weights: np.ndarray) -> np.ndarray:
    """Sums over presentations (labelling, group, cell ...)."""
    flat = right.flatten(1, -2)  # (labelling, cells, presentation)
    sums = torch.from_numpy(np.ascontiguousarray(weights)) @ flat.mT
    return sums.unflatten(2, right.shape[1:-1]).numpy()


def _by_chance(named: Tensor, truth: Tensor, weights: np.ndarray) -> np.ndarray:
    """Expected accuracy if names were exchanged among the tests of a split."""
    expected = torch.zeros(weights.shape[:1] + named.shape[:-1], dtype=torch.float64)
    for code in truth.unique():
        given = (named == code).to(torch.float64).mean(dim=-1)
        share = torch.from_numpy(weights)[:, truth == code].sum(dim=1)
        expected += share.view(-1, *[1] * given.ndim) * given
    return expected.numpy()


def _placed(values: np.ndarray, empty: np.ndarray, n_axes: int) -> np.ndarray:
    """``values``, whose last axes lack the time bins that are empty, with NaN in their place."""
    if not empty.any():
        return values
    shape = (*values.shape[: values.ndim - n_axes], *[len(empty)] * n_axes)
    out = np.full(shape, np.nan)
    kept = np.flatnonzero(~empty)
    out[(..., *np.ix_(*[kept] * n_axes))] = values
    return out
