"""Representational geometry: RDMs and their comparison, CKA, closed-form decoders."""

from neurorec.geometry.alignment import linear_cka as linear_cka
from neurorec.geometry.ceiling import noise_ceiling as noise_ceiling
from neurorec.geometry.comparison import COMPARISONS as COMPARISONS
from neurorec.geometry.comparison import compare as compare
from neurorec.geometry.decoder import AbstractLinearDecoder as AbstractLinearDecoder
from neurorec.geometry.dissimilarity import DISSIMILARITIES as DISSIMILARITIES
from neurorec.geometry.dissimilarity import rdm as rdm
from neurorec.geometry.interval import compare_with_interval as compare_with_interval
from neurorec.geometry.max_correlation import MaxCorrelation as MaxCorrelation
from neurorec.geometry.nearest_mean import NearestMean as NearestMean
from neurorec.geometry.ridge_decoder import RidgeDecoder as RidgeDecoder
from neurorec.geometry.shrinkage_lda import ShrinkageLDA as ShrinkageLDA
