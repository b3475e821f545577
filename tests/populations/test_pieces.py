"""Pieces of a population are the whole, in an order of their own where they lie in a file."""

import numpy as np
import pytest

from neurorec.populations import as_population


class Area:
    """A streamed area that does not know how it lies in its file."""

    def __init__(self, assembly):
        self.assembly, self.n_neuroids = assembly, assembly.sizes["neuroid"]

    def labels(self):
        return self.assembly[:, :1]

    def units(self):
        return self.assembly[:1]

    def stream(self, *, timesteps, block_bytes):
        n = max(block_bytes // (4 * len(self.assembly) * len(timesteps)), 1)
        for start in range(0, self.n_neuroids, n):
            yield self.assembly[:, start : start + n, list(timesteps)]


class Ordered(Area):
    """One whose timesteps lie one after the other."""

    def pieces(self, *, block_bytes):
        for first in range(self.assembly.sizes["time_bin"]):
            for block in self.stream(timesteps=[first], block_bytes=block_bytes):
                yield first, block.values


@pytest.fixture
def assembly(rng):
    return as_population(rng.normal(size=(4, 6, 3)).astype(np.float32)).labels


@pytest.mark.parametrize(
    ("lie", "firsts"),
    [(lambda x: x, [0, 0, 0]), (Area, [0, 0, 0]), (Ordered, [0, 1, 2])],
    ids=["assembly", "area", "ordered"],
)
def test_pieces(assembly, lie, firsts):
    """At most two units of all timesteps, or all six of one, are 24 numbers."""
    found, seen = np.full(assembly.shape, np.nan, np.float32), []
    for first, values in as_population(lie(assembly)).pieces(24):
        assert values.size <= 24
        start = int(np.isfinite(found[0, :, first]).sum())
        found[:, start : start + values.shape[1], first : first + values.shape[2]] = values
        seen.append(first)
    np.testing.assert_array_equal(found, assembly.values)
    assert seen == firsts
