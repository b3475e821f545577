"""Variability that neuroids share."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from neurorec.assemblies import NEUROID, TIME_BIN, check
from neurorec.stats.repetitions import by_stimulus


def noise_correlation(assembly: xr.DataArray, *, within: str | None = None) -> xr.DataArray:
    r"""Correlation of trial-to-trial deviations of every pair of neuroids.

    .. math:: \rho_{uv} = \mathrm{corr}_k \left(
              \frac{r_u - \bar r_u}{\sigma_u}, \frac{r_v - \bar r_v}{\sigma_v} \right)

    with mean and standard deviation over the repetitions of each stimulus, and the correlation
    over all presentations together. A stimulus to which a neuroid responds the same on every
    repetition counts as no deviation.

    Parameters
    ----------
    assembly
        Single trials in one time bin; two neuroids were recorded together where they share
        presentations.
    within
        Coordinate of neuroids, such as ``"session_id"``, whose equal values mark neuroids that
        were recorded together. Pairs across it share only the stimulus, so their correlation is
        a control near 0.

    Returns
    -------
    DataArray
        Dimensions (neuroid, neuroid_b). The diagonal is 1. With ``within``, the boolean
        coordinate ``together`` (neuroid, neuroid_b), and in the attributes the mean correlation
        and number of pairs ``within`` and ``across``.

    Raises
    ------
    ValueError
        If there are several time bins, missing values, no stimulus is repeated, a neuroid never
        varies over repetitions, or ``within`` is no coordinate of neuroids.
    """
    assembly = check(assembly)
    if assembly.sizes[TIME_BIN] != 1:
        raise ValueError(
            f"noise correlations need one time bin, got {assembly.sizes[TIME_BIN]}; "
            "use assemblies.window or isel first"
        )
    deviations = _deviations(assembly)
    matrix = deviations.T @ deviations
    coords: dict[str, Any] = {}
    for name, coordinate in assembly.coords.items():
        if coordinate.dims == (NEUROID,):
            coords[str(name)] = (NEUROID, coordinate.values)
            coords[f"{name}_b"] = (f"{NEUROID}_b", coordinate.values)
    dims = (NEUROID, f"{NEUROID}_b")
    result = xr.DataArray(
        matrix, dims=dims, coords=coords, attrs={"long_name": "noise correlation"}
    )
    if within is None:
        return result
    together = _together(assembly, within)
    return result.assign_coords(together=(dims, together)).assign_attrs(
        _means(matrix, together), within=within
    )


def _deviations(assembly: xr.DataArray) -> Float[np.ndarray, "presentation neuroid"]:
    """Deviations scaled within stimuli and then to unit norm."""
    trials = by_stimulus(assembly)
    if not trials.valid().all():
        raise ValueError(
            f"{np.sum(~trials.valid())} responses are NaN; noise correlations need every neuroid "
            "on every presentation, so leave out those that miss some"
        )
    if trials.counts().max() < 2:
        raise ValueError(
            f"variability needs at least 2 repetitions of some stimulus, got {len(trials.groups)} "
            f"presentations of {trials.n_stimuli} stimuli; give single trials, not their means"
        )
    spread = np.sqrt(np.nan_to_num(trials.variances()))[trials.groups, :, 0]
    deviations = trials.residuals()[:, :, 0]
    deviations = np.where(spread > 0, deviations, 0) / np.where(spread > 0, spread, 1)
    norms = np.linalg.norm(deviations, axis=0)
    if not norms.all():
        names = assembly["neuroid_id"].values[norms == 0].tolist()
        raise ValueError(
            f"{len(names)} neuroids never vary over repetitions: {', '.join(map(str, names[:5]))}; "
            "they have no noise correlation, so leave them out"
        )
    return deviations / norms


def _together(assembly: xr.DataArray, within: str) -> Bool[np.ndarray, "neuroid neuroid_b"]:
    named = [str(n) for n, c in assembly.coords.items() if c.dims == (NEUROID,)]
    if within not in named:
        raise ValueError(f"within must be a coordinate of neuroids, one of {named}, got {within!r}")
    values = assembly[within].values
    return values[:, None] == values[None, :]


def _means(matrix: np.ndarray, together: np.ndarray) -> dict[str, float | int]:
    pairs = np.triu(np.ones(matrix.shape, dtype=bool), k=1)
    attrs: dict[str, float | int] = {}
    for name, chosen in (("within", pairs & together), ("across", pairs & ~together)):
        attrs[f"n_pairs_{name}"] = int(chosen.sum())
        if chosen.any():
            attrs[f"mean_{name}"] = float(matrix[chosen].mean())
    return attrs
