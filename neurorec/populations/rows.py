"""Which presentations of a model each row of a fit is the mean of."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int, Num

# A model and a monkey are averaged over trials; two means over half of the model's trials tell
# how reliable its predictions are.
_FEWEST_TRIALS = 2


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Means over groups of presentations: of each stimulus, and perhaps of halves of its trials.

    Parameters
    ----------
    groups
        For each set of rows, presentations sorted by stimulus and where each stimulus begins. The
        first set has all trials; two more, if there are any, have halves of them.
    n_stimuli
        Rows of one set.
    n_trials
        Trials of a stimulus in the first set: fewest and most.
    """

    groups: tuple[tuple[np.ndarray, np.ndarray], ...]
    n_stimuli: int
    n_trials: tuple[int, int]

    @property
    def has_halves(self) -> bool:
        """Whether there are halves."""
        return len(self.groups) > 1

    @property
    def lengthening(self) -> float:
        """Noise variance of a half over that of all trials."""
        whole, half = (1 / _counts(*group) for group in self.groups[:2])
        return float(half.mean() / whole.mean())

    def of(self, stimuli: np.ndarray) -> Int[np.ndarray, " row"]:
        """Rows of some stimuli in every set, set by set."""
        return np.concatenate([stimuli + i * self.n_stimuli for i in range(len(self.groups))])

    def of_presentations(self) -> Int[np.ndarray, " presentation"]:
        """Row of each presentation in the first set, which has all of them."""
        order, starts = self.groups[0]
        rows = np.empty(len(order), dtype=np.int64)
        rows[order] = np.repeat(np.arange(self.n_stimuli), _counts(order, starts))
        return rows

    def weights(self) -> Float[np.ndarray, "row presentation"]:
        """What each row takes of each presentation; rows are ``weights @ presentations``."""
        n_presentations = 1 + max(int(order.max()) for order, _ in self.groups)
        weights = np.zeros((len(self.groups) * self.n_stimuli, n_presentations))
        first = 0
        for order, starts in self.groups:
            counts = _counts(order, starts)
            rows = first + np.repeat(np.arange(self.n_stimuli), counts)
            weights[rows, order] = np.repeat(1 / counts, counts)
            first += self.n_stimuli
        return weights

    def mean(
        self, values: Num[np.ndarray, "presentation unit part"]
    ) -> Float[np.ndarray, "row unit part"]:
        """Means over the presentations of each row."""
        return np.concatenate([_mean(values, order, starts) for order, starts in self.groups])


def rows_of(
    identifiers: np.ndarray,
    repetitions: np.ndarray,
    stimulus_ids: np.ndarray,
    *,
    n_trials: int | None = None,
    halves: bool = True,
    seed: int = 0,
) -> Rows:
    """Rows for the stimuli ``stimulus_ids``.

    Parameters
    ----------
    identifiers, repetitions
        ``stimulus_id`` and ``repetition`` of every presentation.
    n_trials
        Trials of each stimulus to average, those of the lowest repetitions; all if left out.
    halves
        Whether to add the halves, where every stimulus has two trials at least.
    seed
        Seed of the division into halves.

    Raises
    ------
    ValueError
        If a stimulus has fewer trials than ``n_trials``.
    """
    trials = _trials(identifiers, repetitions, stimulus_ids)
    fewest = min(len(one) for one in trials)
    if n_trials is not None:
        if n_trials < 1 or fewest < n_trials:
            raise ValueError(
                f"{n_trials} model trials were asked for, a stimulus has {fewest}; record more "
                "repetitions or ask for fewer"
            )
        trials = [one[:n_trials] for one in trials]
    sets = [trials]
    if halves and min(len(one) for one in trials) >= _FEWEST_TRIALS:
        rng = np.random.default_rng(seed)
        mixed = [rng.permutation(one) for one in trials]
        sets += [[one[: len(one) // 2] for one in mixed]]
        sets += [[one[len(one) // 2 : 2 * (len(one) // 2)] for one in mixed]]
    lengths = [len(one) for one in trials]
    return Rows(
        groups=tuple(_flat(one) for one in sets),
        n_stimuli=len(stimulus_ids),
        n_trials=(min(lengths), max(lengths)),
    )


def _trials(
    identifiers: np.ndarray, repetitions: np.ndarray, stimulus_ids: np.ndarray
) -> list[np.ndarray]:
    """Presentations of each stimulus in order of their repetition."""
    position = {identifier: i for i, identifier in enumerate(stimulus_ids.tolist())}
    stimulus = np.array([position.get(i, -1) for i in identifiers.tolist()])
    order = np.lexsort((repetitions, stimulus))
    order = order[np.sum(stimulus < 0) :]
    starts = np.searchsorted(stimulus[order], np.arange(len(stimulus_ids)))
    return np.split(order, starts[1:])


def _flat(trials: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.array([len(one) for one in trials])
    return np.concatenate(trials), np.concatenate([[0], np.cumsum(lengths)[:-1]])


def _counts(order: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Presentations of each row."""
    return np.diff(np.append(starts, len(order)))


def _mean(values: np.ndarray, order: np.ndarray, starts: np.ndarray) -> np.ndarray:
    counts = _counts(order, starts)
    # What lies in order is not copied.
    taken = values if np.array_equal(order, np.arange(len(values))) else values[order]
    if (counts == 1).all():
        return taken if taken.dtype.kind == "f" else taken.astype(np.float64)
    sums = np.add.reduceat(taken, starts, axis=0, dtype=np.float64)
    return sums / counts[:, None, None]
