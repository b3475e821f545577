"""Mean responses to the shared stimuli, the folds they are held out in, and their shuffles."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from neurorec.assemblies import NEUROID, PRESENTATION, TIME_BIN
from neurorec.encoding.alignment import Alignment, restricted
from neurorec.encoding.splits import Splits
from neurorec.stats.correlation import is_constant
from neurorec.stats.repetitions import by_stimulus

Fold = tuple[np.ndarray, np.ndarray]

_FEWEST_HELD_OUT: Final = 3


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """Mean responses, and the presentations they are means of.

    Parameters
    ----------
    presentations
        Assembly of the shared stimuli.
    means
        One row for each stimulus, in the order in which they are first shown.
    counts
        Repetitions of each stimulus that each neuroid has.
    folds
        Positions of training and held-out stimuli.
    """

    presentations: xr.DataArray
    means: Float[np.ndarray, "stimulus neuroid time_bin"]
    counts: Int[np.ndarray, "stimulus neuroid"]
    folds: tuple[Fold, ...]

    @property
    def n_repeated(self) -> int:
        """Stimuli that some neuroid has two repetitions of."""
        return int((self.counts >= 2).any(axis=1).sum())

    @property
    def n_repetitions(self) -> int:
        """Most repetitions that a neuroid has of a stimulus."""
        return int(self.counts.max())

    def copies(self, n_shuffles: int, seed: int) -> Float[np.ndarray, "stimulus neuroid copy bin"]:
        """The means, and copies of them whose stimuli are permuted."""
        rng = np.random.default_rng(seed)
        orders = [rng.permutation(len(self.means)) for _ in range(n_shuffles)]
        return np.stack([self.means, *(self.means[order] for order in orders)], axis=2)


def targets_of(responses: xr.DataArray, alignment: Alignment, splits: Splits) -> Targets:
    """Means over repetitions and folds of the shared stimuli.

    Raises
    ------
    ValueError
        If there is no neuroid or time bin, a neuroid has the same response to every stimulus, or
        none to some stimulus, or the folds leave too few held-out stimuli.
    """
    presentations = restricted(responses, alignment.stimulus_ids)
    if not presentations.size:
        raise ValueError(
            f"responses need neuroids and time bins, got the shape {presentations.shape}; check "
            "what they were selected by"
        )
    trials = by_stimulus(presentations)
    means = trials.means()
    silent = is_constant(means).all(axis=1)
    if silent.any():
        names = responses["neuroid_id"].values[silent].tolist()
        raise ValueError(
            f"{len(names)} of {len(silent)} neuroids respond the same to every stimulus: "
            f"{', '.join(map(str, names[:5]))}; they cannot be predicted, so leave them out"
        )
    return Targets(
        presentations=presentations,
        means=means,
        counts=trials.counts(),
        folds=_folds(splits, presentations),
    )


def elsewhere(targets: Targets, other: xr.DataArray) -> Targets:
    """The same neuroids, stimuli and folds, with the responses of another session.

    Raises
    ------
    ValueError
        If it lacks a neuroid or a stimulus, or has other time bins.
    """
    here = targets.presentations
    names = other["neuroid_id"].values.tolist()
    missing = [name for name in here["neuroid_id"].values.tolist() if name not in names]
    if missing:
        raise ValueError(
            f"tested_on lacks {len(missing)} neuroids of the responses, such as {missing[0]!r}; "
            "a readout of a neuroid is judged by the same neuroid: select those that both have"
        )
    limits = ("time_bin_start", "time_bin_end")
    if not all(np.array_equal(here[name].values, other[name].values) for name in limits):
        raise ValueError(
            f"tested_on has {other.sizes[TIME_BIN]} time bins that are not the "
            f"{here.sizes[TIME_BIN]} of the responses; bin both alike"
        )
    order = [names.index(name) for name in here["neuroid_id"].values.tolist()]
    stimulus_ids = list(dict.fromkeys(here["stimulus_id"].values.tolist()))
    known = set(other["stimulus_id"].values.tolist())
    if lacking := [one for one in stimulus_ids if one not in known]:
        raise ValueError(
            f"tested_on lacks {len(lacking)} of {len(stimulus_ids)} stimuli, such as "
            f"{lacking[0]!r}; give both sessions the stimuli that they share"
        )
    presentations = restricted(other, np.array(stimulus_ids)).isel({NEUROID: order})
    trials = by_stimulus(presentations)
    # Trials are in the order in which this session first shows the stimuli.
    places = {one: i for i, one in enumerate(trials.stimulus_ids.tolist())}
    first = np.array([places[one] for one in stimulus_ids])
    shown = np.argsort(np.argsort(first)[trials.groups], kind="stable")
    return replace(
        targets,
        presentations=presentations.isel({PRESENTATION: shown}),
        means=trials.means()[first],
        counts=trials.counts()[first],
    )


def as_columns(copies: np.ndarray, device: torch.device) -> Float[Tensor, "stimulus neuroid bin"]:
    """Copies beside each other along the time bins, which readouts treat as separate problems."""
    return torch.from_numpy(copies.reshape(*copies.shape[:2], -1)).to(device)


def columns_of(bins: Sequence[int], n_bins: int, n_copies: int) -> list[int]:
    """Places of some time bins of every copy."""
    return [copy * n_bins + b for copy in range(n_copies) for b in bins]


def _folds(splits: Splits, presentations: xr.DataArray) -> tuple[Fold, ...]:
    _, first = np.unique(presentations["stimulus_id"].values, return_index=True)
    found = splits.split(presentations.isel(presentation=np.sort(first)))
    folds = tuple((np.asarray(train), np.asarray(test)) for train, test in found)
    if not folds:
        raise ValueError(f"{splits} gave no folds; a fit needs at least one")
    shared = max(len(np.intersect1d(train, test)) for train, test in folds)
    if shared:
        raise ValueError(
            f"{splits} holds out {shared} stimuli that it trains on; give positions of stimuli, "
            "each in one of the two"
        )
    fewest = min(len(test) for _, test in folds)
    if fewest < _FEWEST_HELD_OUT:
        raise ValueError(
            f"a correlation needs at least {_FEWEST_HELD_OUT} held-out stimuli, got {fewest} of "
            f"{len(first)}; ask for fewer folds"
        )
    return folds
