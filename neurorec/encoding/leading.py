r"""Leading eigenvector of a diagonal matrix from which a few rank-two terms were taken.

.. math:: M = D - B H^\top - H B^\top

A product with :math:`(M - \theta I)^{-1}` costs little: the identity of Woodbury reduces it to a
system of twice the number of terms. Rayleigh quotient iteration therefore converges in two or
three cheap steps, however close the second eigenvalue is, and the inertia of the same small
matrix, by Sylvester's law, counts the eigenvalues above a number: it proves that the vector found
is the leading one.
"""

from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

#: Below this side, or with more terms than half of it, all eigenvectors cost less.
SMALL: Final = 48
#: Coordinates, beyond one per term, in which the iteration finds its start.
START: Final = 16
MAX_STEPS: Final = 8
#: Residual over eigenvalue: the error of the vector is this over the relative gap.
RESIDUAL: Final = 1e-11
#: Room between the eigenvalue found and the number above which there must be none.
ABOVE: Final = 1e-8


class Deflated(NamedTuple):
    """The matrix ``diag(diagonal) - b @ h.T - h @ b.T``, the diagonal in descending order."""

    diagonal: Float[Tensor, " side"]
    b: Float[Tensor, "side term"]
    h: Float[Tensor, "side term"]

    def times(self, vector: Float[Tensor, " side"]) -> Float[Tensor, " side"]:
        """Product with a vector."""
        return (
            self.diagonal * vector - self.b @ (self.h.mT @ vector) - self.h @ (self.b.mT @ vector)
        )

    def block(self, n: int) -> Float[Tensor, "n n"]:
        """The first rows and columns as a plain matrix."""
        product = self.b[:n] @ self.h[:n].mT
        return torch.diag(self.diagonal[:n]) - product - product.mT


def leading_eigenvector(matrix: Deflated) -> tuple[Float[Tensor, " side"], float]:
    """Unit eigenvector of the largest eigenvalue, and that eigenvalue."""
    side, n_terms = matrix.b.shape
    if n_terms == 0:
        first = torch.zeros_like(matrix.diagonal)
        first[0] = 1.0
        return first, float(matrix.diagonal[0])
    if side > max(SMALL, 2 * n_terms):
        found = _by_iteration(matrix)
        if found is not None:
            return found
    eigenvalues, vectors = torch.linalg.eigh(matrix.block(side))
    return vectors[:, -1], float(eigenvalues[-1])


def _by_iteration(matrix: Deflated) -> tuple[Tensor, float] | None:
    """Rayleigh quotient iteration; None if it does not converge, or not to the leading vector."""
    rounding = 64 * torch.finfo(matrix.diagonal.dtype).eps * float(matrix.diagonal[0])
    terms = torch.cat([matrix.b, matrix.h], dim=1)
    vector = _start(matrix)
    for _ in range(MAX_STEPS):
        image = matrix.times(vector)
        value = float(vector @ image)
        residual = float(torch.linalg.vector_norm(image - value * vector))
        if residual <= max(RESIDUAL * value, rounding):
            above = _n_eigenvalues_above(matrix, terms, value + ABOVE * abs(value))
            return (vector, value) if above == 0 else None
        vector = _solve_shifted(matrix, terms, value, vector)
        vector = vector / torch.linalg.vector_norm(vector)
    return None


def _start(matrix: Deflated) -> Tensor:
    """Leading eigenvector within the first coordinates, which hold most of it."""
    side, n_terms = matrix.b.shape
    n = min(side, n_terms + START)
    vector = torch.zeros_like(matrix.diagonal)
    vector[:n] = torch.linalg.eigh(matrix.block(n))[1][:, -1]
    return vector


def _capacitance(matrix: Deflated, terms: Tensor, shift: float) -> tuple[Tensor, Tensor, Tensor]:
    r"""Woodbury's small matrix :math:`\Sigma^{-1} + U^\top (D - \theta)^{-1} U`, and its parts."""
    inverse = 1 / (matrix.diagonal - shift)
    scaled = inverse[:, None] * terms
    small = terms.mT @ scaled
    n_terms = terms.shape[1] // 2
    # Sigma has -1 where a term meets its partner, and is its own inverse.
    small.diagonal(n_terms).sub_(1)
    small.diagonal(-n_terms).sub_(1)
    return inverse, scaled, small


def _solve_shifted(matrix: Deflated, terms: Tensor, shift: float, vector: Tensor) -> Tensor:
    inverse, scaled, small = _capacitance(matrix, terms, shift)
    plain = inverse * vector
    correction, _ = torch.linalg.solve_ex(small, terms.mT @ plain)
    return plain - scaled @ correction


def _n_eigenvalues_above(matrix: Deflated, terms: Tensor, number: float) -> int:
    """Inertia of ``matrix - number``, from that of the diagonal and of the small matrix."""
    inverse, _, small = _capacitance(matrix, terms, number)
    n_terms = terms.shape[1] // 2
    if not bool(torch.isfinite(small).all()):
        return n_terms  # the number is an entry of the diagonal: nothing is proved
    negative = int((torch.linalg.eigvalsh(small) < 0).sum())
    return int((inverse > 0).sum()) + negative - n_terms
