"""The stimulus-by-stimulus Gram matrix of a population, over time.

It is the sufficient statistic of ridge, PLS, RSA, CKA, Procrustes distance and the participation
ratio. It is summed over blocks of units, so that memory grows with presentations squared and a
block, not with the number of units, and an assembly that lies in a file is read block by block.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Final, TypeVar

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec._side_by_side import SideBySide
from neurorec.assemblies import check

DEVICES: Final = ("auto", "cpu", "cuda")

_Block = TypeVar("_Block")

# A Gram matrix is symmetric: with R bands of rows only (R + 1) / (2 R) of the products are made.
_BANDS = 5
# Numbers of a timestep whose products are worth a thread of their own.
_LARGE = 2**20
# Numbers whose squares are made at a time: fewer than a cache holds.
_SQUARES = 2**18
# Units of a timestep that comes alone which one thread takes at a time.
_WIDTH = 2**11
# Numbers of the timesteps of a block that are multiplied together, as float64 64 MiB.
_TOGETHER = 2**23
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
    pieces = ((0, block) for block in blocks)
    return products_and_sums(pieces, centred=centred, device=device, dtype=dtype)[0]


def products_and_sums(
    pieces: Iterable[tuple[int, np.ndarray | Tensor]],
    *,
    rows: np.ndarray | None = None,
    centred: bool = False,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> tuple[
    Float64[Tensor, "time_bin presentation presentation"], Float64[Tensor, "time_bin presentation"]
]:
    """As :func:`gram_of_blocks`, and the sum of each presentation over units.

    Parameters
    ----------
    pieces
        First time bin and activity (presentation, some units, some consecutive time bins) of each
        piece. All pieces of a time bin begin and end at the same time bins.
    rows
        Row of each presentation, counted from 0: the Gram matrix is that of the mean over the
        presentations of each row. Each presentation is its own row if left out.
    """
    target = resolve_device(device)
    index = None if rows is None else torch.from_numpy(rows).to(target)
    found: dict[int, tuple[Tensor, Tensor]] = {}
    with SideBySide(torch.get_num_threads()) as side_by_side:
        for first, values in pieces:
            slab = _tensor(values).to(target).permute(2, 0, 1)
            if first not in found:
                n_rows = slab.shape[1] if rows is None else int(rows.max()) + 1
                found[first] = _zeros(len(slab), n_rows, target)
            total, sums = found[first]
            for times in _together(slab, copied=centred or rows is not None or slab.dtype != dtype):
                activity = _averaged(slab[times].to(torch.float64 if centred else dtype), index)
                if centred:
                    activity = _deviations(activity).to(dtype)
                sums[times] += activity.sum(dim=2)
                activity = activity.contiguous()
                _add(total[times], activity, side_by_side)
            del values, slab, activity  # memory that a reader may use again
    if not found:
        raise ValueError("a Gram matrix needs at least one block of units, got none")
    totals, sums = zip(*(found[first] for first in sorted(found)), strict=True)
    return _mirrored(_finite(_joined(totals))), _joined(sums)


def ahead(blocks: Iterable[_Block]) -> Iterator[_Block]:
    """The same blocks; while one is used, a thread reads the next. Two are held at a time."""
    source = iter(blocks)
    end = object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, source, end)
        while (block := coming.result()) is not end:
            coming = pool.submit(next, source, end)
            yield block  # type: ignore[misc]
            del block


def centre(
    gram: Float[Tensor, "*time_bin presentation presentation"],
) -> Float[Tensor, "*time_bin presentation presentation"]:
    r"""Gram matrix of the same units after each unit's mean over presentations is removed.

    .. math:: H K H, \qquad H = I - 1 1^\top / n
    """
    rows = gram.mean(dim=-1, keepdim=True)
    columns = gram.mean(dim=-2, keepdim=True)
    return (gram - rows).sub_(columns - rows.mean(dim=-2, keepdim=True))


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
    fitting = values.flags.writeable and min(values.strides, default=0) >= 0
    dtype = _native(values.dtype)
    return torch.from_numpy(np.asarray(values, dtype) if fitting else np.array(values, dtype))


def _native(dtype: np.dtype) -> np.dtype:
    """Native byte order for floating point; float64 for everything else."""
    return dtype.newbyteorder("=") if dtype.kind == "f" else np.dtype(np.float64)


def _averaged(activity: Tensor, rows: Tensor | None) -> Tensor:
    """Means over the presentations (the second axis) of each row."""
    if rows is None:
        return activity
    counts = torch.bincount(rows)
    sums = activity.new_zeros(len(activity), len(counts), activity.shape[2])
    return sums.index_add_(1, rows, activity).div_(counts[:, None])


def _deviations(activity: Tensor) -> Tensor:
    """Deviations from each unit's mean; exactly 0 where they are rounding."""
    means = activity.mean(dim=1, keepdim=True)
    deviations = activity - means
    n_rows = max(1, _SQUARES // max(1, deviations[:, :1].numel()))
    squares = sum(some.square().sum(dim=1) for some in deviations.split(n_rows, dim=1))
    wholes = squares + activity.shape[1] * means[:, 0].square()
    flat = squares <= _ROUNDING * wholes
    return deviations.masked_fill_(flat[:, None], 0) if flat.any() else deviations


def _zeros(n_times: int, n_rows: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Inner products and sums of nothing."""
    options: dict[str, Any] = {"dtype": torch.float64, "device": device}
    return torch.zeros(n_times, n_rows, n_rows, **options), torch.zeros(n_times, n_rows, **options)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Consecutive time bins; one part alone is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _together(slab: Tensor, *, copied: bool) -> Iterator[slice]:
    """Timesteps that are multiplied together: all, or fewer where they are copied first."""
    n_times, n_rows, n_units = slab.shape
    most = max(1, _TOGETHER // max(n_rows * n_units, 1)) if copied else n_times
    # Parts of one size: threads share the timesteps of each.
    n_parts = -(-n_times // most)
    edges = [n_times * part // n_parts for part in range(n_parts + 1)]
    yield from (slice(start, stop) for start, stop in pairwise(edges))


def _add(total: Tensor, activity: Tensor, side_by_side: SideBySide) -> None:
    """Add ``activity @ activity.mT`` to ``total``, now or soon."""
    parts = _parts(activity)
    for part in parts:
        side_by_side.add_products(total, part)
    if not parts:
        _add_products(total, activity)
    elif len(activity) == 1:
        side_by_side.wait()  # no copy was made of what a reader may use again


def _parts(activity: Tensor) -> Sequence[Tensor]:
    """What threads multiply side by side: timesteps, or some units each of one that comes alone.

    Nothing where there is little to do, or the product of some units is larger than these.
    """
    n_times, n_rows, n_units = activity.shape
    if n_rows * n_units < _LARGE or activity.device.type != "cpu":
        return []
    if n_times > 1:
        return [activity]
    return activity.split(_WIDTH, dim=2) if n_rows <= _WIDTH else []


def _add_products(total: Tensor, activity: Tensor) -> None:
    """Add the upper bands of ``activity @ activity.mT`` to ``total``, in place."""
    n = activity.shape[1]
    height = -(-n // _BANDS)
    for start in range(0, n, height):
        stop = min(start + height, n)
        total[:, start:stop, start:] += activity[:, start:stop] @ activity[:, start:].mT


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
