"""How well features of a model predict responses of neurons, over time.

``fit`` scores every model timestep against every time bin; ``summary`` reduces the scores to one
number with its interval.
"""

from neurorec.encoding.banded_ridge import BandedRidge as BandedRidge
from neurorec.encoding.baselines import gabor_energy as gabor_energy
from neurorec.encoding.baselines import pixels as pixels
from neurorec.encoding.ceilings import Ceiling as Ceiling
from neurorec.encoding.ceilings import noise_ceiling as noise_ceiling
from neurorec.encoding.ceilings import split_half_reliability as split_half_reliability
from neurorec.encoding.fit import fit as fit
from neurorec.encoding.ridge import Ridge as Ridge
from neurorec.encoding.splits import KFold as KFold
from neurorec.encoding.summary import summary as summary
