"""Correlations and the Spearman-Brown formula."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from neurorec.stats import pearson, spearman_brown
from neurorec.stats.correlation import is_constant


def test_agrees_with_scipy(rng):
    a, b = rng.normal(size=(30, 4)), rng.normal(size=(30, 4))
    expected = [scipy.stats.pearsonr(a[:, i], b[:, i]).statistic for i in range(4)]
    np.testing.assert_allclose(pearson(a, b), expected, rtol=0, atol=1e-14)


def test_broadcasts(rng):
    a, b = rng.normal(size=(30, 4, 1)), rng.normal(size=(30, 1, 5))
    assert pearson(a, b).shape == (4, 5)
    assert pearson(a, b)[2, 3] == pytest.approx(float(pearson(a[:, 2, 0], b[:, 0, 3])), abs=1e-15)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6])
def test_a_constant_correlates_with_nothing(rng, constant):
    # 0.1 is no binary fraction, so its mean over 7 differs from it by rounding.
    flat = np.full(7, constant)
    assert pearson(flat, rng.normal(size=7)) == 0
    assert pearson(rng.normal(size=7), flat) == 0
    assert is_constant(flat)


def test_a_small_variation_is_no_constant(rng):
    x = rng.normal(size=50)
    varied = 1e3 + 1e-5 * x
    assert not is_constant(varied)
    assert pearson(varied, x) == pytest.approx(1.0, abs=1e-6)


@given(st.floats(-1, 1), st.floats(1, 8), st.floats(1, 8))
def test_lengthening_twice_is_lengthening_by_the_product(r, a, b):
    once = spearman_brown(np.array([r]), lengthening=a)
    twice = spearman_brown(once, lengthening=b)
    expected = spearman_brown(np.array([r]), lengthening=a * b)
    np.testing.assert_allclose(twice, expected, atol=1e-12)


def test_known_answer():
    np.testing.assert_allclose(
        spearman_brown(np.array([0.0, 0.5, 1.0, -0.5])), [0.0, 2 / 3, 1.0, -2 / 3], atol=1e-15
    )


def test_lengthening_by_nothing():
    with pytest.raises(ValueError, match="lengthening must be positive, got 0"):
        spearman_brown(np.array([0.5]), lengthening=0.0)
