"""The border with Brain-Score: the only place that imports ``brainscore_vision``.

Importing it needs the Brain-Score stack (``pip install 'neurorec[brainscore]'``) and says so where
that is absent.
"""

from neurorec.brainscore.assemblies import from_brainio as from_brainio
from neurorec.brainscore.assemblies import to_brainio as to_brainio
from neurorec.brainscore.behaviour import Behaviour as Behaviour
from neurorec.brainscore.benchmarks import benchmark as benchmark
from neurorec.brainscore.brain_model import NeurorecBrainModel as NeurorecBrainModel
from neurorec.brainscore.ceilings import internal_consistency as internal_consistency
from neurorec.brainscore.cross_temporal import CrossTemporalMetric as CrossTemporalMetric
from neurorec.brainscore.metrics import METRICS as METRICS
from neurorec.brainscore.metrics import SampleSpaceMetric as SampleSpaceMetric
from neurorec.brainscore.metrics import metric as metric
from neurorec.brainscore.object_solution_times import ObjectSolutionTimes as ObjectSolutionTimes
from neurorec.brainscore.span_time import SpanTimeMetric as SpanTimeMetric
from neurorec.brainscore.stimuli import stimulus_set_from_brainio as stimulus_set_from_brainio
from neurorec.brainscore.stimuli import stimulus_set_to_brainio as stimulus_set_to_brainio
from neurorec.brainscore.temporal import TEMPORAL_METRICS as TEMPORAL_METRICS
from neurorec.brainscore.temporal import temporal_metric as temporal_metric
from neurorec.brainscore.time_bins import Timeline as Timeline
from neurorec.brainscore.time_bins import as_time_bins as as_time_bins
from neurorec.brainscore.unique_late import UniqueLateMetric as UniqueLateMetric
