import numpy as np
import pytest
import torch

from neurorec.models.cell_options import RGCShallow
from neurorec.models.cells import build_cell

from .twins import (
    check_twin,
    conv2d,
    counted,
    elu,
    fill,
    frame,
    normal,
    numpy_parameters,
    random_case,
    sigmoid,
    unrolled,
)


def kernels(p, name, n=2):
    biases = np.split(p[f"{name}.bias"], n) if f"{name}.bias" in p else [None] * n
    return zip(np.split(p[f"{name}.weight"], n), biases, strict=True)


def twin(p, x, m, h, c, n):
    t_c, g_h = kernels(p, "from_c")
    t_h, g_c = kernels(p, "from_h")
    [i_c] = kernels(p, "into_c", 1)
    out = []
    for _ in range(n):
        new_c = elu(
            (1 - sigmoid(conv2d(c, *t_c))) * c + (1 - sigmoid(conv2d(h, *g_c))) * conv2d(x, *i_c),
        )
        new_h = elu((1 - sigmoid(conv2d(h, *t_h))) * h + (1 - sigmoid(conv2d(c, *g_h) + m)) * x)
        h, c = new_h, new_c
        out.append({"h": h, "c": c})
    return out


@pytest.mark.parametrize("kernel", [3, 2])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("modulated", [False, True])
def test_twin(kernel, bias, modulated, rng):
    cell, drive, state = random_case(RGCShallow(kernel=kernel, bias=bias), frame(3, 3))
    m = normal(rng, 2, 3, 5, 4) if modulated else torch.zeros(())
    arrays = [x.numpy() for x in (drive, m, state["h"], state["c"])]
    theirs = twin(numpy_parameters(cell), *arrays, 3)
    ours = unrolled(cell, drive, state, 3, m if modulated else None)
    check_twin(ours, theirs)


def test_modulation_closes_the_drive_of_h_alone(rng):
    cell = fill(build_cell(RGCShallow(), frame(3, 3)), seed=0, std=0)
    x, h, c = (normal(rng, 2, 3, 5, 4) for _ in range(3))
    new = cell(cell.prepare(x, torch.full_like(x, 50)), {"h": h, "c": c}, 0)
    torch.testing.assert_close(new["h"], torch.nn.functional.elu(0.5 * h))
    new = cell(cell.prepare(x, torch.full_like(x, -50)), {"h": h, "c": c}, 0)
    torch.testing.assert_close(new["h"], torch.nn.functional.elu(0.5 * h + x))
    torch.testing.assert_close(new["c"], torch.nn.functional.elu(0.5 * c))


def test_channels_that_differ():
    with pytest.raises(ValueError, match=r"'rgc_shallow' .* got 2 in the drive and 3 in the state"):
        build_cell(RGCShallow(), frame(2, 3))
    with pytest.raises(ValueError, match="to a map of 3 channels, got 2"):
        build_cell(RGCShallow(), frame(3, 3, modulation_channels=2))


@pytest.mark.parametrize("kernel", [1, 3])
def test_initial_weights(kernel):
    cell = build_cell(RGCShallow(kernel=kernel), frame(3, 3)).double()
    cell.initialise(torch.Generator().manual_seed(7))
    p = numpy_parameters(cell)
    for name, n in (("from_c", 2), ("from_h", 2), ("into_c", 1)):
        for weight, _ in kernels(p, name, n):
            rows = weight.reshape(3, -1)
            np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-12)


def test_parameters_of_the_published_model():
    # Input, and state, of each area with a cell; R is a 3 x 3 convolution of the input.
    areas = ((128, 256), (256, 256), (256, 512))
    cells = sum(counted(RGCShallow(), frame(n, n)) + 9 * source * n for source, n in areas)
    assert 4_197_736 + cells == 23_956_840
    assert counted(RGCShallow(kernel=2, bias=True), frame(8, 8)) == 5 * (8 * 8 * 4 + 8)
