"""Every measure of how alike the states of populations at different times are, by name."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import xarray as xr

from neurorec._checks import check_option
from neurorec.geometry.canonical import cca
from neurorec.geometry.cka import linear_cka, rbf_cka
from neurorec.geometry.predictivity import linear_predictivity
from neurorec.geometry.shape import shape_distance
from neurorec.geometry.stochastic_shape import stochastic_shape_distance

#: Every measure, by name: functions of one population or two that give (time_bin, time_bin_b).
#: ``attrs["kind"]`` of the result says whether it is a similarity or a distance. Tests run over
#: this table.
SIMILARITIES: Final[Mapping[str, Callable[..., xr.DataArray]]] = MappingProxyType(
    {
        "cka": linear_cka,
        "cka_debiased": partial(linear_cka, debiased=True),
        "cka_rbf": rbf_cka,
        "cca": cca,
        "svcca": partial(cca, kept_variance=0.99),
        "pwcca": partial(cca, weighting="projection"),
        "procrustes_angular": shape_distance,
        "procrustes_euclidean": partial(shape_distance, angular=False),
        "half_whitened_angular": partial(shape_distance, alpha=0.5),
        "whitened_angular": partial(shape_distance, alpha=0),
        "predictivity": linear_predictivity,
        "predictivity_backward": partial(linear_predictivity, direction="backward"),
        "stochastic_shape": stochastic_shape_distance,
    }
)


def similarity(
    source: Any, other: Any = None, *, method: str = "cka_debiased", **options: Any
) -> xr.DataArray:
    """Similarity or distance of the responses in every pair of time bins.

    Parameters
    ----------
    source
        Assembly, ``recording.area("IT")``, array (stimulus, unit, timestep) or what
        ``patterns_of`` gave.
    other
        A second population, matched by ``stimulus_id``.
    method
        A key of ``SIMILARITIES``.
    **options
        Those of the function in the table.

    Returns
    -------
    xr.DataArray
        (time_bin, time_bin_b).

    Raises
    ------
    ValueError
        If the method is unknown, and as the function does.
    """
    check_option("method", method, SIMILARITIES)
    return SIMILARITIES[method](source, other, **options)
