r"""PLS regression on torch tensors: components from a Gram matrix.

With :math:`K = X X^\top`, responses ``Y`` and the scores ``T`` of earlier components, NIPALS takes
as the next one the leading eigenvector ``c`` of :math:`Y^\top K_a Y`, where
:math:`K_a = (I - T T^\top) K (I - T T^\top)`, and from it

.. math:: v = (I - T T^\top) Y c, \qquad t \propto K_a v

``K`` is never deflated. In the eigenbasis ``E`` of :math:`Y^\top K Y = E D E^\top` the matrix of
component ``a`` is ``D`` less ``a - 1`` terms of rank two, with

.. math:: b = E^\top Y^\top t, \qquad h = E^\top Y^\top K_a t - (t^\top K t) \, b / 2

and :mod:`neurorec.encoding.leading` solves that. One eigendecomposition thus serves all
components, on the smaller of targets and stimuli.

Notes
-----
Wold, Sjöström and Eriksson (2001), *Chemometrics and Intelligent Laboratory Systems* 58, 109-130;
Rännar, Lindgren, Geladi and Wold (1994), *Journal of Chemometrics* 8, 111-125 (the kernel form).
"""

from typing import Final, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurorec.encoding.leading import Deflated, leading_eigenvector

#: Once the leading eigenvalue has fallen this far, the terms are summed into a new eigenbasis:
#: what they leave has lost as many digits.
RENEWAL: Final = 1e-6


class Problem(NamedTuple):
    """Inner products of centred features.

    Parameters
    ----------
    gram
        Between training stimuli, or coordinates that stand for them.
    cross
        Between held-out and training stimuli.
    size
        Largest inner product before centring: what the rounding of ``gram`` is a share of.
    """

    gram: Float[Tensor, "row row"]
    cross: Float[Tensor, "test row"]
    size: float


class Components(NamedTuple):
    r"""Components of PLS.

    Parameters
    ----------
    scores
        Orthonormal columns ``T``, fewer than were asked for where features or responses are used
        up.
    dual
        Columns ``A`` with :math:`K A = T`: centred features of new stimuli times :math:`X^\top A`
        are their scores.
    """

    scores: Float[Tensor, "row component"]
    dual: Float[Tensor, "row component"]


def problem_from_gram(
    gram: Float[Tensor, "stimulus stimulus"],
    train: Int[Tensor, " train"],
    test: Int[Tensor, " test"],
) -> Problem:
    """The fold's blocks of a Gram matrix, centred on the training stimuli only."""
    inner = gram[train][:, train]
    cross = gram[test][:, train]
    size = float(inner.diagonal().max())
    mean = inner.mean(dim=0)
    cross = cross - cross.mean(dim=1, keepdim=True) - (mean - mean.mean())
    inner -= mean
    inner -= (mean - mean.mean())[:, None]
    return Problem(inner, cross, size)


class Rows(NamedTuple):
    r"""Centred features, or as few rows with the same inner products.

    With :math:`X = Q R` the rows ``R`` and the responses :math:`Q^\top Y` have the components of
    ``X`` and ``Y``, written in the basis ``Q`` of all that the features can tell apart.

    Parameters
    ----------
    features
        The rows, at most as many as features.
    basis
        ``Q``; None where there were no more rows than features.
    gram
        Inner products of the rows.
    size
        As in :class:`Problem`, of what centring leaves of features that do not vary.
    """

    features: Float[Tensor, "row feature"]
    basis: Float[Tensor, "train row"] | None
    gram: Float[Tensor, "row row"]
    size: float

    def coordinates(self, responses: Float[Tensor, "train target"]) -> Float[Tensor, "row target"]:
        """Responses in the basis of the rows."""
        return responses if self.basis is None else self.basis.mT @ responses


def centred_rows(features: Float[Tensor, "train feature"], mean: Float[Tensor, " feature"]) -> Rows:
    """Rows of features from which ``mean`` is subtracted, no more than there are features."""
    rounding = len(features) * torch.finfo(features.dtype).eps
    rows, basis = features - mean, None
    if len(rows) > rows.shape[1]:
        basis, rows = torch.linalg.qr(rows)
    return Rows(rows, basis, _symmetric_product(rows), rounding * float(mean @ mean))


def _symmetric_product(rows: Tensor) -> Tensor:
    if rows.device.type != "cpu":
        return rows @ rows.mT
    # NumPy sees that both factors are one array, and makes half of the products.
    values = rows.numpy()
    return torch.from_numpy(values @ values.T)


def components(
    gram: Float[Tensor, "row row"],
    responses: Float[Tensor, "row target"],
    n_components: int,
    *,
    size: float = 0.0,
) -> Components:
    """Components of centred features and responses.

    They end early where what is left of the features, or of the responses, is rounding.

    Parameters
    ----------
    gram
        Inner products of centred features.
    responses
        Centred responses.
    size
        Largest number that went into ``gram``, where that is more than its norm.
    """
    rounding = max(len(gram), responses.shape[1]) * torch.finfo(gram.dtype).eps
    floor = _Floor(
        features=rounding * max(float(torch.linalg.matrix_norm(gram)), size),
        responses=rounding * float(torch.linalg.matrix_norm(responses)),
    )
    if responses.shape[1] > len(responses):
        # Scores depend on inner products of responses between stimuli alone.
        responses = torch.linalg.qr(responses.mT, mode="r")[1].mT
    found = _Found(gram, n_components)
    more = True
    while more and found.room:
        frame = _Frame(gram, found.removed_from(responses), found.room)
        more = _extend(found, frame, floor)
    return found.solved()


class _Floor(NamedTuple):
    """What is rounding: eigenvalues of the Gram matrix, and norms of responses."""

    features: float
    responses: float


class _Found:
    """Components so far, in columns that are filled one by one."""

    def __init__(self, gram: Tensor, n_components: int) -> None:
        self.gram = gram
        self.count = 0
        self._scores = gram.new_zeros(len(gram), n_components)
        self._weights = torch.zeros_like(self._scores)
        self._images = torch.zeros_like(self._scores)  # gram @ weights

    @property
    def room(self) -> int:
        return self._scores.shape[1] - self.count

    def removed_from(self, values: Tensor) -> Tensor:
        """The part of ``values`` that is orthogonal to all scores."""
        scores = self._scores[:, : self.count]
        return values - scores @ (scores.mT @ values)

    def add(self, weight: Tensor, floor: _Floor) -> Tensor | None:
        """The score of a weight, added; None where the weight or its score is rounding."""
        image = self.gram @ weight
        energy, length = float(weight @ image), float(weight @ weight)
        if length <= floor.responses**2 or energy <= floor.features * length:
            return None
        score = self.removed_from(self.removed_from(image))  # twice is enough
        score = score / torch.linalg.vector_norm(score)
        self._scores[:, self.count] = score
        self._weights[:, self.count] = weight / energy**0.5
        self._images[:, self.count] = image / energy**0.5
        self.count += 1
        return score

    def solved(self) -> Components:
        scores = self._scores[:, : self.count]
        weights = self._weights[:, : self.count]
        # Upper triangular: a weight has no part in later scores.
        triangle = (scores.mT @ self._images[:, : self.count]).triu()
        return Components(
            scores, torch.linalg.solve_triangular(triangle, weights, upper=True, left=False)
        )


class _Frame:
    """Targets in the eigenbasis of ``responses.T @ gram @ responses``, and the terms taken off.

    ``responses`` are orthogonal to the scores of earlier frames, so that only those of this one
    need to be taken off.
    """

    def __init__(self, gram: Tensor, responses: Tensor, n_terms: int) -> None:
        eigenvalues, basis = torch.linalg.eigh(responses.mT @ (gram @ responses))
        # Without a copy in order of rows, products with the basis take half as long again.
        self._eigenvalues, self._basis = eigenvalues.flip(0), basis.flip(1).contiguous()
        self._gram, self._responses = gram, responses
        self._n_terms = 0
        self._scores = gram.new_zeros(len(gram), n_terms)
        self._b = gram.new_zeros(len(basis), n_terms)
        self._h = torch.zeros_like(self._b)

    def weight(self) -> Tensor | None:
        """Responses times the leading eigenvector; None where its digits are lost."""
        k = self._n_terms
        matrix = Deflated(self._eigenvalues, self._b[:, :k], self._h[:, :k])
        vector, value = leading_eigenvector(matrix)
        if k and value < RENEWAL * float(self._eigenvalues[0]):
            return None
        return self._responses @ (self._basis @ vector)

    def remove(self, score: Tensor) -> None:
        """Take off the term of a new score."""
        k = self._n_terms
        image = self._gram @ score
        earlier = self._b[:, :k] @ (self._scores[:, :k].mT @ image)
        b = self._basis.mT @ (self._responses.mT @ score)
        h = self._basis.mT @ (self._responses.mT @ image) - earlier - (score @ image) * b / 2
        self._scores[:, k], self._b[:, k], self._h[:, k] = score, b, h
        self._n_terms += 1


def _extend(found: _Found, frame: _Frame, floor: _Floor) -> bool:
    """Add components while the frame has the digits for them; False where nothing is left."""
    while found.room:
        weight = frame.weight()
        if weight is None:
            return True
        score = found.add(found.removed_from(weight), floor)
        if score is None:
            return False
        frame.remove(score)
    return True
