"""The leading eigenvector of a diagonal less rank-two terms, against all eigenvectors."""

import numpy as np
import pytest
import torch

from neurorec.encoding import leading
from neurorec.encoding.leading import Deflated, leading_eigenvector

#: Residual over eigenvalue at which the iteration stops, and the rounding of eigh.
TOLERANCE = 1e-10


@pytest.fixture
def matrix(rng):
    def matrix(side: int, n_terms: int, scale: float = 0.3) -> Deflated:
        diagonal = 1 / np.arange(1.0, side + 1)
        b, h = scale * rng.normal(size=(2, side, n_terms)) * diagonal[:, None] ** 0.5
        return Deflated(*map(torch.from_numpy, (diagonal, b, h)))

    return matrix


def is_leading(matrix: Deflated) -> None:
    vector, value = leading_eigenvector(matrix)
    dense = matrix.block(len(matrix.diagonal)).numpy()
    eigenvalues = np.linalg.eigvalsh(dense)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-12)
    assert value == pytest.approx(eigenvalues[-1], rel=TOLERANCE)
    residual = dense @ vector.numpy() - value * vector.numpy()
    assert np.linalg.norm(residual) <= TOLERANCE * eigenvalues[-1]


@pytest.mark.parametrize("side", [1, 2, 30, 60, 200])
@pytest.mark.parametrize("n_terms", [0, 1, 5, 25])
def test_against_all_eigenvectors(matrix, side, n_terms):
    is_leading(matrix(side, n_terms))


def test_definition(matrix):
    terms = matrix(7, 3)
    d, b, h = (part.numpy() for part in terms)
    dense = np.diag(d) - b @ h.T - h @ b.T
    x = np.linspace(-1, 1, 7)
    np.testing.assert_allclose(terms.block(7), dense, atol=1e-15)
    np.testing.assert_allclose(terms.block(4), dense[:4, :4], atol=1e-15)
    np.testing.assert_allclose(terms.times(torch.from_numpy(x)), dense @ x, atol=1e-15)


@pytest.mark.parametrize("n_terms", [1, 10, 25])
def test_the_iteration_is_what_finds_it(matrix, n_terms):
    assert leading._by_iteration(matrix(300, n_terms)) is not None


def test_a_vector_that_the_start_does_not_see(matrix):
    # The term puts an eigenvalue of 3 on the last coordinate; the iteration starts among the
    # first, and converges to another eigenvector, which the count of eigenvalues above reveals.
    diagonal = matrix(100, 1).diagonal
    last = torch.zeros(100, 1, dtype=torch.float64)
    last[-1] = 1.0
    hidden = Deflated(diagonal, last, -1.5 * last)
    assert leading._by_iteration(hidden) is None
    vector, value = leading_eigenvector(hidden)
    assert value == pytest.approx(3.01)
    assert abs(float(vector[-1])) == pytest.approx(1)


def test_terms_that_change_nothing(matrix):
    # The leading eigenvalue is then an entry of the diagonal, where the small matrix is infinite.
    diagonal = matrix(100, 1).diagonal
    nothing = torch.zeros(100, 2, dtype=torch.float64)
    is_leading(Deflated(diagonal, nothing, nothing))


@pytest.mark.parametrize("gap", [1e-3, 1e-9, 1e-15])
def test_a_second_eigenvalue_close_to_the_first(matrix, gap):
    d, b, h = matrix(100, 4, scale=0.1)
    d[0] = d[1] + gap
    b[:2], h[:2] = 0, 0
    is_leading(Deflated(d, b, h))


@pytest.mark.parametrize("number", [0.9, 0.3, 0.051, 0.0111])
def test_count_of_eigenvalues_above(matrix, number):
    terms = matrix(100, 5)
    above = int((torch.linalg.eigvalsh(terms.block(100)) > number).sum())
    together = torch.cat([terms.b, terms.h], dim=1)
    assert leading._n_eigenvalues_above(terms, together, number) == above


def test_no_count_at_an_entry_of_the_diagonal(matrix):
    # The small matrix is infinite there; the answer must not be taken for a proof.
    terms = matrix(100, 5)
    together = torch.cat([terms.b, terms.h], dim=1)
    assert leading._n_eigenvalues_above(terms, together, float(terms.diagonal[0])) > 0
