"""Memory of arrays that are gone is used again, and none that is looked at."""

import numpy as np
import torch

from neurorec.recording.buffers import Buffers


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again():
    buffers = Buffers()
    first = buffers.array((3, 4))
    place = address(first)
    del first
    assert address(buffers.array((2, 5))) == place
    # Freed anew at the end of the line above; what needs more gets more.
    assert buffers.array((4, 5)).shape == (4, 5)


def test_what_is_looked_at_stays():
    buffers = Buffers()
    for view in (
        lambda x: x,
        lambda x: x[1:, ::2].T,
        lambda x: torch.from_numpy(x)[1:].permute(1, 0).numpy(),
        lambda x: memoryview(x),
    ):
        kept = view(buffers.array((3, 4)))
        before = np.asarray(kept).copy()  # any numbers, as long as they stay
        for _ in range(3):
            buffers.array((3, 4))[...] = -1
        np.testing.assert_array_equal(np.asarray(kept), before)
        others = [buffers.array((3, 4)) for _ in range(3)]
        assert len({address(one) for one in others}) == 3


def test_an_array_of_nothing():
    buffers = Buffers()
    for shape in ((0, 4), (3, 0), (3, 4), (0, 4)):
        found = buffers.array(shape)
        assert found.shape == shape
        found[...] = 1
    kept = buffers.array((2, 2))
    kept[...] = 1
    nothing = [buffers.array((0, 4)) for _ in range(3)]
    buffers.array((2, 2))[...] = 2
    assert kept.tolist() == [[1, 1], [1, 1]]
    assert len(nothing) == 3
