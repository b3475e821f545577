"""Variances of principal components that repetitions share."""

from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec.dimensionality.halves import random_halves
from neurorec.dimensionality.spectrum import n_directions, require_variance, spectrum_of
from neurorec.dimensionality.trials import presentations_of


def cvpca(
    source: Any,
    *,
    n_splits: int = 10,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Variance over stimuli that is shared by repetitions, along principal components.

    With :math:`v_k` the components of the centred means :math:`X_1` over one half of the
    repetitions and :math:`X_2` those over the other half:

    .. math:: \lambda_k = (X_1 v_k)^\top (X_2 v_k) / (n - 1) = u_k^\top K_{21} u_k / (n - 1),

    where :math:`u_k` are the eigenvectors of :math:`K_{11} = X_1 X_1^\top`. Noise that is
    independent between presentations adds nothing on average; single values may be negative. Means
    over random halves of the repetitions (the paper has two repetitions, and divides by nothing).

    Parameters
    ----------
    source
        Assembly, ``recording.area("IT")``, or ``patterns_of(source, averaged=False)``; with at
        least two repetitions of every stimulus. Their numbers may differ.
    n_splits
        Random divisions into halves.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN where all responses are the same.

    Returns
    -------
    xr.DataArray
        Shared variances (time_bin, component), in the squared unit of the responses.

    Raises
    ------
    ValueError
        If there are fewer than three stimuli, a stimulus was shown once, or activity is not finite
        or always the same.

    References
    ----------
    Stringer, Pachitariu, Steinmetz, Carandini and Harris (2019) *Nature* 571, 361-365.
    """
    patterns, stimulus = presentations_of(source, device=device)
    flat = require_variance(patterns, undefined=undefined)
    n_components = n_directions(patterns)
    rng = np.random.default_rng(seed)
    halves = random_halves(patterns.products, stimulus, n_splits=n_splits, rng=rng)
    values = torch.stack([shared_variances(*half) for half in halves]).mean(dim=0)
    values = values.cpu().numpy()[:, :n_components] / (int(stimulus.max()))
    values[flat] = np.nan
    return spectrum_of(patterns, values, name="shared_variance", n_splits=n_splits)


def shared_variances(
    inside: Float64[Tensor, "*any stimulus stimulus"],
    across: Float64[Tensor, "*any stimulus stimulus"],
) -> Float64[Tensor, "*any component"]:
    """Sums of products of the two halves' projections, by variance in the first, largest first."""
    vectors = torch.linalg.eigh(inside).eigenvectors.flip(-1)
    return (vectors * (across @ vectors)).sum(dim=-2)
