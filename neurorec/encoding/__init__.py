"""How well features of a model predict responses of neurons, over time.

``fit`` scores every model timestep against every time bin; ``summary`` reduces the scores to one
number with its interval.
"""

from neurorec.encoding.baselines import gabor_energy as gabor_energy
from neurorec.encoding.baselines import pixels as pixels
from neurorec.encoding.ceilings import Ceiling as Ceiling
from neurorec.encoding.ceilings import noise_ceiling as noise_ceiling
from neurorec.encoding.ceilings import split_half_reliability as split_half_reliability
from neurorec.encoding.factorised import Factorised as Factorised
from neurorec.encoding.fit import fit as fit
from neurorec.encoding.grid import grid_shape as grid_shape
from neurorec.encoding.identity import Identity as Identity
from neurorec.encoding.one_to_one import OneToOne as OneToOne
from neurorec.encoding.peak_tuning import TuningCurve as TuningCurve
from neurorec.encoding.peak_tuning import peak_tuning as peak_tuning
from neurorec.encoding.peak_tuning import tuning_curve as tuning_curve
from neurorec.encoding.ridge import Ridge as Ridge
from neurorec.encoding.soft_matching import SoftMatching as SoftMatching
from neurorec.encoding.splits import KFold as KFold
from neurorec.encoding.summary import summary as summary
