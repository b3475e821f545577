"""Evaluations as one labelled Dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, final

import numpy as np
import xarray as xr
from jaxtyping import Float

from neurorec.assemblies import NEUROID, TIME_BIN
from neurorec.encoding.evaluation import QUANTITIES, Evaluation, Summary, summarised
from neurorec.encoding.intervals import RESAMPLED, Bootstrap, population_limits
from neurorec.encoding.setup import Setup
from neurorec.encoding.times import Cumulative, Grid, Lag, TimeChoice
from neurorec.encoding.trial_tables import labelled
from neurorec.stats.correlation import is_constant
from neurorec.stats.permutation import permutation_p_value

MODEL_TIME: Final = "model_time"

_MS: Final = {"units": "ms"}
_OF_SPLITS: Final = ("score", "r_squared", "determination")


class Reduced(NamedTuple):
    """An evaluation without its draws.

    Parameters
    ----------
    neuroid_limits
        Interval over stimuli of the first corrected quantity of each neuroid, or of its score.
    """

    scores: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    summary: Summary
    neuroid_limits: Float[np.ndarray, "limit neuroid bin"] | None
    null: Float[np.ndarray, "shuffle neuroid bin"]
    prediction_reliability: np.ndarray | None
    n_constant: int


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """All that a fit found.

    Parameters
    ----------
    entries
        One for each model time.
    chosen
        ``static`` and ``dynamic``.
    choices
        Numbers chosen, by kind (split, neuroid, bin or 1).
    over_static
        Of the difference to the static control.
    """

    entries: Sequence[Reduced]
    chosen: Mapping[str, Reduced]
    choices: Mapping[str, np.ndarray]
    over_static: Summary | None


def reduced(evaluation: Evaluation, bootstrap: Bootstrap) -> Reduced:
    """What is kept of an evaluation."""
    first = primary(evaluation.values)
    draws = evaluation.draws.get(first)
    return Reduced(
        scores=evaluation.scores,
        values={name: one.cpu().numpy() for name, one in evaluation.values.items()},
        summary=summarised(evaluation.values, evaluation.draws, bootstrap),
        neuroid_limits=None
        if draws is None
        else bootstrap.limits_around(evaluation.values[first].cpu().numpy(), draws.cpu().numpy()),
        null=evaluation.null,
        prediction_reliability=evaluation.prediction_reliability,
        n_constant=evaluation.n_constant,
    )


def primary(quantities: Any) -> str:
    """The quantity that is shown where one is."""
    return "noise_corrected" if "noise_corrected" in quantities else "score"


def dataset(prepared: Setup, time: TimeChoice, outcome: Outcome) -> xr.Dataset:
    """Scores, ceilings, medians with intervals, and controls, with all their labels."""
    entries = outcome.entries
    names = list(entries[0].values)
    result = xr.Dataset(
        coords=_coordinates(prepared, time, len(entries))
        | {"split": np.arange(len(prepared.targets.folds)), "quantity": names}
    )
    if prepared.options.bootstrap.n_draws:
        result = result.assign_coords(resampled=list(RESAMPLED))
    for name, variable in _variables(entries).items():
        result[name] = variable
    for kind, one in outcome.chosen.items():
        for name, variable in _variables([one]).items():
            result[f"{kind}_{name}"] = variable.isel({MODEL_TIME: 0})
    if outcome.over_static is not None:
        for name, variable in _summary([outcome.over_static]).items():
            result[f"over_static_{name}"] = variable.isel({MODEL_TIME: 0})
    result = result.assign(_choices(prepared, time, outcome.choices)).assign(_null(entries))
    attrs = prepared.attrs(time=time) | {
        "time": type(time).__name__.lower(),
        "n_constant_responses": _n_constant(prepared),
        "n_constant_predictions": sum(one.n_constant for one in entries),
    }
    return _with_limits(result.assign_attrs(attrs), prepared)


def _variables(entries: Sequence[Reduced]) -> dict[str, xr.Variable]:
    """Scores of splits, quantities of neuroids, and medians, along ``model_time``."""
    found = {}
    first = entries[0]
    for name in _OF_SPLITS:
        values = np.stack([one.scores[name] for one in entries], axis=2)
        dims = ("split", NEUROID, MODEL_TIME, TIME_BIN)
        found[name] = xr.Variable(dims, values, {"long_name": QUANTITIES[name]})
    of_neuroids: dict[str, list[Any]]
    of_neuroids = {k: [e.values[k] for e in entries] for k in first.values if k not in _OF_SPLITS}
    if first.prediction_reliability is not None:
        of_neuroids["prediction_reliability"] = [e.prediction_reliability for e in entries]
    if first.neuroid_limits is not None:
        limits: list[Any] = [one.neuroid_limits for one in entries]
        of_neuroids["neuroid_ci_low"] = [low for low, _ in limits]
        of_neuroids["neuroid_ci_high"] = [high for _, high in limits]
    for name, values in of_neuroids.items():
        attrs = {"long_name": QUANTITIES[name]} if name in QUANTITIES else {}
        dims = (NEUROID, MODEL_TIME, TIME_BIN)
        found[name] = xr.Variable(dims, np.stack(values, axis=1), attrs)
    return found | _summary([one.summary for one in entries])


def _summary(summaries: Sequence[Summary]) -> dict[str, xr.Variable]:
    medians = np.stack([one.median for one in summaries], axis=1)
    found = {"median": xr.Variable(("quantity", MODEL_TIME, TIME_BIN), medians)}
    limits = [one.limits for one in summaries if one.limits is not None]
    if limits:
        stacked = np.stack(limits, axis=3)  # (quantity, resampled, limit, model_time, time_bin)
        dims = ("quantity", "resampled", MODEL_TIME, TIME_BIN)
        found["ci_low"] = xr.Variable(dims, stacked[:, :, 0])
        found["ci_high"] = xr.Variable(dims, stacked[:, :, 1])
    return found


def _choices(
    prepared: Setup, time: TimeChoice, choices: Mapping[str, np.ndarray]
) -> dict[str, xr.Variable]:
    found = {}
    steps = _timesteps(prepared)
    if "static" in choices:
        found["static_timestep"] = xr.Variable(("split", NEUROID), steps[choices["static"][..., 0]])
    if "dynamic" in choices:
        found["dynamic_timestep"] = xr.Variable(
            ("split", NEUROID, TIME_BIN), steps[choices["dynamic"]]
        )
    if "lag" in choices and isinstance(time, Lag):
        lags = time.candidates(prepared.axes)[choices["lag"][..., 0]]
        found["lag_ms"] = xr.Variable(("split", NEUROID), lags, _MS)
    return found


def _null(entries: Sequence[Reduced]) -> dict[str, xr.Variable]:
    """Medians of shuffled stimuli, and how often they reach that of the responses."""
    null = np.stack([np.median(one.null, axis=1) for one in entries], axis=1)
    if not len(null):
        return {}
    observed = np.stack([np.median(one.values["score"], axis=0) for one in entries])
    p_value = permutation_p_value(observed, null)
    return {
        "null_median": xr.Variable(("shuffle", MODEL_TIME, TIME_BIN), null),
        "p_value": xr.Variable((MODEL_TIME, TIME_BIN), p_value),
    }


def _n_constant(prepared: Setup) -> int:
    means = prepared.targets.means
    return sum(int(is_constant(means[test]).sum()) for _, test in prepared.targets.folds)


def _with_limits(result: xr.Dataset, prepared: Setup) -> xr.Dataset:
    """Reliability and ceiling, and how many neuroids are flagged."""
    limits = prepared.limits
    if limits is None:
        return result
    floor = prepared.evaluator.min_reliability
    for name, variable in limits.data_vars.items():
        result[name] = ((NEUROID, TIME_BIN), variable.values, variable.attrs)
    result["noise_corrected"].attrs["floor"] = f"reliability counted as at least {floor}"
    result = result.assign(_ceiling(prepared))
    unreliable = ~limits["reliable"].values
    convention = limits["reliability"].attrs["convention"]
    attrs = {"convention": convention, "n_unreliable": int(unreliable.any(axis=1).sum())}
    return result.assign_attrs(limits.attrs, **attrs)


def _ceiling(prepared: Setup) -> dict[str, xr.Variable]:
    """Median noise ceiling over neuroids, with its intervals."""
    reliability, bootstrap = prepared.evaluator.reliability, prepared.options.bootstrap
    assert reliability is not None
    values = reliability.value.clamp_min(0).sqrt().cpu().numpy()
    found = {"ceiling_median": xr.Variable((TIME_BIN,), np.median(values, axis=0))}
    if reliability.draws is not None:
        draws = reliability.draws.clamp_min(0).sqrt().cpu().numpy()
        limits = population_limits(values, draws, bootstrap)
        found["ceiling_ci_low"] = xr.Variable(("resampled", TIME_BIN), limits[:, 0])
        found["ceiling_ci_high"] = xr.Variable(("resampled", TIME_BIN), limits[:, 1])
    return found


def _timesteps(prepared: Setup) -> np.ndarray:
    model = prepared.model
    known = "timestep" in model.coords
    return model["timestep"].values if known else np.arange(prepared.axes.n_times)


def _coordinates(prepared: Setup, time: TimeChoice, n_entries: int) -> dict[str, Any]:
    """Coordinates of neuroids and time bins, and those of the model's time under new names."""
    responses = prepared.targets.presentations
    coords: dict[str, Any] = {
        name: (coordinate.dims, coordinate.values, coordinate.attrs)
        for name, coordinate in labelled(responses).items()
    }
    starts, ends = prepared.axes.model
    if isinstance(time, Grid | Cumulative):
        first = starts if isinstance(time, Grid) else np.full(n_entries, starts.min())
        coords["timestep"] = (MODEL_TIME, _timesteps(prepared))
    else:
        first, ends = starts.min(keepdims=True), ends.max(keepdims=True)
    coords["model_time_start"] = (MODEL_TIME, first, _MS)
    coords["model_time_end"] = (MODEL_TIME, ends, _MS)
    return coords
