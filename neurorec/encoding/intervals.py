"""Bootstrap intervals over neuroids, over stimuli, and over both."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

#: What is drawn again. ``"both"``: stimuli and neuroids, independently.
RESAMPLED: Final = ("neuroids", "stimuli", "both")


@final
@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """How intervals are drawn.

    Stimuli are drawn again from those of the experiment and keep the fold in which they were held
    out; the readouts are not fitted anew, so an interval over stimuli is one for the readouts at
    hand. Limits are percentiles.

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
        Of resampled stimuli; the neuroids of each draw are drawn again for ``"both"``.
    """
    # Neuroids last and in float32: so they are sorted ten times as fast.
    last = np.ascontiguousarray(draws.swapaxes(1, 2), dtype=np.float32)
    over_stimuli = bootstrap.limits(_median(last))
    if len(values) < 2:
        unknown = np.full_like(over_stimuli, np.nan)
        return np.stack([unknown, over_stimuli, unknown])
    chosen = bootstrap.neuroids(len(values))
    over_neuroids = _median(values.T.astype(np.float32)[:, chosen].swapaxes(0, 1))
    # torch gathers ten times as fast as numpy.
    places = torch.from_numpy(chosen)[:, None, :].expand(-1, last.shape[1], -1)
    both = _median(torch.from_numpy(last).gather(2, places).numpy())
    return np.stack([bootstrap.limits(over_neuroids), over_stimuli, bootstrap.limits(both)])


def _median(values: np.ndarray) -> np.ndarray:
    """Median over the last axis."""
    ordered = np.sort(values, axis=-1)
    n = values.shape[-1]
    return (ordered[..., (n - 1) // 2] + ordered[..., n // 2]) / 2
