import numpy as np
import pytest
import torch

from neurorec.models.cell_options import CORnetS
from neurorec.models.cells import build_cell

from .twins import (
    batch_norm,
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


def twin(p, drive, n, stride):
    x, out = drive, []
    for step in range(n):
        s = stride if step == 0 else 1
        skip = x
        if step == 0:
            skip = conv2d(x, p["skip.weight"])[:, :, ::s, ::s]
            skip = batch_norm(skip, p, "norm_skip")
        z = relu(batch_norm(conv2d(x, p["conv1.weight"]), p, f"norm1.norms.{step}"))
        z = conv2d(z, p["conv2.weight"], stride=s)
        z = relu(batch_norm(z, p, f"norm2.norms.{step}"))
        z = batch_norm(conv2d(z, p["conv3.weight"]), p, f"norm3.norms.{step}")
        x = relu(z + skip)
        out.append({"h": x})
    return out


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("scale", [1, 4])
def test_twin(stride, scale):
    cell, drive, state = random_case(CORnetS(stride=stride, scale=scale), frame(3, 3))
    theirs = twin(numpy_parameters(cell), drive.numpy(), 4, stride)
    check_twin(unrolled(cell, drive, state, 4), theirs)


def test_a_map_of_odd_size(rng):
    cell, _, state = random_case(CORnetS(), frame(3, 3, height=3, width=4))
    drive = normal(rng, 2, 3, 5, 7)
    outputs = unrolled(cell, drive, state, 4)
    assert outputs[0]["h"].shape == (2, 3, 3, 4)
    check_twin(outputs, twin(numpy_parameters(cell), drive.numpy(), 4, 2))


def test_zero_weights_keep_the_first_skip(rng):
    cell = fill(build_cell(CORnetS(), frame(2, 2)), seed=0, std=0)
    with torch.no_grad():
        cell.skip.weight[:, :, 0, 0] = torch.eye(2)  # type: ignore[index, union-attr]
        cell.norm_skip.weight.fill_(1)  # type: ignore[union-attr]
        cell.norm_skip.running_var.fill_(1 - 1e-5)  # type: ignore[union-attr]
    drive = normal(rng, 1, 2, 10, 8)
    for out in unrolled(cell, drive, {"h": normal(rng, 1, 2, 5, 4)}, 4):
        torch.testing.assert_close(out["h"], drive[:, :, ::2, ::2].clamp(min=0))


def test_only_the_first_iteration_reads_the_drive(rng):
    cell, drive, state = random_case(CORnetS(), frame(3, 3))
    first, other = cell.prepare(drive), cell.prepare(drive + 1)
    assert not torch.equal(cell(first, state, 0)["h"], cell(other, state, 0)["h"])
    assert torch.equal(cell(first, state, 1)["h"], cell(other, state, 1)["h"])


def test_training_counts_each_iteration_in_its_own_norms():
    cell, drive, state = random_case(CORnetS(), frame(3, 3))
    cell.train()
    prepared = cell.prepare(drive)
    for step in range(3):
        state = cell(prepared, state, step)
    counts = [int(norm.num_batches_tracked) for norm in (*cell.norm3.norms, cell.norm_skip)]
    assert counts == [1, 1, 1, 0, 1]


def test_widths_that_differ():
    with pytest.raises(ValueError, match="same number of channels, got 4 in the drive and 3 in"):
        build_cell(CORnetS(), frame(4, 3))


def test_there_are_norms_for_so_many_iterations():
    assert build_cell(CORnetS(), frame(2, 2, timesteps=2)).max_timesteps == 2


def test_initial_weights():
    cell = build_cell(CORnetS(), frame(8, 8))
    cell.initialise(torch.Generator().manual_seed(7))
    p = numpy_parameters(cell)
    for name, fan_out in (("skip", 8), ("conv1", 32), ("conv2", 9 * 32), ("conv3", 8)):
        weight, std = p[f"{name}.weight"], np.sqrt(2 / fan_out)
        np.testing.assert_allclose(weight.std(), std, atol=5 * std / np.sqrt(2 * weight.size))


def test_parameters_of_the_published_model():
    cells = {c: counted(CORnetS(), frame(c, c, timesteps=k)) for c, k in KS.items()}
    for c, k in KS.items():
        kernels = c * c + 4 * c * c + 9 * 16 * c * c + 4 * c * c
        assert cells[c] == kernels + 2 * c + k * 2 * (4 * c + 4 * c + c)
    v1 = 49 * 3 * 64 + 2 * 64 + 9 * 64 * 64 + 2 * 64
    inputs = 64 * 128 + 128 * 256 + 256 * 512
    assert v1 + inputs + sum(cells.values()) + 512 * 1000 + 1000 == 53_416_616


#: Channels and iterations of V2, V4 and IT.
KS = {128: 2, 256: 4, 512: 2}
