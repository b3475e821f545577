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
_PER_SPLIT: Final = ("split", "neuroid", *_GRID)
_VARIABLES: Final = {
    "median": ("quantity", *_GRID),
    "ci_low": ("quantity", "resampled", *_GRID),
    "ci_high": ("quantity", "resampled", *_GRID),
    "score": _PER_SPLIT,
}
_OPTIONAL: Final = {
    "noise_corrected": ("neuroid", *_GRID),
    "static_score": ("split", "neuroid", "time_bin"),
    "ceiling": ("neuroid", "time_bin"),
}
_COORDINATES: Final = ("quantity", "resampled", "time_bin_start", "time_bin_end", "timestep")

#: What the axis of each quantity says.
QUANTITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "noise_corrected": "noise-corrected r",
        "score": "r, not noise-corrected",
        "r_squared": "r²",
        "determination": "R²",
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
class Fitted:
    """One result, in arrays (model_time, time_bin).

    Parameters
    ----------
    timesteps
        Of each row.
    bin_start, bin_end
        Of each column, in ms.
    ceiling
        Median noise ceiling of each bin, a correlation. None where there was none to estimate.
    static, static_r
        Median of the static control in each bin, in the quantity and as a correlation. None where
        the result has none, or the quantity is no correlation.
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
    static: np.ndarray | None
    static_r: np.ndarray | None

    @property
    def middles(self) -> np.ndarray:
        """Middle of each bin, in ms."""
        return (self.bin_start + self.bin_end) / 2

    @property
    def label(self) -> str:
        """What an axis of the quantity says."""
        return QUANTITIES.get(self.quantity, self.quantity.replace("_", " "))

    @property
    def interval(self) -> str:
        """The interval in words, where the result says its level."""
        words = f"bootstrap over {RESAMPLED.get(self.resampled, self.resampled)}"
        return f"{100 * float(self.attrs['level']):g} % {words}" if "level" in self.attrs else words


def is_fit(results: Any) -> bool:
    """Whether this is a result of ``encoding.fit``, by its dimensions."""
    return isinstance(results, xr.Dataset) and "model_time" in results.dims


def quantities(scores: xr.Dataset, plot: str) -> list[str]:
    """Quantities that a result holds, in its order."""
    require(scores, plot, _VARIABLES, coordinates=_COORDINATES)
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
    results = require(scores, plot, _VARIABLES, optional=_OPTIONAL, coordinates=_COORDINATES)
    if quantity is None:
        quantity = "noise_corrected" if "noise_corrected" in there else "score"
    check_option("quantity", quantity, there)
    intervals = [str(name) for name in results["resampled"].values]
    check_option("resampled", resampled, intervals)
    one, which = there.index(quantity), intervals.index(resampled)
    static_r, static = _static(results, quantity)
    return Fitted(
        attrs=scores.attrs,
        quantity=quantity,
        resampled=resampled,
        median=_floats(results["median"][one]),
        ci_low=_floats(results["ci_low"][one, which]),
        ci_high=_floats(results["ci_high"][one, which]),
        timesteps=_floats(results["timestep"]),
        bin_start=_floats(results["time_bin_start"]),
        bin_end=_floats(results["time_bin_end"]),
        ceiling=_median(results["ceiling"].values) if "ceiling" in results else None,
        static=static,
        static_r=static_r,
    )


def cells(result: Fitted) -> pd.DataFrame:
    """One row for each model timestep and time bin, with what is drawn beside them."""
    n_steps, n_bins = result.median.shape
    empty = np.full(n_bins, np.nan)
    per_bin = {
        "static_control": empty if result.static is None else result.static,
        "static_control_r": empty if result.static_r is None else result.static_r,
        "ceiling_median": empty if result.ceiling is None else result.ceiling,
    }
    columns: dict[str, Any] = {
        "timestep": np.repeat(result.timesteps, n_bins),
        "time_bin_start": np.tile(result.bin_start, n_steps),
        "time_bin_end": np.tile(result.bin_end, n_steps),
        "median": result.median,
        "ci_low": result.ci_low,
        "ci_high": result.ci_high,
    }
    columns |= {name: np.tile(values, n_steps) for name, values in per_bin.items()}
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


def _static(results: xr.Dataset, quantity: str) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Median of the static control, as a correlation and in the quantity."""
    if "static_score" not in results:
        return None, None
    values = results["static_score"].mean("split").values
    if quantity == "score":
        return _median(values), _median(values)
    if quantity != "noise_corrected" or "noise_corrected" not in results:
        return _median(values), None
    return _median(values), _median(values / _divisor(results))


def _divisor(results: xr.Dataset) -> np.ndarray:
    """What the scores of each neuroid and bin were divided by to correct them for noise.

    Taken from the result, so that the control is corrected as the scores are, whichever ceiling
    and floor they had.
    """
    raw = results["score"].mean("split").values
    largest = np.nan_to_num(np.abs(raw)).argmax(axis=1)[:, None]
    above, below = (
        np.take_along_axis(values, largest, axis=1)[:, 0]
        for values in (raw, results["noise_corrected"].values)
    )
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)


def _median(values: np.ndarray) -> np.ndarray:
    """Over the neuroids that have a value."""
    known = np.ma.masked_invalid(values.astype(float))
    return np.ma.filled(np.ma.median(known, axis=0), np.nan)


def _floats(values: xr.DataArray) -> np.ndarray:
    return values.values.astype(float)
