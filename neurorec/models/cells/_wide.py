"""Convolutions of one map with kernels that may be wide."""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from neurorec.models.operators import pad_same

#: Kernels from this size on are multiplied in the frequency domain on CPU. Measured with 25
#: channels and maps of 40 x 40: at 15 x 15 an unroll is 4 times as fast, at 11 x 11 it depends on
#: the number of trials.
WIDE: Final = 13


def prepared_kernel(kernel: Tensor, x: Tensor) -> Tensor:
    """What :func:`convolved` takes for maps like ``x``: the kernel, or a wide one's spectrum."""
    exact = x.dtype in (torch.float32, torch.float64)
    if kernel.shape[-1] < WIDE or x.device.type != "cpu" or not exact:
        return kernel
    size, before = kernel.shape[-1], (kernel.shape[-1] - 1) // 2
    lengths = _lengths(x, size)
    # A kernel that is longer loses taps that reach beyond the map from everywhere.
    spread = F.pad(kernel, (0, lengths[1] - size, 0, lengths[0] - size))
    spectrum = torch.fft.rfft2(spread.roll((-before, -before), (2, 3)))
    # Frequencies first: each has a product of matrices of its own.
    return spectrum.conj().permute(2, 3, 1, 0).resolve_conj().contiguous()


def convolved(x: Tensor, kernel: Tensor, size: int) -> Tensor:
    """``x``, zero around, convolved with what :func:`prepared_kernel` made of a kernel.

    Parameters
    ----------
    x
        Map (trial, channel, height, width).
    kernel
        Kernel (target, source, size, size) or its spectrum.
    size
        Of the kernel.
    """
    if kernel.is_complex():
        return _multiplied(x, kernel, size)
    if size % 2:
        return F.conv2d(x, kernel, padding=size // 2)
    return F.conv2d(pad_same(x, size, 1), kernel)


def _multiplied(x: Tensor, spectrum: Tensor, size: int) -> Tensor:
    height, width = x.shape[2:]
    lengths = _lengths(x, size)
    waves = torch.fft.rfft2(x, s=lengths).permute(2, 3, 0, 1).contiguous()
    y = torch.fft.irfft2(torch.matmul(waves, spectrum).permute(2, 3, 0, 1), s=lengths)
    return y[:, :, :height, :width].contiguous()


def _lengths(x: Tensor, size: int) -> list[int]:
    """Height and width at which what wraps around meets zeros only."""
    return [_fast_length(n + size // 2) for n in x.shape[2:]]


def _fast_length(n: int) -> int:
    """The next length without prime factors above 5."""
    while True:
        rest = n
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return n
        n += 1
