import numpy as np
import pytest
import torch

from neurorec.models.cell_options import ConvGRU
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

NAYEBI = ConvGRU(update="keep", reset_offset=1.0, gate_bias=1.0)
VEERABADRAN = ConvGRU(kernel=5)


def twin(p, x, h, n, *, offset, keep, f):
    """Every step, from the equations on [x; h]."""
    (w_r, b_r), (w_u, b_u), (w_c, b_c) = joint_kernels(p, "gates_of_state", "candidate_of_state")
    out = []
    for _ in range(n):
        both = np.concatenate([x, h], axis=1)
        r = sigmoid(conv2d(both, w_r, b_r) + offset)
        u = sigmoid(conv2d(both, w_u, b_u))
        candidate = f(conv2d(np.concatenate([x, r * h], axis=1), w_c, b_c))
        h = u * h + (1 - u) * candidate if keep else (1 - u) * h + u * candidate
        out.append({"h": h, "reset_gate": r, "update_gate": u})
    return out


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("update", ["keep", "new"])
@pytest.mark.parametrize("offset", [0.0, 1.0])
@pytest.mark.parametrize(("name", "f"), [("tanh", np.tanh), ("relu", relu)])
def test_twin(kernel, update, offset, name, f):
    options = ConvGRU(kernel=kernel, update=update, reset_offset=offset, nonlinearity=name)
    cell, drive, state = random_case(options, frame(2, 3))
    p = numpy_parameters(cell)
    keep = update == "keep"
    theirs = twin(p, drive.numpy(), state["h"].numpy(), 4, offset=offset, keep=keep, f=f)
    check_twin(unrolled(cell, drive, state, 4), theirs)


@pytest.mark.parametrize("options", [NAYEBI, VEERABADRAN])
def test_zero_weights_halve_the_state(options, rng):
    cell = fill(build_cell(options, frame(2, 3)), seed=0, std=0)
    drive, h = normal(rng, 2, 2, 5, 4), normal(rng, 2, 3, 5, 4)
    first, second = unrolled(cell, drive, {"h": h}, 2)
    torch.testing.assert_close(first["h"], h / 2)
    torch.testing.assert_close(second["h"], h / 4)
    assert not unrolled(cell, drive, {"h": 0 * h}, 1)[0]["h"].any()


@pytest.mark.parametrize(("update", "kept"), [("keep", sigmoid(2.0)), ("new", sigmoid(-2.0))])
def test_what_the_update_gate_keeps(update, kept, rng):
    cell = fill(build_cell(ConvGRU(update=update), frame(2, 3)), seed=0, std=0)
    with torch.no_grad():
        cell.of_drive.bias[3:6] = 2  # type: ignore[index, union-attr]
    h = normal(rng, 2, 3, 5, 4)
    [out] = unrolled(cell, normal(rng, 2, 2, 5, 4), {"h": h}, 1)
    torch.testing.assert_close(out["h"], kept * h)


def test_initial_weights():
    cell = build_cell(NAYEBI, frame(4, 3)).double()
    cell.initialise(torch.Generator().manual_seed(7))
    p = numpy_parameters(cell)
    kernels = joint_kernels(p, "gates_of_state", "candidate_of_state")
    for kernel, _ in kernels:
        rows = kernel.reshape(3, -1)
        np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-12)
    # Each gate has kernels of its own.
    assert not np.allclose(kernels[0][0], kernels[1][0])
    np.testing.assert_array_equal(p["of_drive.bias"], [1] * 6 + [0] * 3)
    again = build_cell(NAYEBI, frame(4, 3)).double()
    again.initialise(torch.Generator().manual_seed(7))
    for name, value in numpy_parameters(again).items():
        np.testing.assert_array_equal(value, p[name])


def test_parameters_of_the_published_models():
    assert counted(ConvGRU(kernel=5), frame(6, 8)) == 3 * (14 * 8 * 25 + 8)
    widths = (256, 256, 512)
    assert 4_197_736 + sum(counted(NAYEBI, frame(c, c)) for c in widths) == 25_434_472
    widths = (128, 128, 256, 256, 512, 512, 512)
    assert 16_403_432 + sum(counted(NAYEBI, frame(c, c)) for c in widths) == 67_725_032
    assert counted(ConvGRU(kernel=7), frame(32, 24)) == 197_640
    assert 22_816 + counted(VEERABADRAN, frame(64, 64)) == 637_408
