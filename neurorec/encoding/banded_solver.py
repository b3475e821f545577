r"""Ridge with a penalty for each set of features, on torch tensors; himalaya's random search.

With Gram matrices ``K_b`` of the bands the fit at the penalties ``lambda_b`` is that of ridge on
:math:`\sum_b K_b / \lambda_b` at the penalty 1. Candidates are :math:`\lambda_b = \alpha /
\gamma_b`: weights ``gamma`` of the bands that sum to 1, each with a grid of ``alpha``.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurorec.encoding._himalaya import torch_backend

# Targets that are solved for at once: memory grows with stimuli times penalties times these.
_TARGETS: Final = 1024


@dataclass(frozen=True, kw_only=True)
class Search:
    """Candidates, and the folds that choose among them.

    Parameters
    ----------
    n_iter
        Number of weightings of the bands, the first of them equal; or the weightings themselves,
        one row for each.
    concentration
        Parameters of the Dirichlet distributions that weightings are drawn from in turn.
    alphas
        Total penalties that are tried with each weighting.
    folds
        Positions of training stimuli that are fitted and tried.
    seed
        Seed of the weightings.
    """

    n_iter: int | np.ndarray
    concentration: list[float]
    alphas: Float[Tensor, " penalty"]
    folds: list[tuple[np.ndarray, np.ndarray]]
    seed: int


class BandedFit(NamedTuple):
    """Chosen weightings and penalties, and the fit to all training stimuli.

    Parameters
    ----------
    dual
        Weights on training stimuli: what a band adds to a prediction is the product of its inner
        products with them and of its ``multipliers``.
    multipliers
        ``gamma / alpha``: inverse penalties.
    band_weights
        ``gamma``.
    intercept
        Prediction at the mean of the training features.
    error
        Mean over folds of each fold's mean squared error.
    """

    dual: Float[Tensor, "train target"]
    multipliers: Float[Tensor, "band target"]
    band_weights: Float[Tensor, "band target"]
    intercept: Float[Tensor, " target"]
    error: Float[Tensor, " target"]


def solve_banded(
    grams: Float[Tensor, "band train train"],
    responses: Float[Tensor, "train target"],
    search: Search,
) -> BandedFit:
    """Weighting and penalty of least error for each target, and its fit to all stimuli.

    Within each fold features and responses are centred on the stimuli that are fitted, and so is
    the fit to all: ``grams`` may be centred or not.

    Notes
    -----
    Dupré la Tour, Eickenberg, Nunez-Elizalde and Gallant (2022), *NeuroImage* 264, 119728.
    """
    mean, spread = responses.mean(dim=0), responses.std(dim=0, correction=0)
    # himalaya adds 1e-10 times the logarithm of the penalty to each error, to settle ties: that
    # must be small beside the errors in whatever units the responses are.
    spread = torch.where(spread > 0, spread, 1.0)
    options: dict[str, Any] = {
        "n_iter": search.n_iter,
        "concentration": search.concentration,
        "alphas": search.alphas,
        "cv": search.folds,
        "random_state": search.seed,
        "n_targets_batch": _TARGETS,
        "fit_intercept": True,
        "return_weights": "dual",
        "return_alphas": True,
        "progress_bar": False,
    }
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search

    with torch_backend(grams.device):
        logarithms, dual, scores, alphas, intercept = solve_multiple_kernel_ridge_random_search(
            grams, (responses - mean) / spread, **options
        )
    multipliers = logarithms.exp()
    least = -scores.amax(dim=0).to(spread) + 1e-10 * alphas.log()
    return BandedFit(
        dual=dual.to(spread) * spread,
        multipliers=multipliers,
        band_weights=multipliers * alphas,
        intercept=mean + intercept.to(spread) * spread,
        error=least * spread**2,
    )


def banded_predictions(
    fit: BandedFit, cross: Float[Tensor, "band test train"]
) -> Float[Tensor, "test target"]:
    """Predicted responses to held-out stimuli from their inner products with training stimuli."""
    predicted = fit.intercept.expand(cross.shape[1], -1)
    for inner_products, multipliers in zip(cross, fit.multipliers, strict=True):
        predicted = predicted + inner_products @ (fit.dual * multipliers)
    return predicted
