"""How well the neuroids of one animal are predicted by those of others."""

import json
from typing import Any, Final

import numpy as np
import xarray as xr
from sklearn.base import BaseEstimator

from neurorec._checks import check_option
from neurorec.assemblies import NEUROID, PRESENTATION, check, columns_of
from neurorec.encoding.ceilings import Ceiling
from neurorec.encoding.fit import fit
from neurorec.encoding.intervals import Bootstrap
from neurorec.encoding.splits import Splits
from neurorec.encoding.times import TimeChoice
from neurorec.stats.repetitions import by_stimulus

#: What predicts an animal: each of the others in turn, or all others together.
SOURCES: Final = ("each", "pooled")

_POOLED: Final = "others"
_COUNTS: Final = ("n_neuroids", "n_unreliable", "n_constant_responses", "n_constant_predictions")


def between_animals(
    responses: xr.DataArray,
    *,
    readout: BaseEstimator | None = None,
    splits: Splits | None = None,
    time: str | TimeChoice = "grid",
    sources: str = "each",
    device: str = "auto",
    on_mismatch: str = "error",
    ceiling: Ceiling | None = None,
    bootstrap: Bootstrap | None = None,
) -> xr.Dataset:
    """Score how well mean responses of other animals predict each animal's neuroids.

    What a model can be asked for that is to be like any animal. Each score is that of :func:`fit`
    with one animal's mean responses for features; their noise is not corrected for, and makes it
    a lower bound.

    Parameters
    ----------
    responses
        Assembly with the column ``animal`` on the neuroids. Presentations that an animal lacks are
        NaN for all its neuroids.
    readout, splits, time, device, ceiling, bootstrap
        As :func:`fit` takes them.
    sources
        ``"each"``: every other animal by itself; ``"pooled"``: the neuroids of all others together.
    on_mismatch
        With ``"intersect"``, stimuli that not both sides have are left out; with ``"error"`` they
        are an error.

    Returns
    -------
    Dataset
        The neuroids of all animals one after the other, as often as they are predicted, with
        ``animal`` and ``source_animal`` (of the pool ``"others"``), and what :func:`fit` says of
        each neuroid. ``model_time`` is the time of the source.

    Raises
    ------
    ValueError
        If there is no column ``animal``, there are fewer than two animals, or :func:`fit` cannot
        be done for a pair.
    """
    check_option("sources", sources, SOURCES)
    responses = check(responses)
    animals = _by_animal(responses)
    means = {name: _means(one) for name, one in animals.items()}
    results, provenance = [], []
    for target, measured in animals.items():
        others: dict[str, Any] = {name: one for name, one in means.items() if name != target}
        if sources == "pooled":
            others = {_POOLED: others}
        for source, features in others.items():
            scores = fit(
                features,
                measured,
                readout=readout,
                splits=splits,
                time=time,
                device=device,
                on_mismatch=on_mismatch,
                ceiling=ceiling,
                bootstrap=bootstrap,
            )
            label = (NEUROID, np.full(scores.sizes[NEUROID], source))
            results.append(_per_neuroid(scores).assign_coords(source_animal=label))
            of_fit = json.loads(scores.attrs["provenance"])
            provenance.append({"source_animal": source, "animal": target} | of_fit)
    joined = _joined(results)
    totals = {
        name: sum(int(one.attrs[name]) for one in results)
        for name in _COUNTS
        if name in results[0].attrs
    }
    return joined.assign_attrs(totals, sources=sources, provenance=json.dumps(provenance))


def _by_animal(responses: xr.DataArray) -> dict[str, xr.DataArray]:
    """Responses of each animal's neuroids in the presentations that it has."""
    columns = columns_of(responses, NEUROID)
    if "animal" not in columns:
        raise ValueError(
            f"the responses have no neuroid column 'animal'; they have {sorted(columns)}"
        )
    labels = columns["animal"]
    names = np.unique(labels).tolist()
    if len(names) < 2:
        raise ValueError(
            f"animals are compared with others, got responses of one: {names[0]!r}; give an "
            "assembly of at least 2 animals"
        )
    animals = {}
    for name in names:
        one = responses.isel({NEUROID: np.flatnonzero(labels == name)})
        seen = np.flatnonzero(~np.isnan(one.values).all(axis=(1, 2)))
        animals[str(name)] = one.isel({PRESENTATION: seen})
    return animals


def _means(responses: xr.DataArray) -> xr.DataArray:
    """Mean responses, missing repetitions handled by count."""
    trials = by_stimulus(responses)
    return responses.isel({PRESENTATION: trials.first}).copy(data=trials.means())


def _joined(results: list[xr.Dataset]) -> xr.Dataset:
    """Neuroids of several results one after the other, with the attributes that all share."""
    variables = {}
    for name, variable in results[0].variables.items():
        values = variable.values
        if NEUROID in variable.dims:
            axis = variable.dims.index(NEUROID)
            values = np.concatenate([one[name].values for one in results], axis=axis)
        variables[name] = (variable.dims, values, variable.attrs)
    shared = {
        name: value
        for name, value in results[0].attrs.items()
        if all(name in one.attrs and np.array_equal(one.attrs[name], value) for one in results)
    }
    return xr.Dataset(variables, attrs=shared).set_coords(list(results[0].coords))


def _per_neuroid(scores: xr.Dataset) -> xr.Dataset:
    """Without what was reduced over neuroids: medians of one pair say nothing of all."""
    reduced = [name for name, values in scores.data_vars.items() if NEUROID not in values.dims]
    return scores.drop_vars(reduced)
