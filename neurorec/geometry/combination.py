"""Weighted combinations of model RDMs, fitted to some stimuli and subjects and scored on others."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64
from scipy.optimize import nnls
from scipy.spatial.distance import squareform

from neurorec._checks import check_option
from neurorec.geometry._cells import check_subject
from neurorec.geometry._stack import Stack, defined, matched, pairs, require_defined
from neurorec.geometry.ceiling import pooled
from neurorec.geometry.comparison import COMPARISONS, LABELS
from neurorec.geometry.whitening import whitened
from neurorec.populations.labels import result_attrs

_Models = Float64[np.ndarray, "model pair"]
_Subjects = Float64[np.ndarray, "subject pair"]
_Weights = Float64[np.ndarray, " model"]

#: The least-squares criterion that serves each comparison. For the first four a least-squares
#: fit of the mean RDM on the comparison's scale is the fit of highest score; ranks have no such
#: form, and take the weights of Pearson's.
CRITERIA: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pearson": "pearson",
        "cosine": "cosine",
        "whitened_cosine": "whitened_cosine",
        "whitened_correlation": "whitened_correlation",
        "spearman": "pearson",
        "rho_a": "pearson",
        "kendall": "pearson",
    }
)


@final
@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """How stimuli and subjects are divided into those of the fit and those of the score.

    Parameters
    ----------
    n_stimulus_folds
        Folds of stimuli. Scored are pairs of two stimuli of the test fold, fitted are pairs of two
        of the others; pairs of one of each serve neither.
    n_subject_folds
        Folds of subjects; with 1, the same subjects serve fit and score.
    seed
        Seed of the division.

    Raises
    ------
    ValueError
        If there are fewer than two folds of stimuli, or no fold of subjects.
    """

    n_stimulus_folds: int = 4
    n_subject_folds: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_stimulus_folds < 2 or self.n_subject_folds < 1:
            raise ValueError(
                "cross-validation needs at least 2 folds of stimuli and 1 of subjects, got "
                f"n_stimulus_folds={self.n_stimulus_folds}, n_subject_folds={self.n_subject_folds}"
            )


def fit_weights(
    models: xr.DataArray,
    subjects: xr.DataArray,
    *,
    method: str = "cosine",
    nonnegative: bool = True,
) -> xr.DataArray:
    r"""Weights of model RDMs whose sum is most like the subjects' RDMs.

    With :math:`M` the model RDMs (centred for correlations), :math:`y` the mean of subjects on the
    common scale of :func:`noise_ceiling`, and :math:`V` the noise covariance of the entries for
    whitened methods and the identity otherwise,

    .. math:: \hat w = \arg\min_w (y - M w)' V^{-1} (y - M w)

    scaled to length one, since no comparison knows the scale of an RDM.

    Parameters
    ----------
    models
        RDMs with one leading dimension.
    subjects
        RDMs of the same stimuli, one or with leading dimensions over which they are averaged.
    method
        A key of ``COMPARISONS``; those of ranks take the weights that fit best under Pearson's
        correlation (our choice).
    nonnegative
        Weights of zero or more: a sum of squared distances of features, each scaled, is one.

    Returns
    -------
    xr.DataArray
        One weight per model; all zero where no model with weight above zero is like the subjects.

    Raises
    ------
    ValueError
        As :func:`compare`; and if ``models`` do not have one leading dimension.

    References
    ----------
    Khaligh-Razavi & Kriegeskorte (2014) *PLoS Computational Biology* 10:e1003915; Schütt et al.
    (2023) *eLife* 12:e82566.
    """
    first, second, _ = _prepared(models, subjects, method)
    weights = fitted_weights(first.vectors(), second.vectors(), method, nonnegative=nonnegative)
    return xr.DataArray(
        weights,
        dims=tuple(first.leading),
        coords=first.coords,
        attrs=result_attrs(
            models,
            method=method,
            criterion=CRITERIA[method],
            nonnegative=int(nonnegative),
            units="weight of an RDM, all together of length one",
            n_conditions=first.n_conditions,
        ),
        name="weight",
    )


def fitted_weights(
    models: _Models, subjects: _Subjects, method: str, *, nonnegative: bool
) -> _Weights:
    """Least squares on the scale of a comparison; length one or all zero."""
    criterion = CRITERIA[method]
    target = pooled(subjects, criterion)[None]
    if criterion in ("pearson", "whitened_correlation"):
        models, target = (x - x.mean(axis=1, keepdims=True) for x in (models, target))
    if criterion.startswith("whitened"):
        models, target = whitened(models), whitened(target)
    if nonnegative:
        weights = nnls(models.T, target[0])[0]
    else:
        weights = np.linalg.lstsq(models.T, target[0], rcond=None)[0]
    length = np.linalg.norm(weights)
    return weights / length if length > 0 else weights


def compare_weighted(
    models: xr.DataArray,
    subjects: xr.DataArray,
    *,
    method: str = "cosine",
    subject: str = "subject",
    nonnegative: bool = True,
    cross_validation: CrossValidation | None = None,
) -> xr.Dataset:
    r"""Cross-validated score of the best weighted combination of model RDMs.

    Parameters
    ----------
    models
        RDMs with one leading dimension.
    subjects
        RDMs of the same stimuli with one leading dimension, ``subject``.
    method, nonnegative
        As for :func:`fit_weights`; the method also scores.
    cross_validation
        How stimuli and subjects are divided; ``CrossValidation()`` if left out.

    Returns
    -------
    xr.Dataset
        ``score``, the mean over folds of the mean over test subjects; ``score_per_fold``;
        ``weight`` (fold, model); ``ceiling_lower`` and ``ceiling_upper``, of the mean of the
        subjects of the fit (without the subject at hand if all are) and of all subjects, on the
        same test pairs. A fold in which all weights are zero predicts nothing and scores zero.

    Raises
    ------
    ValueError
        As :func:`fit_weights`; if a test fold would hold fewer than three stimuli, there are more
        folds than subjects, or an RDM of a fold is constant.
    """
    plan = CrossValidation() if cross_validation is None else cross_validation
    check_subject(models, subjects, subject)
    first, second, _ = _prepared(models, subjects, method)
    if tuple(second.leading) != (subject,):
        raise ValueError(
            f"subjects must have one leading dimension, {subject!r}, got {tuple(second.leading)}; "
            "select a time bin"
        )
    x, y = first.vectors(), second.vectors()
    folds = [
        _fold(x, y, stimuli, members, method, nonnegative=nonnegative)
        for members in _divided(len(y), plan.n_subject_folds, "subjects", plan.seed, least=1)
        for stimuli in _divided(first.n_conditions, plan.n_stimulus_folds, "stimuli", plan.seed)
    ]
    arrays = {name: np.array([fold[name] for fold in folds]) for name in folds[0]}
    dim = next(iter(first.leading))
    return xr.Dataset(
        {
            "score": arrays["score"].mean(),
            "score_per_fold": ("fold", arrays["score"]),
            "weight": (("fold", dim), arrays["weight"]),
            "ceiling_lower": arrays["lower"].mean(),
            "ceiling_upper": arrays["upper"].mean(),
        },
        coords=first.coords,
        attrs=result_attrs(
            models,
            method=method,
            units=LABELS[method],
            nonnegative=int(nonnegative),
            n_conditions=first.n_conditions,
            n_subjects=len(y),
            n_stimulus_folds=plan.n_stimulus_folds,
            n_subject_folds=plan.n_subject_folds,
            seed=plan.seed,
        ),
    )


def _prepared(
    models: xr.DataArray, subjects: xr.DataArray, method: str
) -> tuple[Stack, Stack, dict[str, Any]]:
    check_option("method", method, COMPARISONS)
    first, second, coords = matched(models, subjects, undefined="raise")
    if len(first.leading) != 1:
        raise ValueError(
            f"a combination needs model RDMs with one leading dimension, got {tuple(first.leading)}"
        )
    require_defined(first.vectors(), second.vectors(), method=method, undefined="raise")
    return first, second, coords


def _divided(
    n_items: int, n_folds: int, what: str, seed: int, *, least: int = 3
) -> list[Int64[np.ndarray, " item"]]:
    """Test items of each fold, as equal in number as can be."""
    if n_items < least * n_folds:
        raise ValueError(
            f"{n_folds} folds need at least {least * n_folds} {what}, {least} in each, "
            f"got {n_items}; take fewer folds"
        )
    order = np.random.default_rng(seed).permutation(n_items)
    return [np.sort(part) for part in np.array_split(order, n_folds)]


def _fold(
    models: _Models,
    subjects: _Subjects,
    test_stimuli: np.ndarray,
    test_subjects: np.ndarray,
    method: str,
    *,
    nonnegative: bool,
) -> dict[str, Any]:
    """Fit to pairs of training stimuli, score on pairs of test stimuli."""
    n_conditions = squareform(models[0], checks=False).shape[0]
    is_test = np.isin(np.arange(n_conditions), test_stimuli)
    rows, columns = pairs(n_conditions)
    train, test = ~is_test[rows] & ~is_test[columns], is_test[rows] & is_test[columns]
    others = np.setdiff1d(np.arange(len(subjects)), test_subjects)
    members = others if len(others) else test_subjects
    for part in (models[:, train], models[:, test], subjects[:, train], subjects[:, test]):
        if not defined(part).all():
            raise ValueError(
                f"an RDM is constant over the {is_test.sum()} stimuli of a test fold or the "
                f"{(~is_test).sum()} others; take fewer folds or another seed"
            )
    weights = fitted_weights(
        models[:, train], subjects[np.ix_(members, train)], method, nonnegative=nonnegative
    )
    tested = subjects[np.ix_(test_subjects, test)]
    prediction = weights @ models[:, test]
    score = 0.0
    if np.ptp(prediction) > 0:
        score = COMPARISONS[method](prediction[None], tested).mean()
    return {"score": score, "weight": weights} | _fold_ceiling(
        subjects[:, test], test_subjects, others, method
    )


def _fold_ceiling(
    subjects: _Subjects, test_subjects: np.ndarray, others: np.ndarray, method: str
) -> dict[str, float]:
    """Similarity of test subjects to the mean of those of the fit, and of all."""
    tested = subjects[test_subjects]
    upper = COMPARISONS[method](pooled(subjects, method)[None], tested).mean()
    if len(others):
        lower = COMPARISONS[method](pooled(subjects[others], method)[None], tested).mean()
    elif len(subjects) > 1:
        apart = (np.delete(subjects, s, axis=0) for s in test_subjects)
        pools = (pooled(rest, method)[None] for rest in apart)
        lower = np.mean(
            [COMPARISONS[method](p, t[None]) for p, t in zip(pools, tested, strict=True)]
        )
    else:
        lower = np.nan
    return {"lower": float(lower), "upper": float(upper)}
