"""Dynamics: decoding over time and across times, latencies, speed and accuracy."""

from neurorec.dynamics.chance import significant_accuracy as significant_accuracy
from neurorec.dynamics.conditions import (
    cross_condition_generalization as cross_condition_generalization,
)
from neurorec.dynamics.decoding import CLASSIFIERS as CLASSIFIERS
from neurorec.dynamics.generalization import decoding_over_time as decoding_over_time
from neurorec.dynamics.generalization import temporal_generalization as temporal_generalization
from neurorec.dynamics.image_scores import ImageDecoder as ImageDecoder
from neurorec.dynamics.image_scores import image_scores as image_scores
from neurorec.dynamics.latency import half_height_latency as half_height_latency
from neurorec.dynamics.latency import onset_latency as onset_latency
from neurorec.dynamics.object_solution import (
    object_solution_reliability as object_solution_reliability,
)
from neurorec.dynamics.object_solution import object_solution_times as object_solution_times
from neurorec.dynamics.speed_accuracy import speed_accuracy as speed_accuracy
