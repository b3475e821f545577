"""Class manifolds: the presentations of each class as points, from their inner products."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float64, Int64, Shaped

from neurorec._checks import check_option
from neurorec.assemblies import PRESENTATION
from neurorec.populations import Patterns, patterns_of
from neurorec.populations.labels import UNDEFINED, describe_bins, result_attrs, time_coords

CLASS = "manifold"

# Of a centred Gram matrix, as shares of the raw one's trace and of the largest eigenvalue.
_CONSTANT_SHARE = 1e-12
_RANK_SHARE = 1e-11


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Manifolds:
    """Presentations by class, as inner products about the mean of the class means.

    Parameters
    ----------
    products
        Inner products about the mean of the class means, in which every class weighs the same.
    codes
        Class of each presentation.
    flat
        Time bins in which all presentations are the same.
    """

    products: Float64[np.ndarray, "time_bin row row"]
    codes: Int64[np.ndarray, " row"]
    classes: Shaped[np.ndarray, " n_classes"]
    flat: Bool[np.ndarray, " time_bin"]
    patterns: Patterns
    label: str

    @property
    def n_classes(self) -> int:
        """Number of manifolds."""
        return len(self.classes)

    def means(self) -> Float64[np.ndarray, "n_classes row"]:
        """Weights whose products with the rows are the class means."""
        members = (self.codes == np.arange(self.n_classes)[:, None]).astype(np.float64)
        return members / members.sum(axis=1, keepdims=True)

    def coordinates(
        self, t: int
    ) -> tuple[Float64[np.ndarray, "row dimension"], Float64[np.ndarray, "row dimension"]]:
        """Points of a time bin, and directions of rows, as :func:`coordinates` gives them.

        Presentations of a class that differ by rounding only are one point.
        """
        floor = float(self.patterns.rounding[t])
        points, directions = coordinates(self.products[t], floor=floor)
        means = (self.means() @ points)[self.codes]
        spread = np.bincount(self.codes, ((points - means) ** 2).sum(axis=1))
        return np.where(spread[self.codes, None] > floor, points, means), directions

    def times(self) -> dict[str, Any]:
        """Labels of time bins."""
        return time_coords(self.patterns.labels)

    def coords(self) -> dict[str, Any]:
        """Labels of classes and time bins."""
        return self.times() | {CLASS: self.classes}

    def attrs(self, **own: Any) -> dict[str, Any]:
        """Provenance and sizes."""
        sizes = {
            "label": self.label,
            "n_classes": self.n_classes,
            "n_presentations": len(self.codes),
            "n_neuroids": self.patterns.n_neuroids,
        }
        return result_attrs(self.patterns.labels, **own, **sizes)


def manifolds_of(
    source: Any,
    *,
    label: str | Sequence[Any] | np.ndarray,
    at_least: int = 1,
    undefined: str = "raise",
    device: str = "cpu",
) -> Manifolds:
    """Read presentations once and sort them by class.

    Parameters
    ----------
    label
        Coordinate of presentations, or the class of each.
    at_least
        Fewest presentations of a class.

    Raises
    ------
    ValueError
        If there is no such coordinate, classes are missing, there are fewer than two of them or
        one has too few presentations, activity is not finite, or, with ``undefined="raise"``,
        the same for all presentations of a time bin.
    """
    check_option("undefined", undefined, UNDEFINED)
    patterns = patterns_of(source, at_least=1, averaged=False, device=device)
    values = _labels(patterns.labels, label)
    classes, codes = np.unique(values, return_inverse=True)
    _check_sizes(classes, codes, at_least)
    raw = patterns.products.cpu().numpy()
    members = codes.ravel() == np.arange(len(classes))[:, None]
    weights = (members / members.sum(axis=1, keepdims=True)).mean(axis=0)
    products = _about(raw, weights)
    traces = np.trace(products, axis1=1, axis2=2)
    flat = traces <= _CONSTANT_SHARE * np.trace(raw, axis1=1, axis2=2)
    if flat.any() and undefined == "raise":
        raise ValueError(
            "manifolds have no geometry where all presentations evoke the same response, as in "
            + describe_bins(flat)
        )
    return Manifolds(
        products=products,
        codes=codes.ravel().astype(np.int64),
        classes=classes,
        flat=flat,
        patterns=patterns,
        label=label if isinstance(label, str) else "given",
    )


def _labels(labels: xr.DataArray, label: str | Sequence[Any] | np.ndarray) -> np.ndarray:
    if isinstance(label, str):
        available = sorted(str(c) for c in labels.coords if labels[c].dims == (PRESENTATION,))
        if label not in available:
            raise ValueError(
                f"there is no coordinate {label!r} of presentations to sort them by; those there "
                f"are {available}"
            )
        values = labels[label].values
    else:
        values = np.asarray(label)
    n_presentations = labels.sizes[PRESENTATION]
    if values.shape != (n_presentations,):
        raise ValueError(
            f"expected the class of each of the {n_presentations} presentations, got an array of "
            f"shape {values.shape}"
        )
    missing = int(pd.isna(values).sum())
    if missing:
        raise ValueError(f"{missing} of {len(values)} presentations have no class; drop them")
    return values


def _check_sizes(classes: np.ndarray, codes: np.ndarray, at_least: int) -> None:
    if len(classes) < 2:
        raise ValueError(
            f"expected at least 2 classes, got 1 ({str(classes[0])!r}); give a label that "
            "distinguishes presentations"
        )
    counts = np.bincount(codes.ravel())
    if counts.min() < at_least:
        fewest = str(classes[counts.argmin()])
        raise ValueError(
            f"every class needs at least {at_least} presentations, {fewest!r} has {counts.min()}; "
            "drop it or add presentations"
        )


def _about(
    products: Float64[np.ndarray, "time_bin row row"], weights: Float64[np.ndarray, " row"]
) -> Float64[np.ndarray, "time_bin row row"]:
    """Inner products about a weighted mean of the rows."""
    towards = products @ weights
    squared = towards @ weights
    return products - towards[:, :, None] - towards[:, None, :] + squared[:, None, None]


def coordinates(
    products: Float64[np.ndarray, "row row"], *, floor: float = 0.0
) -> tuple[Float64[np.ndarray, "row dimension"], Float64[np.ndarray, "row dimension"]]:
    """Points with these inner products, and the directions of rows in which they extend.

    A Gaussian vector in the space of units has, along the points, the coordinates
    ``gaussian @ directions`` with ``gaussian`` one number per row. Drawing these keeps a result
    the same whichever signs eigenvectors happen to have. Eigenvalues up to ``floor`` are rounding.
    """
    values, vectors = np.linalg.eigh(products)
    kept = values > max(_RANK_SHARE * values[-1], floor, 0)
    if not kept.any():
        return np.zeros((len(products), 0)), np.zeros((len(products), 0))
    return vectors[:, kept] * np.sqrt(values[kept]), vectors[:, kept]
