"""The sums of :mod:`moments` of single units, added up while a population is read."""

from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64

from neurorec.dimensionality.moments import Moments

_Responses = Float64[np.ndarray, "stimulus unit time_bin"]


@final
@dataclass(kw_only=True, eq=False)
class UnitMoments:
    """Passes blocks of units on as they are and adds up their moments.

    An inner product over units, times another, is a double sum over units. Where units are a sample
    as well, only pairs of different units are unbiased; what is summed here is the rest.

    Parameters
    ----------
    stimulus
        Number of the stimulus of each presentation.
    trials
        Whether products are of different repetitions only, or of means over repetitions.
    """

    stimulus: Int64[np.ndarray, " presentation"]
    trials: bool
    total: list[np.ndarray] = field(default_factory=list)

    def __call__(
        self, values: Float[np.ndarray, "presentation unit time_bin"]
    ) -> Float[np.ndarray, "presentation unit time_bin"]:
        """``values``, seen."""
        powers = self._distinct(values) if self.trials else self._means(values)
        sums = _moments(*powers)
        before = self.total or [np.zeros_like(one) for one in sums]
        self.total = [a + b for a, b in zip(before, sums, strict=True)]
        return values

    def moments(self) -> Moments:
        """Sums over the units that were seen."""
        return Moments(*(torch.from_numpy(one) for one in self.total))

    def _means(self, values: np.ndarray) -> list[_Responses]:
        means = self._fold(np.asarray(values, dtype=float)) / self._counts()
        means = means - means.mean(axis=0)
        return [means, means**2, means**3, means**4]

    def _distinct(self, values: np.ndarray) -> list[_Responses]:
        """Mean products of one to four different repetitions of a stimulus, by Newton's sums."""
        deviations = np.asarray(values, dtype=float)
        deviations = deviations - deviations.mean(axis=0)
        p1, p2, p3, p4 = (self._fold(deviations**power) for power in (1, 2, 3, 4))
        products = [p1, p1**2 - p2, p1**3 - 3 * p1 * p2 + 2 * p3]
        products += [p1**4 - 6 * p1**2 * p2 + 3 * p2**2 + 8 * p1 * p3 - 6 * p4]
        counts = self._counts()
        ways = np.cumprod([np.maximum(counts - i, 0) for i in range(4)], axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return [np.where(n > 0, one / n, np.nan) for one, n in zip(products, ways, strict=True)]

    def _fold(self, values: np.ndarray) -> _Responses:
        order = np.argsort(self.stimulus, kind="stable")
        starts = np.searchsorted(self.stimulus[order], np.arange(self.stimulus.max() + 1))
        return np.add.reduceat(values[order], starts, axis=0)

    def _counts(self) -> np.ndarray:
        return np.bincount(self.stimulus)[:, None, None]


def _moments(m1: _Responses, m2: _Responses, m3: _Responses, m4: _Responses) -> list[np.ndarray]:
    """Sums over stimuli, then units, in the order of :class:`Moments`."""
    s1, s2, s11 = m1.sum(axis=0), m2.sum(axis=0), (m1**2).sum(axis=0)
    two_two = s2**2 - (m2**2).sum(axis=0)
    three_one = m3.sum(axis=0) * s1 - (m3 * m1).sum(axis=0)
    two_one_one = (m2 * ((s1 - m1) ** 2 - (s11 - m1**2))).sum(axis=0)
    s111, s1111 = (m1**3).sum(axis=0), (m1**4).sum(axis=0)
    ones = s1**4 - 6 * s1**2 * s11 + 3 * s11**2 + 8 * s1 * s111 - 6 * s1111
    sums = [m4.sum(axis=0), two_two, two_two, three_one, two_one_one, two_one_one, ones]
    return [one.sum(axis=0) for one in sums]
