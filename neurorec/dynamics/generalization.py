"""Decoding over time, and from one time to another."""

from typing import Any

import numpy as np
import xarray as xr

from neurorec.assemblies import TIME_BIN
from neurorec.dynamics.decoding import decoding_problem, fitted_splits
from neurorec.dynamics.proportions import wilson_interval


def temporal_generalization(
    assembly: xr.DataArray,
    *,
    label: str = "object_name",
    classifier: str = "max_correlation",
    fold: str | int = "repetition",
    n_folds: int = 10,
    standardise: bool = True,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
) -> xr.Dataset:
    r"""Accuracy of a classifier trained in one time bin and tested in another.

    .. math:: A_{t t'} = \frac1n \sum_i [\hat c_t(x_{i t'}) = c_i],

    each presentation tested by the rule of the split that held it out, also where ``t`` and
    ``t'`` differ. Bins share presentations, so that neighbours and overlapping bins are not
    independent.

    Parameters
    ----------
    assembly
        Single presentations; choose bins with :func:`neurorec.assemblies.window`.
    label
        Coordinate of ``presentation`` to decode.
    classifier
        A key of ``CLASSIFIERS``.
    fold, n_folds, seed
        ``"repetition"`` holds out blocks of repetitions, ``"stratified"`` stimuli; an integer is
        ``"stratified"`` with that number of folds. See
        :func:`neurorec.dynamics.folds.assign_folds`.
    standardise
        Z-score each neuroid in each time bin with the mean and deviation of the training
        presentations in that same bin; a test bin is thus scaled by itself, not by the training
        bin. Neuroids that are constant in training are set to zero.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN where training or test falls in a time bin in which
        all presentations are the same, as in a deep model area before the stimulus reaches it.

    Returns
    -------
    xr.Dataset
        ``accuracy`` (train_time, test_time), over all presentations, and ``accuracy_per_split``
        (split, train_time, test_time), with ``n_tested`` (split). Coordinates in ms:
        ``train_time_start``, ``train_time_end``, ``test_time_start``, ``test_time_end``; and
        ``train_timestep``, ``test_timestep`` for models. ``attrs`` has ``chance`` (one over the
        number of classes), the share of the largest class, and numbers.

    Raises
    ------
    ValueError
        If the label or classifier is unknown, activity is not finite, there are fewer than two
        classes, a class with fewer presentations than folds, or a time bin in which all
        presentations are the same.

    References
    ----------
    King and Dehaene (2014) Trends in Cognitive Sciences 18:203; for this population Zhang et al.
    (2011) PNAS 108:8850.
    """
    problem = decoding_problem(
        assembly,
        label=label,
        classifier=classifier,
        fold=fold,
        n_folds=n_folds,
        standardise=standardise,
        seed=seed,
        undefined=undefined,
    )
    correct, tested = [], []
    for split in fitted_splits(problem):
        rows = [split.correct(t, split.tests) for t in range(len(split.tests))]
        correct.append(np.stack([row.sum(axis=1) for row in rows]))
        tested.append(len(split.codes))
    counts = _with_gaps(_with_gaps(np.stack(correct), problem.empty), problem.empty, axis=1)
    n_tested = np.asarray(tested)
    attrs = problem.attrs()
    dims = ("train_time", "test_time")
    return xr.Dataset(
        {
            "accuracy": (dims, counts.sum(axis=0) / n_tested.sum(), attrs),
            "accuracy_per_split": (("split", *dims), counts / n_tested[:, None, None]),
            "n_tested": ("split", n_tested),
        },
        coords=_time_axis(problem.assembly, "train") | _time_axis(problem.assembly, "test"),
        attrs=attrs,
    )


def decoding_over_time(
    assembly: xr.DataArray,
    *,
    label: str = "object_name",
    classifier: str = "max_correlation",
    fold: str | int = "repetition",
    n_folds: int = 10,
    standardise: bool = True,
    level: float = 0.95,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
) -> xr.Dataset:
    """Accuracy of a classifier trained and tested in the same time bin, for each time bin.

    It is the diagonal of :func:`temporal_generalization`, without the rest being computed, with
    the Wilson interval of a binomial proportion over presentations. Training sets of different
    splits overlap, which that interval leaves out; it states how well this number of
    presentations determines the accuracy.

    Parameters
    ----------
    assembly, label, classifier, fold, n_folds, standardise, seed, undefined
        As for :func:`temporal_generalization`.
    level
        Coverage of the interval.

    Returns
    -------
    xr.Dataset
        ``accuracy``, ``ci_low``, ``ci_high`` (time_bin) and ``accuracy_per_split``
        (split, time_bin).

    Raises
    ------
    ValueError
        As :func:`temporal_generalization`; and if ``level`` is no coverage.
    """
    problem = decoding_problem(
        assembly,
        label=label,
        classifier=classifier,
        fold=fold,
        n_folds=n_folds,
        standardise=standardise,
        seed=seed,
        undefined=undefined,
    )
    correct, tested = [], []
    for split in fitted_splits(problem):
        rows = [split.correct(t, split.tests[t : t + 1]) for t in range(len(split.tests))]
        correct.append(np.concatenate(rows).sum(axis=1))
        tested.append(len(split.codes))
    counts, n_tested = np.stack(correct), np.asarray(tested)
    n = int(n_tested.sum())
    low, high = wilson_interval(counts.sum(axis=0), n, level=level)
    low, high, counts = (_with_gaps(values, problem.empty) for values in (low, high, counts))
    attrs = problem.attrs() | {"level": level, "interval": "Wilson, over presentations"}
    coords = {
        str(name): coordinate
        for name, coordinate in problem.assembly.coords.items()
        if coordinate.dims == (TIME_BIN,)
    }
    return xr.Dataset(
        {
            "accuracy": (TIME_BIN, counts.sum(axis=0) / n, attrs),
            "ci_low": (TIME_BIN, low),
            "ci_high": (TIME_BIN, high),
            "accuracy_per_split": (("split", TIME_BIN), counts / n_tested[:, None]),
            "n_tested": ("split", n_tested),
        },
        coords=coords,
        attrs=attrs,
    )


def _with_gaps(values: np.ndarray, empty: np.ndarray, *, axis: int = -1) -> np.ndarray:
    """``values``, which lack the time bins that are empty, with NaN in their place."""
    if not empty.any():
        return values
    moved = np.moveaxis(values, axis, -1)
    out = np.full((*moved.shape[:-1], len(empty)), np.nan)
    out[..., ~empty] = moved
    return np.moveaxis(out, -1, axis)


def _time_axis(assembly: xr.DataArray, role: str) -> dict[str, Any]:
    """Coordinates of ``time_bin`` under the name of an axis of the accuracy."""
    axis = f"{role}_time"
    names = {
        "time_bin_start": f"{axis}_start",
        "time_bin_end": f"{axis}_end",
        "timestep": f"{role}_timestep",
    }
    return {
        new: (axis, assembly[old].values, dict(assembly[old].attrs))
        for old, new in names.items()
        if old in assembly.coords
    }
