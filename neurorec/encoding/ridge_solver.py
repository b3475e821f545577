r"""Ridge regression on torch tensors: one eigendecomposition for all targets and penalties.

Everything is written in one orthonormal basis ``U`` of the centred training features, with
eigenvalues ``s`` of their Gram matrix:

.. math:: \hat y = \bar y + U \frac{s}{s + \lambda} U^\top (y - \bar y)

``U`` comes from the Gram matrix of the stimuli (dual form) or from the covariance of the features
(primal form), whichever is smaller; what follows cannot tell them apart.
"""

from typing import NamedTuple

import numpy as np
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


class Rotated(NamedTuple):
    """Training responses in a :class:`Basis`.

    Parameters
    ----------
    mean
        Mean response of each target.
    weights
        Products ``U' (y - mean)``.
    """

    mean: Float[Tensor, " target"]
    weights: Float[Tensor, "rank target"]


class CentredBlocks(NamedTuple):
    """Inner products of features after the mean over the training stimuli is removed.

    Parameters
    ----------
    inner, cross
        Among training stimuli, and of held-out with training stimuli.
    size
        Largest number that went into them: what their rounding is a share of.
    """

    inner: Float[Tensor, "train train"]
    cross: Float[Tensor, "test train"]
    size: float


def centred_blocks(
    gram: Float[Tensor, "stimulus stimulus"],
    train: Int[Tensor, " train"],
    test: Int[Tensor, " test"],
) -> CentredBlocks:
    """The fold's blocks of a Gram matrix, centred on the training stimuli only.

    Parameters
    ----------
    gram
        Inner products of features between all stimuli; any constant that was subtracted from the
        features before cancels.
    """
    inner = gram[train[:, None], train]
    size = float(inner.diagonal().max())
    cross = gram[test[:, None], train]
    mean = inner.mean(dim=0)
    inner = inner.sub_(mean).sub_((mean - mean.mean())[:, None])
    cross = cross.sub_(mean).sub_(cross.mean(dim=1, keepdim=True))
    return CentredBlocks(inner, cross, size)


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
    return basis_from_blocks(centred_blocks(gram, train, test))


def basis_from_blocks(blocks: CentredBlocks) -> Basis:
    """Dual form, of blocks of a Gram matrix that are centred."""
    inner, cross, size = blocks
    eigenvalues, vectors = _positive_eigenpairs(inner, len(inner), size=size)
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


def indices(rows: np.ndarray, like: Tensor) -> Int[Tensor, " row"]:
    """Positions as a tensor beside ``like``."""
    # A copy, since torch takes no array that runs backwards.
    return torch.from_numpy(np.array(rows, dtype=np.int64)).to(like.device)


def mean_eigenvalue(basis: Basis) -> Float[Tensor, ""]:
    """Mean of the positive eigenvalues; 1 where features are constant and any penalty will do."""
    return basis.eigenvalues.mean() if len(basis.eigenvalues) else basis.eigenvalues.new_ones(())


def rotated(basis: Basis, responses: Float[Tensor, "train target"]) -> Rotated:
    """Responses in the basis; everything else is written with these numbers."""
    mean = responses.mean(dim=0)
    return Rotated(mean, basis.train.mT @ (responses - mean))


def predictions(
    basis: Basis, responses: Rotated, penalty: Float[Tensor, " target"]
) -> Float[Tensor, "test target"]:
    """Predicted responses to the held-out stimuli, each target with its own penalty."""
    shrinkage = basis.eigenvalues[:, None] / (basis.eigenvalues[:, None] + penalty)
    # The mean comes last: what is small at large penalties keeps its digits in the product.
    return (basis.test @ shrinkage.mul_(responses.weights)).add_(responses.mean)


def dual_weights(
    basis: Basis, responses: Rotated, penalty: Float[Tensor, " target"]
) -> Float[Tensor, "train target"]:
    """Weights on training stimuli; centred training features times them are the coefficients.

    The part of the responses that no feature reaches is left out: it would have no effect.
    """
    return basis.train @ (responses.weights / (basis.eigenvalues[:, None] + penalty))


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
