"""The stimulus-by-stimulus Gram matrix of a population, over time.

It is the sufficient statistic of ridge, PLS, RSA, CKA, Procrustes distance and the participation
ratio. It is summed over blocks of units, so that memory grows with presentations squared and a
block, not with the number of units, and an assembly that lies in a file is read block by block.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import check

DEVICES: Final = ("auto", "cpu", "cuda")

# A Gram matrix is symmetric: with R bands of rows only (R + 1) / (2 R) of the products are made.
_BANDS = 4
# The same as in neurorec.stats: sums of squares below this share of the raw ones are rounding.
_ROUNDING: Final = 1e-20


def resolve_device(device: str) -> torch.device:
    """Device of that name; ``"auto"`` takes the GPU if there is one.

    Raises
    ------
    ValueError
        If the name is unknown, or ``"cuda"`` is asked for and there is no CUDA device.
    """
    if device.startswith("cuda:"):
        index = device.removeprefix("cuda:")
        if not index.isdigit() or int(index) >= torch.cuda.device_count():
            raise ValueError(
                f"device {device!r} is absent: {torch.cuda.device_count()} CUDA devices are "
                'visible; use device="auto" or device="cpu"'
            )
        return torch.device(device)
    check_option("device", device, DEVICES)
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            'device "cuda" was asked for and torch sees no CUDA device; '
            'use device="auto" or device="cpu"'
        )
    return torch.device(device)


def gram(
    assembly: xr.DataArray | np.ndarray | Tensor,
    *,
    centred: bool = False,
    device: str = "cpu",
    block: int = 4096,
    dtype: torch.dtype = torch.float64,
) -> Float64[Tensor, "time_bin presentation presentation"]:
    r"""Inner products over units of every pair of presentations, for each time bin.

    .. math:: K_t = X_t X_t^\top

    Parameters
    ----------
    assembly
        Activity (presentation, neuroid, time_bin). A lazily opened assembly is read once, a
        block of units at a time.
    centred
        Subtract each unit's mean over presentations first. Equal to ``centre(gram(x))``, without
        the loss of digits that units with a large mean and a small variance bring there.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    block
        Units that are held at once.
    dtype
        Type of the products inside a block; blocks are always summed in float64. Products of
        float32 activity are exact in float64; ``torch.float32`` halves the time and costs a
        relative error of about 1e-7 times the norms of the two rows.

    Raises
    ------
    ValueError
        If ``assembly`` has not three dimensions, has no units, or holds NaN or infinite values.
    """
    if block < 1:
        raise ValueError(f"block must be at least 1 unit, got {block}")
    source = _as_three_dimensional(assembly)
    if not source.shape[1]:
        raise ValueError(f"a Gram matrix needs at least one unit, got the shape {source.shape}")
    return gram_of_blocks(_blocks(source, block), centred=centred, device=device, dtype=dtype)


def gram_of_blocks(
    blocks: Iterable[np.ndarray | Tensor],
    *,
    centred: bool = False,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Float64[Tensor, "time_bin presentation presentation"]:
    """As :func:`gram`, of a population that arrives in blocks of units.

    Parameters
    ----------
    blocks
        Activity (presentation, some units, time_bin) of the same presentations and time bins;
        each block is dropped before the next is asked for.

    Raises
    ------
    ValueError
        If there is no block, or a value is NaN or infinite.
    """
    target = resolve_device(device)
    total: Tensor | None = None
    for values in blocks:
        slab = _tensor(values).to(target).permute(2, 0, 1).contiguous()
        n_time_bins, n_presentations, _ = slab.shape
        if total is None:
            shape = (n_time_bins, n_presentations, n_presentations)
            total = torch.zeros(shape, dtype=torch.float64, device=target)
        for t, activity in enumerate(slab):
            if centred:
                activity = _deviations(activity.to(torch.float64))
            _add_products(total[t], activity.to(dtype))
    if total is None:
        raise ValueError("a Gram matrix needs at least one block of units, got none")
    return _mirrored(_finite(total))


def centre(
    gram: Float[Tensor, "*time_bin presentation presentation"],
) -> Float[Tensor, "*time_bin presentation presentation"]:
    r"""Gram matrix of the same units after each unit's mean over presentations is removed.

    .. math:: H K H, \qquad H = I - 1 1^\top / n
    """
    rows = gram.mean(dim=-1, keepdim=True)
    columns = gram.mean(dim=-2, keepdim=True)
    return gram - rows - columns + rows.mean(dim=-2, keepdim=True)


def _as_three_dimensional(
    assembly: xr.DataArray | np.ndarray | Tensor,
) -> xr.DataArray | np.ndarray | Tensor:
    if isinstance(assembly, xr.DataArray):
        return check(assembly)
    if assembly.ndim != 3:
        raise ValueError(
            "expected activity (presentation, neuroid, time_bin), got an array of shape "
            f"{tuple(assembly.shape)}; a single time bin needs a last axis of length 1"
        )
    return assembly


def _blocks(
    source: xr.DataArray | np.ndarray | Tensor, block: int
) -> Iterator[np.ndarray | Tensor]:
    """Blocks of units, each (presentation, at most ``block`` units, time_bin)."""
    for start in range(0, source.shape[1], block):
        values = source[:, start : start + block, :]
        yield values.values if isinstance(values, xr.DataArray) else values


def _tensor(values: np.ndarray | Tensor) -> Tensor:
    if isinstance(values, Tensor):
        return values
    # torch wants native byte order and writable, positively strided memory.
    return torch.from_numpy(np.array(values, dtype=_native(values.dtype)))


def _native(dtype: np.dtype) -> np.dtype:
    """Native byte order for floating point; float64 for everything else."""
    return dtype.newbyteorder("=") if dtype.kind == "f" else np.dtype(np.float64)


def _deviations(activity: Tensor) -> Tensor:
    """Deviations from each unit's mean; exactly 0 where they are rounding."""
    deviations = activity - activity.mean(dim=0)
    flat = deviations.square().sum(dim=0) <= _ROUNDING * activity.square().sum(dim=0)
    return deviations.masked_fill_(flat, 0) if flat.any() else deviations


def _add_products(total: Tensor, activity: Tensor) -> None:
    """Add the upper bands of ``activity @ activity.T`` to ``total``, in place."""
    n = len(activity)
    height = -(-n // _BANDS)
    for start in range(0, n, height):
        stop = min(start + height, n)
        total[start:stop, start:] += activity[start:stop] @ activity[start:].T


def _mirrored(total: Tensor) -> Tensor:
    """``total`` with its lower triangle replaced by the upper one, in place."""
    for one in total:
        one.copy_(one.triu() + one.triu(diagonal=1).mT)
    return total


def _finite(total: Tensor) -> Tensor:
    if not torch.isfinite(total.diagonal(dim1=-2, dim2=-1)).all():
        raise ValueError(
            "the activity holds NaN or infinite values, so it has no Gram matrix; "
            "drop those units or presentations, or average repetitions that are missing"
        )
    return total
