"""Space times channel: planted weights, ridge where it is ridge, and a generic optimiser."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from neurorec.encoding import Factorised, Ridge, factorised, factorised_solver
from neurorec.encoding.factorised_solver import Stop, alternate, first_directions, path, sweep


class AnyShape(Factorised):
    """Two channels where that is possible: scikit-learn's checks bring many numbers of units."""

    def _checked_shape(self, n_units):
        return (2, n_units // 2, 1) if n_units % 2 == 0 else (1, n_units, 1)


# A list, since pytest takes no generators any more.
CHECKS = parametrize_with_checks([AnyShape(folds=2)]).mark


@pytest.mark.parametrize(("estimator", "check"), list(CHECKS.args[1]), ids=CHECKS.kwargs["ids"])
def test_scikit_learn_estimator(estimator, check):
    check(estimator)


SHAPE = (8, 5, 4)


@pytest.fixture
def planted(rng):
    """Features, responses and rank-one weights of every target."""

    def planted(n, shape=SHAPE, n_targets=4, noise=0.05):
        channel = rng.normal(size=(n_targets, shape[0]))
        space = rng.normal(size=(n_targets, *shape[1:]))
        weights = np.einsum("tc,trs->tcrs", channel, space).reshape(n_targets, -1)
        x = rng.normal(size=(n, weights.shape[1])) + 3 * rng.normal(size=weights.shape[1])
        signal = x @ weights.T
        y = signal + noise * signal.std(axis=0) * rng.normal(size=signal.shape)
        return x, y + 10, channel, space, weights

    return planted


def centred(x, y, shape):
    x, y = torch.from_numpy(x - x.mean(axis=0)), torch.from_numpy(y - y.mean(axis=0))
    return x.reshape(len(x), shape[0], -1), y


def objective(x, y, weights, penalty):
    """Of centred arrays."""
    residual = y - y.mean(axis=0) - (x - x.mean(axis=0)) @ weights.T
    return (residual**2).sum(axis=0) + penalty * (weights**2).sum(axis=1)


def cosine(a, b):
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    return np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_planted_weights_are_recovered(planted):
    noise, n = 0.05, 200
    x, y, channel, space, weights = planted(n, noise=noise)
    model = Factorised(shape=SHAPE).fit(x, y)
    # Of k = 8 + 20 - 1 free numbers each has the variance noise^2 |w|^2 / (n - k) when features
    # are white: 1 - cosine is about half the sum of the relative squares. Five times that.
    error = 27 * noise**2 / (n - 28) / 2
    assert np.all(cosine(model.coef_, weights) > 1 - 5 * error)
    assert np.all(np.abs(cosine(model.channel_weights_, channel)) > 1 - 5 * error)
    assert np.all(np.abs(cosine(model.spatial_weights_, space)) > 1 - 5 * error)
    assert 5 * error < 0.01
    assert model.channel_weights_.shape == (4, 8)
    assert model.spatial_weights_.shape == (4, 5, 4)
    np.testing.assert_allclose(model.predict(x).mean(axis=0), y.mean(axis=0), rtol=1e-12)


def test_more_stimuli_no_noise_no_penalty_is_exact(planted):
    x, y, _, _, weights = planted(100, noise=0.0)
    model = Factorised(shape=SHAPE, penalties=[1e-8], tolerance=1e-20).fit(x, y)
    # The penalty moves weights by about 1e-8 / (n - k) of themselves; 1e-20 of a sum of squares
    # is 1e-10 of its root.
    np.testing.assert_allclose(model.coef_, weights, rtol=0, atol=1e-9 * np.abs(weights).max())
    np.testing.assert_allclose(model.intercept_, 10, atol=1e-7)
    np.testing.assert_array_equal(model.penalty_, 1e-8)
    assert model.penalty_.dtype == np.float64


def test_factors_multiply_to_the_weights(planted):
    x, y, *_ = planted(60, n_targets=20, noise=0.5)
    model = Factorised(shape=SHAPE, penalties=[10.0]).fit(x, y)
    product = np.einsum("tc,trs->tcrs", model.channel_weights_, model.spatial_weights_)
    np.testing.assert_allclose(product.reshape(20, -1), model.coef_, atol=1e-14)
    norms = np.linalg.norm(model.spatial_weights_, axis=(1, 2))
    np.testing.assert_allclose(norms, 1, rtol=1e-12)
    assert np.all(model.spatial_weights_.sum(axis=(1, 2)) >= 0)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    n=st.integers(3, 12),
    log_penalty=st.floats(-3, 3),
)
def test_objective_never_rises(seed, shape, n, log_penalty):
    rng = np.random.default_rng(seed)
    x, y = torch.from_numpy(rng.normal(size=(n, *shape))), torch.from_numpy(rng.normal(size=(n, 3)))
    space = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(3, shape[1]))))
    penalty, before = 10**log_penalty, y.square().sum(dim=0)  # of weights of zero
    for _ in range(8):
        channel, space, now = sweep(x, y, penalty, space)
        assert bool((now <= before * (1 + 1e-12)).all())
        weights = torch.einsum("tc,ts->tcs", channel, space)
        residual = y - torch.einsum("ncs,tcs->nt", x, weights)
        value = residual.square().sum(dim=0) + penalty * weights.square().sum(dim=(1, 2))
        torch.testing.assert_close(now, value, rtol=1e-10, atol=0)
        before = now


@pytest.mark.parametrize("shape", [(30, 1, 1), (1, 5, 6)])
@pytest.mark.parametrize("n", [20, 60])
def test_one_channel_or_one_position_is_ridge(planted, shape, n):
    x, y, *_ = planted(n, shape=shape, noise=0.5)
    ours = Factorised(shape=shape, penalties=[2.0]).fit(x, y)
    theirs = Ridge(penalties=[2.0]).fit(x, y)
    # Rounding times the condition number, which is below 1e3 with a penalty of 2.
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=0, atol=1e-11)


@pytest.mark.parametrize("n", [25, 120])
def test_generic_optimiser(planted, n):
    """L-BFGS from many starts finds nothing lower, and from our solution does not move."""
    shape, penalty = (3, 2, 2), 5.0
    x, y, *_ = planted(n, shape=shape, n_targets=3, noise=0.5)
    model = Factorised(shape=shape, penalties=[penalty], tolerance=1e-14).fit(x, y)
    ours = objective(x, y, model.coef_, penalty)
    features, responses = (array.numpy() for array in centred(x, y, shape))

    def value(parameters, j):
        a, b = parameters[:3], parameters[3:]
        residual = responses[:, j] - np.einsum("ncs,c,s->n", features, a, b)
        back = np.einsum("n,ncs->cs", residual, features)
        gradient_a = -2 * back @ b + 2 * penalty * a * (b @ b)
        gradient_b = -2 * a @ back + 2 * penalty * b * (a @ a)
        total = residual @ residual + penalty * (a @ a) * (b @ b)
        return total, np.concatenate([gradient_a, gradient_b])

    rng = np.random.default_rng(0)
    options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000}
    for j in range(3):
        starts = [rng.normal(size=7) for _ in range(10)]
        runs = [
            minimize(value, start, (j,), jac=True, method="L-BFGS-B", options=options)
            for start in starts
        ]
        best = min(runs, key=lambda run: run.fun)
        # Both stop when a step lowers J by less than 1e-14 or 1e-15 of it.
        assert ours[j] == pytest.approx(best.fun, rel=1e-10)
        weights = np.outer(best.x[:3], best.x[3:]).ravel()
        # J is flat at its minimum: an error of 1e-12 in J is one of 1e-6 in the weights.
        np.testing.assert_allclose(model.coef_[j], weights, atol=1e-5 * np.abs(weights).max())


def test_beats_ridge_with_few_stimuli(planted):
    x, y, _, _, weights = planted(600, shape=(8, 5, 5), noise=0.3)
    train, test = slice(100), slice(100, None)
    truth = x[test] @ weights.T
    scores = []
    for model in (Factorised(shape=(8, 5, 5)), Ridge()):
        predicted = model.fit(x[train], y[train]).predict(x[test])
        scores.append([np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, truth.T, strict=True)])
    factorised, ridge = np.array(scores)
    assert np.all(factorised > 0.95)
    assert np.all(ridge < 0.8)


def test_penalty_follows_the_noise(planted):
    x, y, *_ = planted(60, n_targets=6, noise=0.02)
    noisy = np.random.default_rng(0).normal(size=(60, 6))
    model = Factorised(shape=SHAPE).fit(x, np.hstack([y, noisy]))
    assert model.penalty_[:6].max() < np.median(model.penalty_[6:])


def test_penalty_of_least_error_over_the_folds(planted):
    """The choice, made anew with a fit of its own for each fold and path of penalties."""
    x, y, *_ = planted(40, noise=0.5)
    penalties, errors = [100.0, 10.0, 1.0], np.zeros((3, 4))
    for fold in range(3):
        test = np.arange(40) % 3 == fold
        features, responses = centred(x[~test], y[~test], SHAPE)
        wide = Ridge(penalties=[100.0]).fit(x[~test], y[~test]).coef_
        space = first_directions(torch.from_numpy(wide).reshape(4, 8, 20))
        for k, penalty in enumerate(penalties):
            factors = alternate(features, responses, penalty, space, Stop())
            space = factors.space
            weights = torch.einsum("tc,ts->tcs", factors.channel, space).reshape(4, -1).numpy()
            predicted = (x[test] - x[~test].mean(axis=0)) @ weights.T + y[~test].mean(axis=0)
            errors[k] += ((y[test] - predicted) ** 2).sum(axis=0)
    expected = np.array(penalties)[errors.argmin(axis=0)]
    model = Factorised(shape=SHAPE, penalties=[1.0, 100.0, 10.0]).fit(x, y)
    np.testing.assert_array_equal(model.penalty_, expected)
    assert len(set(expected)) > 1


def test_of_penalties_with_equal_errors_the_largest(planted):
    x, *_ = planted(30)
    model = Factorised(shape=SHAPE, penalties=[10.0, 1000.0, 100.0]).fit(x, np.full(30, 0.3))
    assert model.penalty_ == 1000


def test_patience(planted, monkeypatch):
    """Two penalties beyond the best are tried; a later, lower minimum would not be found."""
    x, y, *_ = planted(40, noise=0.5)
    tried, starts, ends = [], [], []

    def counted(features, responses, penalty, space, stop):
        tried.append((penalty, responses.shape[1]))
        starts.append(space.clone())
        factors = alternate(features, responses, penalty, space, stop)
        ends.append(factors.space)
        return factors

    monkeypatch.setattr(factorised, "alternate", counted)
    penalties = 10.0 ** np.arange(6, -4, -1)
    model = Factorised(shape=SHAPE, penalties=penalties, folds=2).fit(x, y)
    for penalty in penalties:
        n_targets = int(np.sum(model.penalty_ <= 101 * penalty))
        expected = [(penalty, n_targets)] * 2 if n_targets else []  # once for each fold
        assert [t for t in tried if t[0] == penalty] == expected
    assert tried[-1][0] > penalties[-1]
    for fold in range(2):  # each goes on from its own weights at the penalty before
        torch.testing.assert_close(starts[2 + fold], ends[fold], rtol=0, atol=0)


def test_targets_do_not_see_each_other(planted):
    x, y, *_ = planted(40, noise=0.5)
    together = Factorised(shape=SHAPE, penalties=[10.0, 1.0]).fit(x, y)
    for j in range(4):
        alone = Factorised(shape=SHAPE, penalties=[10.0, 1.0]).fit(x, y[:, j])
        np.testing.assert_allclose(alone.coef_, together.coef_[j], atol=1e-11)
        np.testing.assert_allclose(alone.spatial_weights_, together.spatial_weights_[j], atol=1e-11)
        assert alone.channel_weights_.shape == (8,)
        assert alone.penalty_ == together.penalty_[j]
        assert alone.intercept_ == pytest.approx(together.intercept_[j])


def test_blocks_of_targets_change_nothing(planted, monkeypatch):
    x, y, *_ = planted(40, n_targets=7, noise=0.5)
    grid = [10.0, 1.0]
    whole = Factorised(shape=SHAPE, penalties=grid).fit(x, y)
    monkeypatch.setattr(factorised_solver, "_NUMBERS", 3 * 40 * 20)  # 3 targets at a time
    blocks = Factorised(shape=SHAPE, penalties=grid).fit(x, y)
    np.testing.assert_allclose(blocks.coef_, whole.coef_, atol=1e-11)


def test_first_directions_are_of_the_largest_singular_value(rng):
    for shape in ((5, 3, 7), (5, 7, 3)):
        weights = rng.normal(size=shape)
        space = first_directions(torch.from_numpy(weights)).numpy()
        expected = np.linalg.svd(weights)[2][:, 0]
        np.testing.assert_allclose(np.abs(np.sum(space * expected, axis=1)), 1, rtol=1e-12)


def test_path_starts_where_ridge_is(planted):
    """At a large penalty the minimum is the rank-one part of X'y / penalty."""
    x, y, *_ = planted(40, noise=0.5)
    features, responses = centred(x, y, SHAPE)
    moments = torch.einsum("ncs,nt->tcs", features, responses)
    space = torch.nn.functional.normalize(torch.ones(4, 20, dtype=torch.float64))
    (factors,) = path(features, responses, [1e7], space, Stop(tolerance=0, max_sweeps=300))
    along = torch.linalg.svd(moments).Vh[:, 0]
    # Weights are off by the largest eigenvalue over the penalty, about 300 / 1e7, and the cosine
    # by its square.
    np.testing.assert_allclose((factors.space * along).sum(dim=1).abs().numpy(), 1, rtol=1e-8)


def test_start_is_the_rank_one_part_of_ridge(planted):
    x, y, *_ = planted(40, noise=0.5)
    wide = Ridge(penalties=[5.0]).fit(x, y).coef_.reshape(4, 8, 20)
    space = first_directions(torch.from_numpy(wide))
    channel, space, _ = sweep(*centred(x, y, SHAPE), 5.0, space)
    with pytest.warns(ConvergenceWarning):
        model = Factorised(shape=SHAPE, penalties=[5.0], max_sweeps=1).fit(x, y)
    expected = torch.einsum("tc,ts->tcs", channel, space).reshape(4, -1).numpy()
    np.testing.assert_allclose(model.coef_, expected, rtol=0, atol=1e-11)


def test_path_goes_on_from_where_it_is(planted):
    x, y, *_ = planted(40, noise=0.5)
    features, responses = centred(x, y, SHAPE)
    space = torch.nn.functional.normalize(torch.ones(4, 20, dtype=torch.float64))
    once = Stop(max_sweeps=1)  # so that the start matters
    for factors, penalty in zip(
        path(features, responses, [100.0, 10.0, 1.0], space, once), [100.0, 10.0, 1.0], strict=True
    ):
        channel, space, _ = sweep(features, responses, penalty, space)
        torch.testing.assert_close(factors.channel, channel, rtol=0, atol=0)
        torch.testing.assert_close(factors.space, space, rtol=0, atol=0)


def test_constant_features_and_targets(rng):
    y = np.column_stack([rng.normal(size=12), np.full(12, 0.3)])
    model = Factorised(shape=(2, 3, 1)).fit(np.ones((12, 6)), y)
    np.testing.assert_allclose(model.predict(np.ones((4, 6))), np.tile(y.mean(axis=0), (4, 1)))
    model = Factorised(shape=(2, 3, 1)).fit(rng.normal(size=(12, 6)), y)
    np.testing.assert_allclose(model.predict(rng.normal(size=(4, 6)))[:, 1], 0.3)
    assert np.isfinite(model.coef_).all()


def test_arguments_are_not_written_to(planted):
    x, y, *_ = planted(30)
    before = x.copy(), y.copy()
    x.flags.writeable = y.flags.writeable = False
    Factorised(shape=SHAPE, penalties=[10.0, 1.0]).fit(x, y).predict(x)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


@pytest.mark.gpu
def test_gpu_gives_the_same(planted, device):
    x, y, *_ = planted(60, noise=0.5)
    ours = Factorised(SHAPE, penalties=[10.0, 1.0], device=device).fit(x, y).predict(x)
    theirs = Factorised(SHAPE, penalties=[10.0, 1.0]).fit(x, y).predict(x)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)


def test_not_converged(planted):
    x, y, *_ = planted(30, noise=0.5)
    model = Factorised(shape=SHAPE, penalties=[1e-3], max_sweeps=2)
    with pytest.warns(ConvergenceWarning, match="4 of 4 targets have not converged in 2 sweeps"):
        model.fit(x, y)


def test_no_shape(planted):
    x, y, *_ = planted(30)
    with pytest.raises(ValueError, match=r"needs shape=\(channels, rows, cols\), got None; read"):
        Factorised().fit(x, y)


@pytest.mark.parametrize("shape", [(8, 20), (8, 5, 5), (160, 1, 1, 1), (-8, -5, 4), (0, 0, 0)])
def test_wrong_shape(planted, shape):
    x, y, *_ = planted(30)
    with pytest.raises(ValueError, match="with a product of 160, the number of units, got"):
        Factorised(shape=shape).fit(x, y)


@pytest.mark.parametrize("penalties", [[0.0, 1.0], [-1.0], [], [np.nan]])
def test_penalties_that_are_not_positive(planted, penalties):
    x, y, *_ = planted(30)
    with pytest.raises(ValueError, match="penalties must be one or more positive numbers, got"):
        Factorised(shape=SHAPE, penalties=penalties).fit(x, y)


def test_penalty_that_is_lost_in_rounding(rng):
    x = np.repeat(1e6 * rng.normal(size=(20, 1)), 6, axis=1)
    with pytest.raises(ValueError, match="the penalty 1e-20 is lost in the rounding"):
        Factorised(shape=(3, 2, 1), penalties=[1e-20]).fit(x, rng.normal(size=20))


def test_fewer_stimuli_than_folds(planted):
    x, y, *_ = planted(2)
    with pytest.raises(ValueError, match="got folds=3 and 2 samples; change folds or give one"):
        Factorised(shape=SHAPE).fit(x, y)
    x, y, *_ = planted(9)
    with pytest.raises(ValueError, match="got folds=1 and 9 samples"):
        Factorised(shape=SHAPE, folds=1).fit(x, y)


def test_nan(planted):
    x, y, *_ = planted(30)
    y[3, 1] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        Factorised(shape=SHAPE).fit(x, y)
