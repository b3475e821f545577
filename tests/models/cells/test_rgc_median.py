import numpy as np
import pytest
import torch

from neurorec.models.cell_options import RGCMedian
from neurorec.models.cells import build_cell

from .twins import (
    check_twin,
    conv2d,
    counted,
    elu,
    frame,
    normal,
    numpy_parameters,
    random_case,
    sigmoid,
    unrolled,
)


def twin(p, x, m, h, c, n):
    def gate(name, z):
        spread = conv2d(z, p[f"{name}.depthwise.weight"], groups=z.shape[1])
        return conv2d(spread, p[f"{name}.pointwise.weight"], p[f"{name}.pointwise.bias"])

    def tau(name, z):
        return 0.9219348064291611 * (1 - sigmoid(gate(name, z)))

    def gamma(name, z):
        return 0.7006566684988862 * (1 - np.tanh(gate(name, z)))

    into_c = conv2d(elu(x), p["into_c.weight"], p["into_c.bias"])
    into_h = conv2d(elu(x), p["into_h.weight"], p["into_h.bias"]) + m
    out = []
    for _ in range(n):
        new_c = elu(tau("tau_c", c) * c + gamma("gamma_h", h) * into_c)
        new_h = elu(tau("tau_h", h) * h + gamma("gamma_c", c) * into_h)
        h, c = new_h, new_c
        out.append({"h": h, "c": c})
    return out


@pytest.mark.parametrize("modulated", [False, True])
@pytest.mark.parametrize("kernels", [{}, {"kernel": 2, "gate_kernel": 3, "memory_kernel": 1}])
def test_twin(modulated, kernels, rng):
    # The map of 5 x 4 clips the gates' kernels of 7 to 4.
    cell, drive, state = random_case(RGCMedian(memory_channels=2, **kernels), frame(4, 3))
    assert cell.state_channels == {"h": 3, "c": 2}
    m = normal(rng, 2, 3, 5, 4) if modulated else torch.zeros(())
    arrays = [x.numpy() for x in (drive, m, state["h"], state["c"])]
    theirs = twin(numpy_parameters(cell), *arrays, 3)
    check_twin(unrolled(cell, drive, state, 3, m if modulated else None), theirs)


def test_gates_see_no_more_than_the_map():
    cell = build_cell(RGCMedian(), frame(3, 3, height=6, width=9))
    for gate in (cell.tau_c, cell.tau_h, cell.gamma_c, cell.gamma_h):
        assert gate.depthwise.kernel_size == (6, 6)
    cell = build_cell(RGCMedian(), frame(3, 3, height=8, width=9))
    assert cell.tau_c.depthwise.kernel_size == (7, 7)


def test_modulation_of_other_width():
    with pytest.raises(ValueError, match=r"'rgc_median' .* of 3 channels, got 4"):
        build_cell(RGCMedian(), frame(4, 3, modulation_channels=4))


def test_initial_weights():
    cell = build_cell(RGCMedian(memory_channels=64), frame(64, 64))
    cell.initialise(torch.Generator().manual_seed(7))
    p = numpy_parameters(cell)
    for name, value in p.items():
        if name.endswith("bias"):
            assert not value.any()
        else:
            variance = 0.6393378 / value[0].size
            # Of 3136 values at least, the smallest kernels; the fourth moment is below 3.
            np.testing.assert_allclose(value.var(), variance, rtol=5 * np.sqrt(2 / value.size))
            assert np.abs(value).max() < 2.3 * np.sqrt(variance)


def test_parameters():
    options = RGCMedian(memory_channels=2, kernel=1, gate_kernel=3, memory_kernel=4)
    drives = (16 * 5 * 2 + 2) + (5 * 3 + 3)
    gates = 2 * (9 * 2 + 9 * 3) + (2 * 2 + 2) + (3 * 3 + 3) + (2 * 3 + 3) + (3 * 2 + 2)
    assert counted(options, frame(5, 3)) == drives + gates


def test_parameters_of_the_published_model():
    def conv(kernel, source, target, bias=True):
        return kernel**2 * source * target + bias * target

    widths = dict(zip(range(3, 11), (128, 128, 128, 256, 256, 256, 512, 512), strict=True))
    feedback = {5: [8], 6: [7, 9], 7: [10], 9: [10]}
    total = conv(7, 3, 64) + conv(3, 64, 128) + conv(3, 128, 128) + conv(1, 512, 1000)
    maps = {4: 56, 5: 28, 6: 28, 7: 14, 8: 7, 9: 7, 10: 7}
    for number, size in maps.items():
        source, n = widths[number - 1], widths[number]
        total += conv(3, source, n)
        total += counted(RGCMedian(), frame(n, n, height=size, width=size))
        total += 0 if source == n else conv(1, source, n, bias=False)
        if number in feedback:
            total += conv(1, sum(widths[f] for f in feedback[number]), n)
    assert total == 15_445_800
