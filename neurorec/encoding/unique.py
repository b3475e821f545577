r"""What late timesteps of a model explain that early ones cannot.

.. math:: U_\mathrm{late} = R^2_{\mathrm{early} + \mathrm{late}} - R^2_\mathrm{early}, \qquad
          S = R^2_\mathrm{early} + R^2_\mathrm{late} - R^2_{\mathrm{early} + \mathrm{late}}

A model without recurrence repeats itself, and its late timesteps explain nothing of their own,
however well each of them predicts.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr
from sklearn.base import BaseEstimator

from neurorec._checks import check_option
from neurorec.assemblies import NEUROID, TIME_BIN
from neurorec.encoding.banded_ridge import BandedRidge
from neurorec.encoding.ceilings import Ceiling
from neurorec.encoding.evaluation import Evaluation
from neurorec.encoding.intervals import RESAMPLED, Bootstrap, population_limits
from neurorec.encoding.setup import Progress, Setup, options_of, setup
from neurorec.encoding.splits import Splits
from neurorec.encoding.times import Axes, Design, Use, at
from neurorec.encoding.trial_tables import labelled

#: Explained variances and their differences, from those of early, late and both timesteps.
PARTS: Final[dict[str, Callable[[Any, Any, Any], Any]]] = {
    "early": lambda early, late, both: early,
    "late": lambda early, late, both: late,
    "both": lambda early, late, both: both,
    "unique_early": lambda early, late, both: both - late,
    "unique_late": lambda early, late, both: both - early,
    "shared": lambda early, late, both: early + late - both,
}


def unique_variance(
    features: Any,
    responses: Any,
    *,
    boundary_ms: float | int | None = None,
    readout: BaseEstimator | None = None,
    splits: Splits | None = None,
    ceiling: Ceiling | None = None,
    bootstrap: Bootstrap | None = None,
    model_trials: int | str | None = None,
    resampled: str = "both",
    device: str = "auto",
    on_mismatch: str = "error",
    progress: Progress | None = None,
) -> xr.Dataset:
    """Variance of responses that early and late timesteps explain together and alone.

    Parameters
    ----------
    features, responses, splits, ceiling, bootstrap, model_trials, device, on_mismatch, progress
        As :func:`fit` takes them.
    boundary_ms
        Timesteps that begin before are early, the others late; the middle of the model's time if
        left out. Of arrays, the number of the first late timestep.
    readout
        If left out, ``BandedRidge(n_iter=20)``, which has a penalty for each of the two sets, so
        that neither suffers from the company of the other; of two, twenty ratios are enough.
    resampled
        What intervals are over: ``"neuroids"``, ``"stimuli"`` or ``"both"``.

    Returns
    -------
    Dataset
        ``value`` (part, neuroid, time_bin) of each of :data:`PARTS`: coefficients of determination
        on held-out stimuli, over the reliability of the responses where it is known (attribute
        ``quantity``); ``median`` over neuroids, ``ci_low``, ``ci_high`` (part, time_bin); and
        ``neuroid_ci_low``, ``neuroid_ci_high`` (part, neuroid, time_bin) over stimuli. The same
        folds and draws serve all parts. A unique variance can be below 0: more features than help
        cost what their estimation costs.

    Raises
    ------
    ValueError
        As :func:`fit`, or if no timestep is early or none is late.
    """
    check_option("resampled", resampled, RESAMPLED)
    options = options_of(
        readout=BandedRidge(n_iter=20) if readout is None else readout,
        splits=splits,
        ceiling=ceiling,
        bootstrap=bootstrap,
        model_trials=model_trials,
        device=device,
        on_mismatch=on_mismatch,
    )
    prepared = setup(features, responses, options)
    early, late, boundary = _divided(prepared.axes, boundary_ms)
    designs = _designs(prepared.axes, early, late)
    found: dict[int, Evaluation] = {}
    for (_, i), predicted in prepared.predictions(designs, progress=progress):
        found[i] = prepared.evaluator(predicted)
    sets = [found[i] for i in range(3)]
    attrs = prepared.attrs(time="early and late") | {
        "boundary_ms": boundary,
        "n_early": len(early),
        "n_late": len(late),
        "resampled": resampled,
    }
    return _dataset(prepared, sets, resampled).assign_attrs(attrs)


def _divided(axes: Axes, boundary: float | int | None) -> tuple[list[int], list[int], float]:
    starts, ends = axes.model
    middle = (starts.min() + ends.max()) / 2 if boundary is None else float(boundary)
    is_early = starts < middle
    if is_early.all() or not is_early.any():
        raise ValueError(
            f"a boundary at {middle:g} leaves {is_early.sum()} early and {(~is_early).sum()} late "
            f"timesteps of {axes.n_times}, which begin from {starts.min():g} to {starts.max():g}; "
            "choose a boundary_ms between them"
        )
    numbers = np.arange(axes.n_times)
    return numbers[is_early].tolist(), numbers[~is_early].tolist(), float(middle)


def _designs(axes: Axes, early: Sequence[int], late: Sequence[int]) -> list[Design]:
    bands = [tuple(at(t) for t in steps) for steps in (early, late)]
    everywhere = tuple(range(axes.n_bins))
    sets = [(bands[0],), (bands[1],), tuple(bands)]
    return [Design(one, (Use(("set", i), everywhere),)) for i, one in enumerate(sets)]


def _dataset(prepared: Setup, sets: Sequence[Evaluation], resampled: str) -> xr.Dataset:
    corrected = "noise_corrected_determination"
    quantity = corrected if corrected in sets[0].values else "determination"
    values = [one.values[quantity].cpu().numpy() for one in sets]
    parts = {name: part(*values) for name, part in PARTS.items()}
    variables = {
        "value": (("part", NEUROID, TIME_BIN), np.stack(list(parts.values()))),
        "median": (("part", TIME_BIN), np.stack([np.median(v, axis=0) for v in parts.values()])),
    }
    bootstrap = prepared.options.bootstrap
    if bootstrap.n_draws:
        drawn = [one.draws[quantity].cpu().numpy() for one in sets]
        draws = {name: part(*drawn) for name, part in PARTS.items()}
        place = RESAMPLED.index(resampled)
        limits = np.stack(
            [population_limits(parts[k], draws[k], bootstrap)[place] for k in PARTS], axis=1
        )
        of_neuroids = np.stack([bootstrap.limits_around(parts[k], draws[k]) for k in PARTS], axis=1)
        variables |= {
            "ci_low": (("part", TIME_BIN), limits[0]),
            "ci_high": (("part", TIME_BIN), limits[1]),
            "neuroid_ci_low": (("part", NEUROID, TIME_BIN), of_neuroids[0]),
            "neuroid_ci_high": (("part", NEUROID, TIME_BIN), of_neuroids[1]),
        }
    labels = labelled(prepared.targets.presentations)
    coords = {name: coordinate.variable for name, coordinate in labels.items()}
    attrs = {"quantity": quantity, "interval": f"{resampled}, {bootstrap.n_draws} draws"}
    return xr.Dataset(variables, coords=coords | {"part": list(PARTS)}, attrs=attrs)
