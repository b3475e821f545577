"""Representational geometry: RDMs and their comparison, CKA, closed-form decoders."""

from neurorec.geometry.alignment import linear_cka as linear_cka
from neurorec.geometry.ball import ball_capacity as ball_capacity
from neurorec.geometry.canonical_correlation import canonical_correlation as canonical_correlation
from neurorec.geometry.capacity import manifold_capacity as manifold_capacity
from neurorec.geometry.ceiling import noise_ceiling as noise_ceiling
from neurorec.geometry.communication import communication_subspace as communication_subspace
from neurorec.geometry.comparison import COMPARISONS as COMPARISONS
from neurorec.geometry.comparison import compare as compare
from neurorec.geometry.decoder import AbstractLinearDecoder as AbstractLinearDecoder
from neurorec.geometry.dichotomies import DICHOTOMIES as DICHOTOMIES
from neurorec.geometry.dissimilarity import DISSIMILARITIES as DISSIMILARITIES
from neurorec.geometry.dissimilarity import rdm as rdm
from neurorec.geometry.few_shot import few_shot_geometry as few_shot_geometry
from neurorec.geometry.glue import glue_style_capacity as glue_style_capacity
from neurorec.geometry.interval import compare_with_interval as compare_with_interval
from neurorec.geometry.max_correlation import MaxCorrelation as MaxCorrelation
from neurorec.geometry.nearest_mean import NearestMean as NearestMean
from neurorec.geometry.separability import linear_separability as linear_separability
from neurorec.geometry.shrinkage_lda import ShrinkageLDA as ShrinkageLDA
from neurorec.geometry.subspaces import alignment_index as alignment_index
from neurorec.geometry.subspaces import principal_angles as principal_angles
