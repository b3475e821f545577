"""Principal angles and alignment of the subspaces of populations and times."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN
from neurorec.geometry.subspace_bases import (
    Bases,
    centred_blocks,
    population_of,
    stimulus_bases,
    unit_bases,
    unit_order,
)
from neurorec.populations import Population, matched, patterns_of
from neurorec.populations.labels import UNDEFINED, result_attrs, time_coords

#: What a subspace is a subspace of.
SPACES: Final = ("units", "stimuli")

TIME_BIN_B: Final = f"{TIME_BIN}_b"
COMPONENT: Final = "component"


def principal_angles(
    source: Any,
    other: Any = None,
    *,
    n_components: int,
    space: str = "units",
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Angles between the leading subspaces of every pair of time bins.

    With orthonormal bases :math:`U_t` and :math:`V_s` of the leading ``n_components``
    dimensions of the responses about their mean, and :math:`\sigma_i` singular values,

    .. math:: \theta_i = \arccos \sigma_i(U_t^\top V_s) .

    Parameters
    ----------
    source
        Assembly, ``recording.area("IT")`` or array (stimulus, unit, timestep); repetitions are
        averaged first. Units are read twice, block by block; with ``space="stimuli"`` once, and
        what ``patterns_of`` gave will do.
    other
        A second population; its time bins are then ``time_bin_b``.
    n_components
        Dimensions of each subspace.
    space
        ``"units"``: principal directions, vectors with one number per unit. They say whether
        responses use the same directions of the population; two populations must have the same
        units (matched by ``neuroid_id``) and may have seen different stimuli. ``"stimuli"``:
        the principal components' scores, vectors with one number per stimulus. They say whether
        two populations, of whatever units, tell the same stimuli apart; the cosines are the
        canonical correlations of the leading components. Stimuli are matched by ``stimulus_id``.
    undefined
        ``"raise"``, or ``"nan"`` for time bins whose responses span fewer dimensions.

    Returns
    -------
    xr.DataArray
        (time_bin, time_bin_b, component), in degrees, the smallest angle first. Angles below
        1e-5 degrees are rounding.

    Raises
    ------
    ValueError
        If there are fewer than three stimuli, ``n_components`` is out of range, there is one time
        bin and no second population, units or stimuli do not match, or activity is not finite.

    Notes
    -----
    Noise turns subspaces: angles between independent estimates of the same subspace are not
    zero, and near 90 degrees in a large population whose responses are mostly noise.

    References
    ----------
    Björck and Golub (1973) Mathematics of Computation 27:579.
    """
    check_option("space", space, SPACES)
    check_option("undefined", undefined, UNDEFINED)
    if space == "units":
        first, second, _ = _in_units(source, other, n_components, undefined, device)
    else:
        first = stimulus_bases(source, n_components, undefined=undefined, device=device)
        second = first if other is None else _same_stimuli(first, other, n_components, undefined)
    _require_pairs(first, other)
    angles = _angles(first.vectors, second.vectors).cpu().numpy()
    return xr.DataArray(
        angles,
        dims=(TIME_BIN, TIME_BIN_B, COMPONENT),
        coords=_coords(first, second) | {COMPONENT: np.arange(1, n_components + 1)},
        attrs=_attrs(first, second, units="deg", method=f"principal angles in {space}"),
        name="principal_angle",
    )


def alignment_index(
    source: Any,
    other: Any = None,
    *,
    n_components: int,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Share of the variance of one time bin that lies in the leading subspace of another.

    With :math:`V_t` the ``n_components`` leading principal directions of time bin t,
    :math:`C_s` the covariance of units in time bin s and :math:`\lambda_i` its eigenvalues,

    .. math:: A_{ts} = \frac{\mathrm{tr}\, V_t^\top C_s V_t}
        {\sum_{i \le k} \lambda_i(C_s)}, \qquad 0 \le A \le 1 :

    one where t captures of s as much as so many dimensions can.

    Parameters
    ----------
    source, other, n_components, undefined
        As in :func:`principal_angles` with ``space="units"``; units are read three times.

    Returns
    -------
    xr.DataArray
        (time_bin, time_bin_b): the subspace is that of ``time_bin`` (of ``source``), the variance
        that of ``time_bin_b`` (of ``other``, if there is one). It is not symmetric.

    Raises
    ------
    ValueError
        As :func:`principal_angles`.

    References
    ----------
    Elsayed, Lara, Kaufman, Churchland and Cunningham (2016) Nature Communications 7:13239.
    """
    check_option("undefined", undefined, UNDEFINED)
    first, second, population_b = _in_units(source, other, n_components, undefined, device)
    _require_pairs(first, other)
    captured = _captured(first, second, population_b)
    most = second.variances[:, :n_components].sum(dim=1)
    lacking = second.vectors.isnan().any(dim=2).any(dim=1)
    values = torch.where(lacking, torch.nan, captured / most).cpu().numpy()
    return xr.DataArray(
        values,
        dims=(TIME_BIN, TIME_BIN_B),
        coords=_coords(first, second),
        attrs=_attrs(first, second, units="1", method="alignment index", n_components=n_components),
        name="alignment_index",
    )


def _in_units(
    source: Any, other: Any, n_components: int, undefined: str, device: str
) -> tuple[Bases, Bases, Population]:
    """Bases of both, units in the order of the second, and the second."""
    population = population_of(source)
    patterns = patterns_of(source, device=device)
    first = unit_bases(population, patterns, n_components, undefined=undefined)
    if other is None:
        return first, first, population
    population_b = population_of(other)
    order = unit_order(population, population_b)
    patterns_b = patterns_of(other, device=device)
    second = unit_bases(population_b, patterns_b, n_components, undefined=undefined)
    return replace(first, vectors=first.vectors[:, order]), second, population_b


def _same_stimuli(first: Bases, other: Any, n_components: int, undefined: str) -> Bases:
    device = str(first.vectors.device)
    patterns = matched(first.patterns, patterns_of(other, device=device))
    return stimulus_bases(patterns, n_components, undefined=undefined, device=device)


def _require_pairs(first: Bases, other: Any) -> None:
    if other is None and len(first.vectors) < 2:
        raise ValueError(
            "subspaces of time bins need at least 2 of them, got 1; give a second population as "
            "`other`, or an assembly with a time axis"
        )


def _angles(u: Tensor, v: Tensor) -> Tensor:
    """In degrees, the smallest first; NaN where a basis is."""
    inner = torch.einsum("tak,saj->tskj", u, v)
    undefined = inner.isnan().any(dim=-1).any(dim=-1)
    cosines = torch.linalg.svdvals(inner.nan_to_num(0)).clamp(max=1)
    return torch.where(undefined[:, :, None], torch.nan, torch.rad2deg(torch.arccos(cosines)))


def _captured(first: Bases, second: Bases, population_b: Population) -> Tensor:
    """Sums of squares of the second's responses in the first's subspaces (time_bin, time_bin_b)."""
    vectors = first.vectors
    n_times_b, n_rows = second.variances.shape
    shape = (n_times_b, len(vectors), n_rows, vectors.shape[2])
    scores = torch.zeros(shape, dtype=torch.float64, device=vectors.device)
    start = 0
    for block in centred_blocks(population_b, second.patterns):
        part = vectors[:, start : start + block.shape[2]]
        start += block.shape[2]
        scores += torch.einsum("snu,tuk->stnk", block.to(vectors.device), part)
    return scores.square().sum(dim=(2, 3)).T


def _coords(first: Bases, second: Bases) -> dict[str, Any]:
    return time_coords(first.patterns.labels) | time_coords(second.patterns.labels, suffix="_b")


def _attrs(first: Bases, second: Bases, **own: Any) -> dict[str, Any]:
    sizes = {
        "n_stimuli": first.patterns.n_rows,
        "n_stimuli_b": second.patterns.n_rows,
        "n_neuroids": first.patterns.n_neuroids,
        "n_neuroids_b": second.patterns.n_neuroids,
    }
    return result_attrs(first.patterns.labels, **own, **sizes)
