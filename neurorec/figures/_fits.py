"""Results of ``encoding.fit``, read for drawing."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import pandas as pd
import xarray as xr

from neurorec._checks import check_option
from neurorec.figures._results import plain_list, require

_GRID: Final = ("model_time", "time_bin")
_MEDIAN: Final = {"median": ("quantity", *_GRID)}
#: Draws may not have been asked for; lines of controls are there where the model has time.
_OPTIONAL: Final = {
    "ci_low": ("quantity", "resampled", *_GRID),
    "ci_high": ("quantity", "resampled", *_GRID),
    "static_median": ("quantity", "time_bin"),
    "dynamic_median": ("quantity", "time_bin"),
    "dynamic_ci_low": ("quantity", "resampled", "time_bin"),
    "dynamic_ci_high": ("quantity", "resampled", "time_bin"),
    "ceiling": ("neuroid", "time_bin"),
}
_COORDINATES: Final = ("quantity", "time_bin_start", "time_bin_end")
_FIRST: Final = "noise_corrected"

#: What the axis of each quantity says.
QUANTITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "noise_corrected": "noise-corrected r",
        "score": "r, not noise-corrected",
        "r_squared": "r²",
        "determination": "R²",
        "noise_corrected_r_squared": "noise-corrected r²",
        "noise_corrected_determination": "noise-corrected R²",
    }
)
#: What each bootstrap draws anew, as notes say it.
RESAMPLED: Final[Mapping[str, str]] = MappingProxyType(
    {"neuroids": "neurons", "stimuli": "stimuli", "both": "neurons and stimuli"}
)
#: Values of ``time`` with one entry per model timestep.
STEPWISE: Final = ("grid", "cumulative")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Line:
    """A curve over time bins; without limits where no draws were asked for."""

    median: np.ndarray
    ci_low: np.ndarray | None = None
    ci_high: np.ndarray | None = None


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """One result, in arrays (model_time, time_bin).

    Parameters
    ----------
    ci_low, ci_high
        NaN where no draws were asked for.
    timesteps
        Of each row.
    bin_start, bin_end
        Of each column, in ms.
    ceiling
        Median noise ceiling of each bin, a correlation. None where there was none to estimate.
    static, dynamic
        The static control, and the timestep that each neuroid chose for each bin on training
        stimuli. None where the result has none.
    static_r, dynamic_r
        Their medians as correlations.
    """

    attrs: Mapping[Any, Any]
    quantity: str
    resampled: str
    median: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    timesteps: np.ndarray
    bin_start: np.ndarray
    bin_end: np.ndarray
    ceiling: np.ndarray | None
    static: Line | None
    dynamic: Line | None
    static_r: np.ndarray | None
    dynamic_r: np.ndarray | None

    @property
    def middles(self) -> np.ndarray:
        """Middle of each bin, in ms."""
        return (self.bin_start + self.bin_end) / 2

    @property
    def label(self) -> str:
        """What an axis of the quantity says."""
        return QUANTITIES.get(self.quantity, self.quantity.replace("_", " "))

    @property
    def is_corrected(self) -> bool:
        """Whether the quantity is 1 at the ceiling."""
        return self.quantity.startswith(_FIRST)

    @property
    def has_intervals(self) -> bool:
        """Whether draws were asked for."""
        return bool(np.isfinite(self.ci_low).any())

    @property
    def interval(self) -> str:
        """The interval in words, where the result says its level."""
        if not self.has_intervals:
            return "none were drawn"
        words = f"bootstrap over {RESAMPLED.get(self.resampled, self.resampled)}"
        return f"{100 * float(self.attrs['level']):g} % {words}" if "level" in self.attrs else words


def is_fit(results: Any) -> bool:
    """Whether this is a result of ``encoding.fit``, by its dimensions."""
    return isinstance(results, xr.Dataset) and "model_time" in results.dims


def quantities(scores: xr.Dataset, plot: str) -> list[str]:
    """Quantities that a result holds, in its order."""
    require(scores, plot, _MEDIAN, coordinates=_COORDINATES)
    return [str(name) for name in scores["quantity"].values]


def fitted(
    scores: xr.Dataset, plot: str, *, quantity: str | None = None, resampled: str = "both"
) -> Fitted:
    """What is drawn of ``scores``; of ``noise_corrected`` where there is one, unless told.

    Raises
    ------
    ValueError
        If a variable, dimension, coordinate, quantity or interval is missing; in the name of
        ``plot``.
    """
    there = quantities(scores, plot)
    results = require(scores, plot, _MEDIAN, optional=_OPTIONAL, coordinates=_COORDINATES)
    if ("ci_low" in results) != ("ci_high" in results):
        raise ValueError(f"{plot} needs both 'ci_low' and 'ci_high' or neither")
    chosen = check_option("quantity", quantity or (_FIRST if _FIRST in there else "score"), there)
    if "ci_low" in results:
        check_option("resampled", resampled, [str(name) for name in results["resampled"].values])
    main = _line(results, "", chosen, resampled)
    unknown = np.full_like(main.median, np.nan)
    return Fitted(
        attrs=scores.attrs,
        quantity=chosen,
        resampled=resampled,
        median=main.median,
        ci_low=unknown if main.ci_low is None else main.ci_low,
        ci_high=unknown if main.ci_high is None else main.ci_high,
        timesteps=_timesteps(scores),
        bin_start=_floats(results["time_bin_start"]),
        bin_end=_floats(results["time_bin_end"]),
        ceiling=_median(results["ceiling"].values) if "ceiling" in results else None,
        static=_control(results, "static_", chosen, resampled),
        dynamic=_control(results, "dynamic_", chosen, resampled),
        static_r=_correlation(results, "static_"),
        dynamic_r=_correlation(results, "dynamic_"),
    )


def cells(result: Fitted) -> pd.DataFrame:
    """One row for each model timestep and time bin, with what is drawn beside them."""
    n_steps, n_bins = result.median.shape
    chosen = result.dynamic or Line(median=np.full(n_bins, np.nan))
    per_bin = {
        "chosen_in_training": chosen.median,
        "chosen_ci_low": chosen.ci_low,
        "chosen_ci_high": chosen.ci_high,
        "chosen_r": result.dynamic_r,
        "static_control": None if result.static is None else result.static.median,
        "static_control_r": result.static_r,
        "ceiling_median": result.ceiling,
    }
    columns: dict[str, Any] = {
        "timestep": np.repeat(result.timesteps, n_bins),
        "time_bin_start": np.tile(result.bin_start, n_steps),
        "time_bin_end": np.tile(result.bin_end, n_steps),
        "median": result.median,
        "ci_low": result.ci_low,
        "ci_high": result.ci_high,
    }
    for name, values in per_bin.items():
        columns[name] = np.tile(np.full(n_bins, np.nan) if values is None else values, n_steps)
    table = pd.DataFrame({name: plain_list(values) for name, values in columns.items()})
    return table.assign(quantity=result.quantity, resampled=result.resampled)


def shared_attrs(results: Mapping[str, Fitted]) -> dict[Any, Any]:
    """Attributes that all results have, with the same value."""
    first, *others = (result.attrs for result in results.values())
    return {
        name: value
        for name, value in first.items()
        if all(name in other and np.array_equal(other[name], value) for other in others)
    }


def _timesteps(scores: xr.Dataset) -> np.ndarray:
    """Those of the coordinate; a single row of other times has none, and is number 0."""
    if "timestep" in scores.coords:
        return _floats(scores["timestep"])
    return np.arange(float(scores.sizes["model_time"]))


def _line(results: xr.Dataset, kind: str, quantity: str, resampled: str) -> Line:
    """The median, and its interval where there is one."""
    values = {"median": results[f"{kind}median"].sel(quantity=quantity)}
    if f"{kind}ci_low" in results and f"{kind}ci_high" in results:
        for name in ("ci_low", "ci_high"):
            both = results[f"{kind}{name}"]
            values[name] = both.sel(quantity=quantity, resampled=resampled)
    return Line(**{name: _floats(one) for name, one in values.items()})


def _control(results: xr.Dataset, kind: str, quantity: str, resampled: str) -> Line | None:
    there = f"{kind}median" in results
    return _line(results, kind, quantity, resampled) if there else None


def _correlation(results: xr.Dataset, kind: str) -> np.ndarray | None:
    there = f"{kind}median" in results
    return _floats(results[f"{kind}median"].sel(quantity="score")) if there else None


def _median(values: np.ndarray) -> np.ndarray:
    """Over the neuroids that have a value."""
    known = np.ma.masked_invalid(values.astype(float))
    return np.ma.filled(np.ma.median(known, axis=0), np.nan)


def _floats(values: xr.DataArray) -> np.ndarray:
    return values.values.astype(float)
