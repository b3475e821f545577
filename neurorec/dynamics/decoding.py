"""Cross-validated decoding over time: the part that every decoding measure shares."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float, Int64, Shaped

from neurorec._checks import check_option
from neurorec.assemblies import NEUROID, PRESENTATION, TIME_BIN, check
from neurorec.dynamics.folds import assign_folds
from neurorec.geometry.decoder import AbstractLinearDecoder
from neurorec.geometry.max_correlation import MaxCorrelation
from neurorec.geometry.nearest_mean import NearestMean
from neurorec.geometry.shrinkage_lda import ShrinkageLDA
from neurorec.populations.labels import UNDEFINED, describe_bins, result_attrs

#: Every classifier, by name. Tests run over this table.
CLASSIFIERS: Final[Mapping[str, type[AbstractLinearDecoder]]] = MappingProxyType(
    {
        "max_correlation": MaxCorrelation,
        "nearest_mean": NearestMean,
        "shrinkage_lda": ShrinkageLDA,
    }
)

_Activity = Float[np.ndarray, "time_bin presentation neuroid"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class DecodingProblem:
    """Activity with the class and the fold of each presentation."""

    assembly: xr.DataArray
    label: str
    classifier: str
    standardise: bool
    classes: Shaped[np.ndarray, " n_classes"]
    codes: Int64[np.ndarray, " presentation"]
    folds: Int64[np.ndarray, " presentation"]
    empty: Bool[np.ndarray, " time_bin"]

    @property
    def n_splits(self) -> int:
        """Number of folds."""
        return int(self.folds.max()) + 1

    def attrs(self) -> dict[str, Any]:
        """What a reader of the accuracy has to know."""
        return result_attrs(
            self.assembly,
            units="fraction of presentations",
            label=self.label,
            classifier=self.classifier,
            standardised="per neuroid and time bin, on the training presentations"
            if self.standardise
            else "no",
            chance=1 / len(self.classes),
            largest_class=float(np.bincount(self.codes).max() / len(self.codes)),
            n_classes=len(self.classes),
            n_presentations=self.assembly.sizes[PRESENTATION],
            n_neuroids=self.assembly.sizes[NEUROID],
            n_splits=self.n_splits,
        )


def decoding_problem(
    assembly: xr.DataArray,
    *,
    label: str,
    classifier: str,
    fold: str | int,
    n_folds: int,
    standardise: bool,
    seed: int | np.random.Generator,
    undefined: str,
) -> DecodingProblem:
    """Check the input of a decoding analysis.

    Raises
    ------
    ValueError
        If the label or classifier is unknown, labels are missing or of fewer than two classes,
        activity is not finite, folds are not possible, or, with ``undefined="raise"``, there is a
        time bin in which all presentations are the same.
    """
    check_option("classifier", classifier, CLASSIFIERS)
    check_option("undefined", undefined, UNDEFINED)
    assembly = check(assembly)
    labels = labels_of(assembly, label)
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"decoding needs at least 2 classes, got 1 in {label!r} ({str(classes[0])!r})"
        )
    if not np.isfinite(assembly.values).all():
        raise ValueError(
            "the activity holds NaN or infinite values; drop those presentations or neuroids"
        )
    folds = assign_folds(assembly, labels, fold=fold, n_folds=n_folds, seed=seed)
    empty = np.ptp(assembly.values, axis=0).max(axis=0) == 0
    if empty.any() and undefined == "raise":
        raise ValueError(
            "there is nothing to decode where all presentations are the same, as in "
            + describe_bins(empty)
        )
    return DecodingProblem(
        assembly=assembly,
        label=label,
        classifier=classifier,
        standardise=standardise,
        classes=classes,
        codes=codes.ravel().astype(np.int64),
        folds=folds,
        empty=empty,
    )


def labels_of(assembly: xr.DataArray, label: str) -> Shaped[np.ndarray, " presentation"]:
    """Values of the presentation coordinate ``label``.

    Raises
    ------
    ValueError
        If there is none, or values are missing; the coordinates that exist are listed.
    """
    available = sorted(str(c) for c in assembly.coords if assembly[c].dims == (PRESENTATION,))
    if label not in available:
        raise ValueError(
            f"there is no coordinate {label!r} on {PRESENTATION!r} to decode; those there are "
            f"{available}"
        )
    values = assembly[label].values
    missing = int(pd.isna(values).sum())
    if missing:
        raise ValueError(f"{missing} of {len(values)} presentations have no {label!r}; drop them")
    return values


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class FittedSplit:
    """The linear rules of one split, one per time bin, and what they are tested on."""

    coefficients: Float[np.ndarray, "time_bin n_classes neuroid"]
    intercepts: Float[np.ndarray, "time_bin n_classes"]
    tests: _Activity
    codes: Int64[np.ndarray, " presentation"]

    def correct(self, train: int, tests: _Activity) -> Bool[np.ndarray, "time_bin presentation"]:
        """Whether the rule of time bin ``train`` names the class, for all ``tests`` at once."""
        n_bins, n_tests, n_neuroids = tests.shape
        evidence = tests.reshape(-1, n_neuroids) @ self.coefficients[train].T
        named = (evidence + self.intercepts[train]).argmax(axis=1).reshape(n_bins, n_tests)
        return named == self.codes


def fitted_splits(problem: DecodingProblem) -> Iterator[FittedSplit]:
    """Fit every time bin of every split; held-out presentations take no part in anything.

    Time bins that are empty are left out.
    """
    activity = _time_first(problem.assembly)[~problem.empty]
    for split in range(problem.n_splits):
        held_out = problem.folds == split
        scaled = _standardised(activity, ~held_out) if problem.standardise else activity
        codes = problem.codes[~held_out]
        estimators = [
            CLASSIFIERS[problem.classifier]().fit(patterns[~held_out], codes) for patterns in scaled
        ]
        yield FittedSplit(
            coefficients=np.stack([e.coef_ for e in estimators]).astype(scaled.dtype),
            intercepts=np.stack([e.intercept_ for e in estimators]).astype(scaled.dtype),
            tests=np.ascontiguousarray(scaled[:, held_out]),
            codes=problem.codes[held_out],
        )


def _time_first(assembly: xr.DataArray) -> _Activity:
    """(time_bin, presentation, neuroid); float32 stays float32, all else becomes float64."""
    values = assembly.transpose(TIME_BIN, PRESENTATION, NEUROID).values
    dtype = np.float32 if values.dtype == np.float32 else np.float64
    return np.ascontiguousarray(values, dtype=dtype)


def _standardised(activity: _Activity, training: Bool[np.ndarray, " presentation"]) -> _Activity:
    """Z-scores by the mean and deviation of training; neuroids constant there become zero."""
    chosen = activity[:, training]
    mean = chosen.mean(axis=1, keepdims=True, dtype=np.float64).astype(activity.dtype)
    scaled = activity - mean
    deviation = scaled[:, training].std(axis=1, keepdims=True)
    constant = deviation <= 1e-6 * np.abs(mean)
    # A neuroid that was silent in training says nothing about the classes, so that its activity
    # in test, of unknown scale, is set to zero rather than left as it is.
    np.divide(scaled, deviation, out=scaled, where=~constant)
    return np.where(constant, 0, scaled).astype(activity.dtype)
