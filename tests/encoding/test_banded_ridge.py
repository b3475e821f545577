"""Banded ridge against himalaya's estimators, ridge, and a search that is written out."""

import numpy as np
import pytest
import sklearn.linear_model
import torch
from himalaya.backend import get_backend, set_backend
from himalaya.kernel_ridge import MultipleKernelRidgeCV
from himalaya.ridge import GroupRidgeCV
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.utils.estimator_checks import parametrize_with_checks

from neurorec.encoding import BandedRidge, Ridge, fit
from neurorec.encoding._himalaya import torch_backend

CPU = torch.device("cpu")
PENALTIES = np.logspace(-1, 4, 6)
WEIGHTS = np.array([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9], [1.0, 0.0], [0.0, 1.0]])
EPS = np.finfo(float).eps

CHECKS = parametrize_with_checks([BandedRidge(cv=2, penalties=[0.1, 1.0])]).mark


@pytest.mark.parametrize(("estimator", "check"), list(CHECKS.args[1]), ids=CHECKS.kwargs["ids"])
def test_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.fixture
def data(rng, power_law):
    """Two bands, and targets of which the first two follow one, the next two both, one none."""

    def data(n=50, sizes=(20, 30), noise=1.0):
        x = np.hstack([power_law(n, p) for p in sizes])
        first, second = np.arange(sum(sizes)) < sizes[0], np.arange(sum(sizes)) >= sizes[0]
        weights = rng.normal(size=(sum(sizes), 5))
        weights *= np.column_stack([first, second, first | second, first | second, 0 * first])
        signal = x @ weights
        return x, signal + noise * rng.normal(size=signal.shape) + 5 * rng.normal(size=5)

    return data


def grams(x: np.ndarray, sizes: tuple[int, ...] = (20, 30)) -> torch.Tensor:
    bands = np.split(torch.from_numpy(x), np.cumsum(sizes)[:-1], axis=1)
    return torch.stack([band @ band.mT for band in bands])


def rounding(x: np.ndarray, penalty: float) -> float:
    """Of predictions: 1e-16 times the condition number, with a factor of 100 in hand."""
    return 100 * EPS * (np.linalg.norm(x - x.mean(axis=0), 2) ** 2 + penalty) / penalty


def held_out(model: BandedRidge, gram: torch.Tensor, y: np.ndarray, n_train: int):
    """Prediction of the stimuli after the first, whose responses alone are given."""
    rows = np.arange(gram.shape[1])
    responses = torch.from_numpy(y[:n_train, :, None])
    return model.predict_from_grams(gram, responses, rows[:n_train], rows[n_train:])


@pytest.mark.parametrize("n_iter", [WEIGHTS, 8], ids=["given", "drawn"])
def test_multiple_kernel_ridge_of_himalaya(data, n_iter):
    x, y = data()
    gram, rows = grams(x), torch.arange(40)
    with torch_backend(CPU):
        theirs = MultipleKernelRidgeCV(
            kernels="precomputed",
            solver="random_search",
            solver_params={"n_iter": n_iter, "alphas": PENALTIES, "progress_bar": False},
            fit_intercept=True,
            cv=KFold(4),
            random_state=3,
        ).fit(gram[:, rows[:, None], rows], torch.from_numpy(y[:40]))
        expected = theirs.predict(gram[:, 40:, :40])
    model = BandedRidge(n_iter=n_iter, penalties=PENALTIES, cv=KFold(4), seed=3)
    got = held_out(model, gram, y, 40)
    # himalaya centres the Gram matrices of raw features: its rounding is a share of these.
    size = np.linalg.norm(x, 2) ** 2 / PENALTIES[0]
    atol = 100 * EPS * size * float(np.abs(y).max())
    torch.testing.assert_close(got.held_out[..., 0], expected, rtol=0, atol=atol)
    fitted = model.set_params(bands=[20, 30]).fit(x[:40], y[:40])
    multipliers = np.exp(theirs.deltas_.numpy()).T
    np.testing.assert_allclose(1 / fitted.penalty_, multipliers, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(fitted.predict(x[40:]), expected.numpy(), rtol=0, atol=atol)


def test_group_ridge_of_himalaya(data):
    x, y = data(sizes=(20, 10))
    with torch_backend(CPU):
        theirs = GroupRidgeCV(
            groups=[0] * 20 + [1] * 10,
            solver_params={"n_iter": 8, "alphas": PENALTIES, "progress_bar": False, "warn": False},
            fit_intercept=True,
            cv=KFold(4),
            random_state=3,
        ).fit(torch.from_numpy(x), torch.from_numpy(y))
        expected = theirs.predict(torch.from_numpy(x)).numpy()
    model = BandedRidge(bands=[20, 10], n_iter=8, penalties=PENALTIES, cv=KFold(4), seed=3)
    model.fit(x, y)
    atol = rounding(x, PENALTIES[0]) * np.abs(y).max()
    np.testing.assert_allclose(model.predict(x), expected, rtol=0, atol=atol)
    np.testing.assert_allclose(model.coef_.T, theirs.coef_.numpy(), rtol=0, atol=atol)
    np.testing.assert_allclose(
        model.band_weights_.T, (theirs.deltas_.exp() * theirs.best_alphas_).numpy()
    )


def test_search_written_out(data):
    x, y = data()
    member = np.repeat([0, 1], [20, 30])
    least, chosen = np.full(y.shape[1], np.inf), np.zeros((y.shape[1], 2))
    for weights in WEIGHTS:
        for penalty in PENALTIES:
            scaled = x * np.sqrt(weights[member])
            model, errors = sklearn.linear_model.Ridge(penalty), []
            for fitted, tried in KFold(5).split(x):
                model.fit(scaled[fitted], y[fitted])
                errors.append(((model.predict(scaled[tried]) - y[tried]) ** 2).mean(axis=0))
            error = np.mean(errors, axis=0)
            with np.errstate(divide="ignore"):
                chosen[error < least] = penalty / weights
            least = np.minimum(error, least)
    model = BandedRidge(bands=[20, 30], n_iter=WEIGHTS, penalties=PENALTIES).fit(x, y)
    np.testing.assert_allclose(model.penalty_, chosen, rtol=1e-12)
    assert len(np.unique(chosen[:, 0] / chosen[:, 1])) > 2
    rtol = 2 * rounding(x, PENALTIES[0]) * np.abs(y).max() ** 2 / least.min()
    np.testing.assert_allclose(model.training_error_, least, rtol=rtol)


@pytest.mark.parametrize("penalties", [None, PENALTIES])
def test_one_band_is_ridge(data, penalties):
    x, y = data(noise=3.0)
    gram, train, test = grams(x).sum(dim=0), np.arange(40), np.arange(40, 50)
    responses = torch.from_numpy(y[:, :, None])
    ridge = Ridge(penalties=penalties, selection=5)
    expected = ridge.predict_from_gram(gram, responses, train, test)
    fitted = ridge.fit(x[train], y[train])
    model = BandedRidge(penalties=penalties)
    got = held_out(model, gram[None], y, 40)
    model.fit(x[train], y[train])
    np.testing.assert_allclose(model.penalty_[:4, 0], fitted.penalty_[:4], rtol=1e-9)
    np.testing.assert_allclose(model.band_weights_, 1.0, rtol=10 * EPS)
    atol = rounding(x, 1e-2) * np.abs(y).max()
    # The last target has no signal; where the grid of ridge grows, it gets another penalty.
    targets = slice(None) if penalties is not None else slice(4)
    assert expected.training_error is not None
    assert got.training_error is not None
    for one, other in zip(got, expected, strict=True):
        one, other = (values.reshape(-1, 5)[:, targets] for values in (one, other))
        torch.testing.assert_close(one, other, rtol=0, atol=10 * atol)
    np.testing.assert_allclose(
        model.coef_[targets], fitted.coef_[targets], rtol=0, atol=rounding(x, 1e-2)
    )


def test_a_band_that_says_nothing_is_left_out(rng):
    # 20 informative features and 400 that are noise: ridge must shrink both alike.
    n_train, n = 120, 1120
    useful, idle = rng.normal(size=(n, 20)), rng.normal(size=(n, 400))
    signal = useful @ rng.normal(size=(20, 10)) / np.sqrt(20)
    y = signal + 0.5 * rng.normal(size=signal.shape)
    both = np.hstack([useful, idle])
    train, test = slice(n_train), slice(n_train, None)

    def error(model, x):
        return ((model.fit(x[train], y[train]).predict(x[test]) - signal[test]) ** 2).mean()

    banded = BandedRidge(bands=[20, 400], n_iter=20)
    of_banded, of_useful = error(banded, both), error(Ridge(), useful)
    assert of_useful < of_banded < 1.2 * of_useful
    assert error(Ridge(), both) > 5 * of_banded
    assert (banded.band_weights_[:, 0] > 0.95).all()
    # The other band adds next to nothing: 1 is the variance of the signal.
    assert banded.predict_bands(both[test])[1].var() < 0.01


def test_bands_in_another_order(data):
    x, y = data()
    model = BandedRidge(bands=[20, 30], n_iter=WEIGHTS).fit(x, y)
    turned = np.hstack([x[:, 20:], x[:, :20]])
    other = BandedRidge(bands=[30, 20], n_iter=WEIGHTS[:, ::-1]).fit(turned, y)
    np.testing.assert_allclose(other.penalty_[:, ::-1], model.penalty_, rtol=1e-9)
    np.testing.assert_allclose(other.predict(turned), model.predict(x), rtol=0, atol=1e-9)
    one = held_out(model, grams(x), y, 40).held_out
    two = held_out(other, grams(x).flip(0), y, 40).held_out
    torch.testing.assert_close(one, two, rtol=0, atol=1e-9)


def test_labels_and_numbers_of_columns(data):
    x, y = data()
    model = BandedRidge(bands=[20, 30], n_iter=WEIGHTS).fit(x, y)
    order = np.random.default_rng(0).permutation(50)
    order = np.concatenate([[0], order[order != 0]])  # the first label is that of the first band
    labels = np.repeat(["V4", "IT"], [20, 30])[order]
    other = BandedRidge(bands=labels, n_iter=WEIGHTS).fit(x[:, order], y)
    assert model.bands_ == [0, 1]
    assert other.bands_ == ["V4", "IT"]
    np.testing.assert_allclose(other.coef_, model.coef_[:, order], rtol=0, atol=1e-10)


@pytest.mark.parametrize("n_targets", [None, 5])
def test_parts_sum_to_the_prediction(data, n_targets):
    x, y = data()
    y = y[:, 0] if n_targets is None else y
    model = BandedRidge(bands=[20, 30], n_iter=4).fit(x, y)
    parts = model.predict_bands(x)
    assert parts.shape == (2, *y.shape)
    np.testing.assert_allclose(parts.sum(axis=0) + model.intercept_, model.predict(x), atol=1e-12)
    alone = BandedRidge(bands=[20, 30], n_iter=[[1.0, 0.0]]).fit(x, y)
    np.testing.assert_array_equal(alone.predict_bands(x)[1], 0)
    np.testing.assert_array_equal(alone.penalty_.T[1], np.inf)


def test_fit_and_predict_from_grams(data):
    x, y = data()
    model = BandedRidge(bands=[20, 30], n_iter=6)
    responses = torch.from_numpy(y[:40, :4].reshape(40, 2, 2))  # two neuroids, two time bins
    rows = np.arange(50)
    # Any constant in the features cancels, and the first stimuli need not be those of training.
    order = np.concatenate([rows[:40][::-1], rows[40:]])
    shuffled = torch.from_numpy(y[:40, :4][::-1].copy().reshape(40, 2, 2))
    model.cv = KFold(5, shuffle=True, random_state=0)
    fitted = model.fit(x[:40], y[:40, :4])
    got = model.predict_from_grams(grams(x + 3.0), responses, rows[:40], rows[40:])
    same = model.predict_from_grams(grams(x[order]), shuffled, rows[:40][::-1], rows[40:])
    assert got.training_error is not None
    for values in (got, same):
        assert values.training_error is not None
        predicted = values.held_out.reshape(10, 4).numpy()
        np.testing.assert_allclose(predicted, fitted.predict(x[40:]), rtol=0, atol=1e-8)
        error = values.training_error.flatten().numpy()
        np.testing.assert_allclose(error, fitted.training_error_, rtol=1e-8)


def test_seeds(data):
    x, y = data()
    one, two, other = (BandedRidge(bands=[20, 30], n_iter=9, seed=s).fit(x, y) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.band_weights_, two.band_weights_)
    np.testing.assert_array_equal(one.coef_, two.coef_)
    assert not np.array_equal(one.band_weights_, other.band_weights_)
    # The first draw weighs bands equally.
    first = BandedRidge(bands=[20, 30], n_iter=1).fit(x, y)
    np.testing.assert_allclose(first.band_weights_, 0.5)


def test_folds_are_drawn_once(data):
    # A splitter without a seed gives other folds each time it is asked.
    x, y = data()
    cv = ShuffleSplit(3, test_size=0.3, random_state=np.random.RandomState(0))
    many = np.tile([[0.5, 0.5]], (20, 1))
    one = BandedRidge(bands=[20, 30], n_iter=many, cv=cv).fit(x, y).training_error_
    cv = ShuffleSplit(3, test_size=0.3, random_state=np.random.RandomState(0))
    other = BandedRidge(bands=[20, 30], n_iter=many[:1], cv=cv).fit(x, y).training_error_
    np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_units_of_responses_and_of_bands(data, factor):
    x, y = data(noise=3.0)
    model = BandedRidge(bands=[20, 30], n_iter=9).fit(x, y)
    scaled = BandedRidge(bands=[20, 30], n_iter=9).fit(x, factor * y)
    np.testing.assert_allclose(scaled.penalty_, model.penalty_, rtol=1e-9)
    np.testing.assert_allclose(scaled.training_error_, factor**2 * model.training_error_, rtol=1e-9)
    scales = np.repeat([1.0, factor], [20, 30])
    scaled = BandedRidge(bands=[20, 30], n_iter=9).fit(x * scales, y)
    np.testing.assert_allclose(scaled.predict(x * scales), model.predict(x), rtol=0, atol=1e-7)


def test_nothing_leaks(data, capfd):
    x, y = data()
    set_backend("numpy")
    BandedRidge(bands=[20, 30], n_iter=3).fit(x, y)
    assert get_backend().name == "numpy"
    assert capfd.readouterr() == ("", "")


def test_constant_targets_and_bands(data):
    x, y = data()
    y[:, 1] = 2.5
    x[:, 20:] = 1.0
    model = BandedRidge(bands=[20, 30], n_iter=4).fit(x, y)
    np.testing.assert_allclose(model.predict(x)[:, 1], 2.5)
    assert model.training_error_[1] == pytest.approx(0)
    np.testing.assert_allclose(model.coef_[:, 20:], 0, atol=1e-12)


def test_arguments_are_not_written_to(data):
    x, y = data()
    gram, weights = grams(x), WEIGHTS.copy()
    before = gram.clone(), x.copy(), y.copy()
    held_out(BandedRidge(n_iter=weights), gram, y, 40)
    BandedRidge(bands=[20, 30], n_iter=weights).fit(x, y)
    assert torch.equal(gram, before[0])
    for now, then in ((x, before[1]), (y, before[2]), (weights, WEIGHTS)):
        np.testing.assert_array_equal(now, then)


@pytest.mark.gpu
def test_gpu_gives_the_same(data, device):
    x, y = data()
    options = {"bands": [20, 30], "n_iter": 5}
    ours = BandedRidge(device=device, **options).fit(x, y).predict(x)
    expected = BandedRidge(**options).fit(x, y).predict(x)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bands": [20, 20]}, r"bands must be numbers of columns that sum to the 50 features"),
        ({"bands": ["a"] * 49}, r"or a label for each of these, got \['a'"),
        ({"n_iter": 0}, "n_iter must be at least 1 draw"),
        ({"n_iter": np.eye(3)}, r"one for each of 2 bands, got an array of shape \(3, 3\)"),
        ({"n_iter": [[-0.5, 1.5]]}, "rows of weights that are not negative nor all zero"),
        ({"n_iter": [[0.0, 0.0]]}, "rows of weights that are not negative nor all zero"),
        ({"n_iter": [[np.nan, 1.0]]}, "rows of weights that are not negative nor all zero"),
        ({"concentration": 0.0}, "concentration must be one or more positive numbers, got 0"),
        ({"concentration": []}, "concentration must be one or more positive numbers, got"),
        ({"penalties": [0.0, 1.0]}, "penalties must be one or more positive numbers, got"),
        ({"cv": "five"}, "cv must be a number of folds or a splitter of scikit-learn, got 'five'"),
        ({"cv": 51}, "n_splits=51 greater than the number of samples"),
        ({"seed": None}, "seed must be an integer that is not negative, got None"),
        ({"seed": -1}, "seed must be an integer that is not negative, got -1"),
    ],
)
def test_options_that_make_no_sense(data, options, message):
    x, y = data()
    with pytest.raises(ValueError, match=message):
        BandedRidge(**({"bands": [20, 30]} | options)).fit(x, y)


def test_no_bands(data):
    _, y = data()
    with pytest.raises(ValueError, match="needs at least one band of features, got none"):
        held_out(BandedRidge(), torch.zeros(0, 50, 50).double(), y, 40)


def test_nan(data):
    x, y = data()
    gram = grams(x)
    gram[1, 3, 4] = torch.nan
    with pytest.raises(ValueError, match="the inner products of training stimuli hold NaN"):
        held_out(BandedRidge(), gram, y, 40)
    y[7, 2] = np.nan
    with pytest.raises(ValueError, match="the responses of training stimuli hold NaN"):
        held_out(BandedRidge(), grams(x), y, 40)
    with pytest.raises(ValueError, match="contains NaN"):
        BandedRidge(bands=[20, 30]).fit(x, y)


def test_timesteps_as_bands(rng, make, power_law):
    # One of three timesteps drives the neurons; the others are as large.
    x = np.stack([power_law(60, 60) for _ in range(3)], axis=2)
    signal = x[:, :, 1] @ rng.normal(size=(60, 4))
    responses = make((signal / signal.std(axis=0) + 0.5 * rng.normal(size=(60, 4)))[:, :, None])
    features = make(x, name="u")
    options = {"time": "all", "device": "cpu"}
    banded = fit(features, responses, readout=BandedRidge(n_iter=20), **options)
    alike = fit(features, responses, readout=Ridge(), **options)
    assert float(banded["score"].mean()) > float(alike["score"].mean()) + 0.1
