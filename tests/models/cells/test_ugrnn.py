import numpy as np
import pytest
import torch

from neurorec.models.cell_options import UGRNN
from neurorec.models.cells import build_cell

from .twins import (
    check_twin,
    conv2d,
    counted,
    fill,
    frame,
    joint_kernels,
    normal,
    numpy_parameters,
    random_case,
    sigmoid,
    unrolled,
)


def twin(p, x, h, n, *, offset):
    """Every step, from the equations on [x; h]."""
    (w_g, b_g), (w_c, b_c) = joint_kernels(p, "of_state")
    out = []
    for _ in range(n):
        both = np.concatenate([x, h], axis=1)
        g = sigmoid(conv2d(both, w_g, b_g) + offset)
        h = g * h + (1 - g) * np.tanh(conv2d(both, w_c, b_c))
        out.append({"h": h, "gate": g})
    return out


@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("offset", [0.0, 1.0, -0.5])
def test_twin(kernel, offset):
    cell, drive, state = random_case(UGRNN(kernel=kernel, gate_offset=offset), frame(3, 2))
    p = numpy_parameters(cell)
    theirs = twin(p, drive.numpy(), state["h"].numpy(), 4, offset=offset)
    check_twin(unrolled(cell, drive, state, 4), theirs)


def test_zero_weights_keep_by_the_offset(rng):
    cell = fill(build_cell(UGRNN(), frame(2, 3)), seed=0, std=0)
    h = normal(rng, 2, 3, 5, 4)
    outputs = unrolled(cell, normal(rng, 2, 2, 5, 4), {"h": h}, 3)
    for step, out in enumerate(outputs, start=1):
        torch.testing.assert_close(out["h"], sigmoid(1.0) ** step * h)


def test_initial_weights():
    cell = fill(build_cell(UGRNN(), frame(4, 3)), seed=0)
    cell.initialise(torch.Generator().manual_seed(7))
    for kernel, bias in joint_kernels(numpy_parameters(cell), "of_state"):
        rows = kernel.reshape(3, -1)
        np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-12)
        assert not bias.any()


def test_parameters_of_the_published_models():
    assert counted(UGRNN(), frame(6, 4)) == 2 * (9 * (6 + 4) * 4 + 4)
    assert 4_197_736 + sum(counted(UGRNN(), frame(c, c)) for c in (256, 256, 512)) == 18_355_560
    widths = (128, 128, 256, 256, 512, 512, 512)
    assert 16_403_432 + sum(counted(UGRNN(), frame(c, c)) for c in widths) == 50_617_832
