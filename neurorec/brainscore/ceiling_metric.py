"""The ceiling of split halves as Brain-Score's benchmarks call it."""

from typing import final

import numpy as np

from neurorec.assemblies import PRESENTATION
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._pairs import plain
from neurorec.brainscore.ceilings import internal_consistency

import_brainscore()

from brainscore_core.metrics import Metric, Score  # noqa: E402
from brainscore_core.supported_data_standards.brainio.assemblies import (  # noqa: E402
    DataAssembly,
)


@final
class InternalConsistency(Metric):
    """:func:`internal_consistency` of an assembly of single trials, in one call for all time bins.

    Parameters
    ----------
    split_coord
        Coordinate that numbers the repetitions of a stimulus.
    """

    def __init__(self, split_coord: str = "repetition") -> None:
        self.split_coord = split_coord

    def __call__(self, assembly: DataAssembly) -> Score:
        """Ceiling of the assembly.

        Raises
        ------
        ValueError
            If it has no ``split_coord``, or too few repetitions or stimuli.
        """
        # A level of a MultiIndex is an attribute and no coordinate.
        if not hasattr(assembly, self.split_coord):
            raise ValueError(
                f"the assembly has no coordinate {self.split_coord!r} that numbers repetitions; "
                "give single trials, or its name as split_coord"
            )
        responses = plain(assembly)
        _, numbers = np.unique(responses[self.split_coord].values, return_inverse=True)
        numbered = responses.assign_coords(repetition=(PRESENTATION, numbers.ravel()))
        return internal_consistency(numbered)
