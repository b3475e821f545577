import numpy as np
import pytest
import torch

from neurorec.models.cell_options import LocRNN
from neurorec.models.cells import build_cell

from .twins import (
    check_twin,
    conv2d,
    counted,
    frame,
    layer_norm,
    numpy_parameters,
    random_case,
    relu,
    sigmoid,
    unrolled,
)


def twin(p, x, old, s, n, *, f=relu, gates=True, norm=True, both=False):
    """Every step, from the equations; each convolution of the drive by itself."""
    n_drives = 4 if gates else 2
    parts = [np.split(p[f"of_drive.{part}"], n_drives) for part in ("weight", "bias")]
    *gate_drives, w_x, y_x = (conv2d(x, w, b) for w, b in zip(*parts, strict=True))

    def conv(name, z):
        return conv2d(z, p[f"{name}.weight"], p[f"{name}.bias"])

    def normed(number, z):
        gain, shift = (p.get(f"norms.{number - 1}.{part}") for part in ("weight", "bias"))
        return layer_norm(z, gain, shift) if norm else z

    out = []
    for _ in range(n):
        pair = np.concatenate([old, s], axis=1)
        new, new_s = f(w_x + conv("onto_l", pair)), f(y_x + conv("onto_s", pair))
        step = {}
        if gates:
            g_l = sigmoid(normed(1, gate_drives[0]) + normed(2, conv("gate_l", old)))
            g_s = sigmoid(normed(3, gate_drives[1]) + normed(4, conv("gate_s", s)))
            new = f(normed(5, g_l * new + (1 - g_l) * old))
            new_s = f(normed(6, g_s * new_s + (1 - g_s) * s))
            step = {"gate_h": g_l, "gate_s": g_s}
        old, s = new, new_s
        step |= {"long_range" if both else "h": old, "s": s}
        if both:
            step["h"] = conv("merge", np.concatenate([old, s], axis=1))
        out.append(step)
    return out


@pytest.mark.parametrize("gates", [True, False])
@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("output", ["long_range", "both"])
@pytest.mark.parametrize(("kernel", "interneuron_kernel"), [(5, 3), (2, 4)])
def test_twin(gates, norm, output, kernel, interneuron_kernel):
    options = LocRNN(
        kernel=kernel,
        interneuron_kernel=interneuron_kernel,
        gates=gates,
        norm=norm,
        output=output,
    )
    cell, drive, state = random_case(options, frame(2, 3))
    both = output == "both"
    arrays = [x.numpy() for x in (drive, state["long_range" if both else "h"], state["s"])]
    p = numpy_parameters(cell)
    theirs = twin(p, *arrays, 3, gates=gates, norm=norm, both=both)
    check_twin(unrolled(cell, drive, state, 3), theirs)


def test_nonlinearity():
    cell, drive, state = random_case(LocRNN(nonlinearity="tanh"), frame(2, 3))
    arrays = [x.numpy() for x in (drive, state["h"], state["s"])]
    theirs = twin(numpy_parameters(cell), *arrays, 3, f=np.tanh)
    check_twin(unrolled(cell, drive, state, 3), theirs)


def test_output_of_both_is_not_read_again():
    cell, drive, state = random_case(LocRNN(output="both"), frame(2, 3))
    assert cell.states == ("h", "long_range", "s")
    other = {**state, "h": state["h"] + 1}
    [first], [second] = (unrolled(cell, drive, s, 1) for s in (state, other))
    assert torch.equal(first["h"], second["h"])


@pytest.mark.parametrize(("options", "n_drives"), [(LocRNN(), 4), (LocRNN(gates=False), 2)])
def test_initial_weights(options, n_drives):
    cell = build_cell(options, frame(4, 3)).double()
    cell.initialise(torch.Generator().manual_seed(7))
    p = numpy_parameters(cell)
    kernels = [*np.split(p.pop("of_drive.weight"), n_drives)]
    kernels += [value for value in p.values() if value.ndim == 4]
    for kernel in kernels:
        rows = kernel.reshape(3, -1)
        np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-12)
    for name, value in p.items():
        if value.ndim == 1:
            assert np.all(value == (name.startswith("norms") and name.endswith("weight")))


def test_every_parameter_counts():
    cell, drive, state = random_case(LocRNN(), frame(2, 3))
    unrolled(cell, drive, state, 3)[-1]["h"].square().sum().backward()
    for name, parameter in cell.named_parameters():
        assert parameter.grad.any(), name


def test_parameters_of_the_published_models():
    sizes = frame(32, 32)
    assert counted(LocRNN(kernel=9, interneuron_kernel=5), sizes) == 223_872
    assert counted(LocRNN(kernel=7, interneuron_kernel=5), sizes) == 158_336
    assert counted(LocRNN(kernel=7, interneuron_kernel=5), frame(32, 24)) == 89_952
    # Trunk, two projections of the drive to the initial states, and the cell.
    mazes = counted(LocRNN(kernel=5, interneuron_kernel=3), frame(64, 64))
    assert 22_816 + 2 * (64 * 64 + 64) + mazes == 335_520
