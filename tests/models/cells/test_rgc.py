import numpy as np
import pytest
import torch

from neurorec.models.cell_options import RGC
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
    sigmoid,
    unrolled,
)


def kernels(p, state):
    """Kernel and bias of the gates of h and of c that read ``state``."""
    weights, biases = (
        [x for name, x in p.items() if name.startswith(f"from_{state}.") and name.endswith(part)]
        for part in ("weight", "bias")
    )
    if len(weights) == 1:
        weights, biases = np.split(weights[0], 2), np.split(biases[0], 2)
    return list(zip(weights, biases, strict=True))


def twin(p, x, h, c, n, f):
    (hh, hc), (ch, cc) = kernels(p, "h"), kernels(p, "c")
    out = []
    for _ in range(n):
        new_h = f((1 - sigmoid(conv2d(c, *ch))) * x + (1 - sigmoid(conv2d(h, *hh))) * h)
        new_c = f((1 - sigmoid(conv2d(h, *hc))) * x + (1 - sigmoid(conv2d(c, *cc))) * c)
        h, c = new_h, new_c
        out.append({"h": h, "c": c})
    return out


@pytest.mark.parametrize(("kernel", "memory_kernel"), [(3, 1), (2, 1), (3, 3), (1, 1), (2, 2)])
@pytest.mark.parametrize(("name", "f"), [("relu", relu), ("tanh", np.tanh)])
def test_twin(kernel, memory_kernel, name, f):
    options = RGC(kernel=kernel, memory_kernel=memory_kernel, nonlinearity=name)
    cell, drive, state = random_case(options, frame(3, 3))
    arrays = [x.numpy() for x in (drive, state["h"], state["c"])]
    check_twin(unrolled(cell, drive, state, 4), twin(numpy_parameters(cell), *arrays, 4, f))


def test_zero_weights_halve_drive_and_state(rng):
    cell = fill(build_cell(RGC(), frame(3, 3)), seed=0, std=0)
    x, h, c = (normal(rng, 2, 3, 5, 4) for _ in range(3))
    [new] = unrolled(cell, x, {"h": h, "c": c}, 1)
    torch.testing.assert_close(new["h"], torch.relu(0.5 * x + 0.5 * h))
    torch.testing.assert_close(new["c"], torch.relu(0.5 * x + 0.5 * c))


def test_which_state_closes_which_gate(rng):
    cell = fill(build_cell(RGC(nonlinearity="identity"), frame(3, 3)), seed=0, std=0)
    x, h, c = (normal(rng, 2, 3, 5, 4) for _ in range(3))
    with torch.no_grad():
        cell.from_c.convolutions[0].bias.fill_(-50)  # W_ch: the drive of h
        cell.from_h.convolutions[1].bias.fill_(50)  # W_hc: the drive of c
    [new] = unrolled(cell, x, {"h": h, "c": c}, 1)
    torch.testing.assert_close(new["h"], x + 0.5 * h)
    torch.testing.assert_close(new["c"], 0.5 * c)


def test_drive_of_other_width():
    with pytest.raises(ValueError, match="got 2 in the drive and 3 in the state"):
        build_cell(RGC(), frame(2, 3))


@pytest.mark.parametrize(("kernel", "memory_kernel"), [(3, 1), (3, 3), (1, 1)])
def test_initial_weights(kernel, memory_kernel):
    cell = build_cell(RGC(kernel=kernel, memory_kernel=memory_kernel), frame(3, 3)).double()
    cell.initialise(torch.Generator().manual_seed(7))
    p = numpy_parameters(cell)
    for state in ("h", "c"):
        for weight, bias in kernels(p, state):
            rows = weight.reshape(3, -1)
            np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-12)
            assert not bias.any()


def test_parameters_of_the_published_model():
    assert counted(RGC(kernel=7), frame(32, 32)) == 102_528
    assert counted(RGC(kernel=3, memory_kernel=3), frame(8, 8)) == 4 * (8 * 8 * 9 + 8)
