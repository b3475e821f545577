"""The border with Brain-Score: the only place that imports ``brainscore_vision``.

Importing it needs the Brain-Score stack (``pip install 'neurorec[brainscore]'``) and says so where
that is absent. The names here are imported when first used, each with the file that it is in.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from neurorec.brainscore._import import import_brainscore

import_brainscore()

if TYPE_CHECKING:
    from neurorec.brainscore.assemblies import from_brainio as from_brainio
    from neurorec.brainscore.assemblies import to_brainio as to_brainio
    from neurorec.brainscore.behaviour import Behaviour as Behaviour
    from neurorec.brainscore.benchmark_facts import facts_of as facts_of
    from neurorec.brainscore.benchmark_facts import fingerprint as fingerprint
    from neurorec.brainscore.benchmarks import benchmark as benchmark
    from neurorec.brainscore.brain_model import NeurorecBrainModel as NeurorecBrainModel
    from neurorec.brainscore.ceiling_choice import CEILINGS as CEILINGS
    from neurorec.brainscore.ceilings import internal_consistency as internal_consistency
    from neurorec.brainscore.ceilings import matrix_reliability as matrix_reliability
    from neurorec.brainscore.control_models import controls as controls
    from neurorec.brainscore.control_models import untrained as untrained
    from neurorec.brainscore.cross_temporal import CrossTemporalMetric as CrossTemporalMetric
    from neurorec.brainscore.data import data_names as data_names
    from neurorec.brainscore.data import load_data as load_data
    from neurorec.brainscore.data import neural_data as neural_data
    from neurorec.brainscore.exporting import export as export
    from neurorec.brainscore.forecasts import Forecast as Forecast
    from neurorec.brainscore.forecasts import forecast as forecast
    from neurorec.brainscore.layers import layer_scores as layer_scores
    from neurorec.brainscore.metric_plugins import InstalledMetrics as InstalledMetrics
    from neurorec.brainscore.metric_plugins import install_metrics as install_metrics
    from neurorec.brainscore.metric_plugins import installed_metrics as installed_metrics
    from neurorec.brainscore.metric_plugins import remove_metrics as remove_metrics
    from neurorec.brainscore.metrics import METRICS as METRICS
    from neurorec.brainscore.metrics import SampleSpaceMetric as SampleSpaceMetric
    from neurorec.brainscore.metrics import SampleSpaceSplitMetric as SampleSpaceSplitMetric
    from neurorec.brainscore.metrics import metric as metric
    from neurorec.brainscore.object_solution_times import ObjectSolutionTimes as ObjectSolutionTimes
    from neurorec.brainscore.opening import brainscore_identifiers as brainscore_identifiers
    from neurorec.brainscore.opening import local_benchmarks as local_benchmarks
    from neurorec.brainscore.opening import open_benchmark as open_benchmark
    from neurorec.brainscore.pixels import pixel_model as pixel_model
    from neurorec.brainscore.plugin import open_plugin as open_plugin
    from neurorec.brainscore.plugin_checks import check_plugin as check_plugin
    from neurorec.brainscore.region_file import read_regions as read_regions
    from neurorec.brainscore.region_fit import RegionFit as RegionFit
    from neurorec.brainscore.region_fit import fit_regions as fit_regions
    from neurorec.brainscore.region_fit import held_out as held_out
    from neurorec.brainscore.region_maps import default_regions as default_regions
    from neurorec.brainscore.score_table import PairScore as PairScore
    from neurorec.brainscore.score_table import ScoreRow as ScoreRow
    from neurorec.brainscore.score_table import Scores as Scores
    from neurorec.brainscore.scoring import score as score
    from neurorec.brainscore.span_time import SpanTimeMetric as SpanTimeMetric
    from neurorec.brainscore.stimuli import stimulus_set_from_brainio as stimulus_set_from_brainio
    from neurorec.brainscore.stimuli import stimulus_set_to_brainio as stimulus_set_to_brainio
    from neurorec.brainscore.subjects import subject as subject
    from neurorec.brainscore.subjects import uncommitted as uncommitted
    from neurorec.brainscore.temporal import TEMPORAL_METRICS as TEMPORAL_METRICS
    from neurorec.brainscore.temporal import temporal_metric as temporal_metric
    from neurorec.brainscore.time_bins import Timeline as Timeline
    from neurorec.brainscore.time_bins import as_time_bins as as_time_bins
    from neurorec.brainscore.unique_late import UniqueLateMetric as UniqueLateMetric
    from neurorec.models.abstract_adapter import Viewing as Viewing

#: Each name and the file that it is in.
_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "as_time_bins": "neurorec.brainscore.time_bins",
        "Behaviour": "neurorec.brainscore.behaviour",
        "benchmark": "neurorec.brainscore.benchmarks",
        "brainscore_identifiers": "neurorec.brainscore.opening",
        "CEILINGS": "neurorec.brainscore.ceiling_choice",
        "check_plugin": "neurorec.brainscore.plugin_checks",
        "controls": "neurorec.brainscore.control_models",
        "CrossTemporalMetric": "neurorec.brainscore.cross_temporal",
        "data_names": "neurorec.brainscore.data",
        "default_regions": "neurorec.brainscore.region_maps",
        "export": "neurorec.brainscore.exporting",
        "facts_of": "neurorec.brainscore.benchmark_facts",
        "fingerprint": "neurorec.brainscore.benchmark_facts",
        "fit_regions": "neurorec.brainscore.region_fit",
        "Forecast": "neurorec.brainscore.forecasts",
        "forecast": "neurorec.brainscore.forecasts",
        "from_brainio": "neurorec.brainscore.assemblies",
        "held_out": "neurorec.brainscore.region_fit",
        "install_metrics": "neurorec.brainscore.metric_plugins",
        "installed_metrics": "neurorec.brainscore.metric_plugins",
        "InstalledMetrics": "neurorec.brainscore.metric_plugins",
        "internal_consistency": "neurorec.brainscore.ceilings",
        "layer_scores": "neurorec.brainscore.layers",
        "load_data": "neurorec.brainscore.data",
        "local_benchmarks": "neurorec.brainscore.opening",
        "matrix_reliability": "neurorec.brainscore.ceilings",
        "metric": "neurorec.brainscore.metrics",
        "METRICS": "neurorec.brainscore.metrics",
        "neural_data": "neurorec.brainscore.data",
        "NeurorecBrainModel": "neurorec.brainscore.brain_model",
        "ObjectSolutionTimes": "neurorec.brainscore.object_solution_times",
        "open_benchmark": "neurorec.brainscore.opening",
        "open_plugin": "neurorec.brainscore.plugin",
        "PairScore": "neurorec.brainscore.score_table",
        "pixel_model": "neurorec.brainscore.pixels",
        "read_regions": "neurorec.brainscore.region_file",
        "RegionFit": "neurorec.brainscore.region_fit",
        "remove_metrics": "neurorec.brainscore.metric_plugins",
        "SampleSpaceMetric": "neurorec.brainscore.metrics",
        "SampleSpaceSplitMetric": "neurorec.brainscore.metrics",
        "score": "neurorec.brainscore.scoring",
        "ScoreRow": "neurorec.brainscore.score_table",
        "Scores": "neurorec.brainscore.score_table",
        "SpanTimeMetric": "neurorec.brainscore.span_time",
        "stimulus_set_from_brainio": "neurorec.brainscore.stimuli",
        "stimulus_set_to_brainio": "neurorec.brainscore.stimuli",
        "subject": "neurorec.brainscore.subjects",
        "temporal_metric": "neurorec.brainscore.temporal",
        "TEMPORAL_METRICS": "neurorec.brainscore.temporal",
        "Timeline": "neurorec.brainscore.time_bins",
        "to_brainio": "neurorec.brainscore.assemblies",
        "uncommitted": "neurorec.brainscore.subjects",
        "UniqueLateMetric": "neurorec.brainscore.unique_late",
        "untrained": "neurorec.brainscore.control_models",
        "Viewing": "neurorec.models.abstract_adapter",
    }
)

__all__ = [*_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(
        f"module 'neurorec.brainscore' has no attribute {name!r}; dir() of it lists those there are"
    )


def __dir__() -> list[str]:
    return sorted(__all__)
