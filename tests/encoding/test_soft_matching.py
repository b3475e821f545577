"""Soft matching against the assignment problem, a linear program and its own axioms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment, linprog
from sklearn.utils.estimator_checks import parametrize_with_checks

from neurorec.encoding import SoftMatching, _columns, soft_matching
from neurorec.encoding.soft_matching import transport_plan

# A list, since pytest takes no generators any more.
CHECKS = parametrize_with_checks([SoftMatching()]).mark


@pytest.mark.parametrize(("estimator", "check"), list(CHECKS.args[1]), ids=CHECKS.kwargs["ids"])
def test_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.fixture
def data(rng):
    """Units and targets with eight sources in common."""

    def data(n=40, p=12, q=7):
        sources = rng.normal(size=(n, 8))
        x = sources @ rng.normal(size=(8, p)) + rng.normal(size=(n, p))
        y = sources @ rng.normal(size=(8, q)) + rng.normal(size=(n, q))
        return 3 * x + rng.normal(size=p), y + 5 * rng.normal(size=q)

    return data


def standardised(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def correlations(x, y):
    return standardised(x).T @ standardised(y) / len(x)


def test_known_answer(rng):
    x = rng.normal(size=(30, 10))
    order = rng.permutation(10)
    y = x[:, order] * rng.uniform(0.1, 9, size=10) + rng.normal(size=10)
    model = SoftMatching().fit(x, y)
    np.testing.assert_allclose(model.plan_, np.eye(10)[:, order] / 10, atol=1e-15)
    assert model.correlation_ == pytest.approx(1, abs=1e-14)
    # One product of 10 terms, all but one of them 0, of weights that round as sums over 30 do.
    np.testing.assert_allclose(model.predict(x), y, rtol=0, atol=1e-13)


@pytest.mark.parametrize("p", [2, 5, 40])
def test_equal_numbers_are_the_assignment_problem(data, p):
    x, y = data(p=p, q=p)
    r = correlations(x, y)
    rows, columns = linear_sum_assignment(r, maximize=True)
    model = SoftMatching().fit(x, y)
    expected = np.zeros((p, p))
    expected[rows, columns] = 1 / p
    np.testing.assert_allclose(model.plan_, expected, atol=1e-14)
    assert model.correlation_ == pytest.approx(r[rows, columns].mean(), abs=1e-13)


@pytest.mark.parametrize(("p", "q"), [(12, 7), (5, 11), (1, 4), (9, 1), (6, 3)])
def test_linear_program(data, p, q):
    x, y = data(p=p, q=q)
    r = correlations(x, y)
    equalities = np.vstack([np.kron(np.eye(p), np.ones(q)), np.kron(np.ones(p), np.eye(q))])
    sums = np.concatenate([np.full(p, 1 / p), np.full(q, 1 / q)])
    best = linprog(-r.ravel(), A_eq=equalities, b_eq=sums, method="highs")
    model = SoftMatching().fit(x, y)
    assert model.correlation_ == pytest.approx(-best.fun, abs=1e-10)  # its feasibility is 1e-10
    np.testing.assert_allclose(model.plan_, best.x.reshape(p, q), atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), p=st.integers(1, 9), q=st.integers(1, 9))
def test_axioms_of_the_plan(seed, p, q):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(6, p)), rng.normal(size=(6, q))
    model = SoftMatching().fit(x, y)
    np.testing.assert_allclose(model.plan_.sum(axis=0), 1 / q, atol=1e-14)
    np.testing.assert_allclose(model.plan_.sum(axis=1), 1 / p, atol=1e-14)
    assert (model.plan_ >= 0).all()
    # Symmetric, no better than each target's best unit, no worse than the independent plan.
    assert SoftMatching().fit(y, x).correlation_ == pytest.approx(model.correlation_, abs=1e-13)
    r = correlations(x, y)
    best = min(r.max(axis=0).mean(), r.max(axis=1).mean())
    assert r.mean() - 1e-12 <= model.correlation_ <= best + 1e-12


def test_closed_form_of_predictions(data):
    x, y = data()
    held_out = data()[0]
    model = SoftMatching().fit(x, y)
    z, z_held_out = standardised(x), (held_out - x.mean(axis=0)) / x.std(axis=0)
    for j in range(y.shape[1]):
        share = model.plan_[:, j] / model.plan_[:, j].sum()
        slope, intercept = np.polyfit(z @ share, y[:, j], 1)
        assert slope > 0
        expected = slope * (z_held_out @ share) + intercept
        np.testing.assert_allclose(model.predict(held_out)[:, j], expected, rtol=0, atol=1e-11)
    assert model.coef_.shape == (7, 12)


def test_one_target_gets_every_unit(data):
    x, y = data(q=1)
    model = SoftMatching().fit(x, y[:, 0])
    np.testing.assert_allclose(model.plan_, np.full((12, 1), 1 / 12))
    slope, intercept = np.polyfit(standardised(x).mean(axis=1), y[:, 0], 1)
    expected = max(slope, 0) * standardised(x).mean(axis=1)
    expected = expected + (intercept if slope > 0 else y.mean())
    np.testing.assert_allclose(model.predict(x), expected, rtol=0, atol=1e-12)


def test_twins_share_their_target(rng):
    y = rng.normal(size=(30, 4))
    model = SoftMatching().fit(np.hstack([y, 2 * y]), y)
    np.testing.assert_allclose(model.plan_, np.vstack([np.eye(4), np.eye(4)]) / 8, atol=1e-15)
    np.testing.assert_allclose(model.predict(np.hstack([y, 2 * y])), y, rtol=0, atol=1e-13)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-2, 1e2), shift=st.floats(-9, 9))
def test_scale_and_shift_of_units(seed, scale, shift):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(15, 5)), rng.normal(size=(15, 3))
    plain, other = SoftMatching().fit(x, y), SoftMatching().fit(scale * x + shift, y)
    np.testing.assert_allclose(other.plan_, plain.plan_, atol=1e-14)
    rounding = 100 * 2e-16 * (1 + abs(shift) / scale)
    predicted = other.predict(scale * x + shift)
    np.testing.assert_allclose(predicted, plain.predict(x), rtol=0, atol=10 * rounding)


def test_falling_match_predicts_the_mean(rng):
    x = rng.normal(size=(30, 1))
    model = SoftMatching().fit(x, 2 - x)
    assert model.correlation_ == pytest.approx(-1)
    np.testing.assert_allclose(model.predict(x), np.full((30, 1), (2 - x).mean()), rtol=1e-14)


def test_constant_units_and_targets(rng):
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 3))
    x[:, 2], y[:, 1] = 0.1, 0.7
    model = SoftMatching().fit(x, y)
    np.testing.assert_array_equal(model.coef_[:, 2], 0)
    np.testing.assert_allclose(model.predict(x)[:, 1], 0.7)
    # The constant unit correlates 0 with everything.
    r = np.zeros((4, 3))
    alive = np.ix_([0, 1, 3], [0, 2])
    r[alive] = correlations(x[:, [0, 1, 3]], y[:, [0, 2]])
    assert model.correlation_ == pytest.approx(np.sum(transport_plan(r) * r), abs=1e-14)


def test_blocks_change_nothing(data, monkeypatch):
    x, y = data()
    whole = SoftMatching().fit(x, y)
    monkeypatch.setattr(_columns, "_NUMBERS", 40 * 5)  # 5 units of 40 stimuli at a time
    blocks = SoftMatching().fit(x, y)
    np.testing.assert_array_equal(blocks.plan_, whole.plan_)
    np.testing.assert_allclose(blocks.predict(x), whole.predict(x), rtol=0, atol=1e-12)


def test_arguments_are_not_written_to(data):
    x, y = data()
    before = x.copy(), y.copy()
    x.flags.writeable = y.flags.writeable = False
    SoftMatching().fit(x, y).predict(x)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


@pytest.mark.gpu
def test_gpu_gives_the_same(data, device):
    x, y = data()
    ours, theirs = SoftMatching(device=device).fit(x, y), SoftMatching().fit(x, y)
    np.testing.assert_allclose(ours.plan_, theirs.plan_, atol=1e-12)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=0, atol=1e-11)


def test_too_many_pairs(data, monkeypatch):
    monkeypatch.setattr(soft_matching, "MOST_PAIRS", 80)
    SoftMatching().fit(*data(p=16, q=5))
    message = r"17 units and 5 targets needs .* at most 8e\+01 pairs .* select 16 units or fewer"
    with pytest.raises(ValueError, match=message):
        SoftMatching().fit(*data(p=17, q=5))


def test_plan_that_is_not_exact(data, monkeypatch):
    monkeypatch.setattr(soft_matching, "_MOST_PIVOTS", 1)
    with pytest.raises(RuntimeError, match="no exact plan was found for 12 units and 7 targets"):
        SoftMatching().fit(*data())


def test_nan(data):
    x, y = data()
    y[3, 1] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        SoftMatching().fit(x, y)


def test_lengths_differ(data):
    x, y = data()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SoftMatching().fit(x[1:], y)
