"""The participation ratio corrected for the finite numbers of stimuli, units and repetitions."""

from collections.abc import Collection
from typing import Any, Final

import numpy as np
import torch
import xarray as xr

from neurorec._checks import check_option
from neurorec.dimensionality.curves import curve, where_defined
from neurorec.dimensionality.moments import (
    Moments,
    moments_of_means,
    moments_of_presentations,
)
from neurorec.dimensionality.spectrum import require_variance
from neurorec.dimensionality.trials import require_repetitions
from neurorec.dimensionality.unit_moments import UnitMoments
from neurorec.populations import Patterns, as_population, patterns_of

#: What the activity can be a finite sample of.
CORRECTIONS: Final = ("stimuli", "neuroids", "trials")

# A trace of a square below this share of the square of the trace says that nothing is left.
_NOTHING = 1e-12


def corrected_participation_ratio(
    source: Any,
    *,
    corrected_for: Collection[str] = ("stimuli",),
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Participation ratio that does not depend, on average, on how much was sampled.

    .. math:: \mathrm{PR} = \widehat{(\mathrm{tr} C)^2} \big/ \widehat{\mathrm{tr} C^2}

    with unbiased estimates of both for the covariance :math:`C` of neuroids over stimuli. Both are
    sums of products of two inner products of responses, in which each of the four responses must be
    a different draw: of different stimuli (U-statistics; Chen, Zhang and Zhong 2010, equation 2.1
    for :math:`\mathrm{tr} C^2`, which is also the unbiased HSIC of Song et al. 2012), of different
    units inside each pair of inner products, and, to remove noise, of different repetitions. The
    sums are over all ways to choose them, in closed form. A ratio of unbiased estimates is itself
    unbiased only as they become precise.

    Parameters
    ----------
    source
        As for :func:`participation_ratio`; an assembly, an area or an array where neuroids are
        corrected for, since single units are then read, in the same pass.
    corrected_for
        Some of ``"stimuli"``, ``"neuroids"`` and ``"trials"``. Stimuli: of the population of
        stimuli that these are a sample of. Neuroids: of a population of endlessly many units.
        Trials: of responses without noise, which must be independent between presentations and may
        be correlated between units; needs two repetitions of every stimulus, or four where
        stimuli are not corrected for.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN where an estimate is not positive, as it is where
        noise is all there is.

    Raises
    ------
    ValueError
        If there are fewer than four stimuli, too few repetitions, or the ratio is undefined.

    References
    ----------
    Chun, Canatar, Chung and Lee (2025) arXiv 2509.26560. Chen, Zhang and Zhong (2010) *JASA* 105,
    810-819. Song et al. (2012) *JMLR* 13, 1393-1434.
    """
    for name in corrected_for:
        check_option("corrected_for", name, CORRECTIONS)
    patterns, moments, n_stimuli = _moments(source, frozenset(corrected_for), device)
    estimates = moments.of_all_stimuli if "stimuli" in corrected_for else moments.of_these_stimuli
    squared_trace, trace_of_square = (one.cpu().numpy() for one in estimates(n_stimuli))
    empty = (squared_trace <= 0) | (trace_of_square <= _NOTHING * np.abs(squared_trace))
    with np.errstate(divide="ignore", invalid="ignore"):
        values = squared_trace / trace_of_square
    values = where_defined(
        values,
        empty | require_variance(patterns, undefined=undefined),
        undefined=undefined,
        because="no variance over stimuli is left after the correction",
    )
    return curve(
        patterns,
        values,
        name="participation_ratio",
        units="dimensions",
        corrected_for=", ".join(name for name in CORRECTIONS if name in corrected_for) or "nothing",
    )


def _moments(
    source: Any, corrected_for: frozenset[str], device: str
) -> tuple[Patterns, Moments, int]:
    """What was read, its sums, and over how many stimuli."""
    trials = "trials" in corrected_for
    at_least = 4 if "stimuli" in corrected_for else 3
    units = _unit_moments(source, trials=trials) if "neuroids" in corrected_for else None
    patterns = patterns_of(
        source, at_least=at_least, averaged=not trials, transform=units, device=device
    )
    if trials:
        stimulus = require_repetitions(patterns, 2 if "stimuli" in corrected_for else 4)
        n_stimuli = int(stimulus.max()) + 1
        groups = torch.from_numpy(stimulus).to(patterns.products.device)
        moments = moments_of_presentations(patterns.products, groups)
    else:
        n_stimuli = patterns.n_rows
        moments = moments_of_means(patterns.products)
    if units is not None:
        own = Moments(*(one.to(patterns.products.device) for one in units.moments()))
        moments = moments.minus(own)
    return patterns, moments, n_stimuli


def _unit_moments(source: Any, *, trials: bool) -> UnitMoments:
    if isinstance(source, Patterns):
        raise ValueError(
            "a correction for neuroids reads single units and these inner products hold none; "
            "give the assembly, the area or the array"
        )
    population = as_population(source)
    if population.n_neuroids < 2:
        raise ValueError(
            f"a correction for neuroids needs at least 2 units, got {population.n_neuroids}; "
            "correct for stimuli or trials only"
        )
    identifiers = population.labels["stimulus_id"].values
    _, stimulus = np.unique(identifiers, return_inverse=True)
    return UnitMoments(stimulus=stimulus.ravel().astype(np.int64), trials=trials)
