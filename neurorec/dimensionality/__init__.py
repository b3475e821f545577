"""Dimensionality of population responses over time."""

from neurorec.dimensionality.n_components import n_components as n_components
from neurorec.dimensionality.participation_ratio import participation_ratio as participation_ratio
from neurorec.dimensionality.participation_ratio import (
    participation_ratio_curve as participation_ratio_curve,
)
