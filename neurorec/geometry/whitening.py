r"""Whitening of RDMs by the covariance of the noise in their entries.

With :math:`\Sigma_k` the covariance of the noise between conditions and :math:`C` the contrasts
of all pairs, entries of an RDM covary as :math:`V = (C \Sigma_k C')^{\circ 2}`. That matrix of
pairs by pairs is never formed. Distances are a linear function of the second moment :math:`G` of
the patterns, one to one on contrasts :math:`E`; the covariance of :math:`E G E'` is that of a
Wishart matrix, whence

.. math::

    d_1' V^{-1} d_2 = \tfrac14 \operatorname{tr}(L D_1 L D_2), \qquad
    L = E' (E \Sigma_k E')^{-1} E
"""

import numpy as np
from jaxtyping import Float64, Int64
from scipy.linalg import helmert, solve_triangular
from scipy.spatial.distance import squareform


def whitened(
    vectors: Float64[np.ndarray, "rdm pair"],
    sigma_k: Float64[np.ndarray, "condition condition"] | None = None,
) -> Float64[np.ndarray, "rdm entry"]:
    r"""Vectors whose inner products are :math:`d_1' V^{-1} d_2`.

    Parameters
    ----------
    vectors
        Upper triangles.
    sigma_k
        Noise covariance of the conditions; without it noise is independent and equal.

    References
    ----------
    Diedrichsen, Berlot, Mur, Schütt, Shahbazi & Kriegeskorte (2021) *Neurons, Behavior, Data
    analysis, and Theory* 5(3).
    """
    matrices = np.stack([squareform(v, checks=False) for v in vectors])
    contrasts = helmert(matrices.shape[1])
    if sigma_k is not None:
        root = np.linalg.cholesky(contrasts @ sigma_k @ contrasts.T)
        contrasts = solve_triangular(root, contrasts, lower=True)
    return (contrasts @ matrices @ contrasts.T / 2).reshape(len(vectors), -1)


def double_centred(
    vectors: Float64[np.ndarray, "rdm pair"],
) -> Float64[np.ndarray, "rdm pair"]:
    r""":math:`V^{-1} d` for independent and equal noise: half of ``H D H``, its upper triangle."""
    matrices = np.stack([squareform(v, checks=False) for v in vectors])
    centred = matrices - matrices.mean(axis=1, keepdims=True)
    centred -= centred.mean(axis=2, keepdims=True)
    upper = np.triu_indices(matrices.shape[1], 1)
    return centred[:, upper[0], upper[1]] / 2


def check_sigma_k(sigma_k: np.ndarray, n_conditions: int) -> None:
    """Refuse what is no covariance of ``n_conditions`` conditions.

    Raises
    ------
    ValueError
        If the shape is wrong, or the matrix is not symmetric or not positive definite.
    """
    if sigma_k.shape != (n_conditions, n_conditions):
        raise ValueError(
            f"sigma_k must be the noise covariance of the {n_conditions} conditions, "
            f"{n_conditions} by {n_conditions}, got shape {sigma_k.shape}"
        )
    contrasts = helmert(n_conditions)
    if (
        not np.allclose(sigma_k, sigma_k.T)
        or np.linalg.eigvalsh(contrasts @ sigma_k @ contrasts.T)[0] <= 0
    ):
        raise ValueError(
            "sigma_k must be symmetric and positive definite; shrink an estimate from few "
            "repetitions towards its diagonal"
        )


class ResampledWhitening:
    r"""Inner products :math:`x' V^{-1} y` of RDMs of resampled conditions, a few draws at a time.

    Copies of a stimulus stand for new stimuli, with noise of their own; pairs of two copies are
    left out. Then :math:`V = 2 I + B' B`, with :math:`B` the conditions of each pair. By
    Woodbury's identity, and because all copies of a stimulus have the same sums :math:`r = B x`,
    its inverse takes one system of the size of the different stimuli.

    Parameters
    ----------
    copies
        How often each draw holds each stimulus.
    """

    def __init__(self, copies: Int64[np.ndarray, "draw condition"]) -> None:
        self.copies = copies.astype(np.float64)
        n_conditions = copies.shape[1]
        own = self.copies.sum(axis=1, keepdims=True) - 2 * self.copies + 2
        system = np.eye(n_conditions) * own[:, None] + self.copies[:, None]
        self.inverse = self.copies[:, :, None] * np.linalg.inv(system)

    def products(
        self,
        x: Float64[np.ndarray, "draw x condition"],
        y: Float64[np.ndarray, "draw y condition"],
    ) -> Float64[np.ndarray, "draw x y"]:
        """What the sums of rows take off ``x' y``; half of the difference is the product."""
        return x @ self.inverse @ y.transpose(0, 2, 1)

    def squares(
        self, x: Float64[np.ndarray, "draw rdm condition"]
    ) -> Float64[np.ndarray, "draw rdm"]:
        """The products of each RDM with itself."""
        return np.einsum("dxi,dxi->dx", x @ self.inverse, x)
