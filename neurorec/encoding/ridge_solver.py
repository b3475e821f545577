r"""Ridge regression on torch tensors: one eigendecomposition for all targets and penalties.

Everything is written in one orthonormal basis ``U`` of the centred training features, with
eigenvalues ``s`` of their Gram matrix:

.. math:: \hat y = \bar y + U \frac{s}{s + \lambda} U^\top (y - \bar y)

``U`` comes from the Gram matrix of the stimuli (dual form) or from the covariance of the features
(primal form), whichever is smaller; what follows cannot tell them apart.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Basis(NamedTuple):
    """Basis of centred training features, and the place of held-out stimuli in it.

    Parameters
    ----------
    train
        Orthonormal columns ``U``.
    test
        Rows ``X_test V / sqrt(s)`` with the right singular vectors ``V``: a prediction is a
        product with them as a fit is with ``train``.
    eigenvalues
        Positive eigenvalues ``s`` of the Gram matrix, descending.
    """

    train: Float[Tensor, "train rank"]
    test: Float[Tensor, "test rank"]
    eigenvalues: Float[Tensor, " rank"]


class Grid(NamedTuple):
    """Penalties to try, as multiples of the mean eigenvalue, and how far to look beyond them.

    Parameters
    ----------
    log10_low, log10_high
        First and last exponent.
    log10_step
        Distance of neighbours.
    log10_growth
        Distance by which an edge moves out when a target has its least error there.
    n_growths
        How often an edge may move.
    """

    log10_low: float = -2.0
    log10_high: float = 3.0
    log10_step: float = 0.5
    log10_growth: float = 2.0
    n_growths: int = 3

    def penalties(self, scale: float, like: Tensor) -> Float[Tensor, " penalty"]:
        """Penalties of the grid before it grows."""
        return _log_range(self.log10_low, self.log10_high, self.log10_step, scale, like)


def basis_from_gram(
    gram: Float[Tensor, "stimulus stimulus"],
    train: Int[Tensor, " train"],
    test: Int[Tensor, " test"],
) -> Basis:
    """Dual form: the fold's blocks of a Gram matrix, centred on the training stimuli only.

    Parameters
    ----------
    gram
        Inner products of features between all stimuli; any constant that was subtracted from the
        features before cancels.
    """
    inner = gram[train][:, train]
    size = float(inner.diagonal().max())  # before centring: what the rounding is a share of
    cross = gram[test][:, train]
    mean = inner.mean(dim=0)
    inner = inner - mean - mean[:, None] + mean.mean()
    cross = cross - mean - cross.mean(dim=1, keepdim=True) + mean.mean()
    eigenvalues, vectors = _positive_eigenpairs(inner, len(train), size=size)
    return Basis(vectors, (cross @ vectors) / eigenvalues, eigenvalues)


def basis_from_features(
    features: Float[Tensor, "stimulus feature"],
    train: Int[Tensor, " train"],
    test: Int[Tensor, " test"],
) -> Basis:
    """Primal form: the covariance of features, for fewer features than stimuli."""
    mean = features[train].mean(dim=0)
    inner = features[train] - mean
    cross = features[test] - mean
    eigenvalues, vectors = _positive_eigenpairs(inner.mT @ inner, len(train))
    axes = vectors / eigenvalues.sqrt()
    return Basis(inner @ axes, cross @ axes, eigenvalues)


def mean_eigenvalue(basis: Basis) -> float:
    """Mean of the positive eigenvalues; 1 where features are constant and any penalty will do."""
    return float(basis.eigenvalues.mean()) if len(basis.eigenvalues) else 1.0


def leave_one_out_errors(
    basis: Basis,
    responses: Float[Tensor, "train target"],
    penalties: Float[Tensor, " penalty"],
) -> Float[Tensor, "penalty target"]:
    r"""Mean squared error of predicting each training stimulus from all the others (PRESS).

    .. math:: \frac{1}{n} \sum_i \left( \frac{y_i - \hat y_i}{1 - h_{ii}} \right)^2, \qquad
              h_{ii} = \frac{1}{n} + \sum_k U_{ik}^2 \frac{s_k}{s_k + \lambda}

    The term 1/n is the intercept's, which each of the left-out fits estimates anew. Exact, and
    without cancellation at small penalties: numerator and denominator are both written with
    ``penalty / (s + penalty)``.

    Notes
    -----
    Allen (1974), *Technometrics* 16, 125-127; Golub, Heath and Wahba (1979), *Technometrics* 21,
    215-223.
    """
    n = len(responses)
    vectors = basis.train
    centred = responses - responses.mean(dim=0)
    weights = vectors.mT @ centred  # (rank, target)
    squared = vectors**2
    if vectors.shape[1] == n - 1:
        # The features span all contrasts of the stimuli: nothing is left but rounding, which at
        # small penalties would be of the size of what is divided.
        outside, outside_leverage = torch.zeros_like(centred), torch.zeros_like(squared[:, 0])
    else:
        outside = centred - vectors @ weights  # what no feature reaches
        outside_leverage = (1 - 1 / n - squared.sum(dim=1)).clamp_min(0)
    errors = []
    # One product per penalty runs at the speed of a plain matrix product and holds one residual.
    for penalty in penalties:
        kept = penalty / (basis.eigenvalues + penalty)
        residual = torch.addmm(outside, vectors, kept[:, None] * weights)
        remaining = outside_leverage + squared @ kept  # 1 - h_ii
        errors.append((1 / (n * remaining**2)) @ residual.square_())
    return torch.stack(errors)


def chosen_penalties(
    basis: Basis,
    responses: Float[Tensor, "train target"],
    penalties: Float[Tensor, " penalty"],
) -> Float[Tensor, " target"]:
    """Penalty of least leave-one-out error for each target, from a grid that stays as it is."""
    return penalties[leave_one_out_errors(basis, responses, penalties).argmin(dim=0)]


def searched_penalties(
    basis: Basis, responses: Float[Tensor, "train target"], grid: Grid
) -> Float[Tensor, " target"]:
    """Penalty of least leave-one-out error for each target, from a grid that grows at its edges."""
    scale = mean_eigenvalue(basis)
    start = grid.penalties(scale, responses)
    least, where = leave_one_out_errors(basis, responses, start).min(dim=0)
    chosen = start[where]
    step, far = grid.log10_step, grid.log10_growth
    low, high = grid.log10_low, grid.log10_high
    for growth in range(grid.n_growths):
        down, up = low - growth * far, high + growth * far
        for edge, first, last in (
            (start[0] * 10 ** (down - low), down - far, down - step),
            (start[-1] * 10 ** (up - high), up + step, up + far),
        ):
            at_edge = torch.isclose(chosen, edge, rtol=1e-6, atol=0.0).nonzero().flatten()
            if len(at_edge) == 0:
                continue
            more = _log_range(first, last, step, scale, responses)
            errors, where = leave_one_out_errors(basis, responses[:, at_edge], more).min(dim=0)
            better = errors < least[at_edge]
            moved = at_edge[better]
            least[moved], chosen[moved] = errors[better], more[where[better]]
    return chosen


def predictions(
    basis: Basis,
    responses: Float[Tensor, "train target"],
    penalty: Float[Tensor, " target"],
) -> Float[Tensor, "test target"]:
    """Predicted responses to the held-out stimuli, each target with its own penalty."""
    mean = responses.mean(dim=0)
    weights = basis.train.mT @ (responses - mean)
    shrunk = weights * (basis.eigenvalues[:, None] / (basis.eigenvalues[:, None] + penalty))
    return mean + basis.test @ shrunk


def dual_weights(
    basis: Basis,
    responses: Float[Tensor, "train target"],
    penalty: Float[Tensor, " target"],
) -> Float[Tensor, "train target"]:
    """Weights on training stimuli; centred training features times them are the coefficients.

    The part of the responses that no feature reaches is left out: it would have no effect.
    """
    weights = basis.train.mT @ (responses - responses.mean(dim=0))
    return basis.train @ (weights / (basis.eigenvalues[:, None] + penalty))


def _positive_eigenpairs(
    matrix: Float[Tensor, "side side"], n_samples: int, *, size: float = 0.0
) -> tuple[Float[Tensor, " rank"], Float[Tensor, "side rank"]]:
    """Eigenvalues above rounding, descending, with their eigenvectors.

    Parameters
    ----------
    size
        Largest number that went into the matrix, where that is more than its eigenvalues.
    """
    eigenvalues, vectors = torch.linalg.eigh(matrix)
    eigenvalues, vectors = eigenvalues.flip(0), vectors.flip(1)
    if len(eigenvalues) == 0:
        return eigenvalues, vectors
    rounding = max(n_samples, len(matrix)) * torch.finfo(matrix.dtype).eps
    rank = int((eigenvalues > rounding * max(float(eigenvalues[0]), size)).sum())
    # Without a copy in order of rows, products with the vectors take half as long again.
    return eigenvalues[:rank], vectors[:, :rank].contiguous()


def _log_range(low: float, high: float, step: float, scale: float, like: Tensor) -> Tensor:
    count = round((high - low) / step) + 1
    exponents = torch.linspace(low, high, count, dtype=like.dtype, device=like.device)
    return scale * 10**exponents
