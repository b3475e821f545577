"""What a simulated population is like."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from neurorec._checks import check_option

NOISES: Final = ("gaussian", "poisson")

Number = float | int


@final
@dataclass(frozen=True, kw_only=True)
class Population:
    """What a simulated population is like.

    Parameters
    ----------
    n_repetitions
        Showings of every stimulus, or the least and the most of a number drawn per stimulus.
    dimension
        Number of features that drive the population; where features are given, theirs counts.
    signal_to_noise
        Variance of the mean responses over stimuli by the variance over trials, in the bin where
        the response is largest; one value, or one per neuroid.
    noise_correlation
        Correlation of the noise of any two neuroids in one trial and bin; Gaussian noise only.
    latency_ms
        From stimulus onset to the first response; one value, or one per neuroid.
    decay_ms, sustained
        After its onset the response falls with this time constant to this fraction.
    baseline
        Activity before the response, as a fraction of the mean response.
    start_ms, stop_ms, bin_width_ms
        Contiguous time bins.

    Raises
    ------
    ValueError
        If a value is out of range or the bins do not fill the window.
    """

    n_neuroids: int = 50
    n_repetitions: int | tuple[int, int] = 8
    dimension: int = 8
    signal_to_noise: Number | tuple[Number, ...] = 0.5
    noise: str = "poisson"
    noise_correlation: Number = 0.0
    latency_ms: Number | tuple[Number, ...] = 70.0
    decay_ms: Number = 100.0
    sustained: Number = 0.5
    baseline: Number = 0.3
    start_ms: Number = 0
    stop_ms: Number = 300
    bin_width_ms: Number = 20
    region: str = "IT"

    def __post_init__(self) -> None:
        check_option("noise", self.noise, NOISES)
        for name in ("n_neuroids", "dimension", "decay_ms", "bin_width_ms"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        least, most = self.repetition_range
        if not 1 <= least <= most:
            raise ValueError(
                "n_repetitions must be at least 1, the least before the most, "
                f"got {self.n_repetitions}"
            )
        if np.min(self.signal_to_noise) <= 0:
            raise ValueError(f"signal_to_noise must be positive, got {self.signal_to_noise}")
        if not 0 <= self.noise_correlation < 1:
            raise ValueError(
                f"noise_correlation must be at least 0 and below 1, got {self.noise_correlation}"
            )
        if self.noise_correlation and self.noise != "gaussian":
            raise ValueError(
                f"noise_correlation={self.noise_correlation} needs noise='gaussian', "
                f"got noise={self.noise!r}"
            )
        if not 0 <= self.sustained <= 1 or self.baseline < 0:
            raise ValueError(
                "sustained must lie between 0 and 1 and baseline must not be negative, "
                f"got {self.sustained} and {self.baseline}"
            )
        n_bins = (self.stop_ms - self.start_ms) / self.bin_width_ms
        if n_bins < 1 or not np.isclose(n_bins, round(n_bins)):
            raise ValueError(
                "stop_ms - start_ms must be a positive multiple of bin_width_ms, got "
                f"{self.stop_ms} - {self.start_ms} with bin_width_ms={self.bin_width_ms}"
            )

    @property
    def repetition_range(self) -> tuple[int, int]:
        """Least and most repetitions of a stimulus."""
        n = self.n_repetitions
        return (n, n) if isinstance(n, int) else n

    @property
    def bin_starts_ms(self) -> np.ndarray:
        """Start of each time bin."""
        n_bins = round((self.stop_ms - self.start_ms) / self.bin_width_ms)
        return self.start_ms + self.bin_width_ms * np.arange(n_bins, dtype=float)

    def per_neuroid(self, name: str) -> np.ndarray:
        """A value that may be given once or per neuroid, as one per neuroid.

        Raises
        ------
        ValueError
            If there is another number of values.
        """
        values = np.atleast_1d(np.asarray(getattr(self, name), dtype=float))
        if len(values) not in (1, self.n_neuroids):
            raise ValueError(
                f"{name} needs one value or one for each of {self.n_neuroids} neuroids, "
                f"got {len(values)}"
            )
        return np.broadcast_to(values, (self.n_neuroids,)).copy()
