"""Speed and accuracy of a network's answers over its timesteps."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float64, Int64
from scipy.special import softmax

from neurorec.assemblies import PRESENTATION, TIME_BIN, require_dims
from neurorec.dynamics.decoding import labels_of
from neurorec.dynamics.proportions import wilson_interval
from neurorec.populations.labels import result_attrs

CLASS = "class"

#: From one in twenty, which every network of twenty classes has reached at once, to near certainty.
DEFAULT_THRESHOLDS: Final = (*(round(0.05 * i, 2) for i in range(1, 20)), 0.99)


def speed_accuracy(
    logits: xr.DataArray,
    labels: str | Sequence[Any] | np.ndarray = "label",
    *,
    thresholds: Sequence[float] = DEFAULT_THRESHOLDS,
    first_timestep: int | None = None,
    level: float = 0.95,
) -> xr.Dataset:
    r"""Accuracy at each timestep, and of answers given once the network is confident.

    With ``P = softmax(logits)``:

    .. math::

        a(t) = \langle [\arg\max_k l_{itk} = y_i] \rangle_i, \qquad
        \mathrm{AUC} = \tfrac1T \textstyle\sum_t a(t), \qquad
        \tau_i(\theta) = \min \{t : \max_k P_{itk} \ge \theta\}

    An image that never reaches the threshold has no :math:`\tau`: it is left out of the mean
    timestep and of the accuracy at that threshold, and counted in ``fraction_undecided``.

    Parameters
    ----------
    logits
        (presentation, class, time_bin), with or without the integer coordinate ``timestep`` on
        ``time_bin`` (counted from 0 without it).
    labels
        Name of a coordinate on ``presentation``, or one value per presentation. Values are those
        of the coordinate ``class`` if there is one, else numbers of classes.
    thresholds
        Values of :math:`\theta`, as probabilities.
    first_timestep
        The area under the curve is the mean accuracy from this timestep on; give the first one at
        which the readout can know of the stimulus, so that depth is not penalised as slowness.
    level
        Coverage of the Wilson intervals, over presentations.

    Returns
    -------
    xr.Dataset
        ``accuracy``, ``ci_low``, ``ci_high`` (time_bin); ``area_under_curve``;
        ``mean_timesteps``, ``accuracy_at_threshold`` with ``accuracy_at_threshold_ci_low`` and
        ``_ci_high``, ``fraction_undecided`` (threshold). ``mean_timesteps`` is the mean
        ``timestep`` of the answer. It and the accuracy are NaN at a threshold that no image
        reaches.

    Raises
    ------
    ValueError
        If dimensions, labels, thresholds or the level are wrong, or logits are not finite.
    """
    logits = require_dims(logits, PRESENTATION, CLASS, TIME_BIN)
    values = logits.values.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("the logits hold NaN or infinite values; the network has diverged")
    wanted = _checked_thresholds(thresholds)
    n, _, n_steps = values.shape
    codes = _class_numbers(logits, labels)
    steps = (
        logits["timestep"].values.astype(np.int64)
        if "timestep" in logits.coords
        else np.arange(n_steps)
    )
    counted = np.full(n_steps, True) if first_timestep is None else steps >= first_timestep
    if not counted.any():
        raise ValueError(
            f"first_timestep {first_timestep} is later than the last timestep {steps.max()}"
        )
    correct = values.argmax(axis=1) == codes[:, None]
    confidence = softmax(values, axis=1).max(axis=1)
    low, high = wilson_interval(correct.sum(axis=0), n, level=level)
    accuracy = correct.mean(axis=0)
    return xr.Dataset(
        {
            "accuracy": (TIME_BIN, accuracy, {"units": "fraction of presentations"}),
            "ci_low": (TIME_BIN, low),
            "ci_high": (TIME_BIN, high),
            "area_under_curve": ((), float(accuracy[counted].mean())),
        }
        | _sweep(confidence, correct, steps, wanted, level),
        coords=_time_coords(logits, steps) | {"threshold": wanted},
        attrs=result_attrs(
            logits,
            chance=1 / values.shape[1],
            n_classes=values.shape[1],
            n_presentations=n,
            level=level,
            interval="Wilson, over presentations",
            first_timestep=int(steps[counted].min()),
        ),
    )


def _sweep(
    confidence: Float64[np.ndarray, "presentation time_bin"],
    correct: Bool[np.ndarray, "presentation time_bin"],
    steps: Int64[np.ndarray, " time_bin"],
    thresholds: Float64[np.ndarray, " threshold"],
    level: float,
) -> dict[str, Any]:
    """The answers at every threshold."""
    columns = ("mean_timesteps", "accuracy", "low", "high", "undecided")
    table = {name: np.full(len(thresholds), np.nan) for name in columns}
    for i, threshold in enumerate(thresholds):
        reached = confidence >= threshold
        decided = reached.any(axis=1)
        table["undecided"][i] = 1 - decided.mean()
        if not decided.any():
            continue
        when = reached[decided].argmax(axis=1)
        right = np.take_along_axis(correct[decided], when[:, None], axis=1)
        table["mean_timesteps"][i] = steps[when].mean()
        table["accuracy"][i] = right.mean()
        low, high = wilson_interval(right.sum(axis=0), len(right), level=level)
        table["low"][i], table["high"][i] = low[0], high[0]
    fraction = {"units": "fraction of the decided presentations"}
    return {
        "mean_timesteps": ("threshold", table["mean_timesteps"], {"units": "timesteps"}),
        "accuracy_at_threshold": ("threshold", table["accuracy"], fraction),
        "accuracy_at_threshold_ci_low": ("threshold", table["low"], fraction),
        "accuracy_at_threshold_ci_high": ("threshold", table["high"], fraction),
        "fraction_undecided": (
            "threshold",
            table["undecided"],
            {"units": "fraction of presentations"},
        ),
    }


def _checked_thresholds(thresholds: Sequence[float]) -> Float64[np.ndarray, " threshold"]:
    wanted = np.asarray(thresholds, dtype=np.float64)
    if wanted.ndim != 1 or not wanted.size or wanted.min() <= 0 or wanted.max() > 1:
        raise ValueError(f"thresholds are probabilities in (0, 1], got {list(thresholds)}")
    return wanted


def _class_numbers(
    logits: xr.DataArray, labels: str | Sequence[Any] | np.ndarray
) -> Int64[np.ndarray, " presentation"]:
    """Position along ``class`` of the right answer of each presentation."""
    wanted = labels_of(logits, labels) if isinstance(labels, str) else np.asarray(labels)
    n, n_classes, _ = logits.shape
    if len(wanted) != n:
        raise ValueError(f"expected one label for each of {n} presentations, got {len(wanted)}")
    known = logits[CLASS].values if CLASS in logits.coords else np.arange(n_classes)
    position = {value: i for i, value in enumerate(known.tolist())}
    unknown = sorted({str(v) for v in wanted.tolist() if v not in position})
    if unknown:
        raise ValueError(
            f"labels {unknown[:5]} are none of the {n_classes} classes of the logits, which "
            f"begin {known[:5].tolist()}; give labels in the same terms"
        )
    return np.array([position[v] for v in wanted.tolist()], dtype=np.int64)


def _time_coords(logits: xr.DataArray, steps: Int64[np.ndarray, " time_bin"]) -> dict[str, Any]:
    kept = {
        str(name): coordinate
        for name, coordinate in logits.coords.items()
        if coordinate.dims == (TIME_BIN,)
    }
    return kept | {"timestep": (TIME_BIN, steps)}
