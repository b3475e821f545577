"""Permutation tests over stimuli: explicit relabelling, exactness, time courses, input."""

from itertools import permutations as all_orders

import numpy as np
import pytest

from neurorec.geometry import COMPARISONS, Permutations, compare, permutation_test
from neurorec.geometry.permutation import REPRESENTATIONS, _tested, draw_orders
from neurorec.stats import corrected_p_values, max_statistic_p_values, permutation_p_value

N = 9


@pytest.fixture
def alike(rng, rdms_of, random_rdms_of):
    base = random_rdms_of(rng, 1, N)
    models = rdms_of(base + random_rdms_of(rng, 2, N), dim="model")
    return models, rdms_of(base + random_rdms_of(rng, 3, N), dim="subject")


def test_every_comparison_has_a_representation():
    assert {*REPRESENTATIONS, "kendall"} == set(COMPARISONS)


@pytest.mark.parametrize("method", COMPARISONS)
@pytest.mark.parametrize("few_models", [True, False])
def test_equals_relabelled_rdms(alike, method, few_models):
    models, subjects = alike if few_models else alike[::-1]
    subject = "subject" if few_models else None
    options = Permutations(n_permutations=30, seed=4)
    result = permutation_test(
        models, subjects, method=method, subject=subject, permutations=options
    )
    orders = draw_orders(N, 30, seed=4)
    moved = (models.copy(data=models.values[:, o[:, None], o]) for o in orders)
    scores = [compare(x, subjects, method=method) for x in (models, *moved)]
    scores = [(s.mean("subject") if few_models else s).values for s in scores]
    observed, null = scores[0], np.stack(scores[1:])
    # Our scores are rounded to 12 decimals.
    np.testing.assert_allclose(result["score"], observed, atol=1e-12)
    np.testing.assert_allclose(result["null_mean"], null.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(result["null_std"], null.std(axis=0), atol=1e-12)
    np.testing.assert_allclose(result["p"], permutation_p_value(observed, null))
    np.testing.assert_allclose(result["p_corrected"], max_statistic_p_values(observed, null))


def test_orders_are_uniform():
    """All 24 orders of four conditions, each as often as the others within 5 standard errors."""
    orders = draw_orders(4, 24_000, seed=0)
    counts = [(orders == np.array(o)).all(axis=1).sum() for o in all_orders(range(4))]
    assert sum(counts) == 24_000
    assert np.abs(np.array(counts) - 1000).max() < 5 * np.sqrt(1000)


def test_smallest_p_value(alike):
    """Only the original order of a distinct RDM reaches its similarity to itself."""
    models, _ = alike
    one = models.isel(model=0)
    result = permutation_test(one, one, permutations=Permutations(n_permutations=199))
    assert result["p"].item() == 1 / 200


def test_equal_arrangements_count(rdms_of):
    """A model of two categories against itself: swapping members changes nothing."""
    category = np.array([0, 0, 1, 1])
    model = rdms_of((category[:, None] != category).astype(float))
    options = Permutations(n_permutations=300)
    # 8 of the 24 orders keep the partition.
    for method in COMPARISONS:
        p = permutation_test(model, model, method=method, permutations=options)["p"].item()
        assert p == pytest.approx(8 / 24, abs=5 * np.sqrt(1 / 3 * 2 / 3 / 300))


def test_alternatives(alike):
    models, subjects = alike
    p = {
        alternative: permutation_test(
            models,
            subjects,
            subject="subject",
            permutations=Permutations(n_permutations=50, alternative=alternative),
        )["p"].values
        for alternative in ("greater", "less", "two-sided")
    }
    assert (p["greater"] + p["less"] >= 1).all()
    both = np.minimum(1, 2 * np.minimum(p["greater"], p["less"]))
    np.testing.assert_array_equal(p["two-sided"], both)


@pytest.mark.parametrize("correction", ["none", "bonferroni", "holm", "fdr"])
def test_corrections(alike, correction):
    models, subjects = alike
    options = Permutations(n_permutations=20, correction=correction)
    result = permutation_test(models, subjects, permutations=options)
    expected = corrected_p_values(result["p"].values, correction=correction)
    np.testing.assert_array_equal(result["p_corrected"], expected)


def test_cross_temporal_labels(rng, rdms_of, random_rdms_of):
    ends = {"time_bin_end": ("time_bin", [10.0, 20.0])}
    models = rdms_of(random_rdms_of(rng, 2, N), dim="time_bin", coords=ends)
    brain = rdms_of(random_rdms_of(rng, 3, N), dim="time_bin")
    result = permutation_test(models, brain, permutations=Permutations(n_permutations=20))
    assert result["p_corrected"].dims == ("time_bin", "time_bin_b")
    assert result["time_bin_end"].values.tolist() == [10, 20]
    assert (result["p_corrected"] >= result["p"]).all()
    assert result.attrs["n_permutations"] == 20


def test_undefined(alike):
    models, subjects = alike
    models = models.copy()
    models[1] = 1 - np.eye(N)
    with pytest.raises(ValueError, match="undefined for an RDM whose dissimilarities are all"):
        permutation_test(models, subjects)
    result = permutation_test(
        models, subjects, undefined="nan", permutations=Permutations(n_permutations=20)
    )
    assert np.isnan(result["p"].values[1]).all()
    assert np.isfinite(result["p_corrected"].values[0]).all()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["pearson", "rho_a", "whitened_correlation"])
def test_false_positives(rng, method):
    """1000 experiments without relation; p-values of 199 permutations are exact at 5 %.

    Six models of one set of stimuli, against four subjects who share their features: single tests
    are wrong in 5 % of cases, and any of the six, corrected, in 5 % as well.
    """
    n, upper = 12, np.triu_indices(12, 1)
    single, familywise = [], []
    for seed in range(1000):
        features, shared = rng.normal(size=(6, n, 3)), rng.normal(size=(n, 3))
        noisy = shared + 0.5 * rng.normal(size=(4, n, 3))
        rdms = (((x[:, :, None] - x[:, None]) ** 2).sum(axis=3) for x in (features, noisy))
        x, y = (r[:, upper[0], upper[1]] for r in rdms)
        options = Permutations(n_permutations=199, seed=seed)
        result = _tested(method, x, y[None], n, options)
        single.append(result["p"].ravel() <= 0.05)
        familywise.append(result["p_corrected"].min() <= 0.05)
    assert 0.035 <= np.mean(single) <= 0.065
    assert 0.035 <= np.mean(familywise) <= 0.065


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_permutations": 0}, "n_permutations must be at least 1, got 0"),
        ({"alternative": "more"}, "alternative must be one of"),
        ({"correction": "tukey"}, "correction must be one of"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        Permutations(**options)


def test_no_subjects(alike):
    models, subjects = alike
    with pytest.raises(ValueError, match="need the dimension 'time' and models must not have it"):
        permutation_test(models, subjects, subject="time")
    with pytest.raises(ValueError, match="method must be one of"):
        permutation_test(models, subjects, method="tau-b")
