"""Symmetrised Kullback-Leibler divergence of Poisson rates, block by block of units."""

import numpy as np
import torch
from torch import Tensor

from neurorec.geometry._measured import Measured, Request
from neurorec.geometry._reading import require_finite
from neurorec.geometry.crossnobis import distances_of
from neurorec.geometry.poisson_prior import PoissonPrior
from neurorec.geometry.presentations import labels_of_means, presentations_of
from neurorec.gram import resolve_device
from neurorec.populations import Patterns, as_population
from neurorec.populations.patterns import PRECISIONS


def poisson_kl(request: Request) -> Measured:
    r"""Divergence between Poisson distributions, both directions summed over units.

    .. math:: d_{ij} = \sum_u (r_{iu} - r_{ju}) (\log r_{iu} - \log r_{ju})

    It follows from the products of rates with log rates, which are summed over blocks of units.

    Raises
    ------
    ValueError
        If only inner products of responses are known, a response is negative or not finite, or
        a rate is 0.
    """
    if isinstance(request.source, Patterns):
        raise ValueError(
            "the divergence of Poisson rates does not follow from inner products of responses; "
            "give the population itself"
        )
    population, target = as_population(request.source), resolve_device(request.device)
    labels = population.labels[:, :1]
    labels_of_means(labels)
    sets = presentations_of(labels).sets(labels, by_repetition=request.by_repetition)
    n_stimuli, n_times = sets[0].n_stimuli, population.n_times
    shape = (len(sets), n_times, n_stimuli, n_stimuli)
    products = torch.zeros(shape, dtype=torch.float64, device=target)
    for block in population.blocks(range(n_times)):
        responses = _checked(block, request.prior)
        for i, one in enumerate(sets):
            rates = request.prior.rates(one.means(responses))
            of_time = torch.from_numpy(np.ascontiguousarray(rates.transpose(2, 0, 1)))
            _add_products(products[i], of_time.to(target), PRECISIONS[request.precision])
    return Measured(
        values=distances_of(products).clamp_(min=0),
        labels=labels,
        n_neuroids=population.n_neuroids,
        present=np.stack([one.counts > 0 for one in sets]),
    )


def _checked(block: np.ndarray, prior: PoissonPrior) -> np.ndarray:
    values = block.astype(np.float64)
    require_finite(values)
    if values.min() < 0:
        raise ValueError(
            f"Poisson rates are not negative, got a response of {values.min():.3g}; give spike "
            "counts or rates, or take another method"
        )
    if values.min() == 0 and prior.rate * prior.weight == 0:
        raise ValueError(
            "a response is 0 and the prior adds nothing, so that its logarithm is infinite; give "
            "PoissonPrior(rate=..., weight=...) above 0"
        )
    return values


def _add_products(total: Tensor, rates: Tensor, dtype: torch.dtype) -> None:
    total += rates.to(dtype) @ rates.log().to(dtype).mT
