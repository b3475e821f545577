"""How responses vary over repetitions of the same stimulus."""

from neurorec.variability.correlation import noise_correlation as noise_correlation
from neurorec.variability.fano import fano_factor as fano_factor
from neurorec.variability.fano import mean_variance_slope as mean_variance_slope
