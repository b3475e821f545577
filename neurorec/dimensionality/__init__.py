"""Dimensionality of population responses over time."""

from neurorec.dimensionality.corrected_ratio import CORRECTIONS as CORRECTIONS
from neurorec.dimensionality.corrected_ratio import (
    corrected_participation_ratio as corrected_participation_ratio,
)
from neurorec.dimensionality.cvpca import cvpca as cvpca
from neurorec.dimensionality.intrinsic import (
    maximum_likelihood_dimension as maximum_likelihood_dimension,
)
from neurorec.dimensionality.intrinsic import two_nn as two_nn
from neurorec.dimensionality.n_components import n_components as n_components
from neurorec.dimensionality.participation_ratio import participation_ratio as participation_ratio
from neurorec.dimensionality.power_law import SPECTRA as SPECTRA
from neurorec.dimensionality.power_law import power_law as power_law
from neurorec.dimensionality.spectrum import effective_rank as effective_rank
from neurorec.dimensionality.spectrum import eigenspectrum as eigenspectrum
