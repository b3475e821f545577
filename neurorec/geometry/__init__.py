"""Representational geometry over time.

RDMs and their comparison, similarity of populations, class manifolds, subspaces, decoders;
:func:`over_time` computes several measures from one pass over the units.
"""

from neurorec.geometry.ball import ball_capacity as ball_capacity
from neurorec.geometry.canonical import cca as cca
from neurorec.geometry.canonical_correlation import canonical_correlation as canonical_correlation
from neurorec.geometry.capacity import manifold_capacity as manifold_capacity
from neurorec.geometry.ceiling import noise_ceiling as noise_ceiling
from neurorec.geometry.cka import linear_cka as linear_cka
from neurorec.geometry.cka import rbf_cka as rbf_cka
from neurorec.geometry.combination import CrossValidation as CrossValidation
from neurorec.geometry.combination import compare_weighted as compare_weighted
from neurorec.geometry.combination import fit_weights as fit_weights
from neurorec.geometry.communication import communication_subspace as communication_subspace
from neurorec.geometry.comparison import COMPARISONS as COMPARISONS
from neurorec.geometry.comparison import compare as compare
from neurorec.geometry.decoder import AbstractLinearDecoder as AbstractLinearDecoder
from neurorec.geometry.dichotomies import DICHOTOMIES as DICHOTOMIES
from neurorec.geometry.dissimilarity import DISSIMILARITIES as DISSIMILARITIES
from neurorec.geometry.dissimilarity import RDM_METHODS as RDM_METHODS
from neurorec.geometry.dissimilarity import rdm as rdm
from neurorec.geometry.evaluation import evaluate_models as evaluate_models
from neurorec.geometry.few_shot import few_shot_geometry as few_shot_geometry
from neurorec.geometry.glue import glue_style_capacity as glue_style_capacity
from neurorec.geometry.interval import compare_with_interval as compare_with_interval
from neurorec.geometry.max_correlation import MaxCorrelation as MaxCorrelation
from neurorec.geometry.measures import MEASURES as MEASURES
from neurorec.geometry.measures import Measure as Measure
from neurorec.geometry.nearest_mean import NearestMean as NearestMean
from neurorec.geometry.noise_covariance import NOISE_METHODS as NOISE_METHODS
from neurorec.geometry.noise_covariance import Noise as Noise
from neurorec.geometry.over_time import BrainComparison as BrainComparison
from neurorec.geometry.over_time import over_time as over_time
from neurorec.geometry.permutation import Permutations as Permutations
from neurorec.geometry.permutation import permutation_test as permutation_test
from neurorec.geometry.poisson_prior import PoissonPrior as PoissonPrior
from neurorec.geometry.predictivity import linear_predictivity as linear_predictivity
from neurorec.geometry.resampling import Resampling as Resampling
from neurorec.geometry.ridge_decoder import RidgeDecoder as RidgeDecoder
from neurorec.geometry.separability import linear_separability as linear_separability
from neurorec.geometry.shape import shape_distance as shape_distance
from neurorec.geometry.shrinkage_lda import ShrinkageLDA as ShrinkageLDA
from neurorec.geometry.similarities import SIMILARITIES as SIMILARITIES
from neurorec.geometry.similarities import similarity as similarity
from neurorec.geometry.stochastic_shape import (
    stochastic_shape_distance as stochastic_shape_distance,
)
from neurorec.geometry.subspaces import alignment_index as alignment_index
from neurorec.geometry.subspaces import principal_angles as principal_angles
from neurorec.geometry.trajectories import trajectory_similarity as trajectory_similarity
