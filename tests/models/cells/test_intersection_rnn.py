import numpy as np
import pytest
import torch

from neurorec.models.cell_options import IntersectionRNN
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
    relu,
    sigmoid,
    unrolled,
)


def twin(p, x, memory, n, *, offset):
    """Every step, from the equations on [x; memory]."""
    kernels = joint_kernels(p, "of_state")
    out = []
    for _ in range(n):
        both = np.concatenate([x, memory], axis=1)
        g_m, m, g_y, y = (conv2d(both, w, b) for w, b in kernels)
        g_m, g_y = sigmoid(g_m + offset), sigmoid(g_y + offset)
        memory = g_m * memory + (1 - g_m) * np.tanh(m)
        y = g_y * x + (1 - g_y) * relu(y)
        out.append({"h": y, "memory": memory, "memory_gate": g_m, "output_gate": g_y})
    return out


@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_twin(kernel, offset):
    options = IntersectionRNN(kernel=kernel, gate_offset=offset)
    cell, drive, state = random_case(options, frame(3, 3))
    p = numpy_parameters(cell)
    theirs = twin(p, drive.numpy(), state["memory"].numpy(), 4, offset=offset)
    check_twin(unrolled(cell, drive, state, 4), theirs)


def test_zero_weights_pass_on_by_the_offset(rng):
    cell = fill(build_cell(IntersectionRNN(), frame(3, 3)), seed=0, std=0)
    drive, h, memory = (normal(rng, 2, 3, 5, 4) for _ in range(3))
    outputs = unrolled(cell, drive, {"h": h, "memory": memory}, 3)
    for step, out in enumerate(outputs, start=1):
        torch.testing.assert_close(out["h"], sigmoid(1.0) * drive)
        torch.testing.assert_close(out["memory"], sigmoid(1.0) ** step * memory)


def test_widths_that_differ():
    with pytest.raises(ValueError, match="same number of channels, got 4 in the drive and 3 in"):
        build_cell(IntersectionRNN(), frame(4, 3))


def test_initial_weights():
    cell = fill(build_cell(IntersectionRNN(), frame(3, 3)), seed=0)
    cell.initialise(torch.Generator().manual_seed(7))
    for kernel, bias in joint_kernels(numpy_parameters(cell), "of_state"):
        rows = kernel.reshape(3, -1)
        np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-12)
        assert not bias.any()


def test_parameters_of_the_published_models():
    options = IntersectionRNN()
    assert counted(options, frame(4, 4)) == 4 * (9 * (4 + 4) * 4 + 4)
    assert 4_197_736 + sum(counted(options, frame(c, c)) for c in (256, 256, 512)) == 32_513_384
    widths = (128, 128, 256, 256, 512, 512, 512)
    assert 16_403_432 + sum(counted(options, frame(c, c)) for c in widths) == 84_832_232
