"""The measures that :func:`neurorec.geometry.over_time` computes, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

from neurorec.dimensionality import n_components, participation_ratio
from neurorec.geometry.alignment import linear_cka
from neurorec.geometry.dissimilarity import rdm


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
    """

    function: Callable[..., Any]
    presentations: bool = False
    units: bool = False
    methods_of_units: tuple[str, ...] = ()
    takes: tuple[str, ...] = ("undefined", "device")

    def reads_units(self, options: Mapping[str, Any]) -> bool:
        """Whether it needs single units with these options."""
        return self.units or options.get("method") in self.methods_of_units


#: Every measure, by the name of its variable. Tests run over this table.
MEASURES: Final[Mapping[str, Measure]] = MappingProxyType(
    {
        "rdm": Measure(function=rdm),
        "linear_cka": Measure(function=linear_cka),
        "participation_ratio": Measure(function=participation_ratio),
        "n_components": Measure(function=n_components),
    }
)
