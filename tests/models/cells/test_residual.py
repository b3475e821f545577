import numpy as np
import pytest
import torch

from neurorec.models.cell_options import Residual
from neurorec.models.cells import build_cell

from .twins import (
    check_twin,
    conv2d,
    counted,
    fill,
    frame,
    normal,
    numpy_parameters,
    random_case,
    relu,
    unrolled,
)


def twin(p, h, n, blocks):
    out = []
    for _ in range(n):
        for block in range(blocks):
            inner = relu(conv2d(h, p[f"blocks.{block}.conv1.weight"]))
            h = relu(conv2d(inner, p[f"blocks.{block}.conv2.weight"]) + h)
        out.append({"h": h})
    return out


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_twin(kernel, blocks):
    cell, drive, state = random_case(Residual(kernel=kernel, blocks=blocks), frame(3, 3))
    theirs = twin(numpy_parameters(cell), state["h"].numpy(), 4, blocks)
    check_twin(unrolled(cell, drive, state, 4), theirs)


def test_zero_weights_rectify_the_state(rng):
    cell = fill(build_cell(Residual(), frame(3, 3)), seed=0, std=0)
    h = normal(rng, 2, 3, 5, 4)
    for out in unrolled(cell, normal(rng, 2, 3, 5, 4), {"h": h}, 3):
        torch.testing.assert_close(out["h"], h.clamp(min=0))


def test_the_drive_is_not_read(rng):
    cell, drive, state = random_case(Residual(), frame(3, 3))
    first, other = (unrolled(cell, x, state, 2)[-1]["h"] for x in (drive, drive + 1))
    assert torch.equal(first, other)


def test_widths_that_differ():
    with pytest.raises(ValueError, match="same number of channels, got 4 in the drive and 3 in"):
        build_cell(Residual(), frame(4, 3))


def test_initial_weights():
    cell = build_cell(Residual(), frame(16, 16))
    cell.initialise(torch.Generator().manual_seed(7))
    bound = 1 / np.sqrt(9 * 16)
    for weight in numpy_parameters(cell).values():
        assert np.abs(weight).max() <= bound
        # The standard error of a uniform's standard deviation is below its value / sqrt(2 n).
        std = bound / np.sqrt(3)
        np.testing.assert_allclose(weight.std(), std, atol=5 * std / np.sqrt(2 * weight.size))


def test_parameters_of_the_published_models():
    # Stem, head of 32, 8 and 2 channels, and two blocks, all of 3 × 3 and without biases.
    trunk = 9 * (3 * 128 + 128 * 32 + 32 * 8 + 8 * 2)
    assert counted(Residual(), frame(128, 128)) == 4 * 9 * 128**2
    assert trunk + counted(Residual(), frame(128, 128)) == 632_592
