"""What is known of Poisson rates before the first spike."""

from dataclasses import dataclass
from typing import final

import numpy as np


@final
@dataclass(frozen=True, kw_only=True)
class PoissonPrior:
    r"""What is known of rates before the first spike: ``weight`` trials with ``rate`` spikes.

    .. math:: r = (x + \mathrm{rate} \cdot \mathrm{weight}) / (1 + \mathrm{weight})

    Parameters
    ----------
    rate
        In the units of the responses.
    weight
        Trials that it counts for, against one trial for the mean response.

    Raises
    ------
    ValueError
        If one is negative or not finite.
    """

    rate: float | int = 1.0
    weight: float | int = 0.1

    def __post_init__(self) -> None:
        if not (0 <= self.rate < np.inf and 0 <= self.weight < np.inf):
            raise ValueError(
                "the prior of Poisson rates must have a finite rate and weight of at least 0, got "
                f"rate={self.rate} and weight={self.weight}"
            )

    def rates(self, means: np.ndarray) -> np.ndarray:
        """Posterior rates."""
        return (means + self.rate * self.weight) / (1 + self.weight)
