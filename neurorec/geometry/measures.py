"""The measures that :func:`neurorec.geometry.over_time` computes, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

from neurorec import dimensionality
from neurorec.geometry.canonical_correlation import canonical_correlation
from neurorec.geometry.capacity import manifold_capacity
from neurorec.geometry.cka import linear_cka
from neurorec.geometry.dissimilarity import rdm
from neurorec.geometry.few_shot import few_shot_geometry
from neurorec.geometry.glue import glue_style_capacity
from neurorec.geometry.separability import linear_separability
from neurorec.geometry.similarities import SIMILARITIES
from neurorec.geometry.subspaces import alignment_index, principal_angles


@final
@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure of one population over time.

    Parameters
    ----------
    function
        Takes a population that is read already, and options; gives an array or a Dataset with the
        dimension ``time_bin``.
    presentations
        Whether it needs single presentations, not means over repetitions.
    units
        Whether it needs single units: it is given the population itself, and reads it again.
    methods_of_units
        Values of its option ``method`` with which it needs them.
    takes
        Which of the options that measures share it has.
    needs
        Options that it must be given.
    """

    function: Callable[..., Any]
    presentations: bool = False
    units: bool = False
    methods_of_units: tuple[str, ...] = ()
    takes: tuple[str, ...] = ("undefined", "device")
    needs: tuple[str, ...] = ()

    def reads_units(self, options: Mapping[str, Any]) -> bool:
        """Whether it needs single units with these options."""
        return self.units or options.get("method") in self.methods_of_units


def _of_dimensionality() -> dict[str, Measure]:
    """Those of :mod:`neurorec.dimensionality`."""
    return {
        name: Measure(
            function=function,
            presentations=name in dimensionality.NEED_REPETITIONS,
            units=name in dimensionality.NEED_UNITS,
        )
        for name, function in dimensionality.MEASURES.items()
    }


def _between_times() -> dict[str, Measure]:
    """Every time bin of a population with every other."""
    return {
        name: Measure(function=function, presentations=name == "stochastic_shape")
        for name, function in SIMILARITIES.items()
        if name not in ("cka", "predictivity_backward")  # the first is linear_cka
    } | {
        "canonical_correlation": Measure(function=canonical_correlation),
        "principal_angles": Measure(function=principal_angles, units=True, needs=("n_components",)),
        "alignment_index": Measure(function=alignment_index, units=True, needs=("n_components",)),
    }


def _of_classes() -> dict[str, Measure]:
    """Geometry of class manifolds; ``label`` is the coordinate of the classes."""
    functions = {
        "manifolds": manifold_capacity,
        "glue_style": glue_style_capacity,
        "separability": linear_separability,
        "few_shot": few_shot_geometry,
    }
    return {
        name: Measure(function=one, presentations=True, needs=("label",))
        for name, one in functions.items()
    }


#: Every measure, by the name of its variable. Tests run over this table.
MEASURES: Final[Mapping[str, Measure]] = MappingProxyType(
    {
        "rdm": Measure(function=rdm, methods_of_units=("crossnobis", "mahalanobis", "poisson_kl")),
        "linear_cka": Measure(function=linear_cka),
        **_between_times(),
        **_of_dimensionality(),
        **_of_classes(),
    }
)
