"""Time bins that a benchmark asks for, in ms, and the timesteps of a model that fall into them."""

from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, final

import numpy as np
import xarray as xr
from jaxtyping import Float

#: Start and end of each time bin, in ms from stimulus onset.
TimeBins = tuple[tuple[float, float], ...]

#: Of a timestep; a shorter overlap is rounding, as that of 3 × 0.1 with a bin from 0.3.
_ROUNDING: Final = 1e-6


def as_time_bins(time_bins: Any) -> TimeBins:
    """Start and end of each of the time bins that a benchmark hands over.

    Benchmarks with a time course give an array of tuples. Those without give a list of one array
    without dimensions that holds a tuple, which looks like a bin and cannot be taken apart.

    Raises
    ------
    ValueError
        If there are none, or one is not a start and a later end.
    """
    listed = _plain(time_bins)
    if not isinstance(listed, list | tuple):
        raise ValueError(f"time_bins must be a list of (start, end) in ms, got {listed!r}")
    if len(listed) == 0:
        raise ValueError("no time bins were asked for; give a list such as [(70, 170)], in ms")
    return tuple(_limits(_plain(one)) for one in listed)


def _plain(value: Any) -> Any:
    """Python's own lists, tuples and numbers."""
    if isinstance(value, xr.DataArray):
        value = value.values
    # Of arrays, also those without dimensions, and of indexes.
    return value.tolist() if hasattr(value, "tolist") else value


def _limits(one: Any) -> tuple[float, float]:
    try:
        # Of an assembly whose time bins have more labels, those come after the limits.
        start, end, *_ = (float(limit) for limit in one)
    except (TypeError, ValueError):
        raise ValueError(
            f"a time bin is (start, end) in ms from stimulus onset, got {one!r}; one bin is given "
            "as [(70, 170)]"
        ) from None
    if not (isfinite(start) and isfinite(end) and start < end):
        raise ValueError(f"a time bin must end after it starts, got ({start:g}, {end:g}) ms")
    return start, end


@final
@dataclass(frozen=True, kw_only=True)
class Timeline:
    r"""When the timesteps of a model lie.

    Timestep :math:`t = 0, 1, \dots` is the interval from :math:`o + t\Delta` to
    :math:`o + (t + 1)\Delta`.

    Parameters
    ----------
    dt_ms
        :math:`\Delta`, what a timestep stands for.
    n_timesteps
        How many there are.
    onset_ms
        :math:`o`, the time from the onset of the stimulus to the start of the first timestep.

    Raises
    ------
    ValueError
        If a timestep does not last or there is none.
    """

    dt_ms: float | int
    n_timesteps: int
    onset_ms: float | int = 0

    def __post_init__(self) -> None:
        if not (self.dt_ms > 0 and isfinite(self.dt_ms)):
            raise ValueError(f"dt_ms must be above 0, got {self.dt_ms}")
        if not isfinite(self.onset_ms):
            raise ValueError(f"onset_ms must be a time in ms, got {self.onset_ms}")
        if self.n_timesteps < 1:
            raise ValueError(f"timesteps must be at least 1, got {self.n_timesteps}")

    @property
    def end_ms(self) -> float:
        """End of the last timestep."""
        return float(self.onset_ms + self.n_timesteps * self.dt_ms)

    def weights(self, time_bins: TimeBins) -> Float[np.ndarray, "time_bin timestep"]:
        r"""Weights with which the timesteps are averaged into each bin; their sum is 1.

        .. math::

            w_{bt} = \frac{|b \cap t|}{\sum_{t'} |b \cap t'|}

        with the overlaps in ms. A bin that reaches beyond the timesteps is therefore the average
        of what it has of them; :meth:`coverage` tells how much that is.

        Raises
        ------
        ValueError
            If there is no timestep in a bin, with the limits between which there are some.
        """
        overlap = self._overlap(time_bins)
        total = overlap.sum(axis=1, keepdims=True)
        missing = [f"({s:g}, {e:g})" for (s, e), n in zip(time_bins, total, strict=True) if n == 0]
        if missing:
            raise ValueError(
                f"the model has no timestep in the time bins {', '.join(missing)} ms: its "
                f"{self.n_timesteps} timesteps of {self.dt_ms:g} ms last from {self.onset_ms:g} to "
                f"{self.end_ms:g} ms; ask for time bins within these limits, or give it other "
                "timesteps, dt_ms or onset_ms"
            )
        return overlap / total

    def coverage(self, time_bins: TimeBins) -> Float[np.ndarray, " time_bin"]:
        """Fraction of each bin in which the model has timesteps."""
        widths = np.array([end - start for start, end in time_bins])
        return np.minimum(self._overlap(time_bins).sum(axis=1) / widths, 1.0)

    def _overlap(self, time_bins: TimeBins) -> Float[np.ndarray, "time_bin timestep"]:
        """What the bins and timesteps share, in ms."""
        limits = np.array(time_bins)
        edges = self.onset_ms + self.dt_ms * np.arange(self.n_timesteps + 1.0)
        shared = np.minimum(limits[:, 1:], edges[1:]) - np.maximum(limits[:, :1], edges[:-1])
        return np.where(shared > _ROUNDING * self.dt_ms, shared, 0.0)
