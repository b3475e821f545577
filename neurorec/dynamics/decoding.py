"""Cross-validated decoding over time: the part that every decoding measure shares."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Int64, Shaped

from neurorec._checks import check_option
from neurorec.assemblies import PRESENTATION
from neurorec.dynamics.evidence import Activity, Split, survey
from neurorec.dynamics.folds import assign_folds, exchangeable
from neurorec.geometry.decoder import AbstractLinearDecoder
from neurorec.geometry.max_correlation import MaxCorrelation
from neurorec.geometry.nearest_mean import NearestMean
from neurorec.geometry.ridge_decoder import RidgeDecoder
from neurorec.geometry.shrinkage_lda import ShrinkageLDA
from neurorec.gram import resolve_device
from neurorec.populations import as_population
from neurorec.populations.labels import UNDEFINED, describe_bins, result_attrs

#: Every classifier, by name. Tests run over this table.
CLASSIFIERS: Final[Mapping[str, type[AbstractLinearDecoder]]] = MappingProxyType(
    {
        "max_correlation": MaxCorrelation,
        "nearest_mean": NearestMean,
        "ridge": RidgeDecoder,
        "shrinkage_lda": ShrinkageLDA,
    }
)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class DecodingOptions:
    """What the public functions of decoding share; they describe it.

    Parameters
    ----------
    within
        Coordinate within each value of which folds are dealt.
    """

    label: str
    classifier: str | AbstractLinearDecoder
    fold: str | int
    n_folds: int
    standardise: bool
    seed: int | np.random.Generator
    undefined: str
    device: str
    within: str | None = None


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class DecodingProblem:
    """Activity with the class and the fold of each presentation.

    Parameters
    ----------
    items, strata
        What exchanges labels with what where there is nothing to decode.
    """

    activity: Activity
    label: str
    decoder: AbstractLinearDecoder
    name: str
    classes: Shaped[np.ndarray, " n_classes"]
    codes: Int64[np.ndarray, " presentation"]
    folds: Int64[np.ndarray, " presentation"]
    items: Int64[np.ndarray, " presentation"]
    strata: Int64[np.ndarray, " presentation"]
    empty: Bool[np.ndarray, " time_bin"]

    @property
    def labels(self) -> xr.DataArray:
        """Assembly with the coordinates of presentations and time bins."""
        return self.activity.population.labels

    @property
    def n_splits(self) -> int:
        """Number of folds."""
        return int(self.folds.max()) + 1

    def splits(self) -> list[Split]:
        """Train on all folds but one, test on that one."""
        # Class by class, so that the presentations of one are read in place.
        order = np.argsort(self.codes, kind="stable")
        return [
            Split(training=order[self.folds[order] != k], testing=np.flatnonzero(self.folds == k))
            for k in range(self.n_splits)
        ]

    def attrs(self) -> dict[str, Any]:
        """What a reader of the accuracy has to know."""
        return result_attrs(
            self.labels,
            units="fraction of presentations",
            label=self.label,
            classifier=self.name,
            standardised="per neuroid and time bin, on the training presentations"
            if self.activity.standardise
            else "no",
            chance=1 / len(self.classes),
            largest_class=float(np.bincount(self.codes).max() / len(self.codes)),
            n_classes=len(self.classes),
            n_presentations=len(self.codes),
            n_neuroids=self.activity.population.n_neuroids,
            n_splits=self.n_splits,
        )


def decoding_problem(source: Any, options: DecodingOptions) -> DecodingProblem:
    """Check the input of a decoding analysis.

    Raises
    ------
    ValueError
        If the label or classifier is unknown, labels are missing or of fewer than two classes,
        activity is not finite, folds are not possible, or, with ``undefined="raise"``, there is a
        time bin in which all presentations are the same.
    """
    decoder, name = _decoder(options.classifier)
    check_option("undefined", options.undefined, UNDEFINED)
    population = as_population(source)
    labels = labels_of(population.labels, options.label)
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"decoding needs at least 2 classes, got 1 in {options.label!r} ({str(classes[0])!r})"
        )
    empty = survey(population)
    folds = assign_folds(
        population.labels,
        labels if options.within is None else _within(population.labels, labels, options.within),
        fold=options.fold,
        n_folds=options.n_folds,
        seed=options.seed,
    )
    items, strata = exchangeable(population.labels, folds, fold=options.fold)
    if empty.all() or (empty.any() and options.undefined == "raise"):
        raise ValueError(
            "there is nothing to decode where all presentations are the same, as in "
            + describe_bins(empty)
        )
    return DecodingProblem(
        activity=Activity(
            population=population,
            timesteps=np.flatnonzero(~empty).tolist(),
            standardise=options.standardise,
            device=resolve_device(options.device),
        ),
        label=options.label,
        decoder=decoder,
        name=name,
        classes=classes,
        codes=codes.ravel().astype(np.int64),
        folds=folds,
        items=items,
        strata=strata,
        empty=empty,
    )


def _within(assembly: xr.DataArray, labels: np.ndarray, condition: str) -> np.ndarray:
    """Labels that tell conditions apart, too."""
    conditions = labels_of(assembly, condition)
    return np.array([f"{one} ({other})" for one, other in zip(labels, conditions, strict=True)])


def _decoder(classifier: str | AbstractLinearDecoder) -> tuple[AbstractLinearDecoder, str]:
    """A decoder and how results call it."""
    if isinstance(classifier, AbstractLinearDecoder):
        return classifier, repr(classifier)
    return CLASSIFIERS[check_option("classifier", classifier, CLASSIFIERS)](), classifier


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
            f"there is no coordinate {label!r} on {PRESENTATION!r}; those there are {available}"
        )
    values = assembly[label].values
    missing = int(pd.isna(values).sum())
    if missing:
        raise ValueError(f"{missing} of {len(values)} presentations have no {label!r}; drop them")
    return values
