"""Ridge against scikit-learn, closed forms and its own definition of leaving one out."""

import numpy as np
import pytest
import sklearn.linear_model
import torch
from sklearn.utils.estimator_checks import parametrize_with_checks

from neurorec.encoding import Ridge
from neurorec.encoding.ridge_search import Grid, searched
from neurorec.encoding.ridge_selection import LeaveOneOut, residuals
from neurorec.encoding.ridge_solver import (
    Basis,
    basis_from_features,
    basis_from_gram,
    mean_eigenvalue,
    predictions,
    rotated,
)

SHAPES = [(60, 25), (40, 40), (41, 40), (30, 90)]  # n > p, n = p, rank n - 1 = p, n < p


# A list, since pytest takes no generators any more.
CHECKS = parametrize_with_checks([Ridge()]).mark


@pytest.mark.parametrize(("estimator", "check"), list(CHECKS.args[1]), ids=CHECKS.kwargs["ids"])
def test_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.fixture
def data(rng, power_law):
    def data(n, p, n_targets=4, noise=1.0):
        x = power_law(n, p)
        y = x @ rng.normal(size=(p, n_targets)) + noise * rng.normal(size=(n, n_targets))
        return x, y + 5 * rng.normal(size=n_targets)

    return data


def tolerance(x, penalty):
    """Rounding of a solution: 1e-16 times the condition number, with a factor of 100 in hand."""
    largest = np.linalg.norm(x - x.mean(axis=0), 2) ** 2
    return 100 * np.finfo(float).eps * (largest + penalty) / penalty


@pytest.mark.parametrize(("n", "p"), SHAPES)
@pytest.mark.parametrize("penalty", [1e-2, 1.0, 1e3])
def test_coefficients_of_scikit_learn(data, n, p, penalty):
    x, y = data(n, p)
    ours = Ridge(penalties=[penalty]).fit(x, y)
    theirs = sklearn.linear_model.Ridge(alpha=penalty).fit(x, y)
    atol = tolerance(x, penalty) * np.abs(theirs.coef_).max()
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=atol)
    atol = tolerance(x, penalty) * np.abs(y).max()
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=0, atol=atol)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=0, atol=atol)


@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_penalties_of_ridgecv(data, n, p):
    x, y = data(n, p, n_targets=12, noise=2.0)
    y[:, :4] = y[:, :4].mean(axis=0) + np.random.default_rng(1).normal(size=(n, 4))  # pure noise
    penalties = np.logspace(-2, 4, 13)
    ours = Ridge(penalties=penalties).fit(x, y)
    theirs = sklearn.linear_model.RidgeCV(penalties, alpha_per_target=True).fit(x, y)
    np.testing.assert_array_equal(ours.penalty_, theirs.alpha_)
    assert len(set(ours.penalty_)) > 2
    atol = tolerance(x, penalties.min()) * np.abs(theirs.coef_).max()
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=atol)


@pytest.mark.parametrize(("n", "p"), SHAPES)
@pytest.mark.parametrize("penalty", [1e-3, 10.0])
def test_leaving_each_one_out_in_turn(data, n, p, penalty):
    x, y = data(n, p)
    errors = np.empty(y.shape)
    for i in range(n):
        rest = np.delete(np.arange(n), i)
        model = sklearn.linear_model.Ridge(alpha=penalty, solver="svd").fit(x[rest], y[rest])
        errors[i] = y[i] - model.predict(x[[i]])[0]
    basis = whole_basis(x, dual=n <= p)
    ours = leave_one_out_errors(
        basis, torch.from_numpy(y), torch.tensor([penalty], dtype=torch.float64)
    )
    # Ours are residuals divided by 1 - leverage, which multiplies their rounding by as much; the
    # square doubles it.
    rtol = 10 * 2 * tolerance(x, penalty) / (1 - leverage(x, penalty)).min()
    np.testing.assert_allclose(ours[0].numpy(), (errors**2).mean(axis=0), rtol=rtol)


def leverage(x: np.ndarray, penalty: float) -> np.ndarray:
    """How much each response moves its own prediction; the intercept is not penalised."""
    centred = x - x.mean(axis=0)
    inverse = np.linalg.inv(centred.T @ centred + penalty * np.eye(x.shape[1]))
    return np.einsum("ij,jk,ik->i", centred, inverse, centred) + 1 / len(x)


def leave_one_out(basis: Basis, responses: torch.Tensor) -> LeaveOneOut:
    return LeaveOneOut(residuals(basis, responses, rotated(basis, responses)))


def leave_one_out_errors(basis: Basis, responses: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """Errors (penalty, target), each penalty as a grid of its own."""
    criterion = leave_one_out(basis, responses)
    return torch.stack([criterion.least(penalty).error for penalty in grid.split(1)])


def whole_basis(x: np.ndarray, *, dual: bool) -> Basis:
    everything = torch.arange(len(x))
    features = torch.from_numpy(x)
    if dual:
        return basis_from_gram(features @ features.mT, everything, everything)
    return basis_from_features(features, everything, everything)


@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_dual_is_primal(data, n, p):
    x, y = data(n, p)
    train, test = torch.arange(0, n, 2), torch.arange(1, n, 2)
    features, responses = torch.from_numpy(x), torch.from_numpy(y)[train]
    grid = torch.tensor([0.1, 3.0], dtype=torch.float64)
    primal = basis_from_features(features, train, test)
    dual = basis_from_gram(features @ features.mT, train, test)
    torch.testing.assert_close(
        leave_one_out_errors(primal, responses, grid),
        leave_one_out_errors(dual, responses, grid),
        rtol=10 * tolerance(x, 0.1),
        atol=0,
    )
    penalty = torch.full((y.shape[1],), 0.1, dtype=torch.float64)
    torch.testing.assert_close(
        predictions(primal, rotated(primal, responses), penalty),
        predictions(dual, rotated(dual, responses), penalty),
        rtol=0,
        atol=tolerance(x, 0.1) * float(np.abs(y).max()),
    )


@pytest.mark.parametrize(("n", "p"), [(60, 25), (30, 90)])
def test_from_gram_is_fit_and_predict(data, n, p):
    x, y = data(n, p)
    train, test = np.arange(n)[5:], np.arange(n)[:5]
    expected = Ridge().fit(x[train], y[train]).predict(x[test])
    responses = torch.from_numpy(y)[:, :, None]
    shifted = torch.from_numpy(x + 3.0)  # a constant in the features cancels
    gram = shifted @ shifted.mT
    from_gram = Ridge().predict_from_gram(gram, responses, train, test).held_out[..., 0]
    plain = torch.from_numpy(x)
    from_features = Ridge().predict_from_features(plain, responses, train, test).held_out[..., 0]
    np.testing.assert_allclose(from_gram.numpy(), expected, rtol=0, atol=1e-8)
    np.testing.assert_allclose(from_features.numpy(), expected, rtol=0, atol=1e-10)


def test_known_answer():
    # x = -1, 0, 1 and y = -2, 0, 2 shifted by 5: slope 2 * 2 / (2 + penalty).
    x, y = np.array([[-1.0], [0.0], [1.0]]), np.array([3.0, 5.0, 7.0])
    model = Ridge(penalties=[2.0]).fit(x, y)
    assert model.coef_ == pytest.approx([1.0])
    assert model.intercept_ == pytest.approx(5.0)


def test_grid_grows_to_both_sides(rng):
    # Without noise the least penalty is best; without signal the largest, for about half of the
    # targets. The first grid spans 1e-2 to 1e3 mean eigenvalues, an edge moves by 3 x 2 decades.
    x = rng.normal(size=(50, 10))
    y = np.column_stack([x @ rng.normal(size=10), rng.normal(size=(50, 20))])
    basis = whole_basis(x, dual=False)
    criterion, scale = leave_one_out(basis, torch.from_numpy(y)), mean_eigenvalue(basis)
    chosen = searched(criterion, scale, Grid()).penalty / scale
    assert float(chosen[0]) == pytest.approx(1e-8)
    assert float(chosen[1:].max()) == pytest.approx(1e9)
    still = searched(criterion, scale, Grid(n_growths=0)).penalty / scale
    assert float(still[0]) == pytest.approx(1e-2)
    assert float(still.max()) == pytest.approx(1e3)


def test_growing_changes_nothing_else(data):
    # A target whose best penalty lies inside gets the same with and without a neighbour that
    # makes the grid grow.
    x, y = data(60, 25, noise=3.0)
    together = np.column_stack([y, x[:, 0]])
    alone = Ridge().fit(x, y).penalty_
    np.testing.assert_allclose(Ridge().fit(x, together).penalty_[:-1], alone, rtol=1e-12)
    assert Ridge().fit(x, together).penalty_[-1] < alone.min()


def test_scaled_features_give_the_same_predictions(data):
    # The default grid is in units of the features' variance. With this noise the best penalties
    # lie inside it; where the error is flat, rounding would choose among its neighbours.
    x, y = data(40, 90, noise=10.0)
    one = Ridge().fit(x[:30], y[:30]).predict(x[30:])
    other = Ridge().fit(1e4 * x[:30], y[:30]).predict(1e4 * x[30:])
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("p", [3, 30])
def test_constant_features_predict_the_mean(rng, p):
    y = rng.normal(size=(10, 2))
    model = Ridge().fit(np.ones((10, p)), y)
    np.testing.assert_allclose(model.predict(np.ones((4, p))), np.tile(y.mean(axis=0), (4, 1)))


def test_duplicated_features_share_the_weight(data):
    x, y = data(60, 10)
    once = Ridge(penalties=[1.0]).fit(x, y)
    twice = Ridge(penalties=[2.0]).fit(np.hstack([x, x]), y)
    np.testing.assert_allclose(twice.coef_[:, :10] * 2, once.coef_, atol=1e-11)


def test_arguments_are_not_written_to(data):
    x, y = data(20, 30)
    before = x.copy(), y.copy()
    Ridge().fit(x, y).predict(x)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


@pytest.mark.gpu
def test_gpu_gives_the_same(data, device):
    x, y = data(40, 90)
    ours = Ridge(device=device).fit(x, y).predict(x)
    np.testing.assert_allclose(ours, Ridge().fit(x, y).predict(x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("penalties", [[0.0, 1.0], [-1.0], [], [np.nan]])
def test_penalties_that_are_not_positive(data, penalties):
    x, y = data(20, 5)
    with pytest.raises(ValueError, match="penalties must be one or more positive numbers, got"):
        Ridge(penalties=penalties).fit(x, y)


def test_nan(data):
    x, y = data(20, 5)
    y[3, 1] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        Ridge().fit(x, y)


def test_one_sample():
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        Ridge().fit(np.ones((1, 3)), np.ones((1, 2)))
