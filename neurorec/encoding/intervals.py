r"""Bootstrap intervals over neuroids, over stimuli, and over both.

Scores of few held-out stimuli are biased, and those of draws, which hold fewer different ones, are
so twice. Draws of stimuli are therefore moved so that their median is the estimate. What is left is
the bias of the estimate: of folds of :math:`n` stimuli, :math:`R^2` is too small by about
:math:`2 (1 - R^2) / n`, r by about :math:`r (1 - r^2) / 2 n`.

Over both, what stimuli do to each neuroid alone must not count twice: neuroids that are drawn again
bring it along. Only what stimuli do to all neuroids alike is added, which is the covariance, over
draws of stimuli, of the medians of two halves of the neuroids.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float, Float32, Int

#: What is drawn again. ``"both"``: neuroids, and with them what stimuli do to all of them.
RESAMPLED: Final = ("neuroids", "stimuli", "both")


@final
@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    r"""How intervals are drawn.

    Stimuli are drawn again from those of the experiment and keep the fold in which they were held
    out; the readouts are not fitted anew, so an interval over stimuli is one for the readouts at
    hand. Limits are percentiles, over stimuli around the estimate.

    Folds that train on each other's stimuli use each pair of stimuli twice, which draws do not
    show: where readouts are mostly noise, scores scatter by up to :math:`\sqrt 2` more than limits
    over stimuli say. Those over neuroids, and over both, see it.

    Parameters
    ----------
    n_draws
        Resampled experiments; with 0, there are no intervals.
    level
        Nominal coverage.
    seed
        Seed of the draws.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    n_draws: int = 1000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_draws < 0:
            raise ValueError(f"n_draws must be at least 0, got {self.n_draws}")
        if not 0 < self.level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {self.level}")

    def stimulus_weights(self, n_stimuli: int) -> Float32[np.ndarray, "draw stimulus"]:
        """How often each draw holds each stimulus."""
        rng = np.random.default_rng([self.seed, 0])
        draws = rng.multinomial(n_stimuli, np.full(n_stimuli, 1 / n_stimuli), size=self.n_draws)
        return draws.astype(np.float32)

    def neuroids(self, n_neuroids: int) -> Int[np.ndarray, "draw neuroid"]:
        """Numbers of the neuroids of each draw."""
        rng = np.random.default_rng([self.seed, 1])
        return rng.integers(n_neuroids, size=(self.n_draws, n_neuroids))

    def limits(
        self,
        draws: Float[np.ndarray, "draw *cell"],  # noqa: F821
    ) -> np.ndarray:
        """Lower and upper limit over the first axis (limit, ...)."""
        tail = (1 - self.level) / 2
        return np.quantile(draws, [tail, 1 - tail], axis=0)

    def limits_around(
        self,
        estimate: Float[np.ndarray, "*cell"],
        draws: Float[np.ndarray, "draw *cell"],  # noqa: F821
    ) -> np.ndarray:
        """The same of draws that are moved so that their median is the estimate."""
        return estimate + self.limits(draws) - np.median(draws, axis=0)


def population_limits(
    values: Float[np.ndarray, "neuroid bin"],
    draws: Float[np.ndarray, "draw neuroid bin"],
    bootstrap: Bootstrap,
) -> Float[np.ndarray, "resampled limit bin"]:
    """Intervals of the median over neuroids, one for each of :data:`RESAMPLED`.

    Of a single neuroid nothing is known about others: what resamples neuroids is NaN.

    Parameters
    ----------
    values
        Of all stimuli.
    draws
        Of resampled stimuli.
    """
    # Neuroids last and in float32: so they are sorted ten times as fast.
    last = np.ascontiguousarray(draws.swapaxes(1, 2), dtype=np.float32)
    estimate, stimuli = np.median(values, axis=0), _median(last)
    over_stimuli = bootstrap.limits_around(estimate, stimuli)
    if len(values) < 2:
        unknown = np.full_like(over_stimuli, np.nan)
        return np.stack([unknown, over_stimuli, unknown])
    chosen = bootstrap.neuroids(len(values))
    neuroids = _median(values.T.astype(np.float32)[:, chosen].swapaxes(0, 1))
    shared = _shared(last, stimuli)
    limits = bootstrap.limits(neuroids), over_stimuli, bootstrap.limits(neuroids + shared)
    return np.stack(limits)


def _shared(draws: np.ndarray, medians: np.ndarray) -> np.ndarray:
    """Deviations of medians over neuroids, with the variance that is common to two halves."""
    one, other = (_median(draws[:, :, i::2]) for i in range(2))
    covariance = np.mean((one - one.mean(axis=0)) * (other - other.mean(axis=0)), axis=0)
    variance = medians.var(axis=0)
    share = np.clip(covariance / np.where(variance > 0, variance, 1.0), 0, 1)
    return np.sqrt(share) * (medians - np.median(medians, axis=0))


def _median(values: np.ndarray) -> np.ndarray:
    """Median over the last axis."""
    ordered = np.sort(values, axis=-1)
    n = values.shape[-1]
    return (ordered[..., (n - 1) // 2] + ordered[..., n // 2]) / 2
