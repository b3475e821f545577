r"""PLS of many folds of the same stimuli at once.

The method of :mod:`neurorec.encoding.pls_solver` with the folds in lockstep. Every fold keeps all
stimuli, with zeros in the rows that it holds out: with ``w`` one for its ``m`` training stimuli,
:math:`C = \mathrm{diag}(w) - w w^\top / m` centres them and drops the others, and

.. math:: Y^\top C K C Y

is :math:`Y^\top K Y` of all stimuli less the products of the rows held out, which are few. Products
with ``K`` are then made for all folds at once.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from threadpoolctl import threadpool_limits
from torch import Tensor

from neurorec.encoding.leading_batch import DeflatedBatch, LeadingPairs, leading_eigenvectors
from neurorec.encoding.pls_solver import RENEWAL
from neurorec.encoding.ridge_solver import indices
from neurorec.gram import centre

Fold = tuple[np.ndarray, np.ndarray]

# Numbers of the eigenbases of folds that are solved together, 256 MiB: with more, memory would
# grow with folds, and nothing would be faster.
_TOGETHER: Final = 2**25


class _Shared(NamedTuple):
    """What all folds have in common.

    Parameters
    ----------
    gram, responses
        Centred inner products ``K``, and centred responses ``Y``.
    products, whole
        ``K Y`` and ``Y' K Y``.
    """

    gram: Float[Tensor, "row row"]
    responses: Float[Tensor, "row target"]
    products: Float[Tensor, "row target"]
    whole: Float[Tensor, "target target"]


class _Folds(NamedTuple):
    """Quantities with one entry for each fold.

    Parameters
    ----------
    kept
        ``w``, the indicator of training rows.
    mean
        Mean response of the training rows.
    eigenvalues, basis
        Of ``Y' C K C Y``, descending.
    floor_features, floor_responses
        What is rounding: as in the solver of one fold, of the inner products and responses of all
        stimuli, since those of a fold are differences of them.
    """

    kept: Float[Tensor, "fold row"]
    mean: Float[Tensor, "fold target"]
    eigenvalues: Float[Tensor, "fold target"]
    basis: Float[Tensor, "fold target target"]
    floor_features: Float[Tensor, " fold"]
    floor_responses: Float[Tensor, " fold"]


class _Terms(NamedTuple):
    """What a fold takes off: ``Y' C K C Y`` is ``Y' K Y - p' q - q' p``."""

    p: Float[Tensor, "term target"]
    q: Float[Tensor, "term target"]


class _Columns(NamedTuple):
    """Components so far: each array has a row for every component that there will be."""

    scores: Float[Tensor, "fold component row"]
    weights: Float[Tensor, "fold component row"]
    images: Float[Tensor, "fold component row"]
    b: Float[Tensor, "fold target component"]
    h: Float[Tensor, "fold target component"]


def predictions_of_folds(
    gram: Float[Tensor, "row row"],
    responses: Float[Tensor, "known target"],
    folds: Sequence[Fold],
    n_components: int,
) -> list[Tensor | None]:
    """Predictions (test, target) of each fold.

    None for the few in which something is unusual, which the solver of one fold does well: features
    or responses that are used up, or an eigenbasis that must be renewed.
    """
    kept = _indicators(gram, folds)
    used = kept[:, : len(responses)].sum(dim=0) > 0
    offset = responses[used].mean(dim=0)
    # Rows that no fold is fitted to may hold anything.
    centred = torch.where(used[:, None], responses - offset, 0.0)
    missing = len(gram) - len(responses)
    centred = torch.cat([centred, centred.new_zeros(missing, centred.shape[1])])
    coordinates = centred
    if centred.shape[1] > len(centred):
        # Scores depend on inner products of responses between stimuli alone.
        coordinates = torch.linalg.qr(centred.mT, mode="r")[1].mT.contiguous()
    shared = _shared(centre(gram), coordinates)
    predicted: list[Tensor | None] = [None] * len(folds)
    together = max(1, _TOGETHER // coordinates.shape[1] ** 2)
    for some in torch.arange(len(folds), device=gram.device).split(together):
        places, columns = _components(shared, _prepared(shared, kept[some]), n_components)
        predict = _predictor(columns, kept[some][places], centred, offset)
        for row, place in enumerate(some[places].tolist()):
            predicted[place] = predict(row, indices(folds[place][1], gram))
    return predicted


def _shared(gram: Tensor, responses: Tensor) -> _Shared:
    products = gram @ responses
    return _Shared(gram, responses, products, responses.mT @ products)


def _indicators(gram: Tensor, folds: Sequence[Fold]) -> Tensor:
    kept = gram.new_zeros(len(folds), len(gram))
    for row, (train, _) in zip(kept, folds, strict=True):
        row[indices(train, gram)] = 1.0
    return kept


def _prepared(shared: _Shared, kept: Tensor) -> _Folds:
    gram, y, *_ = shared
    counts = kept.sum(dim=1)
    mean = (kept @ y) / counts[:, None]
    sums = kept @ gram  # w' K
    crossed = (kept * sums) @ y  # Y' diag(w) K w
    outer = crossed - (kept * sums).sum(dim=1, keepdim=True) * mean / 2
    terms = [_terms(shared, *fold) for fold in zip(kept, mean, outer, strict=True)]
    eigenvalues, basis = _eigenpairs(shared.whole, terms)
    eps = torch.finfo(gram.dtype).eps
    rounding = counts.clamp_min(y.shape[1]) * eps
    size = (kept * gram.diagonal()).amax(dim=1)
    return _Folds(
        kept,
        mean,
        eigenvalues,
        basis,
        rounding * torch.maximum(torch.linalg.matrix_norm(gram), size),
        rounding * torch.linalg.matrix_norm(y),
    )


def _terms(shared: _Shared, kept: Tensor, mean: Tensor, outer: Tensor) -> _Terms:
    out = (kept == 0).nonzero().flatten()
    y = shared.responses[out]
    right = shared.products[out] - shared.gram[out][:, out] @ y / 2
    return _Terms(torch.cat([y, mean[None]]), torch.cat([right, outer[None]]))


def _eigenpairs(whole: Tensor, folds: Sequence[_Terms]) -> tuple[Tensor, Tensor]:
    """Eigenvalues of each fold's matrix, descending, and its eigenvectors."""
    if whole.device.type != "cpu":
        matrices = [whole - p.mT @ q - q.mT @ p for p, q in folds]
        eigenvalues, basis = torch.linalg.eigh(torch.stack(matrices))
        return eigenvalues.flip(1), basis.flip(2).contiguous()
    matrix = whole.numpy()
    eigenvalues = np.empty((len(folds), len(matrix)), dtype=matrix.dtype)
    basis = np.empty((len(folds), *matrix.shape), dtype=matrix.dtype)

    def solve(fold: int) -> None:
        p, q = (part.numpy() for part in folds[fold])
        half = p.T @ q
        values, vectors = np.linalg.eigh(matrix - half - half.T)
        eigenvalues[fold], basis[fold] = values[::-1], vectors[:, ::-1]

    # NumPy's is the faster, and folds side by side use cores better than each alone does.
    n_threads = min(torch.get_num_threads(), len(folds))
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(solve, range(len(folds))))
    return torch.from_numpy(eigenvalues), torch.from_numpy(basis)


def _components(shared: _Shared, folds: _Folds, n_components: int) -> tuple[Tensor, _Columns]:
    """Places of the folds that went well, and their components."""
    columns = _empty(folds, n_components)
    places = torch.arange(len(folds.kept), device=folds.kept.device)
    for k in range(n_components):
        matrix = DeflatedBatch(folds.eigenvalues, columns.b[..., :k], columns.h[..., :k])
        leading = leading_eigenvectors(matrix)
        well = leading.found
        if k:
            well = well & (leading.values >= RENEWAL * folds.eigenvalues[:, 0])
        well = well & _add(shared, folds, columns, leading, k)
        if not bool(well.all()):
            places = places[well]
            folds = _Folds(*(part[well] for part in folds))
            columns = _Columns(*(part[well] for part in columns))
            if len(places) == 0:
                break
    return places, columns


def _empty(folds: _Folds, n_components: int) -> _Columns:
    n_folds, n_rows = folds.kept.shape
    rows = [folds.kept.new_zeros(n_folds, n_components, n_rows) for _ in range(3)]
    targets = [folds.mean.new_zeros(*folds.mean.shape, n_components) for _ in range(2)]
    return _Columns(*rows, *targets)


def _add(
    shared: _Shared, folds: _Folds, columns: _Columns, leading: LeadingPairs, k: int
) -> Tensor:
    """Add component ``k``; False for the folds where nothing but rounding is left."""
    earlier = columns.scores[:, :k]
    combination = (leading.vectors[:, None] @ folds.basis.mT)[:, 0]
    weights = _centred(folds, combination @ shared.responses.mT)
    weights = _removed(earlier, weights)
    images = weights @ shared.gram
    score = _centred(folds, images)
    energy, length = (weights * score).sum(dim=1), weights.square().sum(dim=1)
    well = (length > folds.floor_responses**2) & (energy > folds.floor_features * length)
    score = _removed(earlier, _removed(earlier, score))  # twice is enough
    norm = torch.linalg.vector_norm(score, dim=1, keepdim=True)
    scale = energy.clamp_min(0).sqrt()[:, None]
    columns.scores[:, k] = score / norm
    columns.weights[:, k] = weights / scale
    columns.images[:, k] = images / scale
    # E' Y' times the score, since that is the image of an eigenvector.
    columns.b[..., k] = leading.values[:, None] / norm * leading.vectors
    columns.h[..., k] = _halved(shared, folds, columns, k)
    return well


def _halved(shared: _Shared, folds: _Folds, columns: _Columns, k: int) -> Tensor:
    """``h`` of component ``k``."""
    score = columns.scores[:, k]
    image = _centred(folds, score @ shared.gram)
    h = ((image @ shared.responses)[:, None] @ folds.basis)[:, 0]
    earlier = columns.scores[:, :k] @ image[..., None]
    h = h - (columns.b[..., :k] @ earlier)[..., 0]
    return h - (score * image).sum(dim=1, keepdim=True) * columns.b[..., k] / 2


def _centred(folds: _Folds, rows: Tensor) -> Tensor:
    """Rows times ``C``."""
    inside = rows * folds.kept
    means = inside.sum(dim=1, keepdim=True) / folds.kept.sum(dim=1, keepdim=True)
    return inside - means * folds.kept


def _removed(scores: Tensor, rows: Tensor) -> Tensor:
    """The part of each row that is orthogonal to the scores of its fold."""
    return rows - ((scores @ rows[..., None]).mT @ scores)[:, 0]


class _Predictor(NamedTuple):
    """Scores of every row in every fold, loadings of the targets, and mean responses."""

    scores: Float[Tensor, "fold row component"]
    loadings: Float[Tensor, "fold component target"]
    mean: Float[Tensor, "fold target"]

    def __call__(self, fold: int, rows: Tensor) -> Tensor:
        return self.scores[fold, rows] @ self.loadings[fold] + self.mean[fold]


def _predictor(columns: _Columns, kept: Tensor, responses: Tensor, offset: Tensor) -> _Predictor:
    # Upper triangular: a weight has no part in later scores.
    triangle = (columns.scores @ columns.images.mT).triu()
    scores = torch.linalg.solve_triangular(
        triangle, columns.images.mT.contiguous(), upper=True, left=False
    )
    counts = kept.sum(dim=1, keepdim=True)
    scores = scores - (kept[:, None] @ scores) / counts[..., None]
    loadings = columns.scores @ responses
    return _Predictor(scores, loadings, offset + (kept @ responses) / counts)
