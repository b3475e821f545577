"""One unit for each neuron, against numpy, scipy and brainscore-vision."""

import warnings
from importlib.util import find_spec

import numpy as np
import pytest
import scipy.stats
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.estimator_checks import parametrize_with_checks

from neurorec.encoding import OneToOne, _columns
from neurorec.stats import pearson

# A list, since pytest takes no generators any more.
CHECKS = parametrize_with_checks([OneToOne(), OneToOne(sign="any")]).mark


@pytest.mark.parametrize(("estimator", "check"), list(CHECKS.args[1]), ids=CHECKS.kwargs["ids"])
def test_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.fixture
def data(rng, power_law):
    """Units, and targets that share some of their variance."""

    def data(n=50, p=30, n_targets=8):
        x = power_law(n, p)
        y = x @ rng.normal(size=(p, n_targets)) + rng.normal(size=(n, n_targets))
        return x, y + 5 * rng.normal(size=n_targets)

    return data


def correlations(x, y):
    """Units by targets, as numpy has them."""
    return np.corrcoef(x, y, rowvar=False)[: x.shape[1], x.shape[1] :]


def test_known_answer(rng):
    x = rng.normal(size=(20, 6))
    y = np.column_stack([2 * x[:, 3] + 1, 0.5 * x[:, 0] - 7, 3 * x[:, 3]])
    model = OneToOne().fit(x, y)
    assert model.unit_.tolist() == [3, 0, 3]
    # Sums over 20 values of order 1 round to a few 1e-16 of the largest, here 7.
    np.testing.assert_allclose(model.coef_, [2, 0.5, 3], rtol=1e-14)
    np.testing.assert_allclose(model.intercept_, [1, -7, 0], atol=1e-14)
    np.testing.assert_allclose(model.correlation_, 1, atol=1e-15)


@pytest.mark.parametrize("sign", ["positive", "any"])
def test_closed_form(data, sign):
    x, y = data()
    model = OneToOne(sign=sign).fit(x, y)
    r = correlations(x, y)
    unit = np.abs(r).argmax(axis=0) if sign == "any" else r.argmax(axis=0)
    np.testing.assert_array_equal(model.unit_, unit)
    assert len(set(unit)) > 2
    for j in range(y.shape[1]):
        line = scipy.stats.linregress(x[:, unit[j]], y[:, j])
        assert model.correlation_[j] == pytest.approx(line.rvalue, abs=1e-14)
        assert model.coef_[j] == pytest.approx(line.slope, rel=1e-12)
        assert model.intercept_[j] == pytest.approx(line.intercept, rel=1e-12)
    held_out = data()[0]
    expected = held_out[:, unit] * model.coef_ + model.intercept_
    np.testing.assert_array_equal(model.predict(held_out), expected)
    one = OneToOne(sign=sign).fit(x, y[:, 0])
    np.testing.assert_allclose(one.predict(x), model.predict(x)[:, 0], rtol=1e-13)
    assert one.unit_ == unit[0]


def test_sign(rng):
    x = rng.normal(size=(100, 2))
    y = -3 * x[:, [0]] + 0.1 * x[:, [1]]
    either = OneToOne(sign="any").fit(x, y)
    assert either.unit_ == [0]
    assert either.correlation_ < -0.9
    assert either.coef_ == pytest.approx(scipy.stats.linregress(x[:, 0], y[:, 0]).slope)
    assert OneToOne().fit(x, y).unit_ == [1]


def test_no_unit_rises_with_the_target(rng):
    x = rng.normal(size=(50, 1)) + np.zeros((1, 3))
    y = -x[:, 0] + 4
    model = OneToOne().fit(x, y)
    assert model.correlation_ == pytest.approx(-1)
    np.testing.assert_allclose(model.predict(2 * x), np.full(50, y.mean()), rtol=1e-14)


@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(-100, 100),
    sign=st.sampled_from(["positive", "any"]),
)
def test_scale_shift_and_order_of_units(seed, scale, shift, sign):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(12, 5)), rng.normal(size=(12, 3))
    order = rng.permutation(5)
    plain = OneToOne(sign=sign).fit(x, y)
    other = OneToOne(sign=sign).fit(scale * x[:, order] + shift, y)
    np.testing.assert_array_equal(order[other.unit_], plain.unit_)
    # Subtracting the mean of units of size |shift| loses |shift| / scale of the 16 digits.
    rounding = 100 * 2e-16 * (1 + abs(shift) / scale)
    predicted = other.predict(scale * x[:, order] + shift)
    np.testing.assert_allclose(predicted, plain.predict(x), rtol=0, atol=10 * rounding)


@given(seed=st.integers(0, 2**32 - 1))
def test_no_other_unit_fits_better(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(10, 4)), rng.normal(size=(10, 2))
    model = OneToOne(sign="any").fit(x, y)
    left = ((y - model.predict(x)) ** 2).sum(axis=0)
    for i in range(4):
        for j in range(2):
            slope, intercept = np.polyfit(x[:, i], y[:, j], 1)
            alone = ((y[:, j] - slope * x[:, i] - intercept) ** 2).sum()
            assert left[j] <= alone * (1 + 1e-10)


def test_blocks_change_nothing(data, monkeypatch):
    x, y = data(p=31)
    whole = OneToOne().fit(x, y)
    monkeypatch.setattr(_columns, "_NUMBERS", 50 * 4)  # 4 units of 50 stimuli at a time
    blocks = OneToOne().fit(x, y)
    np.testing.assert_array_equal(blocks.unit_, whole.unit_)
    np.testing.assert_allclose(blocks.coef_, whole.coef_, rtol=1e-13)


def test_blocks_are_bounded(data, monkeypatch):
    """Neither a copy of units nor their correlations with all targets outgrow a block."""
    x, _ = data(n=20, p=600)
    monkeypatch.setattr(_columns, "_NUMBERS", 1000)
    for n_targets, width in ((1, 50), (20, 50), (40, 25), (5000, 1)):
        blocks = list(_columns.blocks_of_units(x, n_targets, torch.device("cpu")))
        assert [place.start for place, _ in blocks] == list(range(0, 600, width))
        assert {units.deviations.shape for _, units in blocks} == {(20, width)}
        mean = torch.cat([units.mean for _, units in blocks])
        np.testing.assert_allclose(mean.numpy(), x.mean(axis=0), rtol=0, atol=1e-14)


@pytest.mark.skipif(find_spec("brainscore_vision") is None, reason="brainscore-vision is absent")
def test_neuron_to_neuron_of_brainscore(data):
    """The same units, and predictions that differ by a line with a positive slope."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from brainscore_vision.metrics.regression_correlation.metric import SingleRegression

    x, y = data(n=80, p=200, n_targets=60)
    held_out, truth = data(n=80, p=200, n_targets=60)
    theirs = SingleRegression()
    theirs.fit(xr.DataArray(x), xr.DataArray(y))
    ours = OneToOne().fit(x, y)
    np.testing.assert_array_equal(ours.unit_, theirs.mapping)
    their_scores = pearson(theirs.predict(xr.DataArray(held_out)), truth)
    np.testing.assert_allclose(pearson(ours.predict(held_out), truth), their_scores, atol=1e-13)


def test_constant_units_are_taken_last(rng):
    x = np.column_stack([np.full(20, 0.1), rng.normal(size=20), np.zeros(20)])
    y = -x[:, 1]
    model = OneToOne().fit(x, y)
    assert model.unit_ == 1  # although 0 is more than its correlation
    assert OneToOne(sign="any").fit(x, rng.normal(size=20)).unit_ == 1


def test_constant_units_and_constant_targets_predict_the_mean(rng):
    y = np.column_stack([rng.normal(size=10), np.full(10, 0.3)])
    for x in (np.full((10, 3), 0.1), rng.normal(size=(10, 3))):
        model = OneToOne().fit(x, y)
        assert model.coef_[1] == 0
        assert model.correlation_[1] == 0
        assert model.predict(5 * x)[:, 1] == pytest.approx(0.3)
    constant = OneToOne().fit(np.full((10, 3), 0.1), y)
    np.testing.assert_array_equal(constant.correlation_, 0)
    np.testing.assert_allclose(constant.predict(np.ones((4, 3)))[:, 0], y[:, 0].mean())


def test_arguments_are_not_written_to(data):
    x, y = data()
    before = x.copy(), y.copy()
    x.flags.writeable = y.flags.writeable = False
    OneToOne().fit(x, y).predict(x)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


@pytest.mark.gpu
def test_gpu_gives_the_same(data, device):
    x, y = data()
    ours, theirs = OneToOne(device=device).fit(x, y), OneToOne().fit(x, y)
    np.testing.assert_array_equal(ours.unit_, theirs.unit_)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=0, atol=1e-12)


def test_unknown_sign(data):
    with pytest.raises(ValueError, match=r"sign must be one of .*, got 'negative'"):
        OneToOne(sign="negative").fit(*data())


def test_nan(data):
    x, y = data()
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        OneToOne().fit(x, y)


def test_lengths_differ(data):
    x, y = data()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        OneToOne().fit(x, y[1:])


def test_other_number_of_units(data):
    x, y = data()
    with pytest.raises(ValueError, match="expecting 30 features"):
        OneToOne().fit(x, y).predict(x[:, 1:])
