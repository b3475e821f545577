"""Metrics of assemblies with several time bins, by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from neurorec._checks import check_option
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.cross_temporal import CrossTemporalMetric
from neurorec.brainscore.metrics import SampleSpaceMetric
from neurorec.brainscore.object_solution_times import ObjectSolutionTimes
from neurorec.brainscore.readouts import FixedRidge
from neurorec.brainscore.span_time import SpanTimeMetric
from neurorec.brainscore.unique_late import UniqueLateMetric
from neurorec.encoding import PLS
from neurorec.encoding.readout import SampleSpaceReadout

import_brainscore()

from brainscore_core.metrics import Metric  # noqa: E402


def _pls() -> SampleSpaceReadout:
    return PLS(25)


def _ridge() -> SampleSpaceReadout:
    return FixedRidge(1.0)


def _with(metric: Any, readout: Callable[[], SampleSpaceReadout], **given: Any) -> Any:
    return lambda **options: metric(readout(), **given, **options)


#: ``…-temporal``: a readout for each time bin, Brain-Score's ``PerTimeRegression``.
#: ``…-spantime``: one readout for all of them, its ``spantime_pls`` and ``spantime_ridge``, of
#: which its temporal benchmarks are made. ``temporal-generalization``: readouts of one time bin in
#: the others. ``cross-temporal``: each time bin of the model against each of the responses.
#: ``ost``: object solution times. ``ridge-unique-late``: what late time bins add to early ones.
TEMPORAL_METRICS: Final[Mapping[str, Callable[..., Metric]]] = MappingProxyType(
    {
        "pls-temporal": _with(SampleSpaceMetric, _pls),
        "ridge-temporal": _with(SampleSpaceMetric, _ridge),
        "pls-spantime": _with(SpanTimeMetric, _pls),
        "ridge-spantime": _with(SpanTimeMetric, _ridge),
        "temporal-generalization": _with(CrossTemporalMetric, _ridge, kind="generalization"),
        "cross-temporal": _with(CrossTemporalMetric, _ridge, kind="predictivity"),
        "ost": ObjectSolutionTimes,
        "ridge-unique-late": UniqueLateMetric,
    }
)


def temporal_metric(name: str, **options: Any) -> Metric:
    """A metric of several time bins.

    Parameters
    ----------
    name
        A key of ``TEMPORAL_METRICS``.
    options
        Those of :class:`SampleSpaceMetric` that every one of them takes: ``n_splits``,
        ``train_size``, ``stratification_coord``, ``random_state``, ``device``; and its own.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    return TEMPORAL_METRICS[check_option("metric", name, TEMPORAL_METRICS)](**options)
