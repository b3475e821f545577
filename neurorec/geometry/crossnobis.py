"""Distances in the metric of the noise: Mahalanobis, and cross-validated over repetitions."""

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64, Int
from torch import Tensor

from neurorec.geometry._fold_products import fold_products
from neurorec.geometry._measured import Measured, Request
from neurorec.geometry._reading import described, reader
from neurorec.geometry._space import AbstractSpace
from neurorec.geometry.noise_covariance import Noise, covariance
from neurorec.geometry.presentations import Presentations, each_repetition, presentations_of
from neurorec.populations import Patterns

# The two sets of stimulus means whose inner products are wanted.
_Pair = tuple[Presentations, Presentations]

_Products = Float64[Tensor, "... stimulus stimulus_b"]


def distances_of(products: _Products) -> _Products:
    """``K_ii + K_jj - K_ij - K_ji``: of differences, their squared lengths or inner products."""
    squares = products.diagonal(dim1=-2, dim2=-1)
    distances = squares[..., :, None] + squares[..., None, :] - (products + products.mT)
    distances.diagonal(dim1=-2, dim2=-1).copy_(0 * squares)
    return distances


def mahalanobis(request: Request) -> Measured:
    r"""Squared distances of stimulus means, :math:`(x_i - x_j)^\top \Sigma^{-1} (x_i - x_j)`.

    The covariance is one for all, from the residuals of all repetitions.

    Raises
    ------
    ValueError
        If no stimulus is repeated, and ``noise`` is not ``"none"``.
    """
    noise = request.noise
    labels, n_neuroids = described(request.source)
    whole = presentations_of(labels)
    if noise.method != "none" and not whole.freedom:
        raise ValueError(
            "the noise covariance comes from differences between repetitions, and no stimulus is "
            f"repeated in these {len(whole.rows)} presentations; record more repetitions or take "
            'noise="none"'
        )
    sets = whole.sets(labels, by_repetition=request.by_repetition)
    space = reader(request)(whole)
    products, intensity, problem = _in_metric(space, [(one, one) for one in sets], whole, noise)
    return Measured(
        values=distances_of(products).clamp_(min=0),
        labels=labels,
        n_neuroids=n_neuroids,
        present=np.stack([one.counts > 0 for one in sets]),
        intensity=intensity,
        problem=problem,
    )


def crossnobis(request: Request) -> Measured:
    r"""Squared distances between stimuli, cross-validated over repetitions.

    .. math::

        d_{ij} = \frac{1}{|F_{ij}|} \sum_{k \in F_{ij}} (x_i^k - x_j^k)^\top \Sigma_k^{-1}
                 (\bar x_i^{-k} - \bar x_j^{-k})

    with :math:`x_i^k` the response to stimulus i in repetition k, :math:`\bar x_i^{-k}` its mean
    over the others, and :math:`F_{ij}` the repetitions in which both were shown and without which
    both were shown in others. Every term is a product of differences, so that what all responses
    have in common takes no part however many repetitions are missing.

    Raises
    ------
    ValueError
        If RDMs of each repetition are asked for, two stimuli have no repetition in common, or no
        repetitions are left for the noise of a fold.
    """
    if request.by_repetition:
        raise ValueError(
            "crossnobis compares repetitions with one another, so that there is none of each; "
            "leave by_repetition out"
        )
    noise = request.noise
    labels, n_neuroids = described(request.source)
    whole = presentations_of(labels)
    folds = _folds(labels, whole)
    counts = _counts(labels, whole, folds)
    _require_noise(noise, whole, folds)
    if noise.method == "none" and not isinstance(request.source, Patterns):
        products = fold_products(request, folds, whole)
        zeros = torch.zeros_like(products[0, :, 0, 0])
        parts = [(products, zeros, zeros.to(torch.int64))]
    elif noise.method == "none" or noise.pooled:
        read = reader(request)
        parts = [_in_metric(read(whole), folds, whole, noise)]
    else:
        read = reader(request)
        parts = [_in_metric(read(train), [(test, train)], train, noise) for test, train in folds]
    products, intensities, problems = zip(*parts, strict=True)
    distances = distances_of(torch.cat(products))
    weights = torch.from_numpy(np.stack([_both(*fold) for fold in folds]) / counts)
    return Measured(
        values=(distances * weights.to(distances.device)[:, None]).sum(dim=0, keepdim=True),
        labels=labels,
        n_neuroids=n_neuroids,
        present=np.ones((1, whole.n_stimuli), dtype=bool),
        intensity=torch.stack(intensities).mean(dim=0),
        problem=torch.stack(problems).amax(dim=0),
    )


def _in_metric(
    space: AbstractSpace, pairs: Sequence[_Pair], train: Presentations, noise: Noise
) -> tuple[Float64[Tensor, "pair time_bin stimulus stimulus_b"], Tensor, Tensor]:
    """Inner products of each pair of sets, intensity of the shrinkage, and what went wrong."""
    found = []
    for part in space.parts():
        if noise.method == "none":
            products = torch.stack([part.inner(*pair) for pair in pairs])
            zeros = torch.zeros_like(products[0, :, 0, 0])
            found.append((products, zeros, zeros.to(torch.int64)))
            continue
        residuals = part.residuals(train)
        estimate = covariance(noise, residuals)
        products = part.whitened(pairs, train, residuals.matrix, estimate)
        found.append((products, estimate.intensity, estimate.problem))
    products, intensity, problem = zip(*found, strict=True)
    return torch.cat(products, dim=1), torch.cat(intensity), torch.cat(problem)


def _folds(labels: xr.DataArray, whole: Presentations) -> list[_Pair]:
    """Each repetition and the others; those that tell no two stimuli apart are left out."""
    folds = [(whole.where(inside), whole.where(~inside)) for _, inside in each_repetition(labels)]
    return [fold for fold in folds if _present(*fold).sum() > 1]


def _present(test: Presentations, train: Presentations) -> np.ndarray:
    return (test.counts > 0) & (train.counts > 0)


def _both(test: Presentations, train: Presentations) -> np.ndarray:
    present = _present(test, train)
    return present[:, None] & present


def _counts(
    labels: xr.DataArray, whole: Presentations, folds: Sequence[_Pair]
) -> Int[np.ndarray, "stimulus stimulus_b"]:
    """In how many folds each two stimuli are compared."""
    n_repetitions = np.zeros(whole.n_stimuli, dtype=np.int64)
    for _, inside in each_repetition(labels):
        n_repetitions += whole.where(inside).counts > 0
    if n_repetitions.min() < 2:
        raise ValueError(
            "crossnobis needs at least 2 repetitions of every stimulus, "
            f"{np.sum(n_repetitions < 2)} of {whole.n_stimuli} have 1, the first is "
            f"{_name(labels, whole, int(n_repetitions.argmin()))!r}; leave those stimuli out, or "
            "number the repetitions of each stimulus in the coordinate 'repetition'"
        )
    counts = np.sum([_both(*fold) for fold in folds], axis=0) + np.zeros_like(n_repetitions)
    if counts.min() == 0:
        first, second = (_name(labels, whole, int(i)) for i in np.argwhere(counts == 0)[0])
        raise ValueError(
            f"crossnobis compares two stimuli in the repetitions that both have, and {first!r} "
            f"and {second!r} have none in common; number their repetitions alike"
        )
    return counts


def _name(labels: xr.DataArray, whole: Presentations, stimulus: int) -> str:
    return str(labels["stimulus_id"].values[whole.stimulus == stimulus][0])


def _require_noise(noise: Noise, whole: Presentations, folds: Sequence[_Pair]) -> None:
    fitted = [whole] if noise.pooled else [train for _, train in folds]
    if noise.method != "none" and not all(train.freedom for train in fitted):
        raise ValueError(
            "crossnobis estimates the noise of each fold from its training repetitions and needs "
            f"at least 3 repetitions, got {len(folds)}; record more, take "
            'noise="none", or Noise(pooled=True), which is biased upwards'
        )
