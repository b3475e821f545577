"""What the NumPy twins of the cells share, and how cells are run beside them.

The arithmetic here is written with explicit sums and calls nothing of the package.
"""

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neurorec.models.cells import AbstractCell, Frame, build_cell

Array = NDArray[np.float64]
Module = TypeVar("Module", bound=nn.Module)


def _padding(size: int, kernel: int, stride: int, padding: str) -> tuple[int, int]:
    """Zeros before and after; an odd number has one more after."""
    total = kernel - 1
    if padding == "tf_same":
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int = 1,
    *,
    padding: str = "same",
    groups: int = 1,
) -> Array:
    """Convolution (batch, channel, height, width) by explicit sums over taps.

    ``same`` pads the kernel less one whatever the stride; ``tf_same`` keeps ceil(size / stride).
    """
    n, c_in, height, width = x.shape
    c_out, fan_in, k_y, k_x = weight.shape
    assert c_in == fan_in * groups
    pads = (_padding(height, k_y, stride, padding), _padding(width, k_x, stride, padding))
    padded = np.pad(x, ((0, 0), (0, 0), *pads))
    rows = (padded.shape[2] - k_y) // stride + 1
    columns = (padded.shape[3] - k_x) // stride + 1
    out = np.zeros((n, c_out, rows, columns))
    for o in range(c_out):
        first = o // (c_out // groups) * fan_in
        for i in range(fan_in):
            for dy in range(k_y):
                for dx in range(k_x):
                    shifted = padded[:, first + i, dy::stride, dx::stride][:, :rows, :columns]
                    out[:, o] += weight[o, i, dy, dx] * shifted
    return out if bias is None else out + bias[:, None, None]


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def elu(x: Array) -> Array:
    return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def layer_norm(x: Array, gain: Array, shift: Array, eps: float = 1e-5) -> Array:
    """Over channels and space, with a gain and a shift per channel (or per unit)."""
    axes = (1, 2, 3)
    normed = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)
    if gain.ndim == 1:
        gain, shift = gain[:, None, None], shift[:, None, None]
    return gain * normed + shift


def batch_norm(x: Array, p: dict[str, Array], name: str, eps: float = 1e-5) -> Array:
    """With the stored statistics ``name.running_mean`` and so on of ``p``."""
    column = {
        key: p[f"{name}.{key}"][:, None, None]
        for key in ("weight", "bias", "running_mean", "running_var")
    }
    normed = (x - column["running_mean"]) / np.sqrt(column["running_var"] + eps)
    return column["weight"] * normed + column["bias"]


def fill(module: Module, seed: int, std: float = 0.3) -> Module:
    """The module in float64 and eval mode, parameters and buffers replaced by normal values.

    Running variances become positive; integer buffers stay.
    """
    rng = np.random.default_rng(seed)
    module.double().eval()
    with torch.no_grad():
        for name, tensor in sorted(module.state_dict().items()):
            if tensor.is_floating_point():
                values = std * rng.normal(size=tuple(tensor.shape))
                if name.endswith("running_var"):
                    values = 0.5 + np.abs(values)
                tensor.copy_(torch.as_tensor(values))
    return module


def numpy_parameters(module: nn.Module) -> dict[str, Array]:
    """Every parameter and buffer as a float64 array, by its name."""
    return {
        name: tensor.numpy(force=True).astype(np.float64)
        for name, tensor in module.state_dict().items()
    }


def normal(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    """A float64 tensor of standard normal values."""
    return torch.as_tensor(rng.normal(size=shape))


def joint_kernels(p: dict[str, Array], *of_state: str) -> list[tuple[Array, Array]]:
    """Kernel over [drive; state] and bias of each gate, from the halves that a cell keeps."""
    halves = np.concatenate([p[f"{name}.weight"] for name in of_state])
    channels = halves.shape[1]
    joint = np.concatenate([p["of_drive.weight"], halves], axis=1)
    n_gates = len(joint) // channels
    return list(zip(np.split(joint, n_gates), np.split(p["of_drive.bias"], n_gates), strict=True))


def frame(drive_channels: int, channels: int, **changes: int) -> Frame:
    """Maps of 5 × 4 pixels and 4 timesteps, unless changed."""
    sizes = {"height": 5, "width": 4, "timesteps": 4, **changes}
    return Frame(drive_channels=drive_channels, channels=channels, **sizes)


def random_case(options: Any, sizes: Frame, seed: int = 1) -> tuple[Any, torch.Tensor, dict]:
    """A cell with random weights, a random drive for it and random states."""
    rng = np.random.default_rng(seed + 1000)
    cell = fill(build_cell(options, sizes), seed)
    size = [options.stride * n for n in (sizes.height, sizes.width)]
    drive = normal(rng, 2, sizes.drive_channels, *size)
    channels = cell.state_channels
    state = {s: normal(rng, 2, channels[s], sizes.height, sizes.width) for s in channels}
    return cell, drive, state


def counted(options: Any, sizes: Frame) -> int:
    """Number of parameters of a cell, which takes no memory."""
    with torch.device("meta"):
        return sum(p.numel() for p in build_cell(options, sizes).parameters())


def unrolled(
    cell: AbstractCell,
    drive: torch.Tensor,
    state: dict[str, torch.Tensor],
    n: int,
    modulation: torch.Tensor | None = None,
) -> list[dict[str, torch.Tensor]]:
    """What ``cell`` returns at each of ``n`` steps.

    The drive is prepared once; preparing it again changes nothing, and no state is written to.
    """
    outputs = []
    once = cell.prepare(drive, modulation)
    for step in range(n):
        before = {name: value.clone() for name, value in state.items()}
        new = cell(once, state, step)
        again = cell(cell.prepare(drive, modulation), state, step)
        assert new.keys() == again.keys() == {*cell.states, *cell.extras}
        for name, value in new.items():
            assert torch.equal(value, again[name]), name
        for name, value in before.items():
            assert torch.equal(value, state[name]), name
        outputs.append(new)
        state = {name: new[name] for name in cell.states}
    return outputs


def check_twin(ours: list[dict[str, torch.Tensor]], theirs: list[dict[str, Array]]) -> None:
    """Every tensor of every step, to rounding of float64."""
    assert len(ours) == len(theirs)
    for mine, twin in zip(ours, theirs, strict=True):
        assert mine.keys() >= twin.keys()
        for name, value in twin.items():
            np.testing.assert_allclose(
                mine[name].numpy(force=True), value, rtol=1e-10, atol=1e-12, err_msg=name
            )
