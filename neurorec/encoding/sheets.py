"""What a readout sees of each design: inner products of stimuli, or the features themselves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurorec.encoding._columns import as_columns
from neurorec.encoding.times import Band, Design, Part
from neurorec.gram import gram_of_blocks
from neurorec.populations.reading import Population
from neurorec.populations.rows import Rows

# Gram matrices that are made in one pass over the units take no more than this.
_GRAM_BYTES: Final = 2**28


class Sheet(NamedTuple):
    """Features of one design, by rows: inner products of each band, or features side by side."""

    grams: Float[Tensor, "band row row"] | None
    features: Float[Tensor, "row feature"] | None

    @property
    def varies(self) -> bool:
        """Whether any feature differs between rows."""
        if self.grams is not None:
            return bool(self.grams.diagonal(dim1=1, dim2=2).sum() > 0)
        assert self.features is not None
        return bool((as_columns(self.features).norm > 0).any())


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Reader:
    """Reads the designs of one fit.

    Parameters
    ----------
    populations
        Areas; each is a band of its own.
    rows
        For each of them, what its rows are means of.
    banded
        Whether the readout tells bands apart; otherwise their inner products are added.
    """

    populations: Mapping[str, Population]
    rows: Mapping[str, Rows]
    banded: bool
    device: torch.device

    def grams(self, designs: Sequence[Design]) -> Iterator[Sheet]:
        """Inner products for each design, in one pass over the units for several designs.

        Memory is bounded by the inner products of a pass and a block of units.
        """
        if not self.banded:
            designs = [d._replace(bands=(sum(d.bands, ()),)) for d in designs]
        wanted = list(dict.fromkeys(p for d in designs for band in d.bands for p in band))
        found: dict[Part, Tensor] = {}
        # What a cumulative design shares with the one before it is not read again.
        sums: dict[Band, Tensor] = {}
        for design in designs:
            totals = {}
            for band in design.bands:
                known = max((k for k in sums if band[: len(k)] == k), key=len, default=())
                total = sums.get(known)
                for part in band[len(known) :]:
                    if part not in found:
                        found.clear()  # one pass is in memory at a time
                        found |= self._pass(wanted[wanted.index(part) :])
                    total = found[part] if total is None else total + found[part]
                assert total is not None
                totals[band] = total
            sums = totals if len(totals) == 1 else {}
            yield Sheet(torch.cat(list(totals.values())), None)

    def features(self, designs: Sequence[Design]) -> Iterator[Sheet]:
        """The features of each design side by side: areas, within them parts, within them units.

        Raises
        ------
        ValueError
            If a feature is NaN or infinite.
        """
        for design in designs:
            parts = tuple(part for band in design.bands for part in band)
            columns = [
                np.concatenate(list(self._blocks(name, parts)), axis=1) for name in self.populations
            ]
            stacked = [c.transpose(0, 2, 1).reshape(len(c), -1) for c in columns]
            values = np.concatenate(stacked, axis=1).astype(np.float64)
            if not np.isfinite(values).all():
                raise ValueError("the features hold NaN or infinite values; drop those units")
            yield Sheet(None, torch.from_numpy(values).to(self.device))

    @property
    def n_features(self) -> int:
        """Units of all areas."""
        return sum(population.n_neuroids for population in self.populations.values())

    def _pass(self, wanted: Sequence[Part]) -> dict[Part, Tensor]:
        """Inner products (area, row, row) of the first of ``wanted``, as many as memory allows."""
        n_rows = sum(len(starts) for _, starts in next(iter(self.rows.values())).groups)
        size = max(_GRAM_BYTES // (8 * n_rows**2 * len(self.populations)), 1)
        parts = tuple(wanted[:size])
        grams = (
            gram_of_blocks(self._blocks(name, parts), centred=True, device=str(self.device))
            for name in self.populations
        )
        # (part, area, row, row)
        areas = torch.stack(list(grams), dim=1) if self.banded else _sum(grams)[:, None]
        return dict(zip(parts, areas, strict=True))

    def _blocks(
        self, name: str, parts: Sequence[Part]
    ) -> Iterator[Float[np.ndarray, "row unit part"]]:
        """Rows of some units at a time, each part one entry of the last axis."""
        steps = sorted({t for part in parts for t, _ in part})
        weights = np.zeros((len(steps), len(parts)))
        for i, part in enumerate(parts):
            for t, weight in part:
                weights[steps.index(t), i] = weight
        plain = weights.shape[0] == weights.shape[1] and np.array_equal(weights, np.eye(len(steps)))
        for values in self.populations[name].blocks(steps):
            rows = self.rows[name].mean(values)
            yield rows if plain else rows @ weights.astype(rows.dtype)


def _sum(tensors: Iterator[Tensor]) -> Tensor:
    total = next(tensors)
    for one in tensors:
        total += one
    return total
