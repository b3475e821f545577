"""Combinations of model RDMs: known weights, rsatoolbox, held-out pairs, ceilings, input."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec.geometry import (
    COMPARISONS,
    CrossValidation,
    compare,
    compare_weighted,
    fit_weights,
    noise_ceiling,
)
from neurorec.geometry.combination import CRITERIA

N = 12
LINEAR = ["pearson", "cosine", "whitened_cosine", "whitened_correlation"]
THEIRS = dict(zip(LINEAR, ["corr", "cosine", "cosine_cov", "corr_cov"], strict=True))


def combination(models, weights):
    return (models * np.asarray(weights)[:, None, None]).sum("model")


@pytest.fixture
def models(rng, rdms_of, random_rdms_of):
    return rdms_of(random_rdms_of(rng, 3, N), dim="model").assign_coords(model=["a", "b", "c"])


@pytest.mark.parametrize("method", CRITERIA)
@pytest.mark.parametrize("nonnegative", [True, False])
def test_known_weights(models, rdms_of, method, nonnegative):
    """The RDM that is a combination is found, and explained without rest."""
    weights = np.array([2.0, 0.0, 1.0])
    target = combination(models, weights).expand_dims(subject=2)
    found = fit_weights(models, target, method=method, nonnegative=nonnegative)
    np.testing.assert_allclose(found, weights / np.sqrt(5), atol=1e-10)
    assert found["model"].values.tolist() == ["a", "b", "c"]
    score = compare_weighted(models, target, method=method, nonnegative=nonnegative)
    np.testing.assert_allclose(score["score_per_fold"], 1, atol=1e-6)
    np.testing.assert_allclose(score["weight"], np.tile(weights / np.sqrt(5), (4, 1)), atol=1e-10)
    np.testing.assert_allclose(score["ceiling_lower"], 1, atol=1e-12)


def test_every_comparison_has_a_criterion():
    assert set(CRITERIA) == set(COMPARISONS)
    assert set(CRITERIA.values()) == set(LINEAR)


@pytest.mark.parametrize("method", LINEAR)
@pytest.mark.parametrize("nonnegative", [True, False])
def test_equals_rsatoolbox(rng, rdms_of, random_rdms_of, models, method, nonnegative):
    """Its whitened solutions are iterative, to 1e-5; its mean of subjects is ours by scale."""
    pytest.importorskip("rsatoolbox")
    subjects = rdms_of(random_rdms_of(rng, 3, N), dim="subject")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rsatoolbox.model import ModelWeighted, fitter
        from rsatoolbox.rdm import RDMs

        fit = fitter.fit_regress_nn if nonnegative else fitter.fit_regress
        model = ModelWeighted("all", RDMs(models.values))
        expected = fit(model, RDMs(subjects.values), method=THEIRS[method])
    found = fit_weights(models, subjects, method=method, nonnegative=nonnegative)
    np.testing.assert_allclose(found, expected, atol=1e-4 if "whitened" in method else 1e-10)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_no_weights_score_higher(rdms_of, random_rdms_of, seed):
    """On one subject, the fit is the best combination under its own comparison."""
    rng = np.random.default_rng(seed)
    models = rdms_of(random_rdms_of(rng, 3, 6), dim="model")
    subject = rdms_of(random_rdms_of(rng, 1, 6), dim="subject")
    others = rng.normal(size=(50, 3))
    for method in LINEAR:
        for nonnegative in (True, False):
            weights = fit_weights(models, subject, method=method, nonnegative=nonnegative)
            if not weights.values.any():
                continue
            tried = np.abs(others) if nonnegative else others
            rdms = np.einsum("tm,mij->tij", tried, models.values)
            vectors = (
                r[:, *np.triu_indices(6, 1)]
                for r in (combination(models, weights).values[None], rdms, subject.values)
            )
            best, tries, target = vectors
            score = COMPARISONS[method](best, target).item()
            assert score >= COMPARISONS[method](tries, target).max() - 1e-12


def test_scale_of_models_and_subjects_does_not_matter(rng, rdms_of, random_rdms_of, models):
    subjects = rdms_of(random_rdms_of(rng, 2, N), dim="subject")
    for method in LINEAR:
        once = compare_weighted(models, subjects, method=method)
        again = compare_weighted(7 * models, 0.1 * subjects, method=method)
        np.testing.assert_allclose(once["score"], again["score"], atol=1e-10)


@pytest.mark.parametrize("n_subject_folds", [1, 3])
def test_folds_by_hand(rng, rdms_of, random_rdms_of, models, n_subject_folds):
    """Fit and score of every fold from the RDMs of its own stimuli and subjects."""
    base = combination(models, [1.0, 0.3, 0.0]).values
    subjects = rdms_of(base + 0.4 * random_rdms_of(rng, 3, N), dim="subject")
    plan = CrossValidation(n_stimulus_folds=3, n_subject_folds=n_subject_folds, seed=2)
    result = compare_weighted(models, subjects, cross_validation=plan)

    def divided(n, k):
        return np.array_split(np.random.default_rng(2).permutation(n), k)

    scores, weights, lower, upper = [], [], [], []
    for who in divided(3, n_subject_folds):
        for test in divided(N, 3):
            train = np.setdiff1d(np.arange(N), test)
            rest = np.setdiff1d(np.arange(3), who)
            a, b = (
                [x.isel(condition=s, condition_b=s) for s in (train, test)]
                for x in (models, subjects)
            )
            fitting = b[0].isel(subject=rest if n_subject_folds > 1 else who)
            weights.append(fit_weights(a[0], fitting).values)
            tested = b[1].isel(subject=who)
            scores.append(compare(combination(a[1], weights[-1]), tested, method="cosine").mean())
            if n_subject_folds == 1:
                ceiling = noise_ceiling(b[1], method="cosine")
                lower.append(ceiling["lower"])
                upper.append(ceiling["upper"])
    np.testing.assert_allclose(result["score_per_fold"], scores, atol=1e-12)
    np.testing.assert_allclose(result["weight"], weights, atol=1e-12)
    assert result["score"].item() == pytest.approx(np.mean(scores), abs=1e-12)
    if n_subject_folds == 1:
        np.testing.assert_allclose(result["ceiling_lower"], np.mean(lower), atol=1e-12)
        np.testing.assert_allclose(result["ceiling_upper"], np.mean(upper), atol=1e-12)
    assert result["ceiling_lower"] <= result["ceiling_upper"]


def test_pairs_with_training_stimuli_are_not_used(rng, rdms_of, random_rdms_of, models):
    """Dissimilarities between folds may be anything."""
    subjects = rdms_of(random_rdms_of(rng, 2, N), dim="subject")
    plan = CrossValidation(n_stimulus_folds=2, seed=2)
    fold = np.isin(np.arange(N), np.random.default_rng(2).permutation(N)[: N // 2])
    between = fold[:, None] != fold
    other = subjects + 9 * between * rdms_of(random_rdms_of(rng, 2, N), dim="subject")
    once, again = (compare_weighted(models, s, cross_validation=plan) for s in (subjects, other))
    np.testing.assert_array_equal(once["score_per_fold"], again["score_per_fold"])


def test_fit_to_noise_scores_nothing(rng, rdms_of, random_rdms_of):
    """Ten random models fit anything in sample, and nothing out of it."""
    models = rdms_of(random_rdms_of(rng, 10, 20), dim="model")
    subjects = rdms_of(random_rdms_of(rng, 20, 20), dim="subject")
    scores, fitted = [], []
    for s in range(20):
        one = subjects.isel(subject=[s])
        options = {"method": "pearson", "nonnegative": False}
        scores.append(compare_weighted(models, one, **options)["score"].item())
        weights = fit_weights(models, one, **options)
        fitted.append(compare(combination(models, weights), one, method="pearson").item())
    assert np.mean(fitted) > 0.15
    assert abs(np.mean(scores)) < 4 * np.std(scores) / np.sqrt(20)


def test_no_model_fits(models):
    """Weights of zero predict nothing and score zero."""
    target = (1 - models.isel(model=0)) * (1 - np.eye(N))
    one = models.isel(model=[0])
    options = {"method": "pearson"}
    assert not fit_weights(one, target, **options).values.any()
    result = compare_weighted(one, target.expand_dims(subject=1), **options)
    assert result["score"].item() == 0
    assert np.isnan(result["ceiling_lower"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_stimulus_folds": 1}, "at least 2 folds of stimuli and 1 of subjects"),
        ({"n_subject_folds": 0}, "n_subject_folds=0"),
    ],
)
def test_bad_plan(options, message):
    with pytest.raises(ValueError, match=message):
        CrossValidation(**options)


def test_bad_input(rng, rdms_of, random_rdms_of, models):
    subjects = rdms_of(random_rdms_of(rng, 2, N), dim="subject")
    with pytest.raises(ValueError, match=r"5 folds need at least 15 stimuli, 3 in each, got 12"):
        compare_weighted(models, subjects, cross_validation=CrossValidation(n_stimulus_folds=5))
    with pytest.raises(ValueError, match=r"3 folds need at least 3 subjects, 1 in each, got 2"):
        compare_weighted(models, subjects, cross_validation=CrossValidation(n_subject_folds=3))
    with pytest.raises(ValueError, match="one leading dimension, got"):
        fit_weights(models.isel(model=0), subjects)
    with pytest.raises(ValueError, match="one leading dimension, 'subject'"):
        compare_weighted(models, subjects.expand_dims(time_bin=2))
    with pytest.raises(ValueError, match="method must be one of"):
        fit_weights(models, subjects, method="euclidean")


def test_constant_in_a_fold(models, rdms_of):
    """A model of one odd stimulus is constant wherever that one is absent."""
    odd = np.arange(N) == 0
    model = rdms_of((odd[:, None] != odd).astype(float)[None], dim="model")
    subjects = models.rename(model="subject").drop_vars("subject")
    with pytest.raises(ValueError, match="an RDM is constant over the 3 stimuli of a test fold"):
        compare_weighted(model, subjects)
