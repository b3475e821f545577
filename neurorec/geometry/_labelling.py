"""Labels of dissimilarities, and what is said where they are undefined."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from neurorec.assemblies import TIME_BIN
from neurorec.geometry._measured import Measured
from neurorec.geometry.noise_covariance import PROBLEMS
from neurorec.geometry.presentations import each_repetition, labels_of_means
from neurorec.populations.labels import (
    CONDITION,
    CONDITION_B,
    condition_coords,
    describe_bins,
    result_attrs,
    time_coords,
)

REPETITION = "repetition"
AREA = "area"


def labelled(
    measured: Measured, *, method: str, by_repetition: bool, undefined: str, **attrs: Any
) -> xr.DataArray:
    """Dissimilarities with the coordinates of stimuli and time bins.

    Raises
    ------
    ValueError
        If something is undefined and ``undefined`` is ``"raise"``.
    """
    labels = labels_of_means(measured.labels)
    values = measured.filled()
    empty = np.isnan(np.diagonal(values, axis1=-2, axis2=-1)) & measured.present[:, None]
    if undefined == "raise":
        _require_present(measured, labels)
        _require_noise(measured, method)
        _require_patterns(labels, method, empty.any(axis=0))
    coords = time_coords(labels) | condition_coords(labels)
    if measured.intensity is not None:
        coords["shrinkage"] = (TIME_BIN, measured.intensity.cpu().numpy())
    if by_repetition:
        coords[REPETITION] = [number for number, _ in each_repetition(measured.labels)]
    dims = (REPETITION, TIME_BIN, CONDITION, CONDITION_B)
    return xr.DataArray(
        values if by_repetition else values[0],
        dims=dims if by_repetition else dims[1:],
        coords=coords,
        attrs=result_attrs(
            labels,
            method=method,
            n_conditions=values.shape[-1],
            n_neuroids=measured.n_neuroids,
            n_undefined_patterns=int(empty.sum()),
            **attrs,
        ),
        name="rdm",
    )


def _require_present(measured: Measured, labels: xr.DataArray) -> None:
    if measured.present.all():
        return
    which, stimulus = np.argwhere(~measured.present)[0]
    repetition = [number for number, _ in each_repetition(measured.labels)][which]
    raise ValueError(
        f"stimulus {str(labels['stimulus_id'].values[stimulus])!r} was not shown in repetition "
        f"{repetition}, and {(~measured.present).sum() - 1} more are missing; leave those stimuli "
        'or repetitions out or give undefined="nan"'
    )


def _require_noise(measured: Measured, method: str) -> None:
    if measured.problem is None or not measured.problem.any():
        return
    problem = measured.problem.cpu().numpy()
    first = problem[problem > 0][0]
    raise ValueError(
        f"{method} has no noise covariance in {describe_bins(problem > 0)}: {PROBLEMS[first]}"
    )


def _require_patterns(labels: xr.DataArray, method: str, empty: np.ndarray) -> None:
    if not empty.any():
        return
    kind = "zero" if method == "cosine" else "constant over neuroids"
    t, i = np.argwhere(empty)[0]
    raise ValueError(
        f"the {method} dissimilarity is undefined for patterns that are {kind}, as that of "
        f"stimulus {str(labels['stimulus_id'].values[i])!r} in time bin {t} is; it happens in "
        + describe_bins(empty.any(axis=1))
    )


def over_areas(rdms: Mapping[str, xr.DataArray]) -> xr.DataArray:
    """RDMs of several areas with a leading dimension, stimuli in the order of the first.

    Raises
    ------
    ValueError
        If there is none, or they differ in stimuli, time bins or repetitions.
    """
    if not rdms:
        raise ValueError("expected the responses of at least one area, got an empty mapping")
    first, *others = rdms
    stacked = [rdms[first]] + [_alike(rdms[first], rdms[o], first, o) for o in others]
    coords: dict[str, Any] = {
        str(name): (coordinate.dims, coordinate.values, dict(coordinate.attrs))
        for name, coordinate in stacked[0].coords.items()
        if name != "shrinkage"
    }
    coords[AREA] = list(rdms)
    coords["n_neuroids"] = (AREA, [one.attrs["n_neuroids"] for one in stacked])
    if "shrinkage" in stacked[0].coords:
        coords["shrinkage"] = ((AREA, TIME_BIN), [one["shrinkage"].values for one in stacked])
    undefined = sum(one.attrs["n_undefined_patterns"] for one in stacked)
    attrs = {name: value for name, value in stacked[0].attrs.items() if name != "n_neuroids"}
    return xr.DataArray(
        np.stack([one.values for one in stacked]),
        dims=(AREA, *stacked[0].dims),
        coords=coords,
        attrs=attrs | {"n_undefined_patterns": undefined},
        name="rdm",
    )


def _alike(first: xr.DataArray, other: xr.DataArray, name: str, name_b: str) -> xr.DataArray:
    """``other`` with its stimuli in the order of ``first``."""
    for dim, column in ((TIME_BIN, "time_bin_start"), (REPETITION, REPETITION)):
        if dim in first.dims and not np.array_equal(first[column].values, other[column].values):
            raise ValueError(
                f"areas must have the same {dim}s, {name!r} has {first.sizes[dim]} and "
                f"{name_b!r} has {other.sizes[dim]}, or others; select those of both"
            )
    ids, ids_b = first["stimulus_id"].values.tolist(), other["stimulus_id"].values.tolist()
    if set(ids) != set(ids_b):
        raise ValueError(
            f"areas must have seen the same stimuli: {len(ids)} in {name!r}, {len(ids_b)} in "
            f"{name_b!r}, {len(set(ids) & set(ids_b))} in both; select the stimuli both have"
        )
    position = {identifier: i for i, identifier in enumerate(ids_b)}
    take = [position[identifier] for identifier in ids]
    return other.isel({CONDITION: take, CONDITION_B: take})
