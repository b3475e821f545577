"""Scores of models and noise ceilings in resampled experiments."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int64

from neurorec.geometry._ranks import doubled_midranks
from neurorec.geometry._stack import copies_of, pair_counts
from neurorec.geometry._threads import in_threads
from neurorec.geometry.comparison import COMPARISONS
from neurorec.geometry.kendall import dense_ranks
from neurorec.geometry.weighted import resampled_scores, similarity_of_ranks

_Models = Float64[np.ndarray, "model pair"]
_Subjects = Float64[np.ndarray, "subject pair"]
_Uses = Int64[np.ndarray, "draw subject"]
_Bounds = Float64[np.ndarray, "draw bound"]
_Scores = Float64[np.ndarray, "draw model subject"]
_Ceilings = Float64[np.ndarray, "kind draw bound"]

#: What is resampled in the three kinds of draw, in the order of the first axis of `Evaluations`.
KINDS: Final = ("both", "subjects", "stimuli")

# Methods under which the mean of subjects is a mean of ranks, ranked again.
_RANKED: Final = ("spearman", "rho_a", "kendall")

# Squared lengths below this share of the largest are rounding.
_ROUNDING = 1e-14


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluations:
    """What each draw gives; NaN where a score is undefined in it."""

    scores: Float64[np.ndarray, "kind draw model"]
    ceilings: Float64[np.ndarray, "kind draw bound"]


def evaluations(
    method: str,
    models: _Models,
    subjects: _Subjects,
    copies: Int64[np.ndarray, "draw condition"],
    uses: _Uses,
) -> Evaluations:
    """Mean scores over subjects, and both bounds of the ceiling, for all three kinds of draw.

    The draws over both factors take the stimuli and the subjects of the draws over one.

    Parameters
    ----------
    copies, uses
        How often each draw holds each stimulus and each subject.
    """
    whole = COMPARISONS[method](models, subjects)
    bounded = _ranked if method in _RANKED else _linear
    resampled, ceilings = bounded(method, models, subjects, copies, uses)
    shares = uses / uses.sum(axis=1, keepdims=True)
    scores = [
        np.einsum("dms,ds->dm", resampled, shares),
        shares @ whole.T,
        resampled.mean(axis=2),
    ]
    return Evaluations(scores=np.stack(scores), ceilings=ceilings)


def _linear(
    method: str, models: _Models, subjects: _Subjects, copies: np.ndarray, uses: _Uses
) -> tuple[_Scores, _Ceilings]:
    """Scores of each subject, and bounds, where a mean RDM is a mean of vectors of length one."""
    rows = np.concatenate([models, subjects])
    similarities = resampled_scores(method, rows, subjects, copies)
    scores, products = similarities[:, : len(models)], similarities[:, len(models) :]
    whole = np.broadcast_to(COMPARISONS[method](subjects, subjects), products.shape)
    bounds = [
        _bounds(products, uses),
        _bounds(whole, uses),
        _bounds(products, np.ones_like(uses)),
    ]
    return scores, np.stack(bounds)


def _bounds(products: Float64[np.ndarray, "some subject subject"], uses: _Uses) -> _Bounds:
    r"""Lower and upper bounds from the similarities of subjects, without forming their mean RDM.

    For RDMs of length one with products :math:`c`, the mean of subjects used :math:`u` times is
    :math:`\sum_r u_r c_{sr} / \sqrt{u' c u}` similar to subject s. For the lower bound all copies
    of a subject are left out together.
    """
    n_uses = uses.sum(axis=1)
    totals = (products @ uses[:, :, None].astype(np.float64))[:, :, 0]
    square = (totals * uses).sum(axis=1, keepdims=True)
    upper = np.sqrt(square[:, 0]) / n_uses
    squares = square - 2 * uses * totals + uses**2
    others = n_uses[:, None] > uses
    lower = np.full(totals.shape, np.nan)
    # With nobody left, or others that cancel, there is nothing to compare with.
    defined = others & (squares > _ROUNDING * square)
    np.divide(totals - uses, np.sqrt(np.maximum(squares, 0)), out=lower, where=defined)
    lower = np.where(uses > 0, lower, 0)
    return np.stack([(uses * lower).sum(axis=1) / n_uses, upper], axis=1)


def _ranked(
    method: str, models: _Models, subjects: _Subjects, copies: np.ndarray, uses: _Uses
) -> tuple[_Scores, _Ceilings]:
    """Scores of each subject, and bounds, where the mean of ranks is ranked again."""
    keys = dense_ranks(np.concatenate([models, subjects]))
    n_models = len(models)
    all_once = np.ones(len(subjects), dtype=np.int64)
    once = np.ones(keys.shape[1], dtype=np.int64)

    def resampled(draw: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        counts = pair_counts(draw[0][None])[0]
        held = np.flatnonzero(counts)  # four pairs in ten
        counts = counts[held]
        ranks = doubled_midranks(keys[:, held], counts)
        of_models, of_subjects = ranks[:n_models], ranks[n_models:]
        bounds = [_bounds_of_ranks(method, of_subjects, counts, u) for u in (draw[1], all_once)]
        return similarity_of_ranks(method, of_models, of_subjects, counts), np.stack(bounds)

    scores, bounds = zip(*in_threads(resampled, zip(copies, uses, strict=True)), strict=True)
    ranks = doubled_midranks(keys[n_models:], once)
    alone = np.stack(in_threads(lambda u: _bounds_of_ranks(method, ranks, once, u), uses))
    both, stimuli = np.stack(bounds, axis=1)
    return np.stack(scores), np.stack([both, alone, stimuli])


def _bounds_of_ranks(
    method: str,
    ranks: Int64[np.ndarray, "subject entry"],
    counts: Int64[np.ndarray, " entry"],
    uses: Int64[np.ndarray, " subject"],
) -> Float64[np.ndarray, " bound"]:
    """Lower and upper bound for subjects used ``uses`` times."""
    present = uses > 0
    ranks, uses = ranks[present], uses[present]
    total = uses @ ranks
    pools = np.concatenate([total[None], total - uses[:, None] * ranks])
    pools = doubled_midranks(pools - pools.min(), counts)
    upper = similarity_of_ranks(method, ranks, pools[:1], counts)[:, 0]
    if len(ranks) == 1:
        return np.array([np.nan, upper[0]])
    lower = _paired(method, ranks, pools[1:], counts)
    return np.array([lower @ uses, upper @ uses]) / uses.sum()


def _paired(
    method: str, ranks: np.ndarray, pools: np.ndarray, counts: np.ndarray
) -> Float64[np.ndarray, " subject"]:
    """Each subject with its own pool."""
    if method == "kendall":
        pairs = zip(ranks[:, None], pools[:, None], strict=True)
        return np.array([similarity_of_ranks(method, r, p, counts)[0, 0] for r, p in pairs])
    return np.diagonal(similarity_of_ranks(method, ranks, pools, counts))


def draw_stimuli(
    n_conditions: int, *, n_draws: int, seed: int | np.random.Generator
) -> Int64[np.ndarray, "draw condition"]:
    """Stimuli of each bootstrap sample, at least three different ones in each."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(n_conditions, size=(n_draws, n_conditions))
    while True:
        ordered = np.sort(draws, axis=1)
        poor = (np.diff(ordered, axis=1) > 0).sum(axis=1) < 2
        if not poor.any():
            return draws
        draws[poor] = rng.integers(n_conditions, size=(int(poor.sum()), n_conditions))


def drawn_copies(
    n_conditions: int, n_subjects: int, *, n_draws: int, seed: int
) -> tuple[Int64[np.ndarray, "draw condition"], _Uses]:
    """How often each draw holds each stimulus and each subject."""
    rng = np.random.default_rng(seed)
    stimuli = draw_stimuli(n_conditions, n_draws=n_draws, seed=rng)
    subjects = rng.integers(n_subjects, size=(n_draws, n_subjects))
    return copies_of(stimuli, n_conditions), copies_of(subjects, n_subjects)
