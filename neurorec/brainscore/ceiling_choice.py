"""Which ceiling belongs to a metric, where a benchmark is given none or the name of one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import xarray as xr

from neurorec.assemblies import PRESENTATION
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.benchmark_facts import settings_of
from neurorec.brainscore.ceilings import internal_consistency, matrix_reliability
from neurorec.brainscore.similarity import SimilarityMetric

import_brainscore()

from brainscore_core.metrics import Metric, Score  # noqa: E402
from brainscore_vision.metrics.cka.metric import CKA, CKACrossValidated  # noqa: E402
from brainscore_vision.metrics.rdm.metric import RDMCrossValidated, RDMMetric  # noqa: E402

#: Metrics that compare matrices over pairs of stimuli, ours and Brain-Score's.
SIMILARITIES: Final = (SimilarityMetric, RDMMetric, RDMCrossValidated, CKA, CKACrossValidated)
#: What a ceiling is called that is a number of whoever asked.
GIVEN: Final = "given"


def _of_neuroids(trials: xr.DataArray, metric: Metric) -> Score:
    return internal_consistency(trials)


def _of_matrices(trials: xr.DataArray, metric: Metric) -> Score:
    found = matrix_reliability(trials, metric)
    if not float(found) > 0:
        raise ValueError(
            f"the matrices of halves of the repetitions have a reliability of {float(found):.3g}, "
            "so that there is nothing to explain; choose time_bins in which every stimulus has "
            "responses, data with more repetitions, or give a ceiling"
        )
    return found


#: Ceilings by name. Tests run over this table.
CEILINGS: Final[Mapping[str, Callable[[xr.DataArray, Metric], Score]]] = MappingProxyType(
    {"internal_consistency": _of_neuroids, "matrix_reliability": _of_matrices}
)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Ceiling:
    """The ceiling of a benchmark, which Brain-Score calls when it is needed.

    Parameters
    ----------
    name
        Key of ``CEILINGS``, or :data:`GIVEN`.
    compute
        The ceiling.
    key
        What determines it besides the responses, for digests.
    """

    name: str
    compute: Callable[[], Score]
    key: Any

    def __call__(self) -> Score:
        """The ceiling."""
        return self.compute()


def check_ceiling(given: float | int | str | None) -> None:
    """Refuse what is neither a reliability nor the name of a ceiling.

    Raises
    ------
    ValueError
        If it is not.
    """
    if given is None or given in CEILINGS:
        return
    if isinstance(given, str) or not 0 < given <= 1:
        raise ValueError(
            f"ceiling must be a reliability above 0 and at most 1, got {given!r}; 1 gives a score "
            f"that is not corrected, and {sorted(CEILINGS)} are computed from single trials"
        )


def compares_matrices(metric: Any) -> bool:
    """Whether a metric compares matrices over pairs of stimuli, and fits nothing."""
    return isinstance(metric, SIMILARITIES)


def chosen_ceiling(
    trials: xr.DataArray, metric: Metric, given: float | int | str | None
) -> Ceiling:
    """The ceiling that was given or named, else the one that belongs to the metric.

    That is ``"matrix_reliability"`` of :data:`SIMILARITIES`, and ``"internal_consistency"`` of all
    others: of regressions, over time too, whose correlations are of one neuroid at a time.

    Raises
    ------
    ValueError
        If there are no repetitions and no number, or the reliability of a matrix is asked for a
        metric that has none.
    """
    if given is not None and not isinstance(given, str):
        number = float(given)
        return Ceiling(name=GIVEN, compute=lambda: Score(number), key=number)
    own = "matrix_reliability" if compares_matrices(metric) else "internal_consistency"
    name = own if given is None else given
    if name == "matrix_reliability" != own:
        raise ValueError(
            f"ceiling 'matrix_reliability' is of metrics such as 'rdm' and 'cka', and "
            f"{type(metric).__name__} is none; leave the ceiling out, or give its number"
        )
    if len(np.unique(trials["stimulus_id"].values)) == trials.sizes[PRESENTATION]:
        raise ValueError(
            "responses of one presentation for each stimulus have no ceiling of their own; give "
            "single trials, or the reliability of the means as ceiling (--ceiling), 1 for a score "
            "that is not corrected"
        )
    # Internal consistency does not depend on the metric.
    of_metric = settings_of(metric) if name == "matrix_reliability" else None
    compute = partial(CEILINGS[name], trials, metric)
    return Ceiling(name=name, compute=compute, key=(name, of_metric))
