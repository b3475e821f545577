"""Intervals, null distributions and moments over repetitions."""

from neurorec.stats.bootstrap import bootstrap_interval as bootstrap_interval
from neurorec.stats.correlation import pearson as pearson
from neurorec.stats.correlation import spearman_brown as spearman_brown
from neurorec.stats.multiple import corrected_p_values as corrected_p_values
from neurorec.stats.multiple import max_statistic_p_values as max_statistic_p_values
from neurorec.stats.permutation import permutation_p_value as permutation_p_value
from neurorec.stats.repetitions import Trials as Trials
from neurorec.stats.repetitions import by_stimulus as by_stimulus
from neurorec.stats.two_factor import two_factor_variance as two_factor_variance
