"""Maximum likelihood factor analysis of many covariances at once."""

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

# Private variances stay above this share of the unit's variance: where one reaches zero the
# likelihood has no bound (a Heywood case).
_FLOOR: Final = 0.01
_MAX_ITERATIONS: Final = 2000


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Factors:
    r"""Models :math:`\Sigma = L L^\top + \mathrm{diag}(\psi)`.

    Parameters
    ----------
    loadings
        Columns beyond a model's number of factors are zero.
    private
        Variances that units share with no other.
    """

    loadings: Float64[Tensor, "model unit factor"]
    private: Float64[Tensor, "model unit"]

    def log_likelihood(
        self, covariance: Float64[Tensor, "model unit unit"]
    ) -> Float64[Tensor, " model"]:
        """Mean log likelihood, in nats, of observations with these second moments."""
        expected = self.loadings @ self.loadings.mT + torch.diag_embed(self.private)
        factor = torch.linalg.cholesky(expected)
        log_determinant = 2 * factor.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        misfit = torch.cholesky_solve(covariance, factor).diagonal(dim1=1, dim2=2).sum(dim=1)
        constant = self.private.shape[1] * math.log(2 * math.pi)
        return -0.5 * (constant + log_determinant + misfit)


def factor_analysis(
    covariance: Float64[Tensor, "model unit unit"],
    n_factors: Int64[Tensor, " model"],
    *,
    tolerance: float = 1e-6,
) -> Factors:
    r"""Maximum likelihood loadings and private variances of each covariance.

    Given :math:`\psi`, the best loadings are :math:`\psi^{1/2} U_k (\Lambda_k - I)^{1/2}` with the
    leading eigenvectors of :math:`\psi^{-1/2} S \psi^{-1/2}`; given those, :math:`\psi` is what
    they leave of the variances. Both in turn, until the mean log likelihood gains less than
    ``tolerance``.

    Notes
    -----
    Barber (2012) *Bayesian Reasoning and Machine Learning*, algorithm 21.1.
    """
    variances = covariance.diagonal(dim1=1, dim2=2)
    width = int(n_factors.max())
    private = variances.clone()
    loadings = covariance.new_zeros((*variances.shape, width))
    used = torch.arange(width, device=covariance.device) < n_factors[:, None]
    before = covariance.new_full(n_factors.shape, -torch.inf)
    active = torch.arange(len(covariance), device=covariance.device)
    for _ in range(_MAX_ITERATIONS):
        reached = _step(covariance, variances, used, private, loadings, active)
        gaining = reached - before[active] > tolerance
        before[active] = reached
        active = active[gaining]
        if not len(active):
            break
    return Factors(loadings=loadings, private=private)


def _step(
    covariance: Tensor,
    variances: Tensor,
    used: Bool[Tensor, "model factor"],
    private: Tensor,
    loadings: Tensor,
    active: Int64[Tensor, " active"],
) -> Float64[Tensor, " active"]:
    """Renew the active models in place; their log likelihood, up to a constant, before it."""
    psi = private[active]
    scale = psi.sqrt()
    whitened = covariance[active] / (scale[:, :, None] * scale[:, None, :])
    values, vectors = torch.linalg.eigh(whitened)
    width, kept = used.shape[1], used[active]
    leading = values.flip(1)[:, :width].clamp(min=1)
    explained = torch.where(kept, leading.log() - leading + 1, 0.0).sum(dim=1)
    reached = -0.5 * (psi.log().sum(dim=1) + values.sum(dim=1) + explained)
    sizes = torch.where(kept, leading - 1, 0.0).sqrt()
    found = scale[:, :, None] * vectors.flip(2)[:, :, :width] * sizes[:, None]
    loadings[active] = found
    floor = _FLOOR * variances[active]
    private[active] = torch.maximum(variances[active] - (found**2).sum(dim=2), floor)
    return reached
