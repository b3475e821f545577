"""Noise that depends on the trial alone, never on the batch it happens to be in."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from neurorec.models.parts import AbstractNoise, Dropout, Gaussian, PoissonLike

#: Seed of noise that is the same in every trial.
FROZEN_SEED: Final = 20250809


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


def _words(seeds: Tensor, n: int) -> Int64[Tensor, "trial word"]:
    """64 random bits of each seed and place, whatever the order, batch or device."""
    counter = torch.arange(1, n + 1, device=seeds.device)
    return _mix(seeds[:, None] + counter * _INCREMENT)


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
    words = _words(seeds, -(-n_units // _PER_WORD))
    draws = words.view(torch.int16)[:, :n_units]
    return draws >= round(p * 2**16) - 2**15


def normal(seeds: Int64[Tensor, " trial"], n_units: int) -> Float[Tensor, "trial unit"]:
    r"""Standard normal draws, each decided by its trial's seed and its own position.

    A word of the counter gives two 32-bit uniforms :math:`u, v` and Box & Muller's (1958) two draws

    .. math:: \sqrt{-2 \ln u}\, \cos 2 \pi v, \qquad \sqrt{-2 \ln u}\, \sin 2 \pi v.

    The largest value possible is :math:`\sqrt{-2 \ln 2^{-33}} = 6.8`. float32; devices differ by
    their rounding of logarithm and cosine.
    """
    words = _words(seeds, -(-n_units // 2))
    # Half a step from 0, whose logarithm is infinite; converted from an integer, so that the
    # smallest u, which make the tails, keep their relative precision.
    u = (_shifted(words, 32).float() + 0.5) * 2.0**-32
    # The low half as a signed number: an angle from -pi to pi.
    angle = words.view(torch.int32)[:, ::2] * (math.pi * 2.0**-31)
    radius = (-2 * u.log()).sqrt()
    return torch.stack((radius * angle.cos(), radius * angle.sin()), dim=-1).flatten(1)[:, :n_units]


def noisy(
    x: Float[Tensor, "trial channel row col"],
    options: AbstractNoise,
    seeds: Int64[Tensor, " trial"],
    label: int,
    step: int,
) -> Float[Tensor, "trial channel row col"]:
    r"""``x`` with noise that follows from the trials' seeds, ``label`` and ``step``.

    With :math:`m` a mask of units or channels and :math:`\epsilon` standard normal:

    .. math::

        \text{dropout: } \frac{x m}{1 - p}, \qquad
        \text{gaussian: } x + \sigma \epsilon, \qquad
        \text{poisson: } x + \epsilon \sqrt{F \max(x, 0) + e}

    The gradient is that of these equations for the draw that was made, through the standard
    deviation of poisson noise too (as in the front ends with such noise): with it a
    gradient-based attack or a finite difference at fixed seeds sees the function that ran. Its
    slope there is at most :math:`F |\epsilon| / 2 \sqrt{e}`; a unit of zero variance has none.

    Parameters
    ----------
    x
        Activity, in any memory format: a unit's draw depends on its channel, row and column.
    options
        The kind of noise, and whether it is drawn per step, per trial or once for all.
    seeds
        Of the trials.
    label
        Number of the random stream, one for each place that has noise.
    step
        Timestep.

    Raises
    ------
    TypeError
        If no rule is known for the kind of ``options``.
    """
    if type(options) not in _RULES:
        raise TypeError(
            f"no noise is known for options of type {type(options).__name__}; use one of "
            f"{sorted(kind.__name__ for kind in _RULES)}"
        )
    if options.resample == "frozen":
        # One draw, broadcast over the trials.
        seeds = torch.full_like(seeds[:1], FROZEN_SEED)
    labels = (label, step) if options.resample == "step" else (label,)
    return _RULES[type(options)](x, options, stream(seeds, *labels))


def _dropout(x: Tensor, options: Dropout, seeds: Tensor) -> Tensor:
    shape = x.shape[1:] if options.over == "unit" else (x.shape[1], 1, 1)
    mask = keep_mask(seeds, math.prod(shape), options.p)
    return x * (mask.view(-1, *shape).to(x.dtype) / (1 - options.p))


def _gaussian(x: Tensor, options: Gaussian, seeds: Tensor) -> Tensor:
    return x + options.std * _normal_like(x, seeds)


def _poisson(x: Tensor, options: PoissonLike, seeds: Tensor) -> Tensor:
    # Where the variance is 0 the root's slope is infinite; the rectifier then passes none of it.
    std = (options.fano * x.relu() + options.eps).sqrt()
    return x + std * _normal_like(x, seeds)


def _normal_like(x: Tensor, seeds: Tensor) -> Tensor:
    shape = x.shape[1:]
    return normal(seeds, math.prod(shape)).view(-1, *shape).to(x.dtype)


_RULES: Final[Mapping[type[AbstractNoise], Callable[..., Tensor]]] = MappingProxyType(
    {Dropout: _dropout, Gaussian: _gaussian, PoissonLike: _poisson}
)
