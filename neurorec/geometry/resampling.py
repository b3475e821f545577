"""How experiments are drawn again, and variances, intervals and tests from the draws."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64
from scipy.stats import t as student

from neurorec._checks import check_option
from neurorec.geometry._draws import KINDS, Evaluations
from neurorec.stats import two_factor_variance
from neurorec.stats.multiple import CORRECTIONS

#: What an experiment may be resampled over.
RESAMPLED: Final = ("both", "subjects", "stimuli")

# Standard errors below this are rounding: a model that is another one, or a draw of one kind only.
_NO_SPREAD = 1e-12

_Variances = Float64[np.ndarray, "kind column column"]


@final
@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How experiments are drawn again, and what is made of the draws.

    Parameters
    ----------
    over
        ``"both"`` stimuli and subjects: conclusions hold for other ones of the same kinds.
        ``"stimuli"`` or ``"subjects"`` alone keep the others as they are.
    n_draws
        Resampled experiments.
    level
        Nominal coverage of the intervals.
    correction
        For p-values of many tests of one kind: ``"none"``, ``"bonferroni"``, ``"holm"`` or
        ``"fdr"``.
    seed
        Seed of the draws.

    Raises
    ------
    ValueError
        If an option is unknown or a number out of range.
    """

    over: str = "both"
    n_draws: int = 1000
    level: float = 0.95
    correction: str = "holm"
    seed: int = 0

    def __post_init__(self) -> None:
        check_option("over", self.over, RESAMPLED)
        check_option("correction", self.correction, CORRECTIONS)
        if self.n_draws < 2 or not 0 < self.level < 1:
            raise ValueError(
                "an interval needs n_draws of at least 2 and a level between 0 and 1, "
                f"got n_draws={self.n_draws} and level={self.level}"
            )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Spread:
    """Bootstrap variances of scores, of their differences, and of their distance to the ceiling."""

    scores: Float64[np.ndarray, " model"]
    differences: Float64[np.ndarray, "model model"]
    to_ceiling: Float64[np.ndarray, " model"]
    ceiling: Float64[np.ndarray, " bound"]
    n_undefined: int


def spread(draws: Evaluations, *, over: str, n_subjects: int, n_stimuli: int) -> Spread:
    """Variances of the evaluations in ``draws``, over both factors or one of them."""
    kinds = KINDS if over == "both" else (over,)
    which = [KINDS.index(kind) for kind in kinds]
    scores, ceilings = draws.scores[which], draws.ceilings[which]
    valid = np.isfinite(scores).all(axis=(0, 2))
    bounded = valid & np.isfinite(ceilings).all(axis=(0, 2))
    of_scores = _covariances(scores[:, valid])
    of_all = _covariances(np.concatenate([scores, ceilings], axis=2)[:, bounded])
    n_models = scores.shape[2]
    sizes = {"subjects": n_subjects, "stimuli": n_stimuli}

    def combined(variances: np.ndarray) -> np.ndarray:
        if over != "both":
            return variances[0] * sizes[over] / (sizes[over] - 1)
        return two_factor_variance(*variances, n_first=n_subjects, n_second=n_stimuli)

    distances = _variances_of_differences(of_all)
    return Spread(
        scores=combined(np.diagonal(of_scores, axis1=1, axis2=2)),
        differences=combined(_variances_of_differences(of_scores)),
        to_ceiling=combined(distances[:, :n_models, n_models]),
        ceiling=combined(np.diagonal(of_all, axis1=1, axis2=2)[:, n_models:]),
        n_undefined=int((~valid).sum()),
    )


def _covariances(values: Float64[np.ndarray, "kind draw column"]) -> _Variances:
    if values.shape[1] < 2:
        return np.full((len(values), values.shape[2], values.shape[2]), np.nan)
    deviations = values - values.mean(axis=1, keepdims=True)
    return deviations.transpose(0, 2, 1) @ deviations / (values.shape[1] - 1)


def _variances_of_differences(covariances: _Variances) -> _Variances:
    own = np.diagonal(covariances, axis1=1, axis2=2)
    return np.maximum(own[:, :, None] + own[:, None, :] - 2 * covariances, 0)


def degrees_of_freedom(over: str, n_subjects: int, n_stimuli: int) -> int:
    """One less than the smaller of the samples that are drawn again."""
    sizes = {"subjects": n_subjects, "stimuli": n_stimuli, "both": min(n_subjects, n_stimuli)}
    return sizes[over] - 1


def t_tests(
    scores: Float64[np.ndarray, " model"],
    lower_bound: float,
    spread_of: Spread,
    *,
    level: float,
    freedom: int,
) -> dict[str, np.ndarray]:
    """Intervals and p-values of t, NaN where there is no variance."""
    error = np.sqrt(spread_of.scores)
    margin = student.ppf((1 + level) / 2, freedom) * error
    difference = scores[:, None] - scores
    return {
        "standard_error": error,
        "ci_low": scores - margin,
        "ci_high": scores + margin,
        "p_zero": student.sf(_ratio(scores, error), freedom),
        "p_ceiling": _two_sided(scores - lower_bound, np.sqrt(spread_of.to_ceiling), freedom),
        "difference": difference,
        "difference_standard_error": np.sqrt(spread_of.differences),
        "p_difference": _two_sided(difference, np.sqrt(spread_of.differences), freedom),
    }


def _two_sided(difference: np.ndarray, error: np.ndarray, freedom: int) -> np.ndarray:
    return 2 * student.sf(np.abs(_ratio(difference, error)), freedom)


def _ratio(value: np.ndarray, error: np.ndarray) -> np.ndarray:
    return np.divide(value, error, out=np.full(value.shape, np.nan), where=error > _NO_SPREAD)
