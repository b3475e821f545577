"""Predictions that are features."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils import estimator_checks

from neurorec.encoding import Identity

# scikit-learn's own checks fit a single target to several units, which Identity refuses; these
# fit nothing, or hand over something that every estimator refuses.
CHECKS = (
    "check_no_attributes_set_in_init",
    "check_get_params_invariance",
    "check_set_params",
    "check_fit1d",
    "check_complex_data",
    "check_requires_y_none",
    "check_estimators_unfitted",
)


@pytest.mark.parametrize("name", CHECKS)
def test_scikit_learn_estimator(name):
    check = getattr(estimator_checks, name)
    assert next(iter(inspect.signature(check).parameters)) == "name"
    check("Identity", Identity())


@given(n=st.integers(1, 6), p=st.integers(1, 5), seed=st.integers(0, 99))
def test_features_come_out(n, p, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, p)), rng.normal(size=(n, p))
    model = Identity().fit(x, y)
    np.testing.assert_array_equal(model.predict(x + 1), x + 1)
    assert model.n_features_in_ == p


def test_one_target():
    x = np.arange(6.0)[:, None]
    model = Identity().fit(x, x[:, 0])
    np.testing.assert_array_equal(model.predict(x), x[:, 0])
    assert model.score(x, x[:, 0]) == 1


def test_result_is_a_copy():
    x = np.ones((3, 2))
    Identity().fit(x, x).predict(x)[:] = 0
    Identity().fit(x[:, :1], x[:, 0]).predict(x[:, :1])[:] = 0
    np.testing.assert_array_equal(x, 1)


def test_counts_differ(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="got 3 units for 2 targets; select one unit"):
        Identity().fit(x, x[:, :2])
    with pytest.raises(ValueError, match="got 3 units for 1 targets"):
        Identity().fit(x, x[:, 0])


def test_other_number_of_units(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="expecting 3 features"):
        Identity().fit(x, x).predict(x[:, :2])


def test_nan(rng):
    x = rng.normal(size=(5, 3))
    bad = np.where(x == x[2, 1], np.nan, x)
    with pytest.raises(ValueError, match="contains NaN"):
        Identity().fit(bad, x)
    with pytest.raises(ValueError, match="contains NaN"):
        Identity().fit(x, x).predict(bad)
