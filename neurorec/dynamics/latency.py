"""When a time course leaves its baseline, and when it is half way up."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64

from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN

BASELINES = ("pre_stimulus", "chance")


def onset_latency(
    course: xr.DataArray | xr.Dataset,
    *,
    baseline: str = "pre_stimulus",
    baseline_stop_ms: float = 0.0,
    n_sd: float = 5.0,
    n_consecutive: int = 3,
) -> xr.Dataset:
    r"""End of the first of several time bins in a row above baseline.

    .. math:: \min \{e_t : a_{t}, \dots, a_{t+m-1} > \bar a_0 + k \, s_0\}

    with ``e`` the end of a bin in ms, ``m`` bins in a row and ``k`` deviations. The end of a bin
    is the time by which its spikes are in; a bin as wide as ``w`` ms can be late by up to ``w``.

    Parameters
    ----------
    course
        Accuracy or another measure over ``time_bin``, with any other dimensions; of a Dataset
        the variable ``accuracy`` is taken.
    baseline
        ``"pre_stimulus"``: mean and (population) standard deviation of the bins that end by
        ``baseline_stop_ms``. ``"chance"``: chance and the binomial deviation
        ``sqrt(c (1 - c) / n)``, from ``attrs``, for models, which have no activity before the
        stimulus.
    n_sd
        Deviations above the baseline's mean.
    n_consecutive
        Bins in a row.

    Returns
    -------
    xr.Dataset
        ``latency`` (ms; NaN where never reached), ``reached``, ``threshold``,
        ``baseline_mean`` and ``baseline_sd``. ``attrs["reason"]`` says why a latency is NaN.

    Raises
    ------
    ValueError
        If the course has no time, holds NaN, or no baseline can be had.
    """
    check_option("baseline", baseline, BASELINES)
    course, ends = _course(course)
    if not 1 <= n_consecutive <= len(ends):
        raise ValueError(
            f"n_consecutive must lie between 1 and the {len(ends)} time bins, got {n_consecutive}"
        )
    mean, sd = (
        _before(course, ends, baseline_stop_ms) if baseline == "pre_stimulus" else _chance(course)
    )
    threshold = mean + n_sd * sd
    after = ends > baseline_stop_ms if baseline == "pre_stimulus" else np.full(len(ends), True)
    above = (course.values > threshold) & after
    windows = np.lib.stride_tricks.sliding_window_view(above, n_consecutive, axis=-1).all(axis=-1)
    return _latencies(
        course,
        ends,
        windows,
        threshold=threshold,
        extra={"baseline_mean": mean, "baseline_sd": sd},
        attrs={
            "baseline": baseline,
            "n_sd": n_sd,
            "n_consecutive": n_consecutive,
            "criterion": f"{n_consecutive} time bins in a row above baseline + {n_sd:g} SD",
        },
    )


def half_height_latency(
    course: xr.DataArray | xr.Dataset, *, baseline_stop_ms: float = 0.0
) -> xr.Dataset:
    r"""End of the first time bin that is half way from baseline to peak.

    .. math:: \min \{e_t : a_t \ge \bar a_0 + (\max_s a_s - \bar a_0) / 2\}

    over bins after the baseline, with :math:`\bar a_0` the mean of the bins that end by
    ``baseline_stop_ms`` or, if there are none, ``attrs["chance"]``.

    Returns
    -------
    xr.Dataset
        ``latency`` (ms), ``reached``, ``threshold``, ``peak`` and ``baseline_mean``.

    Raises
    ------
    ValueError
        If the course has no time, holds NaN, or no baseline can be had.
    """
    course, ends = _course(course)
    is_before = ends <= baseline_stop_ms
    mean, _ = _before(course, ends, baseline_stop_ms) if is_before.any() else _chance(course)
    peak = course.values[..., ~is_before].max(axis=-1, keepdims=True, initial=-np.inf)
    threshold = mean + (peak - mean) / 2
    above = (course.values >= threshold) & ~is_before & (peak > mean)
    return _latencies(
        course,
        ends,
        above,
        threshold=threshold,
        extra={"peak": peak, "baseline_mean": mean},
        attrs={"criterion": "a peak above baseline"},
    )


def _course(
    course: xr.DataArray | xr.Dataset,
) -> tuple[xr.DataArray, Float64[np.ndarray, " time_bin"]]:
    """The course with time last, and the ends of its bins."""
    values = course["accuracy"] if isinstance(course, xr.Dataset) else course
    if TIME_BIN not in values.dims or "time_bin_end" not in values.coords:
        raise ValueError(
            f"expected a course over {TIME_BIN!r} with the coordinate 'time_bin_end', got "
            f"dimensions {tuple(values.dims)} and coordinates {[str(c) for c in values.coords]}"
        )
    values = values.transpose(..., TIME_BIN)
    if not np.isfinite(values.values).all():
        raise ValueError(
            "the course holds NaN or infinite values; drop those time bins before asking for a "
            "latency"
        )
    return values, values["time_bin_end"].values.astype(np.float64)


def _before(
    course: xr.DataArray, ends: np.ndarray, baseline_stop_ms: float
) -> tuple[np.ndarray, np.ndarray]:
    chosen = course.values[..., ends <= baseline_stop_ms]
    if chosen.shape[-1] < 2:
        raise ValueError(
            f"a baseline needs at least 2 time bins that end by {baseline_stop_ms:g} ms, got "
            f'{chosen.shape[-1]}; give baseline="chance" or a later baseline_stop_ms'
        )
    return chosen.mean(axis=-1, keepdims=True), chosen.std(axis=-1, keepdims=True)


def _chance(course: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    chance, n = course.attrs.get("chance"), course.attrs.get("n_presentations")
    if chance is None or n is None:
        raise ValueError(
            "a baseline at chance needs attrs 'chance' and 'n_presentations', as "
            f"decoding_over_time gives them; the attrs are {sorted(course.attrs)}"
        )
    shape = (*course.shape[:-1], 1)
    return np.full(shape, float(chance)), np.full(shape, np.sqrt(chance * (1 - chance) / n))


def _latencies(
    course: xr.DataArray,
    ends: np.ndarray,
    starts: np.ndarray,
    *,
    threshold: np.ndarray,
    extra: dict[str, np.ndarray],
    attrs: dict[str, Any],
) -> xr.Dataset:
    """End of the first time bin for which ``starts`` is true; statistics have a time of one."""
    reached = starts.any(axis=-1)
    latency = np.where(reached, ends[starts.argmax(axis=-1)], np.nan)
    dims = course.dims[:-1]
    n_never = int(np.size(reached) - np.count_nonzero(reached))
    reason = f"{n_never} of {np.size(reached)} courses never met: {attrs['criterion']}"
    return xr.Dataset(
        {
            "latency": (dims, latency, {"units": "ms", "reference": "end of the time bin"}),
            "reached": (dims, reached),
            "threshold": (dims, threshold[..., 0]),
        }
        | {name: (dims, values[..., 0]) for name, values in extra.items()},
        coords={
            str(name): coordinate
            for name, coordinate in course.coords.items()
            if TIME_BIN not in coordinate.dims
        },
        attrs=attrs | ({"reason": reason} if n_never else {}),
    )
