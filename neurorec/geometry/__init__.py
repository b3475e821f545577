"""Representational geometry: RDMs and their comparison, CKA, closed-form decoders."""

from neurorec.geometry.canonical import cca as cca
from neurorec.geometry.ceiling import noise_ceiling as noise_ceiling
from neurorec.geometry.cka import linear_cka as linear_cka
from neurorec.geometry.cka import rbf_cka as rbf_cka
from neurorec.geometry.comparison import COMPARISONS as COMPARISONS
from neurorec.geometry.comparison import compare as compare
from neurorec.geometry.decoder import AbstractLinearDecoder as AbstractLinearDecoder
from neurorec.geometry.dissimilarity import DISSIMILARITIES as DISSIMILARITIES
from neurorec.geometry.dissimilarity import rdm as rdm
from neurorec.geometry.interval import compare_with_interval as compare_with_interval
from neurorec.geometry.max_correlation import MaxCorrelation as MaxCorrelation
from neurorec.geometry.nearest_mean import NearestMean as NearestMean
from neurorec.geometry.predictivity import linear_predictivity as linear_predictivity
from neurorec.geometry.shape import shape_distance as shape_distance
from neurorec.geometry.shrinkage_lda import ShrinkageLDA as ShrinkageLDA
from neurorec.geometry.similarities import SIMILARITIES as SIMILARITIES
from neurorec.geometry.similarities import similarity as similarity
from neurorec.geometry.stochastic_shape import (
    stochastic_shape_distance as stochastic_shape_distance,
)
from neurorec.geometry.trajectories import trajectory_similarity as trajectory_similarity
