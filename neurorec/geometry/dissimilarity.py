"""Representational dissimilarity matrices over time."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.geometry._labelling import labelled, over_areas
from neurorec.geometry._measured import Measured, Request
from neurorec.geometry.crossnobis import crossnobis, mahalanobis
from neurorec.geometry.noise_covariance import Noise
from neurorec.geometry.poisson_kl import PoissonPrior, poisson_kl
from neurorec.geometry.presentations import Presentations, presentations_of
from neurorec.populations import patterns_of
from neurorec.populations.labels import UNDEFINED
from neurorec.populations.patterns import PRECISIONS

# A pattern counts as constant when its variance is below this share of its mean square: in
# float64 the difference of the two sums is then rounding error.
_CONSTANT_SHARE = 1e-12

_Grams = Float64[Tensor, "time_bin stimulus stimulus"]
_Sums = Float64[Tensor, "time_bin stimulus"]


def _squared_euclidean(products: _Grams, sums: _Sums, n_neuroids: int) -> _Grams:
    """``|x_i - x_j|^2 = K_ii + K_jj - 2 K_ij``, summed over neuroids."""
    squares = products.diagonal(dim1=-2, dim2=-1)
    distances = squares[:, :, None] + squares[:, None, :] - 2 * products
    distances.diagonal(dim1=-2, dim2=-1).zero_()
    return distances.clamp_(min=0)


def _cosine(products: _Grams, sums: _Sums, n_neuroids: int) -> _Grams:
    """``1 - K_ij / sqrt(K_ii K_jj)``."""
    return _one_minus_cosine(products, products.diagonal(dim1=-2, dim2=-1))


def _correlation(products: _Grams, sums: _Sums, n_neuroids: int) -> _Grams:
    """1 - Pearson over neuroids: the cosine of ``K - s s' / p``, patterns less their means."""
    centred = torch.baddbmm(products, sums[:, :, None], sums[:, None, :], alpha=-1 / n_neuroids)
    return _one_minus_cosine(centred, products.diagonal(dim1=-2, dim2=-1))


def _one_minus_cosine(products: _Grams, mean_squares: _Sums) -> _Grams:
    """NaN in the rows and columns of patterns without length."""
    squares = products.diagonal(dim1=-2, dim2=-1)
    inverse = torch.where(squares > _CONSTANT_SHARE * mean_squares, squares, torch.nan).rsqrt()
    # In place: matrices over time are large, and memory that is new is slow.
    distances = (inverse[:, :, None] * inverse[:, None, :]).mul_(products).neg_().add_(1)
    distances.diagonal(dim1=-2, dim2=-1).copy_(0 * inverse)
    return distances.clamp_(0, 2)


#: Dissimilarities that follow from the Gram matrices of the patterns, their sums over neuroids and
#: the number of neuroids, by name. Tests run over this table.
DISSIMILARITIES: Final[Mapping[str, Callable[[Tensor, Tensor, int], Tensor]]] = MappingProxyType(
    {"correlation": _correlation, "squared_euclidean": _squared_euclidean, "cosine": _cosine}
)

_UNITS: Final = MappingProxyType(
    {
        "correlation": "1 - Pearson r",
        "squared_euclidean": "squared activity, summed over neuroids",
        "cosine": "1 - cosine",
        "mahalanobis": "squared distance over noise variance, summed over neuroids",
        "crossnobis": "squared distance over noise variance, summed over neuroids",
        "poisson_kl": "nats, both directions, summed over neuroids",
    }
)

#: Every method of :func:`rdm`.
RDM_METHODS: Final = tuple(_UNITS)

_PRIOR: Final = PoissonPrior()
_NOISY: Final = ("mahalanobis", "crossnobis")
_MEASURES: Final = MappingProxyType(
    {"mahalanobis": mahalanobis, "crossnobis": crossnobis, "poisson_kl": poisson_kl}
)


def rdm(
    source: Any,
    *,
    method: str = "correlation",
    noise: Noise | str = "shrinkage_eye",
    prior: PoissonPrior = _PRIOR,
    by_repetition: bool = False,
    undefined: str = "raise",
    precision: str = "float64",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Dissimilarity of the responses to every pair of stimuli, for each time bin.

    With ``x_i`` the pattern of stimulus i over ``p`` neuroids, ``K`` the Gram matrix of the
    patterns and ``s`` their sums over neuroids:

    .. math::

        d^{euclidean}_{ij} &= K_{ii} + K_{jj} - 2 K_{ij} \\
        d^{cosine}_{ij} &= 1 - K_{ij} / \sqrt{K_{ii} K_{jj}} \\
        d^{correlation} &= d^{cosine} \text{ of } K - s s^\top / p \\
        d^{mahalanobis}_{ij} &= (x_i - x_j)^\top \Sigma^{-1} (x_i - x_j) \\
        d^{crossnobis}_{ij} &= \left\langle (x_i^k - x_j^k)^\top \Sigma_k^{-1}
            (\bar x_i^{-k} - \bar x_j^{-k}) \right\rangle_k \\
        d^{poisson}_{ij} &= \sum_u (r_{iu} - r_{ju}) (\log r_{iu} - \log r_{ju})

    with :math:`x_i^k` the response in repetition k and :math:`\bar x_i^{-k}` the mean over the
    others. Nothing is as large as neuroids by neuroids.

    Parameters
    ----------
    source
        Assembly, ``recording.area("IT")``, array (stimulus, unit, timestep) or what
        ``patterns_of`` read (single presentations, where noise or repetitions are needed), or a
        mapping of names of areas to them. Repetitions are averaged first. All time bins are
        computed in one batch, and units are read block by block, so that they may lie in a file.
    method
        One of ``RDM_METHODS``. Distances are sums over neuroids; some toolboxes divide them by the
        number of neuroids. ``"crossnobis"`` may be negative: it is 0 on average where two stimuli
        evoke the same.
    noise
        Covariance of the noise for ``"mahalanobis"`` and ``"crossnobis"``, or its method.
    prior
        Of the rates of ``"poisson_kl"``.
    by_repetition
        An RDM of each repetition instead of one of the means.
    undefined
        ``"raise"``, or ``"nan"`` to leave NaN in the rows and columns of patterns that are
        constant over neuroids (correlation) or zero (cosine), as those of a deep model area
        are before the stimulus has reached it; in time bins without noise; and for stimuli that
        were not shown in a repetition.
    precision
        Of the products inside a block of neuroids. ``"float32"`` is faster and costs an error of
        about 1e-7 times the mean square of a pattern over its variance.

    Returns
    -------
    xr.DataArray
        (area, repetition, time_bin, condition, condition_b), the first two if they are asked for;
        ``condition`` carries the stimulus columns. The coordinate ``shrinkage`` is the intensity
        in each time bin (mean over folds).

    Raises
    ------
    ValueError
        If an option is unknown, there are fewer than three stimuli or too few repetitions,
        activity is not finite, a pattern is constant, or areas differ in stimuli or time bins.

    References
    ----------
    Kriegeskorte, Mur and Bandettini (2008) Frontiers in Systems Neuroscience 2:4. Walther et al.
    (2016) NeuroImage 137:188. Schütt et al. (2023) eLife 12:e82566.
    """
    check_option("method", method, RDM_METHODS)
    check_option("undefined", undefined, UNDEFINED)
    check_option("precision", precision, PRECISIONS)
    noise = Noise(method=noise) if isinstance(noise, str) else noise
    if isinstance(source, Mapping):
        options = {"method": method, "noise": noise, "prior": prior, "undefined": undefined}
        options |= {"by_repetition": by_repetition, "precision": precision, "device": device}
        return over_areas({str(area): rdm(one, **options) for area, one in source.items()})
    measured = _MEASURES.get(method, _of_products)(
        Request(
            source=source,
            method=method,
            noise=noise,
            prior=prior,
            by_repetition=by_repetition,
            precision=precision,
            device=device,
        )
    )
    return labelled(
        measured,
        method=method,
        by_repetition=by_repetition,
        undefined=undefined,
        **_attrs(method, noise),
    )


def _attrs(method: str, noise: Noise) -> dict[str, str]:
    if method not in _NOISY:
        return {"units": _UNITS[method]}
    if noise.method == "none":
        return {"units": _UNITS["squared_euclidean"], "noise": "none"}
    repetitions = "all" if noise.pooled or method == "mahalanobis" else "those of training"
    return {"units": _UNITS[method], "noise": noise.method, "noise_repetitions": repetitions}


def _of_products(request: Request) -> Measured:
    """Measures of ``DISSIMILARITIES``."""
    patterns = patterns_of(
        request.source,
        averaged=not request.by_repetition,
        precision=request.precision,
        device=request.device,
    )
    labels, products, sums = patterns.labels, patterns.products, patterns.sums
    sets = presentations_of(labels).sets(labels, by_repetition=request.by_repetition)
    parts = [_averaged(products, sums, one) for one in sets] if request.by_repetition else []
    measure = DISSIMILARITIES[request.method]
    return Measured(
        values=torch.stack(
            [measure(*part, patterns.n_neuroids) for part in parts or [(products, sums)]]
        ),
        labels=labels,
        n_neuroids=patterns.n_neuroids,
        present=np.stack([one.counts > 0 for one in sets]),
    )


def _averaged(products: Tensor, sums: Tensor, some: Presentations) -> tuple[Tensor, Tensor]:
    """Inner products and sums of stimulus means over some presentations."""
    weights = some.weights(products.device)
    inner = weights @ products[:, some.rows[:, None], some.rows] @ weights.mT
    return inner, sums[:, some.rows] @ weights.mT
