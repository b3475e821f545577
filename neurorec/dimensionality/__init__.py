"""Dimensionality of population responses over time.

Participation ratios, plain and corrected, spectra and their power laws, intrinsic and shared
dimension, information; :func:`size_curve` compares populations at equal numbers of stimuli and
units.
"""

from neurorec.dimensionality.corrected_ratio import CORRECTIONS as CORRECTIONS
from neurorec.dimensionality.corrected_ratio import (
    corrected_participation_ratio as corrected_participation_ratio,
)
from neurorec.dimensionality.cvpca import cvpca as cvpca
from neurorec.dimensionality.information import KINDS as KINDS
from neurorec.dimensionality.information import copula_information as copula_information
from neurorec.dimensionality.intrinsic import (
    maximum_likelihood_dimension as maximum_likelihood_dimension,
)
from neurorec.dimensionality.intrinsic import two_nn as two_nn
from neurorec.dimensionality.measures import MEASURES as MEASURES
from neurorec.dimensionality.measures import NEED_REPETITIONS as NEED_REPETITIONS
from neurorec.dimensionality.measures import NEED_UNITS as NEED_UNITS
from neurorec.dimensionality.n_components import n_components as n_components
from neurorec.dimensionality.participation_ratio import participation_ratio as participation_ratio
from neurorec.dimensionality.power_law import SPECTRA as SPECTRA
from neurorec.dimensionality.power_law import power_law as power_law
from neurorec.dimensionality.shared import ROWS as ROWS
from neurorec.dimensionality.shared import shared_dimensionality as shared_dimensionality
from neurorec.dimensionality.size_curve import size_curve as size_curve
from neurorec.dimensionality.spectrum import effective_rank as effective_rank
from neurorec.dimensionality.spectrum import eigenspectrum as eigenspectrum
