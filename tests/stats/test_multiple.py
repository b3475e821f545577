"""Corrections for many tests: statsmodels, by hand, family-wise error, input."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from neurorec.stats import corrected_p_values, max_statistic_p_values, permutation_p_value
from neurorec.stats.multiple import CORRECTIONS

STATSMODELS = {"bonferroni": "bonferroni", "holm": "holm", "fdr": "fdr_bh"}


@pytest.mark.parametrize("correction", STATSMODELS)
def test_equals_statsmodels(rng, correction):
    p = np.concatenate([rng.random(30) ** 3, [0.0, 1.0, 0.01, 0.01]])
    expected = multipletests(p, method=STATSMODELS[correction])[1]
    ours = corrected_p_values(p.reshape(2, 17), correction=correction)
    np.testing.assert_allclose(ours.ravel(), expected, rtol=1e-14)


def test_every_correction_is_compared():
    assert set(CORRECTIONS) == {"none", *STATSMODELS}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_order_of_severity(values):
    """Bonferroni is at least Holm, at least FDR, at least the p-value, and order is kept."""
    p = np.array(values)
    found = [corrected_p_values(p, correction=c) for c in ("bonferroni", "holm", "fdr", "none")]
    for larger, smaller in pairwise(found):
        assert (larger >= smaller * (1 - 1e-15)).all()
    for corrected in found:
        assert (np.diff(corrected[np.argsort(p)]) >= 0).all()


def test_nan_is_no_test():
    p = np.array([0.01, np.nan, 0.04])
    ours = corrected_p_values(p, correction="bonferroni")
    np.testing.assert_allclose(ours, [0.02, np.nan, 0.08])
    assert np.isnan(corrected_p_values(np.array([np.nan]), correction="fdr")).all()


def test_no_probability():
    with pytest.raises(ValueError, match=r"between 0 and 1, got 0\.5 to 1\.5"):
        corrected_p_values(np.array([0.5, 1.5]), correction="holm")
    with pytest.raises(ValueError, match="correction must be one of"):
        corrected_p_values(np.array([0.5]), correction="tukey")


def test_of_one_test_is_its_p_value(rng):
    observed, null = np.array([1.2]), rng.normal(size=(99, 1))
    for alternative in ("greater", "less"):
        ours = max_statistic_p_values(observed, null, alternative=alternative)
        expected = permutation_p_value(observed, null, alternative=alternative)
        np.testing.assert_array_equal(ours, expected)


def test_by_hand():
    """Two tests, three permutations; after standardising, largest are 0 -> counted by hand."""
    observed = np.array([3.0, 0.0])
    null = np.array([[0.0, 1.0], [1.0, 2.0], [0.0, 3.0]])
    both = np.concatenate([observed[None], null])
    z = (both - both.mean(axis=0)) / both.std(axis=0)
    largest = z[1:].max(axis=1)
    expected = [(1 + (largest >= z[0, j]).sum()) / 4 for j in range(2)]
    np.testing.assert_array_equal(max_statistic_p_values(observed, null), expected)
    assert expected == [0.25, 1.0]


def test_two_sided_takes_magnitudes(rng):
    observed, null = np.array([-8.0, 0.1]), rng.normal(size=(199, 2))
    ours = max_statistic_p_values(observed, null, alternative="two-sided")
    assert ours[0] == 1 / 200
    assert ours[1] > 0.5


def test_constant_test_is_never_significant(rng):
    observed, null = np.array([1.0, 5.0]), np.stack([np.ones(50), rng.normal(size=50)], axis=1)
    assert max_statistic_p_values(observed, null)[0] > 0.3


def test_scale_of_a_test_does_not_matter(rng):
    observed, null = rng.normal(size=3), rng.normal(size=(99, 3))
    scale, shift = np.array([1.0, 50.0, 0.1]), np.array([0.0, 3.0, -2.0])
    ours = max_statistic_p_values(observed, null)
    moved = max_statistic_p_values(observed * scale + shift, null * scale + shift)
    np.testing.assert_array_equal(ours, moved)


def test_family_wise_error(rng):
    """20 dependent tests under the null, 1500 times: some p below 0.05 in 5 % of them."""
    shared = rng.normal(size=(1500, 100, 1))
    values = 0.7 * shared + rng.normal(size=(1500, 100, 20))
    wrong = [max_statistic_p_values(v[0], v[1:]).min() <= 0.05 for v in values]
    # Binomial: 4 standard errors of 0.56 %.
    assert abs(np.mean(wrong) - 0.05) < 4 * 0.0056


def test_unknown_alternative():
    with pytest.raises(ValueError, match="alternative must be one of"):
        max_statistic_p_values(np.zeros(1), np.zeros((2, 1)), alternative="more")


def test_no_permutations():
    with pytest.raises(ValueError, match="at least one permutation and finite values, got 0 perm"):
        max_statistic_p_values(np.zeros(1), np.zeros((0, 1)))
    with pytest.raises(ValueError, match="2 permutations and 1 values that are not"):
        max_statistic_p_values(np.zeros(1), np.array([[np.nan], [0.0]]))
