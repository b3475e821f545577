"""Which unit of an assembly lies where."""

import numpy as np
import pytest

from neurorec.encoding import grid_shape


@pytest.fixture
def maps(make, rng):
    """Two channels of 3 x 4 positions, of which the outer ones were not kept, in any order."""
    places = np.array([(c, r, s) for c in (7, 2) for r in (5, 6, 7) for s in (1, 2, 3, 4)])
    places = rng.permutation(places)
    assembly = make(rng.normal(size=(6, 24, 1)))
    columns = {n: ("neuroid", places[:, i]) for i, n in enumerate(("channel", "row", "col"))}
    return assembly.assign_coords(columns)


def test_grid_of_an_assembly(maps):
    shape, order = grid_shape(maps)
    assert shape == (2, 3, 4)
    ordered = maps.isel(neuroid=order)
    expected = np.indices(shape).reshape(3, -1) + np.array([[0], [5], [1]])
    np.testing.assert_array_equal(ordered["row"], expected[1])
    np.testing.assert_array_equal(ordered["col"], expected[2])
    np.testing.assert_array_equal(ordered["channel"], np.where(expected[0] == 0, 2, 7))
    assert grid_shape(ordered)[1].tolist() == list(range(24))


def test_no_full_grid(maps):
    with pytest.raises(ValueError, match=r"23 units are no full grid of 2 .* 1 places are empty"):
        grid_shape(maps.isel(neuroid=slice(1, None)))
    twice = maps.isel(neuroid=[*range(24), 3])
    with pytest.raises(ValueError, match="and 1 are taken more than once; record all units of one"):
        grid_shape(twice)


def test_no_places(maps):
    with pytest.raises(ValueError, match=r"no coordinates \['row', 'col'\] on 'neuroid'; record"):
        grid_shape(maps.drop_vars(["row", "col"]))
