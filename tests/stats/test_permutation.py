"""p-values of permutation tests."""

import numpy as np
import pytest

from neurorec.stats import permutation_p_value


@pytest.mark.parametrize(
    ("alternative", "expected"),
    # Nine values 1..9 and 8 observed: two of them are at least 8, eight at most 8.
    [("greater", 3 / 10), ("less", 9 / 10), ("two-sided", 6 / 10)],
)
def test_known_answer(alternative, expected):
    p = permutation_p_value(8.0, np.arange(1.0, 10.0), alternative=alternative)
    assert float(p) == pytest.approx(expected)


def test_never_zero_and_never_above_one():
    null = np.arange(99.0)
    assert float(permutation_p_value(1e9, null)) == pytest.approx(1 / 100)
    assert float(permutation_p_value(49.0, null, alternative="two-sided")) == 1.0


def test_one_value_per_column(rng):
    null = rng.normal(size=(50, 3))
    p = permutation_p_value(np.array([-9.0, 0.0, 9.0]), null)
    assert p.shape == (3,)
    assert p[0] == 1.0
    assert p[2] == pytest.approx(1 / 51)


def test_uniform_under_the_null(rng):
    # Exchangeable: the rank of the observed among 19 + 1 is uniform, so p <= 0.05 in exactly
    # 5 % of cases; five standard errors of 4000 cases are 1.7 %.
    draws = rng.normal(size=(20, 4000))
    p = permutation_p_value(draws[0], draws[1:])
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=5 * np.sqrt(0.05 * 0.95 / 4000))


def test_empty_null():
    with pytest.raises(ValueError, match="the null distribution is empty"):
        permutation_p_value(0.0, np.empty(0))


def test_not_finite():
    with pytest.raises(ValueError, match="needs finite values"):
        permutation_p_value(np.nan, np.arange(3.0))


def test_unknown_alternative():
    with pytest.raises(ValueError, match="alternative must be one of"):
        permutation_p_value(0.0, np.arange(3.0), alternative="both")
