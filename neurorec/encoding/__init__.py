"""How well features of a model predict responses of neurons, over time.

``fit`` scores every model timestep against every time bin; ``summary`` reduces the scores to one
number with its interval.
"""

from neurorec.encoding.analysis_of_variance import explainable_variance as explainable_variance
from neurorec.encoding.baselines import gabor_energy as gabor_energy
from neurorec.encoding.baselines import pixels as pixels
from neurorec.encoding.between_animals import between_animals as between_animals
from neurorec.encoding.ceilings import Ceiling as Ceiling
from neurorec.encoding.ceilings import noise_ceiling as noise_ceiling
from neurorec.encoding.ceilings import noise_corrected as noise_corrected
from neurorec.encoding.ceilings import reliability_draws as reliability_draws
from neurorec.encoding.controls import sample_units as sample_units
from neurorec.encoding.controls import shuffled as shuffled
from neurorec.encoding.fit import fit as fit
from neurorec.encoding.labelled_splits import FixedSplit as FixedSplit
from neurorec.encoding.labelled_splits import GroupFolds as GroupFolds
from neurorec.encoding.ridge import Ridge as Ridge
from neurorec.encoding.split_half import split_half_reliability as split_half_reliability
from neurorec.encoding.splits import KFold as KFold
from neurorec.encoding.splits import RandomSplits as RandomSplits
from neurorec.encoding.summary import summary as summary
