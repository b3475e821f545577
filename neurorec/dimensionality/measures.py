"""Measures of dimensionality by name."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import xarray as xr

from neurorec.dimensionality.corrected_ratio import corrected_participation_ratio
from neurorec.dimensionality.intrinsic import maximum_likelihood_dimension, two_nn
from neurorec.dimensionality.n_components import n_components
from neurorec.dimensionality.participation_ratio import participation_ratio
from neurorec.dimensionality.power_law import power_law
from neurorec.dimensionality.shared import shared_dimensionality
from neurorec.dimensionality.spectrum import effective_rank

#: Takes a population, ``undefined`` and ``device``.
Measure = Callable[..., xr.DataArray]


def _one(function: Callable[..., xr.Dataset], variable: str, **options: Any) -> Measure:
    """One curve of a function that gives several."""

    def measure(source: Any, *, undefined: str = "raise", device: str = "cpu") -> xr.DataArray:
        found = function(source, undefined=undefined, device=device, **options)
        one = found[variable]
        return one.assign_attrs(found.attrs | one.attrs)

    return measure


#: Curves over time bins, by name, of a population. Tests run over this table.
MEASURES: Final[Mapping[str, Measure]] = MappingProxyType(
    {
        "participation_ratio": participation_ratio,
        "participation_ratio_of_stimuli": partial(
            corrected_participation_ratio, corrected_for=("stimuli",)
        ),
        "participation_ratio_without_noise": partial(
            corrected_participation_ratio, corrected_for=("stimuli", "trials")
        ),
        "participation_ratio_of_all": partial(
            corrected_participation_ratio, corrected_for=("stimuli", "neuroids", "trials")
        ),
        "n_components": n_components,
        "effective_rank": effective_rank,
        "power_law_exponent": _one(power_law, "exponent", spectrum="plain", level=None),
        "cvpca_exponent": _one(power_law, "exponent", spectrum="shared", level=None),
        "two_nn": _one(two_nn, "dimension", level=None),
        "maximum_likelihood_dimension": _one(maximum_likelihood_dimension, "dimension", level=None),
        "shared_dimensionality": _one(shared_dimensionality, "shared_dimensionality"),
        "shared_dimensionality_of_residuals": _one(
            shared_dimensionality, "shared_dimensionality", of="residuals"
        ),
    }
)

#: Those that compare repetitions: they take ``patterns_of(source, averaged=False)``.
NEED_REPETITIONS: Final = frozenset(
    {
        "participation_ratio_without_noise",
        "participation_ratio_of_all",
        "cvpca_exponent",
        "shared_dimensionality_of_residuals",
    }
)

#: Those that read single units: they take no ``Patterns``.
NEED_UNITS: Final = frozenset(
    {
        "participation_ratio_of_all",
        "shared_dimensionality",
        "shared_dimensionality_of_residuals",
    }
)
