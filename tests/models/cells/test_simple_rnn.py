import numpy as np
import pytest
import torch

from neurorec.models.cell_options import SimpleRNN
from neurorec.models.cells import build_cell
from neurorec.models.parts import Norm

from .twins import (
    check_twin,
    conv2d,
    counted,
    elu,
    frame,
    layer_norm,
    numpy_parameters,
    random_case,
    relu,
    unrolled,
)


def twin(p, x, h, n, *, norm, f):
    """Every step, from the equation."""
    out = []
    for _ in range(n):
        total = conv2d(x, p["of_drive.weight"], p["of_drive.bias"])
        total = total + conv2d(h, p["of_state.weight"], p["of_state.bias"])
        if norm:
            total = layer_norm(total, p["norm.norms.0.weight"], p["norm.norms.0.bias"])
        h = f(total)
        out.append({"h": h})
    return out


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("norm", [None, "group", "layer"])
@pytest.mark.parametrize(("name", "f"), [("elu", elu), ("relu", relu), ("tanh", np.tanh)])
def test_twin(kernel, norm, name, f):
    options = SimpleRNN.model_validate({"kernel": kernel, "norm": norm, "nonlinearity": name})
    cell, drive, state = random_case(options, frame(3, 2))
    p = numpy_parameters(cell)
    theirs = twin(p, drive.numpy(), state["h"].numpy(), 4, norm=norm is not None, f=f)
    check_twin(unrolled(cell, drive, state, 4), theirs)


def test_both_biases_arrive():
    cell = build_cell(SimpleRNN(), frame(1, 1)).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.of_drive.bias.fill_(2)  # type: ignore[union-attr]
        cell.of_state.bias.fill_(3)  # type: ignore[union-attr]
    zeros = torch.zeros(1, 1, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(unrolled(cell, zeros, {"h": zeros}, 1)[0]["h"], zeros + 5)


def test_norms_of_single_timesteps_limit_the_run():
    per_step = SimpleRNN(norm=Norm(kind="group", per_step=True))
    assert build_cell(per_step, frame(2, 2, timesteps=3)).max_timesteps == 3
    assert build_cell(SimpleRNN(norm=Norm(kind="group")), frame(2, 2)).max_timesteps is None


def test_each_timestep_has_its_own_norm():
    options = SimpleRNN(norm=Norm(kind="group", per_step=True))
    cell, drive, state = random_case(options, frame(2, 2))
    p = numpy_parameters(cell)
    first, second = unrolled(cell, drive, state, 2)
    names = ("weight", "bias")
    at_second = p | {f"norm.norms.0.{name}": p[f"norm.norms.1.{name}"] for name in names}
    f = {"norm": True, "f": elu}
    check_twin([first], twin(p, drive.numpy(), state["h"].numpy(), 1, **f))
    check_twin([second], twin(at_second, drive.numpy(), first["h"].detach().numpy(), 1, **f))


def test_parameters_of_the_published_models():
    normed, plain = SimpleRNN(norm=Norm(kind="group")), SimpleRNN()
    assert counted(normed, frame(6, 4)) == 9 * 6 * 4 + 4 + 9 * 4 * 4 + 4 + 2 * 4
    # The cells of the shallow model are narrower than its convolutions, and so are conv4's and
    # the readout's inputs.
    cells = sum(counted(normed, frame(*widths)) for widths in ((256, 128), (256, 256), (512, 256)))
    trunk = 4_197_736 - 9 * 128 * 256 - 4 * 256 * 1000
    assert trunk + cells == 6_272_872
    widths = (128, 128, 256, 256, 512, 512, 512)
    assert 16_403_432 + sum(counted(plain, frame(c, c)) for c in widths) == 33_512_936
