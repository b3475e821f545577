"""PLS of many folds at once against each fold alone."""

import re

import numpy as np
import pytest
import torch

from neurorec.encoding import PLS, pls_folds
from neurorec.encoding.readout import FoldwiseReadout
from neurorec.gram import gram

#: Of the largest prediction; see the tests of one fold.
EXACT = 1e-9
N = 80


@pytest.fixture
def case(rng, power_law):
    """Gram matrix of some features, not centred, and responses."""

    def case(p=120, q=60, n_bins=1, noise=1.0):
        x = power_law(N, p) + rng.normal(size=p)
        y = x @ rng.normal(size=(p, q * n_bins)) + noise * rng.normal(size=(N, q * n_bins))
        y = torch.from_numpy((y + 5).reshape(N, q, n_bins))
        return gram(x[:, :, None])[0], y

    return case


def folds(rng, n_folds=4, n_test=9):
    orders = [rng.permutation(N) for _ in range(n_folds)]
    return [(order[n_test:], order[:n_test]) for order in orders]


def assert_as_one_by_one(n_components, inner, y, divided):
    readout = PLS(n_components)
    found = readout.predict_folds_from_gram(inner, y, divided)
    for one, fold in zip(found, divided, strict=True):
        expected = readout.predict_from_gram(inner, y, *fold).held_out
        atol = EXACT * float(expected.abs().max())
        torch.testing.assert_close(one.held_out, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("q", [1, 8, 60, 200])
@pytest.mark.parametrize("p", [30, 120])
@pytest.mark.parametrize("n_components", [1, 5, 25])
def test_each_fold_alone(case, rng, p, q, n_components):
    assert_as_one_by_one(n_components, *case(p, q), folds(rng))


def test_most_are_solved_together(case, rng):
    inner, y = case()
    found = pls_folds.predictions_of_folds(inner, y[..., 0], folds(rng), 25)
    assert all(one is not None for one in found)


def test_of_float32(case, rng):
    inner, y = case()
    divided = folds(rng)
    exact = PLS(5).predict_folds_from_gram(inner, y, divided)
    found = PLS(5).predict_folds_from_gram(inner.float(), y.float(), divided)
    for one, expected in zip(found, exact, strict=True):
        # Five digits are left of products whose means over stimuli are as large as they.
        error = (one.held_out.double() - expected.held_out).abs().max()
        assert error < 1e-3 * float(expected.held_out.abs().max())


def test_a_few_folds_at_a_time(case, rng, monkeypatch):
    inner, y = case()
    divided = folds(rng, n_folds=5)
    expected = pls_folds.predictions_of_folds(inner, y[..., 0], divided, 10)
    monkeypatch.setattr(pls_folds, "_TOGETHER", 2 * 60**2)
    found = pls_folds.predictions_of_folds(inner, y[..., 0], divided, 10)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


def test_folds_of_other_sizes_and_order(case, rng):
    order = rng.permutation(N)
    divided = [(order[30:], order[:30]), (order[:25], order[60:]), (order[5:75], order[:2])]
    assert_as_one_by_one(10, *case(), divided)


def test_time_bins(case, rng):
    assert_as_one_by_one(6, *case(q=50, n_bins=3), folds(rng))


def test_where_responses_are_used_up(case, rng):
    """Fewer components than asked for: the solver of one fold says which."""
    inner, y = case(q=3, noise=0.0)
    y = y[:, :1].expand(-1, 3, -1).contiguous()  # rank one, and linear in the features
    found = pls_folds.predictions_of_folds(inner, y[..., 0], folds(rng), 70)
    assert all(one is None for one in found)
    assert_as_one_by_one(70, inner, y, folds(rng))


def test_one_unusual_fold_among_others(case, rng):
    inner, y = case(q=60)
    divided = folds(rng)
    y[divided[2][0]] = y[divided[2][0]][:1]  # constant where the third fold trains
    y[divided[2][1]] += torch.from_numpy(rng.normal(size=(9, 60, 1)))
    found = pls_folds.predictions_of_folds(inner, y[..., 0], divided, 3)
    assert found[2] is None
    assert_as_one_by_one(3, inner, y, divided)


def test_responses_to_stimuli_that_no_fold_trains_on_are_not_looked_at(case, rng):
    inner, y = case()
    divided = [(np.arange(40), np.arange(70, 80)), (np.arange(20, 60), np.arange(70, 80))]
    expected = PLS(5).predict_folds_from_gram(inner, y, divided)
    unknown = y.clone()
    unknown[60:] = torch.nan
    for given in (unknown, y[:60]):
        found = PLS(5).predict_folds_from_gram(inner, given, divided)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one.held_out, other.held_out, rtol=0, atol=0)


def test_nothing_is_written_to(case, rng):
    inner, y = case()
    before = inner.clone(), y.clone()
    PLS(5).predict_folds_from_gram(inner, y, folds(rng))
    assert torch.equal(inner, before[0])
    assert torch.equal(y, before[1])


def test_too_many_components(case):
    inner, y = case()
    divided = [(np.arange(10), np.arange(10, 20))]
    message = "n_components=25 is more than the 10 training stimuli"
    with pytest.raises(ValueError, match=re.escape(message)):
        PLS(25).predict_folds_from_gram(inner, y, divided)


def test_protocol():
    assert isinstance(PLS(), FoldwiseReadout)
