"""What scores are held against: shuffled stimuli, and as many units of each area."""

import numpy as np
import xarray as xr

from neurorec.assemblies import NEUROID, PRESENTATION, check, columns_of


def shuffled(responses: xr.DataArray, *, seed: int | np.random.Generator) -> xr.DataArray:
    """The same responses to stimuli that are permuted among themselves.

    All presentations of a stimulus become presentations of one other, for all neuroids and time
    bins alike, so that reliabilities and correlations of neuroids stay and only what a model could
    know of the stimuli is gone. Every permutation is as likely; one may leave stimuli in place.

    Parameters
    ----------
    responses
        Assembly of single trials or means; may be a lazily opened file, which is not read.

    Returns
    -------
    DataArray
        Columns of the stimuli, which are those that do not vary within a stimulus, stay with its
        identifier; ``repetition`` and columns that vary stay with the responses.

    Raises
    ------
    ValueError
        If there are fewer than two stimuli.
    """
    responses = check(responses)
    identifiers, first, groups = np.unique(
        responses["stimulus_id"].values, return_index=True, return_inverse=True
    )
    groups = groups.ravel()
    if len(identifiers) < 2:
        raise ValueError("a shuffle needs at least 2 stimuli, got 1; give responses to more")
    shown_as = np.random.default_rng(seed).permutation(len(identifiers))[groups]
    columns = {}
    for name, values in columns_of(responses, PRESENTATION).items():
        of_stimulus = values[first]
        if name != "repetition" and np.array_equal(of_stimulus[groups], values):
            columns[name] = (PRESENTATION, of_stimulus[shown_as])
    return responses.assign_coords(columns)


def sample_units(
    features: xr.DataArray,
    n_units: int,
    *,
    seed: int | np.random.Generator,
    within: str | None = None,
) -> xr.DataArray:
    """Some units of an assembly, drawn at random without replacement.

    With the same seed, fewer units are a subset of more, so that a curve over the number of units
    is one of growing sets.

    Parameters
    ----------
    features
        Assembly; may be a lazily opened file, which is not read.
    n_units
        How many; of each value, where ``within`` is given.
    within
        Column of the neuroids, such as ``"region"``.

    Returns
    -------
    DataArray
        Units in the order in which ``features`` has them.

    Raises
    ------
    ValueError
        If there are fewer units, or no such column.
    """
    if n_units < 1:
        raise ValueError(f"n_units must be at least 1, got {n_units}")
    order = np.random.default_rng(seed).permutation(features.sizes[NEUROID])
    chosen = []
    for value, members in _groups(features, within).items():
        if len(members) < n_units:
            where = "the assembly" if within is None else f"{within} {value!r}"
            raise ValueError(
                f"{where} has {len(members)} units, {n_units} were asked for; ask for fewer"
            )
        chosen.append(order[np.isin(order, members)][:n_units])
    return features.isel({NEUROID: np.sort(np.concatenate(chosen))})


def _groups(features: xr.DataArray, within: str | None) -> dict:
    """Places of the units that are drawn from together."""
    if within is None:
        return {None: np.arange(features.sizes[NEUROID])}
    columns = columns_of(features, NEUROID)
    if within not in columns:
        raise ValueError(
            f"the features have no neuroid column {within!r}; they have {sorted(columns)}"
        )
    values = columns[within]
    return {value: np.flatnonzero(values == value) for value in np.unique(values).tolist()}
