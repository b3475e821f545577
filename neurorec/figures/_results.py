"""Checks of the labelled results that a plot is given, and their tidy tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr


def require(
    results: xr.Dataset,
    plot: str,
    variables: Mapping[str, tuple[str, ...]],
    *,
    optional: Mapping[str, tuple[str, ...]] | None = None,
    coordinates: Sequence[str] = (),
) -> xr.Dataset:
    """Return ``variables`` (and the ``optional`` ones present) with their dimensions in order.

    Raises
    ------
    ValueError
        If a variable, one of its dimensions, or the coordinate that names a dimension's entries
        is missing; the message lists what there is.
    """
    absent = [name for name in variables if name not in results]
    if absent:
        raise ValueError(
            f"{plot} needs the variable {absent[0]!r}; these results hold "
            f"{sorted(map(str, results.data_vars))}"
        )
    wanted = dict(variables)
    wanted |= {name: dims for name, dims in (optional or {}).items() if name in results}
    for name, dims in wanted.items():
        if set(results[name].dims) != set(dims):
            raise ValueError(
                f"{plot} needs {name!r} with the dimensions {dims}, got {results[name].dims}; "
                "select or average what is too much, add what is missing with expand_dims"
            )
    for name in coordinates:
        if name not in results.coords:
            raise ValueError(
                f"{plot} needs the coordinate {name!r}; these results have "
                f"{sorted(map(str, results.coords))}"
            )
    return xr.Dataset(
        {name: results[name].transpose(*dims) for name, dims in wanted.items()},
        attrs=results.attrs,
    )


def names(results: xr.Dataset, dim: str) -> list[str]:
    """Entries of ``dim``, as text."""
    return [str(name) for name in results[dim].values]


def tidy(results: xr.Dataset, variables: Sequence[str]) -> pd.DataFrame:
    """One row per entry of the variables' dimensions, in the dimensions' order."""
    dims = [str(dim) for dim in results[variables[0]].dims]
    columns: dict[str, Any] = {}
    grids = np.meshgrid(*(results[dim].values for dim in dims), indexing="ij")
    for dim, grid in zip(dims, grids, strict=True):
        columns[dim] = plain_list(grid)
    for name in variables:
        columns[name] = results[name].transpose(*dims).values.ravel().astype(float)
    return pd.DataFrame(columns)


def plain_list(values: Any) -> list:
    """Values as Python's own numbers and text, so that every pandas chooses the type by itself."""
    return np.asarray(values).ravel().tolist()


def is_simulated(*results: xr.Dataset | None, asked: bool = False) -> bool:
    """Whether the caller asked for the mark, or any of ``results`` says it is simulated."""
    return asked or any(bool(r.attrs.get("simulated", False)) for r in results if r is not None)


def sentence(attrs: Mapping[Any, Any], *templates: str, about: str = "") -> str:
    """The templates whose every field ``attrs`` holds, filled in and joined by semicolons.

    ``about`` begins the sentence, unless nothing is known.
    """
    known = _readable(attrs)
    parts = []
    for template in templates:
        try:
            parts.append(template.format_map(known))
        except KeyError:
            continue
    return (f"{about}: " if about and parts else "") + "; ".join(parts)


def _readable(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    """Attributes as a reader wants them: the level with its interval, names without underscores."""
    known = dict(attrs)
    if "interval" in known and "level" in known:
        known["interval"] = f"{100 * float(known['level']):g} % {known['interval']}"
    if "n_splits" in known:
        known.setdefault("splits", f"{known['n_splits']} folds")
    if "classifier" in known:
        known["classifier"] = str(known["classifier"]).replace("_", " ")
    return known


def finite_range(*values: Any) -> tuple[float, float]:
    """Least and greatest finite value.

    Raises
    ------
    ValueError
        If there is none.
    """
    flat = np.concatenate([np.ravel(v).astype(float) for v in values])
    flat = flat[np.isfinite(flat)]
    if flat.size == 0:
        raise ValueError("nothing to draw: every value is NaN; look at how they were computed")
    return float(flat.min()), float(flat.max())


def padded_limits(*values: Any, include: Sequence[float] = ()) -> tuple[float, float]:
    """Limits that hold every finite value and those of ``include``, with a margin of 5 %."""
    low, high = finite_range(*values)
    low, high = min([low, *include]), max([high, *include])
    margin = 0.05 * ((high - low) or 1.0)
    return low - margin, high + margin
