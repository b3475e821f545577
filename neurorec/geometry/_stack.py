"""RDMs as rows of upper triangles, with what their leading dimensions are called."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float64, Int64

from neurorec._checks import check_option
from neurorec.populations.labels import CONDITION, CONDITION_B, UNDEFINED

# Larger asymmetries than rounding in float32 mean that the matrix is not an RDM.
_ASYMMETRY = 1e-4


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """RDMs of the same conditions, flattened over their leading dimensions."""

    values: Float64[np.ndarray, "rdm condition condition"]
    stimulus_ids: list[str]
    leading: dict[Hashable, int]
    coords: dict[str, Any]

    @property
    def n_conditions(self) -> int:
        """Rows of one RDM."""
        return self.values.shape[1]

    def vectors(self) -> Float64[np.ndarray, "rdm pair"]:
        """The upper triangles, row by row."""
        upper = pairs(self.n_conditions)
        return np.ascontiguousarray(self.values[:, upper[0], upper[1]])

    def reordered(self, stimulus_ids: list[str]) -> "Stack":
        """The same RDMs with conditions in another order."""
        position = {identifier: i for i, identifier in enumerate(self.stimulus_ids)}
        take = np.array([position[s] for s in stimulus_ids])
        return Stack(
            values=self.values[:, take[:, None], take],
            stimulus_ids=stimulus_ids,
            leading=self.leading,
            coords=self.coords,
        )


def pairs(n_conditions: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the upper triangle."""
    return np.triu_indices(n_conditions, 1)


def stack(rdms: xr.DataArray, *, undefined: str) -> Stack:
    """Check ``rdms`` and flatten their leading dimensions.

    Raises
    ------
    ValueError
        If dimensions or ``stimulus_id`` are missing, there are fewer than three conditions,
        identifiers repeat, or an RDM is not symmetric with a zero diagonal or holds NaN.
    """
    check_option("undefined", undefined, UNDEFINED)
    if not {CONDITION, CONDITION_B} <= set(rdms.dims):
        raise ValueError(
            f"expected RDMs with dimensions {CONDITION!r} and {CONDITION_B!r}, "
            f"got {tuple(rdms.dims)}; make them with neurorec.geometry.rdm"
        )
    if "stimulus_id" not in rdms.coords or rdms["stimulus_id"].dims != (CONDITION,):
        raise ValueError(
            "RDMs need the coordinate 'stimulus_id' on 'condition' so that conditions can be "
            f"matched; the coordinates are {sorted(str(c) for c in rdms.coords)}"
        )
    rdms = rdms.transpose(..., CONDITION, CONDITION_B)
    n, n_b = rdms.shape[-2:]
    if n != n_b or n < 3:
        raise ValueError(f"expected square RDMs of at least 3 conditions, got {n} by {n_b}")
    identifiers = [str(s) for s in rdms["stimulus_id"].values]
    if len(set(identifiers)) != n:
        raise ValueError(
            f"stimulus_id repeats in an RDM ({n} conditions, {len(set(identifiers))} stimuli); "
            "average repetitions first"
        )
    values = rdms.values.astype(np.float64).reshape(-1, n, n)
    _check_matrices(values, undefined)
    leading = [dim for dim in rdms.dims if dim not in (CONDITION, CONDITION_B)]
    return Stack(
        values=values,
        stimulus_ids=identifiers,
        leading={dim: rdms.sizes[dim] for dim in leading},
        coords={
            str(name): (coordinate.dims, coordinate.values, dict(coordinate.attrs))
            for name, coordinate in rdms.coords.items()
            if set(coordinate.dims) <= set(leading)
        },
    )


def _check_matrices(values: np.ndarray, undefined: str) -> None:
    missing = np.isnan(values).any(axis=(1, 2))
    if missing.any() and undefined == "raise":
        raise ValueError(
            f"{missing.sum()} of {len(values)} RDMs hold NaN, the first is number "
            f'{np.flatnonzero(missing)[0]}; drop them or give undefined="nan"'
        )
    whole = values[~missing]
    scale = np.abs(whole).max(axis=(1, 2), initial=0)
    asymmetry = np.abs(whole - whole.transpose(0, 2, 1)).max(axis=(1, 2), initial=0)
    diagonal = np.abs(np.diagonal(whole, axis1=1, axis2=2)).max(axis=1, initial=0)
    bad = (asymmetry > _ASYMMETRY * scale) | (diagonal > _ASYMMETRY * scale)
    if bad.any():
        raise ValueError(
            "an RDM is symmetric with a zero diagonal; "
            f"{bad.sum()} of {len(whole)} matrices are not (similarities instead of "
            "dissimilarities?)"
        )


def matched(
    a: xr.DataArray, b: xr.DataArray, *, undefined: str
) -> tuple[Stack, Stack, dict[str, Any]]:
    """Both as stacks with conditions in the order of ``a``, and the coordinates of their scores.

    A leading dimension that both have becomes ``<name>_b`` for the second.

    Raises
    ------
    ValueError
        If they do not have the same stimuli.
    """
    first, second = stack(a, undefined=undefined), stack(b, undefined=undefined)
    ids_a, ids_b = set(first.stimulus_ids), set(second.stimulus_ids)
    if ids_a != ids_b:
        only = sorted(ids_a ^ ids_b)
        raise ValueError(
            f"the RDMs have different conditions: {len(ids_a)} in the first, {len(ids_b)} in "
            f"the second, {len(ids_a & ids_b)} in both; the first that only one has is "
            f"{only[0]!r}; select the stimuli that both have"
        )
    second = _renamed(second.reordered(first.stimulus_ids), taken=first)
    return first, second, first.coords | second.coords


def _renamed(second: Stack, *, taken: Stack) -> Stack:
    """``second`` with ``_b`` added to the names that ``taken`` has already."""
    dims = {dim: f"{dim}_b" if dim in taken.leading else dim for dim in second.leading}
    coords = {
        f"{name}_b" if name in taken.coords else name: (tuple(dims[d] for d in on), values, attrs)
        for name, (on, values, attrs) in second.coords.items()
    }
    return Stack(
        values=second.values,
        stimulus_ids=second.stimulus_ids,
        leading={dims[dim]: size for dim, size in second.leading.items()},
        coords=coords,
    )


def defined(vectors: Float64[np.ndarray, "rdm pair"]) -> Bool[np.ndarray, " rdm"]:
    """Which RDMs hold no NaN and are not constant."""
    return np.isfinite(vectors).all(axis=1) & (np.ptp(vectors, axis=1) > 0)


def require_defined(a: np.ndarray, b: np.ndarray, *, method: str, undefined: str) -> None:
    """Refuse constant RDMs where a correlation with them is asked for.

    Raises
    ------
    ValueError
        If an RDM is constant and ``undefined`` is ``"raise"``.
    """
    if undefined == "nan":
        return
    for which, vectors in (("first", a), ("second", b)):
        bad = np.flatnonzero(~defined(vectors))
        if len(bad):
            raise ValueError(
                f"the {method} score is undefined for an RDM whose dissimilarities are all "
                f"equal, as in {len(bad)} of the {len(vectors)} RDMs of the {which} argument "
                f'(number {bad[0]}); drop them or give undefined="nan"'
            )


def copies_of(
    draws: Int64[np.ndarray, "draw index"], n_items: int
) -> Int64[np.ndarray, "draw item"]:
    """How often each item occurs in each sample drawn with replacement."""
    return np.stack([np.bincount(draw, minlength=n_items) for draw in draws])


def pair_counts(
    copies: Int64[np.ndarray, "draw condition"],
) -> Int64[np.ndarray, "draw pair"]:
    """How often each pair of different stimuli occurs, from how often each stimulus does."""
    rows, columns = pairs(copies.shape[1])
    return copies[:, rows] * copies[:, columns]
