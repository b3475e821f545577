"""Two populations of the same presentations, and splits of those."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from neurorec.assemblies import PRESENTATION
from neurorec.populations import Patterns, patterns_of

#: What is subtracted from responses before two populations are related.
SUBTRACTED: Final = ("mean", "stimulus")

_Grams = Float64[Tensor, "time_bin row row"]


def paired(
    source: Any, other: Any, *, averaged: bool, subtract: str, device: str
) -> tuple[Patterns, Patterns]:
    """Patterns of both with the same rows, in the order of the first.

    Raises
    ------
    ValueError
        If they have not the same presentations, or a stimulus has only one and its mean is to be
        subtracted.
    """
    first = patterns_of(source, averaged=averaged, device=device)
    second = first
    if other is not None:
        second = patterns_of(other, averaged=averaged, device=device)
        second = _reordered(second, _order(first, second, averaged=averaged))
    if subtract == "stimulus":
        return _fluctuations(first), _fluctuations(second)
    return first, second


def folds_of(
    n_rows: int, n_folds: int, seed: int | np.random.Generator
) -> Int64[np.ndarray, " row"]:
    """Random folds of sizes that differ by at most one.

    Raises
    ------
    ValueError
        If there are fewer than two folds, or they are fewer than three rows short of training.
    """
    if n_folds < 2 or n_rows < n_folds:
        raise ValueError(
            f"n_folds must lie between 2 and the {n_rows} rows there are, got {n_folds}"
        )
    return np.random.default_rng(seed).permutation(np.arange(n_rows) % n_folds)


def folds_of_stimuli(
    patterns: Patterns, n_folds: int, seed: int | np.random.Generator
) -> Int64[np.ndarray, " row"]:
    """Random folds of stimuli, with all their presentations.

    Fluctuations around the mean response to a stimulus add up to zero: those of some of its
    presentations tell of the others.

    Raises
    ------
    ValueError
        If there are fewer than two folds, or more than stimuli.
    """
    stimuli, codes = np.unique(patterns.stimulus_ids, return_inverse=True)
    if n_folds < 2 or len(stimuli) < n_folds:
        raise ValueError(
            "fluctuations are held out with all presentations of a stimulus: n_folds must lie "
            f"between 2 and the {len(stimuli)} stimuli there are, got {n_folds}"
        )
    return folds_of(len(stimuli), n_folds, seed)[codes.ravel()]


def centred_on(products: _Grams, rows: Tensor) -> _Grams:
    """Inner products about the mean of some of the rows."""
    towards = products[:, :, rows].mean(dim=2)
    squared = towards[:, rows].mean(dim=1)
    return products - towards[:, :, None] - towards[:, None, :] + squared[:, None, None]


def _keys(patterns: Patterns, *, averaged: bool) -> list[tuple[str, int]]:
    """What tells rows apart; means over repetitions have no number of their own."""
    repetitions = patterns.labels["repetition"].values * (not averaged)
    return list(zip(patterns.stimulus_ids, repetitions.tolist(), strict=True))


def _order(first: Patterns, second: Patterns, *, averaged: bool) -> np.ndarray:
    """Rows of the second in the order of the first."""
    keys, keys_b = _keys(first, averaged=averaged), _keys(second, averaged=averaged)
    if len(set(keys)) != len(keys):
        raise ValueError(
            "presentations are matched by stimulus_id and repetition, and these repeat; number "
            "the repetitions of each stimulus"
        )
    if sorted(keys) != sorted(keys_b):
        raise ValueError(
            f"the populations have different presentations: {len(keys)} in the first, "
            f"{len(keys_b)} in the second, {len(set(keys) & set(keys_b))} in both; select those "
            "of both, or average repetitions"
        )
    position = {key: i for i, key in enumerate(keys_b)}
    return np.array([position[key] for key in keys])


def _reordered(patterns: Patterns, take: np.ndarray) -> Patterns:
    return replace(
        patterns,
        products=patterns.products[:, take[:, None], take],
        sums=patterns.sums[:, take],
        labels=patterns.labels.isel({PRESENTATION: take}),
    )


def _fluctuations(patterns: Patterns) -> Patterns:
    """Responses less the mean response to their stimulus."""
    _, codes = np.unique(patterns.stimulus_ids, return_inverse=True)
    counts = np.bincount(codes.ravel())
    if counts.min() < 2:
        raise ValueError(
            'subtract="stimulus" needs at least 2 presentations of every stimulus, '
            f"{int((counts < 2).sum())} of {len(counts)} have one; drop them, or give "
            "averaged=False"
        )
    same = codes.ravel()[:, None] == codes.ravel()
    own = torch.from_numpy(np.eye(len(same)) - same / same.sum(axis=1, keepdims=True))
    own = own.to(patterns.products.device)
    return replace(patterns, products=own @ patterns.products @ own.T, sums=patterns.sums @ own.T)
