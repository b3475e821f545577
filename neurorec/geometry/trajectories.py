"""Geometry of the paths that populations take through time, compared."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import PRESENTATION, TIME_BIN, average_repetitions
from neurorec.geometry._stack import defined
from neurorec.geometry.comparison import COMPARISONS, LABELS
from neurorec.geometry.dissimilarity import DISSIMILARITIES
from neurorec.gram import gram_of_blocks, resolve_device
from neurorec.populations import Patterns, as_population
from neurorec.populations.labels import CONDITION, UNDEFINED, condition_coords, result_attrs
from neurorec.populations.rows import rows_of

#: Which states are compared: of all stimuli at all times, or of each stimulus over time.
STATES: Final = ("all", "within_stimulus")

# States whose dissimilarity matrix is 0.5 GiB.
_MOST_STATES: Final = 8000


def trajectory_similarity(
    source: Any,
    other: Any,
    *,
    states: str = "all",
    method: str = "spearman",
    dissimilarity: str = "squared_euclidean",
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Agreement of two populations on how far apart their states over time are.

    A state is the mean response ``x(i, t)`` of a population to stimulus i in time bin t. The
    dissimilarities of all pairs of states, :math:`d((i, t), (j, s))`, are one large RDM, and the
    RDMs of two populations are compared as in :func:`compare`: their upper triangles are
    correlated. Unlike RDMs bin by bin it holds how far and whereto responses move. No paper fixes
    the measure: states, pairs and the rank correlation are our choice.

    Time bins are matched by their order, so that both need the same number of them.

    Parameters
    ----------
    source, other
        Assembly, ``recording.area("IT")`` or array (stimulus, unit, timestep); stimuli are matched
        by ``stimulus_id``. Inner products between time bins are needed, so that patterns which
        are read already will not do.
    states
        ``"all"`` stimuli at all times in one RDM; or ``"within_stimulus"``, an RDM over time for
        each stimulus: the shape of its path alone, whatever the others do.
    method
        A key of ``COMPARISONS``.
    dissimilarity
        A key of ``DISSIMILARITIES``.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN where an RDM is constant or undefined.

    Returns
    -------
    xr.DataArray
        A number, or (condition,) with ``states="within_stimulus"``.

    Raises
    ------
    ValueError
        If an option is unknown, there are fewer than three stimuli or time bins (two with all
        states), stimuli or numbers of time bins differ, there are more than 8,000 states in one
        RDM, or an RDM is constant.
    """
    check_option("states", states, STATES)
    check_option("method", method, COMPARISONS)
    check_option("dissimilarity", dissimilarity, DISSIMILARITIES)
    check_option("undefined", undefined, UNDEFINED)
    first = _read(source, states, device)
    second = _like(first, _read(other, states, device))
    scores = _scores(_vectors(first, dissimilarity), _vectors(second, dissimilarity), method)
    bad = np.isnan(scores)
    if bad.any() and undefined == "raise":
        raise ValueError(
            f"{bad.sum()} of {len(bad)} RDMs between states are constant or undefined, the first "
            f'is number {np.flatnonzero(bad)[0]}; leave those stimuli out or give undefined="nan"'
        )
    everything = states == "all"
    return xr.DataArray(
        scores[0] if everything else scores,
        dims=() if everything else (CONDITION,),
        coords={} if everything else condition_coords(first.labels),
        attrs=result_attrs(
            first.labels,
            method=method,
            units=LABELS[method],
            kind="similarity",
            states=states,
            dissimilarity=dissimilarity,
            n_stimuli=first.labels.sizes[PRESENTATION],
            n_time_bins=first.labels.sizes[TIME_BIN],
            n_neuroids=first.n_neuroids,
            n_neuroids_b=second.n_neuroids,
        ),
        name="trajectory_similarity",
    )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _States:
    """Inner products of the states of one RDM or of several."""

    products: Float64[Tensor, "rdm state state"]
    sums: Float64[Tensor, "rdm state"]
    n_neuroids: int
    labels: xr.DataArray

    @property
    def stimulus_ids(self) -> list[str]:
        """Stimuli in their order."""
        return [str(s) for s in self.labels["stimulus_id"].values]


def _read(source: Any, states: str, device: str) -> _States:
    if isinstance(source, Patterns):
        raise ValueError(
            "trajectories need inner products between time bins, which patterns that are read "
            "already do not hold; give the population"
        )
    population = as_population(source)
    presentations = population.labels[:, :1]
    labels = average_repetitions(presentations)
    _require_sizes(labels, states)
    rows = rows_of(
        presentations["stimulus_id"].values,
        presentations["repetition"].values,
        labels["stimulus_id"].values,
        halves=False,
    )
    sums: list[Tensor] = []

    def blocks() -> Iterator[Float64[np.ndarray, "state unit rdm"]]:
        for values in population.blocks(range(population.n_times)):
            means = rows.mean(values).astype(np.float64, copy=False)
            block = _as_states(means, states)
            sums.append(torch.from_numpy(block.sum(axis=1).T))
            yield block

    products = gram_of_blocks(blocks(), device=str(resolve_device(device)))
    return _States(
        products=products,
        sums=torch.stack(sums).sum(dim=0).to(products.device),
        n_neuroids=population.n_neuroids,
        labels=labels,
    )


def _as_states(
    means: Float64[np.ndarray, "stimulus unit time_bin"], states: str
) -> Float64[np.ndarray, "state unit rdm"]:
    if states == "within_stimulus":
        return means.transpose(2, 1, 0)
    return means.transpose(0, 2, 1).reshape(-1, means.shape[1], 1)


def _require_sizes(labels: xr.DataArray, states: str) -> None:
    n_stimuli, _, n_times = labels.shape
    fewest = 2 if states == "all" else 3
    if n_stimuli < 3 or n_times < fewest:
        raise ValueError(
            f"trajectories need at least 3 stimuli and, with states={states!r}, {fewest} time "
            f"bins, got {n_stimuli} and {n_times}"
        )
    if states == "all" and n_stimuli * n_times > _MOST_STATES:
        raise ValueError(
            f"{n_stimuli} stimuli at {n_times} times are {n_stimuli * n_times} states, the RDM of "
            f"more than {_MOST_STATES} takes too much memory; select fewer stimuli or time bins, "
            'or give states="within_stimulus"'
        )


def _like(first: _States, second: _States) -> _States:
    """``second`` with its stimuli in the order of ``first``."""
    ids, ids_b = first.stimulus_ids, second.stimulus_ids
    if set(ids) != set(ids_b):
        raise ValueError(
            f"the populations saw different stimuli: {len(ids)} in the first, {len(ids_b)} in "
            f"the second, {len(set(ids) & set(ids_b))} in both; select the stimuli both have"
        )
    n_times, n_times_b = first.labels.sizes[TIME_BIN], second.labels.sizes[TIME_BIN]
    if n_times != n_times_b:
        raise ValueError(
            f"time bins are matched by their order, the populations have {n_times} and "
            f"{n_times_b}; select or average to the same number"
        )
    position = {identifier: i for i, identifier in enumerate(ids_b)}
    take = torch.tensor([position[identifier] for identifier in ids])
    if len(second.products) == len(ids) and len(ids) > 1:
        return replace(second, products=second.products[take], sums=second.sums[take])
    take = (take[:, None] * n_times + torch.arange(n_times)).flatten()
    return replace(
        second, products=second.products[:, take[:, None], take], sums=second.sums[:, take]
    )


def _vectors(states: _States, dissimilarity: str) -> Float64[np.ndarray, "rdm pair"]:
    """Upper triangles of the RDMs."""
    distances = DISSIMILARITIES[dissimilarity](states.products, states.sums, states.n_neuroids)
    n = distances.shape[-1]
    rows, columns = torch.triu_indices(n, n, offset=1, device=distances.device)
    return distances[:, rows, columns].cpu().numpy()


def _scores(
    x: Float64[np.ndarray, "rdm pair"], y: Float64[np.ndarray, "rdm pair"], method: str
) -> Float64[np.ndarray, " rdm"]:
    """Agreement RDM by RDM; NaN where one is constant."""
    scores = np.full(len(x), np.nan)
    for i in np.flatnonzero(defined(x) & defined(y)):
        scores[i] = COMPARISONS[method](x[i : i + 1], y[i : i + 1])[0, 0]
    return scores
