r"""Which timesteps of a model predict which time bins of a neuron.

Every choice comes down to a list of designs. A design is a feature set made of timesteps, with the
time bins it predicts; designs that several results need are fitted once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, final, runtime_checkable

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

#: Weighted mean of timesteps: (timestep, weight), weights add to 1.
Part = tuple[tuple[int, float], ...]
#: Parts side by side, as one set of features.
Band = tuple[Part, ...]

# Overlaps below this share of a bin are rounding.
_ROUNDING: Final = 1e-9


class Use(NamedTuple):
    """Part of a result that a design fills.

    Parameters
    ----------
    entry
        Kind of result and its number, such as ``("model_time", 3)``.
    bins
        Numbers of its time bins.
    """

    entry: tuple[str, int]
    bins: tuple[int, ...]


class Design(NamedTuple):
    """Features that are fitted at once, and where their predictions go."""

    bands: tuple[Band, ...]
    uses: tuple[Use, ...]

    @property
    def bins(self) -> tuple[int, ...]:
        """Time bins that it predicts for any use, ascending."""
        return tuple(sorted({b for use in self.uses for b in use.bins}))


class Axes(NamedTuple):
    """Time axes of a model and of responses, limits of their bins (start and end).

    Parameters
    ----------
    in_ms
        Whether both are in ms.
    """

    model: Float[np.ndarray, "limit timestep"]
    bins: Float[np.ndarray, "limit time_bin"]
    in_ms: bool

    @property
    def n_times(self) -> int:
        """Timesteps of the model."""
        return self.model.shape[1]

    @property
    def n_bins(self) -> int:
        """Time bins of the responses."""
        return self.bins.shape[1]


@runtime_checkable
class TimeChoice(Protocol):
    """What the argument ``time`` of a fit means."""

    def designs(self, axes: Axes) -> list[Design]:
        """Designs whose uses fill the entries ``("model_time", i)``, or ``("lag", i)``."""
        ...


@final
@dataclass(frozen=True)
class Grid:
    """Every timestep predicts every time bin: the cross-temporal encoding matrix."""

    def designs(self, axes: Axes) -> list[Design]:
        """One design for each timestep."""
        return grid_designs(axes, "model_time")


@final
@dataclass(frozen=True, kw_only=True)
class Match:
    r"""The timesteps at the same time as a bin predict it.

    .. math:: z_b = \sum_t w_{tb} x_t, \qquad
              w_{tb} \propto |[t_0, t_1) \cap [b_0 - \ell, b_1 - \ell)|

    Parameters
    ----------
    latency_ms
        Time :math:`\ell` by which the responses follow the model.
    hold
        A bin that lies before the first timestep takes the first, one after the last takes the
        last. Otherwise such a bin is an error.
    """

    latency_ms: float | int = 0.0
    hold: bool = False

    def designs(self, axes: Axes) -> list[Design]:
        """One design for each different set of weights.

        Raises
        ------
        ValueError
            If a time axis is not in ms, or no timestep overlaps with some bin.
        """
        require_ms(axes, "match")
        weights, covered = overlaps(axes, float(self.latency_ms))
        if not (covered.all() or self.hold):
            start, end = axes.bins[:, ~covered][:, 0]
            first, last = axes.model[0].min() + self.latency_ms, axes.model[1].max()
            raise ValueError(
                f"{np.sum(~covered)} of {axes.n_bins} time bins lie outside of the model's time, "
                f"the first is {start:g} to {end:g} ms and the model covers {first:g} to "
                f"{last + self.latency_ms:g} ms at a latency of {self.latency_ms:g} ms; select "
                "bins, record more timesteps, or hold the first and last timestep with "
                "Match(hold=True)"
            )
        return _by_weights({("model_time", 0): weights})


@final
@dataclass(frozen=True, kw_only=True)
class Lag:
    """One latency for each neuroid or region, chosen on training stimuli only.

    Of each candidate the error on training stimuli that the fit did not see, in units of their
    variance, is averaged over time bins; the least wins, in each split anew.

    Parameters
    ----------
    lags_ms
        Candidates: by how much responses follow the model. If left out, every multiple of the
        model's timestep at which each bin overlaps with the model's time.
    by
        ``"neuroid"``, or a column of the neuroids, such as ``"region"``, whose members share one.
    hold
        As in :class:`Match`; with it, candidates must be given.
    """

    lags_ms: Sequence[float | int] | None = None
    by: str = "neuroid"
    hold: bool = False

    def candidates(self, axes: Axes) -> Float[np.ndarray, " lag"]:
        """Latencies that are tried, ascending.

        Raises
        ------
        ValueError
            If a time axis is not in ms, or at no latency the model covers every bin.
        """
        require_ms(axes, "lag")
        if self.lags_ms is not None:
            if not len(self.lags_ms):
                raise ValueError("lags_ms must name at least one latency, got none")
            return np.sort(np.asarray(self.lags_ms, dtype=float))
        if self.hold:
            raise ValueError("hold=True needs lags_ms: any latency would do")
        step = float(np.median(np.diff(axes.model[0]))) if axes.n_times > 1 else 1.0
        low = axes.bins[0].max() - axes.model[1].max()
        high = axes.bins[1].min() - axes.model[0].min()
        numbers = np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step
        return np.array([lag for lag in numbers if overlaps(axes, float(lag))[1].all()])

    def designs(self, axes: Axes) -> list[Design]:
        """One design for each different set of weights at any latency.

        Raises
        ------
        ValueError
            If there is no candidate, or one of them leaves a bin without a timestep.
        """
        found = {}
        for i, lag in enumerate(self.candidates(axes)):
            weights, covered = overlaps(axes, float(lag))
            if not (covered.all() or self.hold):
                raise ValueError(
                    f"at a latency of {lag:g} ms the model covers {np.sum(covered)} of "
                    f"{axes.n_bins} time bins; leave that latency out, select bins, or pass "
                    "hold=True"
                )
            found["lag", i] = weights
        if not found:
            span = axes.model[1].max() - axes.model[0].min()
            wanted = axes.bins[1].max() - axes.bins[0].min()
            raise ValueError(
                f"at no latency the model's {span:g} ms cover the responses' {wanted:g} ms; select "
                "fewer bins, record more timesteps, or give lags_ms and hold=True"
            )
        return _by_weights(found)


@final
@dataclass(frozen=True)
class All:
    """All timesteps side by side predict every bin; a banded readout sees each as a band."""

    def designs(self, axes: Axes) -> list[Design]:
        """One design."""
        bands = tuple((at(t),) for t in range(axes.n_times))
        return [Design(bands, (_everywhere("model_time", 0, axes),))]


@final
@dataclass(frozen=True)
class Cumulative:
    """All timesteps up to each one, side by side, predict every bin."""

    def designs(self, axes: Axes) -> list[Design]:
        """One design for each last timestep."""
        parts = [at(t) for t in range(axes.n_times)]
        return [
            Design((tuple(parts[: t + 1]),), (_everywhere("model_time", t, axes),))
            for t in range(axes.n_times)
        ]


#: What ``time="…"`` stands for.
TIMES: Final = {
    "grid": Grid(),
    "match": Match(),
    "lag": Lag(),
    "all": All(),
    "cumulative": Cumulative(),
}


def axes_of(model: xr.DataArray, responses: xr.DataArray, *, in_ms: bool) -> Axes:
    """Time axes of two assemblies."""
    limits = [
        np.stack([x["time_bin_start"].values, x["time_bin_end"].values]).astype(float)
        for x in (model, responses)
    ]
    return Axes(limits[0], limits[1], in_ms)


def at(timestep: int) -> Part:
    """A timestep alone."""
    return ((timestep, 1.0),)


def grid_designs(axes: Axes, kind: str) -> list[Design]:
    """Every timestep for every bin."""
    return [Design(((at(t),),), (_everywhere(kind, t, axes),)) for t in range(axes.n_times)]


def merged(designs: Sequence[Design]) -> list[Design]:
    """Designs with the same features made one."""
    uses: dict[tuple[Band, ...], tuple[Use, ...]] = {}
    for design in designs:
        uses[design.bands] = uses.get(design.bands, ()) + design.uses
    return [Design(bands, used) for bands, used in uses.items()]


def overlaps(
    axes: Axes, latency_ms: float
) -> tuple[Float[np.ndarray, "time_bin timestep"], Bool[np.ndarray, " time_bin"]]:
    """Weights of the timesteps in each bin, and which bins the model covers.

    A bin outside of the model's time has the nearest timestep.
    """
    starts = axes.bins[0][:, None] - latency_ms
    ends = axes.bins[1][:, None] - latency_ms
    shared = np.minimum(ends, axes.model[1]) - np.maximum(starts, axes.model[0])
    shared = np.where(shared > _ROUNDING * (ends - starts), shared, 0.0)
    covered = shared.sum(axis=1) > 0
    distance = np.maximum(axes.model[0] - ends, starts - axes.model[1])
    nearest = np.eye(axes.n_times)[distance.argmin(axis=1)]
    weights = np.where(covered[:, None], shared, nearest)
    return weights / weights.sum(axis=1, keepdims=True), covered


def require_ms(axes: Axes, time: str) -> None:
    """Complain if the time axes are not in ms.

    Raises
    ------
    ValueError
        If they are not.
    """
    if not axes.in_ms:
        raise ValueError(
            f'time="{time}" needs time axes in ms and arrays have none; give assemblies with '
            'time_bin_start and time_bin_end, or use time="grid"'
        )


def _everywhere(kind: str, number: int, axes: Axes) -> Use:
    return Use((kind, number), tuple(range(axes.n_bins)))


def _by_weights(found: dict[tuple[str, int], np.ndarray]) -> list[Design]:
    """Designs of entries whose bins each have weights (time_bin, timestep) of their own."""
    uses: dict[Part, dict[tuple[str, int], list[int]]] = {}
    for entry, weights in found.items():
        for b, row in enumerate(weights):
            part = tuple((int(t), float(row[t])) for t in np.flatnonzero(row))
            uses.setdefault(part, {}).setdefault(entry, []).append(b)
    return [
        Design(((part,),), tuple(Use(entry, tuple(bins)) for entry, bins in entries.items()))
        for part, entries in sorted(uses.items())
    ]
