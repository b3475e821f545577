"""Leading eigenvectors in lockstep against those found one by one, and all eigenvectors."""

import numpy as np
import pytest
import torch

from neurorec.encoding.leading_batch import DeflatedBatch, leading_eigenvectors

#: Residual over eigenvalue at which the iteration stops, and the rounding of eigh.
TOLERANCE = 1e-10


@pytest.fixture
def batch(rng):
    def batch(n_matrices: int, side: int, n_terms: int, scale: float = 0.3) -> DeflatedBatch:
        diagonal = np.sort(rng.uniform(0.5, 1, (n_matrices, side)) / np.arange(1.0, side + 1))
        diagonal = diagonal[:, ::-1].copy()
        terms = scale * rng.normal(size=(2, n_matrices, side, n_terms))
        b, h = terms * diagonal[..., None] ** 0.5
        return DeflatedBatch(*map(torch.from_numpy, (diagonal, b, h)))

    return batch


@pytest.mark.parametrize("side", [1, 2, 30, 60, 200])
@pytest.mark.parametrize("n_terms", [0, 1, 5, 25])
def test_against_all_eigenvectors(batch, side, n_terms):
    matrices = batch(4, side, n_terms)
    vectors, values, found = leading_eigenvectors(matrices)
    assert found.sum() >= 3  # a start may miss one, which is then said
    dense_found = matrices.block(side)[found].numpy()
    for dense, vector, value in zip(dense_found, vectors[found], values[found], strict=True):
        eigenvalues = np.linalg.eigvalsh(dense)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-12)
        assert float(value) == pytest.approx(eigenvalues[-1], rel=TOLERANCE)
        residual = dense @ vector.numpy() - float(value) * vector.numpy()
        assert np.linalg.norm(residual) <= TOLERANCE * abs(eigenvalues[-1])


def test_a_vector_that_the_start_does_not_see_is_not_called_found(batch):
    """Only that matrix is; the others of the batch are none the worse."""
    matrices = batch(3, 100, 1)
    matrices.b[1], matrices.h[1] = 0, 0
    matrices.b[1, -1], matrices.h[1, -1] = 1, -1.5  # an eigenvalue of 3 on the last coordinate
    _, values, found = leading_eigenvectors(matrices)
    assert found.tolist() == [True, False, True]
    expected = np.linalg.eigvalsh(matrices.block(100).numpy())[:, -1]
    np.testing.assert_allclose(values[found], expected[found.numpy()], rtol=TOLERANCE)


def test_a_number_that_is_an_entry_of_the_diagonal_proves_nothing(batch):
    """With no terms that act, the eigenvalue sits on the diagonal."""
    matrices = batch(2, 100, 1)
    matrices.b.zero_()
    matrices.h.zero_()
    vectors, values, _ = leading_eigenvectors(matrices)
    assert bool(vectors.isfinite().all())
    np.testing.assert_allclose(values, matrices.diagonal[:, 0], rtol=TOLERANCE)
