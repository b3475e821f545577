import numpy as np
import pytest
import torch

from neurorec.models.cell_options import ConvLSTM
from neurorec.models.cells import build_cell
from neurorec.models.parts import Norm

from .twins import (
    batch_norm,
    check_twin,
    conv2d,
    counted,
    fill,
    frame,
    joint_kernels,
    layer_norm,
    normal,
    numpy_parameters,
    random_case,
    sigmoid,
    unrolled,
)

GROUP = Norm(kind="group")


def gate_norm(p, kind, index, step):
    """The norm of gate ``index``, which the cell may keep together with the others'."""
    if kind == "layer":
        name = f"gate_norms.{index}.norms.{step}"
        return lambda x: layer_norm(x, p[f"{name}.weight"], p[f"{name}.bias"])
    name = f"gate_norms.0.norms.{step}"
    own = {
        f"own.{key.removeprefix(f'{name}.')}": np.split(value, 4)[index]
        for key, value in p.items()
        if key.startswith(f"{name}.") and value.ndim
    }
    if kind == "batch":
        return lambda x: batch_norm(x, own, "own")
    return lambda x: layer_norm(x, own["own.weight"], own["own.bias"])


def memory_norm(p, kind, step):
    name = f"memory_norm.norms.{step}"
    if kind == "batch":
        return lambda x: batch_norm(x, p, name)
    return lambda x: layer_norm(x, p[f"{name}.weight"], p[f"{name}.bias"])


def twin(p, x, state, n, options):
    """Every step, from the equations on [x; h]."""
    h, c, out = state["h"].numpy(), state["c"].numpy(), []
    kernels = joint_kernels(p, "of_state")
    kind = options.norm and options.norm.kind
    w_i, w_f, w_o = p["peepholes"] if options.peepholes else (0, 0, 0)
    for step in range(n):
        at = step if options.norm and options.norm.per_step else 0
        both = np.concatenate([x, h], axis=1)
        i, j, f, o = (conv2d(both, w, b) for w, b in kernels)
        if kind:
            i, j, f, o = (gate_norm(p, kind, k, at)(v) for k, v in enumerate((i, j, f, o)))
        i, o = sigmoid(i + w_i * c), sigmoid(o + w_o * c)
        f = sigmoid(f + options.forget_offset + w_f * c)
        c = f * c + i * np.tanh(j)
        if kind:
            c = memory_norm(p, kind, at)(c)
        h = o * np.tanh(c)
        out.append({"h": h, "c": c, "input_gate": i, "forget_gate": f, "output_gate": o})
    return out


@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("peepholes", [False, True])
@pytest.mark.parametrize(
    "norm", [None, GROUP, Norm(kind="layer"), Norm(kind="batch"), Norm(kind="group", per_step=True)]
)
def test_twin(kernel, peepholes, norm):
    options = ConvLSTM(kernel=kernel, peepholes=peepholes, norm=norm, forget_offset=1.3562)
    cell, drive, state = random_case(options, frame(3, 2))
    theirs = twin(numpy_parameters(cell), drive.numpy(), state, 4, options)
    check_twin(unrolled(cell, drive, state, 4), theirs)


def test_zero_weights_forget_by_the_offset(rng):
    cell = fill(build_cell(ConvLSTM(forget_offset=2.0), frame(2, 3)), seed=0, std=0)
    drive, h, c = normal(rng, 1, 2, 5, 4), normal(rng, 1, 3, 5, 4), normal(rng, 1, 3, 5, 4)
    for step, out in enumerate(unrolled(cell, drive, {"h": h, "c": c}, 3), start=1):
        expected = sigmoid(2.0) ** step * c
        torch.testing.assert_close(out["c"], expected)
        torch.testing.assert_close(out["h"], torch.tanh(expected) / 2)


def test_every_peephole_sees_the_old_memory():
    options = ConvLSTM(peepholes=True, forget_offset=0.0)
    cell = fill(build_cell(options, frame(1, 1)), seed=0, std=0)
    with torch.no_grad():
        for weight, value in zip(cell.peepholes, (0.0, 5.0, 7.0), strict=True):  # type: ignore[arg-type]
            weight.fill_(value)
    one = torch.ones(1, 1, 5, 4, dtype=torch.float64)
    [out] = unrolled(cell, 0 * one, {"h": 0 * one, "c": one}, 1)
    torch.testing.assert_close(out["input_gate"], one / 2)
    torch.testing.assert_close(out["forget_gate"], sigmoid(5.0) * one)
    torch.testing.assert_close(out["output_gate"], sigmoid(7.0) * one)


def test_norms_of_single_timesteps_limit_the_run():
    per_step = ConvLSTM(norm=Norm(kind="group", per_step=True))
    assert build_cell(per_step, frame(2, 2, timesteps=3)).max_timesteps == 3
    assert build_cell(ConvLSTM(norm=GROUP), frame(2, 2)).max_timesteps is None


def test_initial_weights():
    options = ConvLSTM(peepholes=True, initial_bias=-1.166, norm=GROUP)
    cell = fill(build_cell(options, frame(4, 3)), seed=0)
    cell.initialise(torch.Generator().manual_seed(7))
    p = numpy_parameters(cell)
    for kernel, bias in joint_kernels(p, "of_state"):
        rows = kernel.reshape(3, -1)
        np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(bias, -1.166)
    assert not p["peepholes"].any()


def test_parameters_of_the_published_models():
    options = ConvLSTM(peepholes=True, norm=GROUP)
    per_gate = 9 * (6 + 4) * 4 + 4
    assert counted(options, frame(6, 4)) == 4 * per_gate + 5 * 2 * 4 + 3 * 4 * 5 * 4
    # The cells of the shallow model are narrower than its convolutions, and so are conv4's and
    # the readout's inputs.
    cells = (
        counted(ConvLSTM(kernel=2, norm=GROUP), frame(256, 128, height=28, width=28))
        + counted(ConvLSTM(norm=GROUP, peepholes=True), frame(256, 256, height=14, width=14))
        + counted(ConvLSTM(kernel=4, norm=GROUP), frame(512, 256, height=7, width=7))
    )
    trunk = 4_197_736 - 9 * 128 * 256 - 4 * 256 * 1000
    assert trunk + cells == 21_126_248
    widths = (128, 128, 256, 256, 512, 512, 512)
    assert 16_403_432 + sum(counted(ConvLSTM(), frame(c, c)) for c in widths) == 84_832_232
