r"""Leading eigenvectors of many deflated diagonal matrices at once.

The method of :mod:`neurorec.encoding.leading` in lockstep: each step is a few products of stacked
matrices in place of many small ones.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neurorec.encoding.leading import ABOVE, MAX_STEPS, RESIDUAL, SMALL, START


class DeflatedBatch(NamedTuple):
    """The matrices ``diag(diagonal) - b @ h.T - h @ b.T``, diagonals in descending order."""

    diagonal: Float[Tensor, "matrix side"]
    b: Float[Tensor, "matrix side term"]
    h: Float[Tensor, "matrix side term"]

    def block(self, n: int) -> Float[Tensor, "matrix n n"]:
        """The first rows and columns as plain matrices."""
        product = self.b[:, :n] @ self.h[:, :n].mT
        return torch.diag_embed(self.diagonal[:, :n]) - product - product.mT


class LeadingPairs(NamedTuple):
    """Unit eigenvectors of the largest eigenvalues, and where that is certain."""

    vectors: Float[Tensor, "matrix side"]
    values: Float[Tensor, " matrix"]
    found: Bool[Tensor, " matrix"]


def leading_eigenvectors(batch: DeflatedBatch) -> LeadingPairs:
    """The leading eigenvector of each matrix; see :func:`~neurorec.encoding.leading`."""
    _, side, n_terms = batch.b.shape
    if n_terms == 0:
        vectors = torch.zeros_like(batch.diagonal)
        vectors[:, 0] = 1.0
        first = batch.diagonal[:, 0]
        return LeadingPairs(vectors, first, torch.ones_like(first, dtype=torch.bool))
    if side > max(SMALL, 2 * n_terms):
        return _by_iteration(batch)
    eigenvalues, vectors = torch.linalg.eigh(batch.block(side))
    found = torch.ones_like(eigenvalues[:, -1], dtype=torch.bool)
    return LeadingPairs(vectors[..., -1].contiguous(), eigenvalues[:, -1], found)


class _Shifted(NamedTuple):
    """Woodbury's parts of the inverses of ``matrix - shift``; see ``leading``."""

    inverse: Float[Tensor, "matrix side"]
    scaled: Float[Tensor, "matrix side column"]
    small: Float[Tensor, "matrix column column"]


def _by_iteration(batch: DeflatedBatch) -> LeadingPairs:
    rounding = 64 * torch.finfo(batch.diagonal.dtype).eps * batch.diagonal[:, 0]
    terms = torch.cat([batch.b, batch.h], dim=2)
    vectors = _start(batch)
    values, converged = _rayleigh(batch, terms, vectors, rounding)
    first, one_above = values, torch.zeros_like(converged)
    for step in range(MAX_STEPS - 1):
        if bool(converged.all()):
            break
        shifted = _shifted(batch, terms, values)
        if step == 0:
            one_above = _n_eigenvalues_above(shifted) == 1
        better = _solved(shifted, terms, vectors)
        # What has converged stays: its shift is an eigenvalue, to which nothing can be solved.
        vectors = torch.where(converged[:, None], vectors, better)
        values, converged = _rayleigh(batch, terms, vectors, rounding)
    # The only eigenvalue above the first quotient is the largest, up to what counts as converged.
    proved = one_above & (values > first + rounding)
    if not bool(proved.all()):
        shifted = _shifted(batch, terms, values + ABOVE * values.abs())
        proved = proved | (_n_eigenvalues_above(shifted) == 0)
    return LeadingPairs(vectors, values, converged & proved)


def _start(batch: DeflatedBatch) -> Tensor:
    _, side, n_terms = batch.b.shape
    n = min(side, n_terms + START)
    vectors = torch.zeros_like(batch.diagonal)
    vectors[:, :n] = torch.linalg.eigh(batch.block(n))[1][..., -1]
    return vectors


def _rayleigh(
    batch: DeflatedBatch, terms: Tensor, vectors: Tensor, rounding: Tensor
) -> tuple[Tensor, Tensor]:
    """Rayleigh quotients, and where the residuals are small enough."""
    n_terms = batch.b.shape[2]
    coefficients = (vectors[:, None] @ terms)[:, 0].roll(n_terms, dims=1)
    images = batch.diagonal * vectors - (terms @ coefficients[..., None])[..., 0]
    values = (vectors * images).sum(dim=1)
    residuals = torch.linalg.vector_norm(images - values[:, None] * vectors, dim=1)
    return values, residuals <= torch.maximum(RESIDUAL * values, rounding)


def _shifted(batch: DeflatedBatch, terms: Tensor, shifts: Tensor) -> _Shifted:
    inverse = 1 / (batch.diagonal - shifts[:, None])
    scaled = inverse[..., None] * terms
    small = terms.mT @ scaled
    n_terms = batch.b.shape[2]
    small.diagonal(n_terms, dim1=1, dim2=2).sub_(1)
    small.diagonal(-n_terms, dim1=1, dim2=2).sub_(1)
    return _Shifted(inverse, scaled, small)


def _solved(shifted: _Shifted, terms: Tensor, vectors: Tensor) -> Tensor:
    plain = shifted.inverse * vectors
    right = (plain[:, None] @ terms).mT
    correction, _ = torch.linalg.solve_ex(shifted.small, right)
    solved = plain - (shifted.scaled @ correction)[..., 0]
    return solved / torch.linalg.vector_norm(solved, dim=1, keepdim=True)


def _n_eigenvalues_above(shifted: _Shifted) -> Tensor:
    """Inertia of ``matrix - shift``; as many as there are columns where nothing is proved."""
    inverse, _, small = shifted
    n_columns = small.shape[1]
    known = small.isfinite().flatten(start_dim=1).all(dim=1)
    small = torch.where(known[:, None, None], small, torch.zeros_like(small))
    negative = (torch.linalg.eigvalsh(small) < 0).sum(dim=1)
    above = (inverse > 0).sum(dim=1) + negative - n_columns // 2
    return torch.where(known, above, n_columns)
