"""How well features of a model predict responses of neurons, over time.

``fit`` scores model timesteps against time bins, with ceilings, intervals and controls;
``unique_variance`` asks what late timesteps explain that early ones cannot; ``summary`` reduces
scores to one number for each time with its interval.
"""

from neurorec.encoding.analysis_of_variance import explainable_variance as explainable_variance
from neurorec.encoding.banded_ridge import BandedRidge as BandedRidge
from neurorec.encoding.baselines import gabor_energy as gabor_energy
from neurorec.encoding.baselines import pixels as pixels
from neurorec.encoding.between_animals import between_animals as between_animals
from neurorec.encoding.ceilings import Ceiling as Ceiling
from neurorec.encoding.ceilings import noise_ceiling as noise_ceiling
from neurorec.encoding.ceilings import reliability_draws as reliability_draws
from neurorec.encoding.controls import sample_units as sample_units
from neurorec.encoding.controls import shuffled as shuffled
from neurorec.encoding.factorised import Factorised as Factorised
from neurorec.encoding.fit import fit as fit
from neurorec.encoding.grid import grid_shape as grid_shape
from neurorec.encoding.identity import Identity as Identity
from neurorec.encoding.intervals import Bootstrap as Bootstrap
from neurorec.encoding.labelled_splits import FixedSplit as FixedSplit
from neurorec.encoding.labelled_splits import GroupFolds as GroupFolds
from neurorec.encoding.one_to_one import OneToOne as OneToOne
from neurorec.encoding.peak_tuning import TuningCurve as TuningCurve
from neurorec.encoding.peak_tuning import peak_tuning as peak_tuning
from neurorec.encoding.peak_tuning import tuning_curve as tuning_curve
from neurorec.encoding.pls import PLS as PLS
from neurorec.encoding.ridge import Ridge as Ridge
from neurorec.encoding.setup import Controls as Controls
from neurorec.encoding.soft_matching import SoftMatching as SoftMatching
from neurorec.encoding.split_half import split_half_reliability as split_half_reliability
from neurorec.encoding.splits import KFold as KFold
from neurorec.encoding.splits import RandomSplits as RandomSplits
from neurorec.encoding.summary import summary as summary
from neurorec.encoding.times import All as All
from neurorec.encoding.times import Cumulative as Cumulative
from neurorec.encoding.times import Grid as Grid
from neurorec.encoding.times import Lag as Lag
from neurorec.encoding.times import Match as Match
from neurorec.encoding.unique import unique_variance as unique_variance
from neurorec.encoding.unit_curve import unit_curve as unit_curve
