"""Eigenvalues of a population's covariance over stimuli, held in sample space."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.gram import centre
from neurorec.populations import Patterns, patterns_of
from neurorec.populations.labels import UNDEFINED, describe_bins

_Kernels = Float64[Tensor, "time_bin stimulus stimulus"]

# Below this share of the Gram matrix's own trace a centred one is rounding error.
_CONSTANT_SHARE = 1e-12


def centred_gram(
    source: Any, *, undefined: str, device: str
) -> tuple[Patterns, _Kernels, Bool[np.ndarray, " time_bin"]]:
    """Patterns of the stimuli, their centred Gram matrices, and where nothing varies.

    Raises
    ------
    ValueError
        If there are fewer than three stimuli, or, with ``undefined="raise"``, a time bin in
        which all stimuli evoke the same response.
    """
    check_option("undefined", undefined, UNDEFINED)
    patterns = patterns_of(source, device=device)
    kernels = centre(patterns.products)
    empty = _trace(kernels) <= _CONSTANT_SHARE * _trace(patterns.products)
    flat = np.asarray(empty.cpu())
    if flat.any() and undefined == "raise":
        raise ValueError(
            "dimensionality is undefined where all stimuli evoke the same response, as in "
            + describe_bins(flat)
        )
    return patterns, kernels, flat


def ratio(kernels: Float64[Tensor, "*any stimulus stimulus"]) -> Float64[Tensor, "*any"]:
    r"""Participation ratio of the covariance, :math:`(\mathrm{tr} K)^2 / \|K\|_F^2`."""
    return _trace(kernels) ** 2 / (kernels**2).sum(dim=(-2, -1))


def _trace(kernels: Tensor) -> Tensor:
    return kernels.diagonal(dim1=-2, dim2=-1).sum(dim=-1)


def eigenvalues(kernels: _Kernels) -> Float64[Tensor, "time_bin component"]:
    """Eigenvalues, largest first; those below rounding are zero."""
    values = torch.linalg.eigvalsh(kernels).flip(-1)
    floor = values[:, :1].clamp(min=0) * kernels.shape[-1] * torch.finfo(torch.float64).eps
    return torch.where(values > floor, values, 0.0)
