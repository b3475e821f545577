"""Noise that depends on the trial alone, never on the batch it happens to be in."""

from typing import Final

import torch
from jaxtyping import Bool, Int64
from torch import Tensor


def _signed(value: int) -> int:
    """``value`` modulo 2^64 as a signed 64-bit integer, the only kind torch has."""
    return (value + 2**63) % 2**64 - 2**63


# Constants of the SplitMix64 generator (Steele, Lea & Flood 2014).
_INCREMENT: Final = _signed(0x9E3779B97F4A7C15)
_FIRST: Final = _signed(0xBF58476D1CE4E5B9)
_SECOND: Final = _signed(0x94D049BB133111EB)
_PER_WORD: Final = 4  # 16-bit draws in one 64-bit word


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Logical right shift; torch's own shift of a signed integer is arithmetic."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's bijection of 64-bit integers; products wrap around."""
    x = (x ^ _shifted(x, 30)) * _FIRST
    x = (x ^ _shifted(x, 27)) * _SECOND
    return x ^ _shifted(x, 31)


def stream(seeds: Int64[Tensor, " trial"], *labels: int) -> Int64[Tensor, " trial"]:
    """Seeds of the random stream that ``labels`` name within each trial."""
    for label in labels:
        seeds = _mix(seeds + _signed((label + 1) * _INCREMENT))
    return seeds


def keep_mask(seeds: Int64[Tensor, " trial"], n_units: int, p: float) -> Bool[Tensor, "trial unit"]:
    r"""Units that survive dropout, each with probability :math:`1 - p`.

    A counter-based generator: unit :math:`j` of a trial is decided by
    :math:`\mathrm{mix}(\mathrm{seed} + j\gamma)`, whatever the order, batch or device. ``p`` is
    resolved to steps of :math:`2^{-16}`.
    """
    counter = torch.arange(1, -(-n_units // _PER_WORD) + 1, device=seeds.device)
    words = _mix(seeds[:, None] + counter * _INCREMENT)
    draws = words.view(torch.int16)[:, :n_units]
    return draws >= round(p * 2**16) - 2**15
