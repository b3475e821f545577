"""PLS against scikit-learn, closed forms and its invariances."""

import numpy as np
import pytest
import sklearn.cross_decomposition
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.estimator_checks import parametrize_with_checks

from neurorec.encoding import PLS
from neurorec.encoding.pls_solver import components
from neurorec.encoding.readout import SampleSpaceReadout

#: n > p, n = p, rank n - 1 = p, n < p; one target, some, more than stimuli; 60 targets and more
#: take the iteration instead of all eigenvectors.
CASES = [
    (60, 25, 1),
    (60, 25, 70),
    (40, 40, 4),
    (41, 40, 60),
    (30, 90, 1),
    (30, 90, 70),
    (90, 200, 60),
]

#: Of the largest prediction: 1e-16 times the ratio of the largest to the smallest eigenvalue of
#: the Gram matrices below (1e4) and to the smallest gap of leading eigenvalues (1e-3).
EXACT = 1e-9

# A list, since pytest takes no generators any more.
CHECKS = parametrize_with_checks([PLS(n_components=1)]).mark


@pytest.mark.parametrize(("estimator", "check"), list(CHECKS.args[1]), ids=CHECKS.kwargs["ids"])
def test_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.fixture
def data(rng, power_law):
    """Training features and responses, and features to predict from."""

    def data(n, p, q, n_test=15, noise=1.0):
        x = power_law(n + n_test, p)
        y = x @ rng.normal(size=(p, q)) + noise * rng.normal(size=(n + n_test, q))
        return x[:n], (y + 5 * rng.normal(size=q))[:n], x[n:]

    return data


def theirs(n_components, x, y, x_test):
    """Predictions of scikit-learn with exact singular vectors, its power method's limit."""
    model = sklearn.cross_decomposition.PLSRegression(n_components, scale=False)
    model.algorithm = "svd"
    return model.fit(x, y).predict(x_test).reshape(len(x_test), -1)


def assert_close(ours, expected, tolerance=EXACT):
    np.testing.assert_allclose(ours, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize(("n", "p", "q"), CASES)
def test_predictions_of_scikit_learn(data, n, p, q):
    x, y, x_test = data(n, p, q)
    rank = min(n - 1, p)
    for n_components in {1, 2, 5, 24, rank - 1, rank}:
        model = PLS(n_components).fit(x, y)
        assert model.n_components_ == n_components
        expected = theirs(n_components, x, y, x_test)
        assert_close(model.predict(x_test), expected)
        assert_close(x_test @ model.coef_.T + model.intercept_, expected)


@pytest.mark.parametrize(("n", "p"), [(60, 25), (30, 90)])
def test_predictions_of_converged_power_iterations(data, n, p):
    x, y, x_test = data(n, p, 8)
    peer = sklearn.cross_decomposition.PLSRegression(10, scale=False, tol=1e-20, max_iter=10**6)
    # Its weights stop changing by 1e-10 a step, and are 1e-10 / (1 - ratio) from their limit, where
    # the ratio of the two leading eigenvalues is at most 0.99 here.
    assert_close(PLS(10).fit(x, y).predict(x_test), peer.fit(x, y).predict(x_test), 1e-7)


@pytest.mark.parametrize(("n", "p", "q"), CASES)
def test_time_bins_are_separate_fits(data, rng, n, p, q):
    x, y, x_test = data(n, p, q)
    bins = np.stack([y, rng.normal(size=y.shape), y**2], axis=2)
    everything = torch.from_numpy(np.vstack([x, x_test]) + 3.0)  # a constant cancels
    train, test = np.arange(n), np.arange(n, n + len(x_test))
    readout = PLS(10)
    # Responses end before the held-out rows.
    arguments = torch.from_numpy(bins), train, test
    from_gram = readout.predict_from_gram(everything @ everything.mT, *arguments)
    from_features = readout.predict_from_features(everything, *arguments)
    assert from_gram.training_error is None
    for b in range(bins.shape[2]):
        expected = theirs(10, x, bins[:, :, b], x_test)
        assert_close(from_gram.held_out[..., b].numpy(), expected)
        assert_close(from_features.held_out[..., b].numpy(), expected)


def test_splits_in_any_order(data, rng):
    x, y, _ = data(60, 90, 5)
    order = rng.permutation(60)
    train, test = order[:45], order[45:]
    gram, responses = torch.from_numpy(x @ x.T), torch.from_numpy(y)[:, :, None]
    ours = PLS(7).predict_from_gram(gram, responses, train, test).held_out[..., 0]
    assert_close(ours.numpy(), theirs(7, x[train], y[train], x[test]))


def test_it_is_a_readout_in_sample_space():
    assert isinstance(PLS(), SampleSpaceReadout)


def test_one_component(data):
    # Weights are the first left singular vector of the covariance of features and responses.
    x, y, x_test = data(30, 90, 6)
    mean = x.mean(axis=0)
    centred, responses = x - mean, y - y.mean(axis=0)
    weight = np.linalg.svd(centred.T @ responses)[0][:, 0]
    score = centred @ weight
    expected = np.outer((x_test - mean) @ weight, score @ responses / (score @ score))
    assert_close(PLS(1).fit(x, y).predict(x_test) - y.mean(axis=0), expected)


def test_one_feature_per_component():
    # Orthogonal features with variances 8 and 2, each with a target of its own of covariances 8 and
    # 4: the first component is the first feature, and predicts the first target alone.
    x = np.array([[2.0, 0], [-2, 0], [0, 1], [0, -1]])
    y = np.array([[2.0, 0], [-2, 0], [0, 2], [0, -2]])
    first = PLS(1).fit(x, y)
    np.testing.assert_allclose(first.coef_, [[1, 0], [0, 0]], atol=1e-15)
    np.testing.assert_allclose(PLS(2).fit(x, y).coef_, [[1, 0], [0, 2]], atol=1e-15)


def test_one_target_is_least_squares_in_the_krylov_space(data):
    x, y, _ = data(30, 90, 1)
    centred, response = x - x.mean(axis=0), (y - y.mean(axis=0))[:, 0]
    krylov = [centred.T @ response]
    for _ in range(4):
        krylov.append(centred.T @ (centred @ krylov[-1]))
        krylov[-1] /= np.linalg.norm(krylov[-1])
    basis = centred @ np.linalg.qr(np.stack(krylov, axis=1))[0]
    expected = basis @ np.linalg.lstsq(basis, response, rcond=None)[0]
    ours = PLS(5).fit(x, y[:, 0])
    assert ours.coef_.shape == (90,)
    assert_close(ours.predict(x) - y.mean(), expected)


@pytest.mark.parametrize(("n", "p", "q"), [(60, 25, 4), (30, 90, 70), (41, 40, 60)])
def test_full_rank_is_least_squares(data, n, p, q):
    x, y, x_test = data(n, p, q)
    centred = x - x.mean(axis=0)
    weights = np.linalg.pinv(centred, rcond=1e-10) @ (y - y.mean(axis=0))
    expected = (x_test - x.mean(axis=0)) @ weights + y.mean(axis=0)
    assert_close(PLS(min(n - 1, p)).fit(x, y).predict(x_test), expected)


def test_scores_are_orthonormal_and_dual_weights_give_them(data):
    x, y, _ = data(50, 90, 60)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    gram = torch.from_numpy(x @ x.T)
    found = components(gram, torch.from_numpy(y), 12)
    identity = torch.eye(12, dtype=torch.float64)
    torch.testing.assert_close(found.scores.mT @ found.scores, identity, rtol=0, atol=1e-13)
    torch.testing.assert_close(gram @ found.dual, found.scores, rtol=0, atol=1e-11)


@pytest.mark.parametrize("q", [10, 60])
@pytest.mark.parametrize("n_components", [4, 7, 10])
def test_components_that_span_many_orders_of_magnitude(rng, q, n_components):
    # Eigenvalues of the Gram matrix fall by 1e8, and those that choose the components by 1e16:
    # more than the digits of one eigenbasis, with which predictions would be 1e-8 off.
    left, _ = np.linalg.qr(rng.normal(size=(80, 12)))
    right, _ = np.linalg.qr(rng.normal(size=(100, 12)))
    x = left * 10 ** -np.linspace(0, 4, 12) @ right.T
    y = x @ rng.normal(size=(100, q))
    assert_close(PLS(n_components).fit(x, y).predict(x), theirs(n_components, x, y, x), 1e-10)


SEED = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def fixed():
    """Features and responses with gaps that stay the same while hypothesis draws."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(45, 60)) * np.arange(1, 61) ** -0.5
    y = x @ rng.normal(size=(60, 55)) + rng.normal(size=(45, 55))
    return x[:35], y[:35], x[35:]


@given(seed=SEED)
@settings(max_examples=20, deadline=None)
def test_rotated_features(fixed, seed):
    x, y, x_test = fixed
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(60, 60)))
    rotated = PLS(8).fit(x @ rotation, y).predict(x_test @ rotation)
    assert_close(rotated, PLS(8).fit(x, y).predict(x_test))


@given(seed=SEED)
@settings(max_examples=20, deadline=None)
def test_rotated_responses(fixed, seed):
    x, y, x_test = fixed
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(55, 55)))
    assert_close(
        PLS(8).fit(x, y @ rotation).predict(x_test), PLS(8).fit(x, y).predict(x_test) @ rotation
    )


@given(features=st.floats(-6, 6), responses=st.floats(-6, 6))
@settings(max_examples=20, deadline=None)
def test_scaled_features_and_responses(fixed, features, responses):
    x, y, x_test = fixed
    scale, gain = 10**features, 10**responses
    scaled = PLS(8).fit(scale * x, gain * y).predict(scale * x_test)
    assert_close(scaled, gain * PLS(8).fit(x, y).predict(x_test))


@given(seed=SEED)
@settings(max_examples=20, deadline=None)
def test_shifted_features_and_responses(fixed, seed):
    x, y, x_test = fixed
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=60), rng.normal(size=55)
    shifted = PLS(8).fit(x + a, y + b).predict(x_test + a)
    assert_close(shifted, PLS(8).fit(x, y).predict(x_test) + b)


def test_more_components_than_rank(data):
    x, y, x_test = data(60, 3, 60)
    many = np.hstack([x, 2 * x, -x])
    model = PLS(9).fit(many, y)
    assert model.n_components_ == 3
    assert_close(model.predict(np.hstack([x_test, 2 * x_test, -x_test])), theirs(3, x, y, x_test))


def test_responses_that_are_used_up(data):
    x, _, x_test = data(60, 25, 1)
    axes = np.linalg.svd(x - x.mean(axis=0))[2]
    y = x @ axes[:2].T @ np.ones((2, 60))  # a mixture of two principal components
    model = PLS(10).fit(x, y)
    assert model.n_components_ == 2
    assert_close(model.predict(x_test), x_test @ axes[:2].T @ np.ones((2, 60)))


@pytest.mark.parametrize("p", [5, 60])
def test_constant_features_predict_the_mean(rng, p):
    # But for their last digit, which is rounding and not to be fitted.
    y = rng.normal(size=(19, 3))
    constant = (rng.normal(size=p) + 10) * (1 + 2.0**-52 * rng.integers(-1, 2, size=(23, p)))
    assert (constant != constant[0]).any()
    mean = np.tile(y.mean(axis=0), (4, 1))
    np.testing.assert_allclose(PLS(2).fit(constant[:19], y).predict(constant[19:]), mean)


def test_gram_matrix_of_rounding_predicts_the_mean(rng):
    y = rng.normal(size=(20, 3, 1))
    half = rng.normal(size=(24, 30)) * 1e-8  # products of 1e-15: the rounding of 10
    gram = torch.from_numpy(10 + half @ half.T)
    train, test = np.arange(20), np.arange(20, 24)
    ours = PLS(2).predict_from_gram(gram, torch.from_numpy(y), train, test)
    np.testing.assert_allclose(ours.held_out, np.tile(y.mean(axis=0), (4, 1, 1)))


def test_constant_responses_are_predicted(data):
    x, y, x_test = data(60, 25, 3)
    np.testing.assert_allclose(PLS(4).fit(x, np.full_like(y, 2.5)).predict(x_test), 2.5)


def test_arguments_are_not_written_to(data):
    x, y, _ = data(40, 60, 3)
    gram, responses = torch.from_numpy(x @ x.T), torch.from_numpy(y)[:, :, None]
    before = x.copy(), y.copy(), gram.clone()
    PLS(3).fit(x, y).predict(x)
    PLS(3).predict_from_gram(gram, responses, np.arange(30), np.arange(30, 40))
    PLS(3).predict_from_features(torch.from_numpy(x), responses, np.arange(30), np.arange(30, 40))
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])
    assert torch.equal(gram, before[2])


@pytest.mark.gpu
@pytest.mark.parametrize(("n", "p", "q"), [(60, 25, 70), (90, 200, 60)])
def test_gpu_gives_the_same(data, device, n, p, q):
    x, y, x_test = data(n, p, q)
    ours = PLS(10, device=device).fit(x, y)
    assert_close(ours.predict(x_test), PLS(10).fit(x, y).predict(x_test))


@pytest.mark.parametrize("n_components", [0, -1, 2.0, "2", True, None])
def test_components_that_are_no_number(data, n_components):
    x, y, _ = data(20, 30, 2)
    with pytest.raises(ValueError, match="n_components must be a positive integer, got"):
        PLS(n_components).fit(x, y)


def test_more_components_than_samples_or_features(data):
    x, y, _ = data(20, 30, 2)
    features, responses = torch.from_numpy(x), torch.from_numpy(y)[:, :, None]
    train, test = np.arange(12), np.arange(12, 20)
    with pytest.raises(ValueError, match="n_components=21 is more than the 20 samples or features"):
        PLS(21).fit(x, y)
    with pytest.raises(ValueError, match="more than the 5 samples or features; ask for at most 5"):
        PLS(6).fit(x[:, :5], y)
    with pytest.raises(ValueError, match="n_components=13 is more than the 12 training stimuli;"):
        PLS(13).predict_from_gram(features @ features.mT, responses, train, test)
    with pytest.raises(ValueError, match="more than the 5 training stimuli or features"):
        PLS(6).predict_from_features(features[:, :5], responses, train, test)


def test_nan(data):
    x, y, _ = data(20, 30, 2)
    y[3, 1] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        PLS(2).fit(x, y)


def test_one_sample():
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        PLS(1).fit(np.ones((1, 3)), np.ones((1, 2)))
