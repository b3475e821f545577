"""Temporal generalization: jobs of ``benchmarks/geometry.py``."""

import warnings
from typing import Any

import numpy as np
import xarray as xr
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import PredefinedSplit

from benchmarks._geometry_rows import Row, in_turn
from neurorec import assemblies, dynamics, geometry

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from mne.decoding import GeneralizingEstimator, cross_val_multiscore


def generalization(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """From every to every time bin, 5 folds; equal scores up to one presentation on a border."""
    sizes = (100, 30, 5) if quick else (400, 200, 30)
    wide = (100, 150, 3) if quick else (400, 1000, 5)
    lda, ridge = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), RidgeClassifier(10.0)
    jobs = (
        ("MNE GeneralizingEstimator", with_mne, lda, "shrinkage_lda", sizes),
        ("MNE GeneralizingEstimator", with_mne, ridge, geometry.RidgeDecoder(10.0), sizes),
        ("scikit-learn, test bins stacked", loop_over_estimators, lda, "shrinkage_lda", sizes),
        ("MNE GeneralizingEstimator", with_mne, lda, "shrinkage_lda", wide),
        ("MNE GeneralizingEstimator", with_mne, ridge, geometry.RidgeDecoder(10.0), wide),
    )
    rows = []
    for name, peer, estimator, classifier, (n, p, n_bins) in jobs:
        assembly, folds = simulated(rng, n, p, n_bins)
        kind = type(estimator).__name__
        rows.append(
            in_turn(
                f"temporal generalization, {kind}, {n} x {p}, {n_bins} bins, 5 folds",
                name,
                lambda a=assembly, f=folds, e=estimator, job=peer: job(e, a, f),
                lambda a=assembly, c=classifier: ours(c, a),
                tolerance=1.5 / n,
                n_runs=max(1, n_runs // 3),
            )
        )
    return rows


def ours(classifier: Any, assembly: xr.DataArray) -> np.ndarray:
    """Accuracy over all folds."""
    result = dynamics.temporal_generalization(
        assembly, classifier=classifier, n_folds=5, standardise=False
    )
    return result["accuracy"].values


def with_mne(estimator: Any, assembly: xr.DataArray, folds: np.ndarray) -> np.ndarray:
    """Folds are equally large, so that the mean over them is that over presentations."""
    generalizing = GeneralizingEstimator(estimator, scoring="accuracy", verbose="error")
    labels = assembly["object_name"].values
    cv = PredefinedSplit(folds)
    return cross_val_multiscore(generalizing, assembly.values, labels, cv=cv, verbose="error").mean(
        axis=0
    )


def loop_over_estimators(estimator: Any, assembly: xr.DataArray, folds: np.ndarray) -> np.ndarray:
    """Fit each time bin of each fold, and predict all time bins in one call."""
    values, labels = assembly.values, assembly["object_name"].values
    n, p, n_bins = values.shape
    correct = np.zeros((n_bins, n_bins))
    for fold in range(5):
        train, test = folds != fold, folds == fold
        stacked = values[test].transpose(2, 0, 1).reshape(-1, p)
        for t in range(n_bins):
            fitted = estimator.fit(values[train][:, :, t], labels[train])
            predicted = fitted.predict(stacked).reshape(n_bins, -1)
            correct[t] += (predicted == labels[test]).sum(axis=1)
    return correct / n


def simulated(
    rng: np.random.Generator, n: int, p: int, n_bins: int
) -> tuple[xr.DataArray, np.ndarray]:
    """Four classes with a code of their own in each time bin, and five folds of repetitions."""
    labels = np.tile(np.arange(4), n // 4)
    code = 0.3 * rng.normal(size=(4, p, n_bins))
    repetition = np.arange(n) // 4
    assembly = assemblies.build(
        code[labels] + rng.normal(size=(n, p, n_bins)),
        presentation={
            "stimulus_id": np.array([f"s{c}" for c in labels]),
            "repetition": repetition,
            "object_name": labels,
        },
        neuroid={"neuroid_id": np.arange(p).astype(str), "region": np.full(p, "IT")},
        time_bin_start=10.0 * np.arange(n_bins),
        time_bin_end=10.0 * np.arange(1, n_bins + 1),
    )
    return assembly, repetition * 5 // (n // 4)
