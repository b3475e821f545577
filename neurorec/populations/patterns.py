"""Inner products of responses over time, from one pass over the units of a population."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import PRESENTATION, average_repetitions
from neurorec.gram import products_and_sums, resolve_device
from neurorec.populations.reading import Piece, as_population
from neurorec.populations.rows import Rows, rows_of

#: Of the products inside a block of units; blocks are always summed in float64.
PRECISIONS: Final = {"float64": torch.float64, "float32": torch.float32}

# Numbers of one block of units, as float32 128 MiB; two are held at a time. From smaller ones,
# pieces of the chunks of a recording are read that are too small to be read fast.
_BLOCK: Final = 2**25

# Errors of an entry add up over units and blocks; single ones reach a third of this.
_MARGIN: Final = 16

#: Takes responses (presentation, some units, time_bin) before repetitions are averaged.
Transform = Callable[[np.ndarray], np.ndarray]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Patterns:
    """Responses to stimuli, as their inner products over units.

    Parameters
    ----------
    products
        Gram matrices, nothing subtracted.
    sums
        Sum of each response over units.
    n_neuroids
        Number of units.
    labels
        Assembly with the coordinates of rows and time bins; of its units perhaps only the first.
    rounding
        Below this, an eigenvalue of the inner products, centred or not, is rounding error.
    """

    products: Float64[Tensor, "time_bin row row"]
    sums: Float64[Tensor, "time_bin row"]
    n_neuroids: int
    labels: xr.DataArray
    rounding: Float64[Tensor, " time_bin"]

    @property
    def n_rows(self) -> int:
        """Number of stimuli; of presentations where they are not averaged."""
        return self.products.shape[-1]

    @property
    def stimulus_ids(self) -> list[str]:
        """Stimulus of each row."""
        return [str(s) for s in self.labels["stimulus_id"].values]


def patterns_of(
    source: Any,
    *,
    at_least: int = 3,
    averaged: bool = True,
    transform: Transform | None = None,
    precision: str = "float64",
    device: str = "cpu",
) -> Patterns:
    """Read a population once, some units at a time.

    Parameters
    ----------
    source
        An assembly, ``recording.area("IT")``, an array (stimulus, unit, timestep), or what this
        function gave before: several measures of one population then cost one pass. Presentations
        that were read one by one are averaged from their inner products.
    at_least
        Fewest stimuli.
    averaged
        Whether a row is the mean over the repetitions of a stimulus, stimuli in the order in which
        they first appear; otherwise it is a presentation.
    transform
        Applied to every block of units, presentations not averaged yet.
    precision
        ``"float32"`` takes half the time; inner products are then off by about 1e-7 times the
        norms of the two rows.

    Raises
    ------
    ValueError
        If ``source`` is none of these, there are fewer stimuli, or a response is not finite; and
        if single presentations, or another ``transform``, are asked of what is read already.
    """
    check_option("precision", precision, PRECISIONS)
    if isinstance(source, Patterns):
        return _again(source, at_least, averaged, transform, resolve_device(device))
    population = as_population(source)
    presentations = population.labels[:, :1]
    labels, rows = _rows(presentations, at_least, averaged)
    target = resolve_device(device)

    def transformed(by: Transform) -> Iterator[Piece]:
        for values in population.blocks(range(population.n_times), _BLOCK):
            yield 0, by(values)

    products, sums = products_and_sums(
        population.pieces(_BLOCK) if transform is None else transformed(transform),
        rows=None if rows is None else rows.of_presentations(),
        device=str(target),
        dtype=PRECISIONS[precision],
    )
    return Patterns(
        products=products,
        sums=sums,
        n_neuroids=population.n_neuroids,
        labels=labels,
        rounding=rounding_of(products, precision=precision),
    )


def rounding_of(
    products: Float64[Tensor, "time_bin row row"], *, precision: str = "float64"
) -> Float64[Tensor, " time_bin"]:
    r"""Largest eigenvalue that rounding alone leaves in (centred) inner products.

    .. math:: 16 \, \epsilon \sqrt n \, \max_i K_{ii}

    An entry is off by a few :math:`\epsilon` of the largest, whatever is subtracted from it later,
    and a symmetric matrix of independent errors has norm :math:`2 \sqrt n` times theirs.
    """
    epsilon = torch.finfo(PRECISIONS[precision]).eps
    sizes = products.diagonal(dim1=-2, dim2=-1).amax(dim=-1)
    return _MARGIN * epsilon * products.shape[-1] ** 0.5 * sizes


def _again(
    source: Patterns,
    at_least: int,
    averaged: bool,
    transform: Transform | None,
    device: torch.device,
) -> Patterns:
    if transform is not None:
        raise ValueError(
            "inner products that are read already can not be transformed; give the population"
        )
    if not averaged and "n_repetitions" in source.labels.coords:
        raise ValueError(
            "single presentations are needed and these patterns are means over repetitions; read "
            "them with patterns_of(source, averaged=False)"
        )
    labels, rows = _rows(source.labels, at_least, averaged)
    products, sums = source.products.to(device), source.sums.to(device)
    if rows is not None:
        weights = torch.from_numpy(rows.weights()).to(device)
        products, sums = weights @ products @ weights.T, sums @ weights.T
    return replace(
        source,
        products=products,
        sums=sums,
        labels=labels,
        rounding=source.rounding.to(device),
    )


def _rows(
    presentations: xr.DataArray, at_least: int, averaged: bool
) -> tuple[xr.DataArray, Rows | None]:
    """Labels of the rows, and what to average; nothing where no stimulus is repeated."""
    identifiers = presentations["stimulus_id"].values
    n_stimuli = len(np.unique(identifiers))
    if n_stimuli < at_least:
        raise ValueError(
            f"expected at least {at_least} stimuli, got {n_stimuli} "
            f"({len(identifiers)} presentations); add stimuli"
        )
    if not averaged or n_stimuli == len(identifiers):
        return presentations, None
    labels = average_repetitions(presentations)
    repetitions = presentations["repetition"].values
    return labels, rows_of(identifiers, repetitions, labels["stimulus_id"].values, halves=False)


def matched(first: Patterns, second: Patterns) -> Patterns:
    """``second`` with its stimuli in the order of ``first``.

    Raises
    ------
    ValueError
        If they have different stimuli.
    """
    ids, ids_b = first.stimulus_ids, second.stimulus_ids
    if set(ids) != set(ids_b):
        raise ValueError(
            f"the populations saw different stimuli: {len(ids)} in the first, {len(ids_b)} in "
            f"the second, {len(set(ids) & set(ids_b))} in both; select the stimuli both have"
        )
    position = {identifier: i for i, identifier in enumerate(ids_b)}
    take = np.array([position[identifier] for identifier in ids])
    return replace(
        second,
        products=second.products[:, take[:, None], take],
        sums=second.sums[:, take],
        labels=second.labels.isel({PRESENTATION: take}),
    )
