"""How ridge chooses penalties: against an exhaustive search, scikit-learn and himalaya."""

import numpy as np
import pytest
import sklearn.linear_model
import torch
from himalaya.backend import get_backend, set_backend
from himalaya.kernel_ridge import KernelRidgeCV
from sklearn.model_selection import GridSearchCV, KFold, RepeatedKFold, ShuffleSplit

from neurorec.encoding import Ridge, ridge
from neurorec.encoding._himalaya import torch_backend
from neurorec.encoding.ridge_selection import (
    LeaveOneOut,
    Residuals,
    _lower_bounds,
    _spread,
    residuals,
)
from neurorec.encoding.ridge_solver import Basis, basis_from_features, basis_from_gram, rotated

PENALTIES = np.logspace(-2, 4, 13)
EPS = np.finfo(float).eps


def problem(seed: int):
    """Features, responses and penalties of a random size, spectrum, rank and leverage."""
    rng = np.random.default_rng(seed)
    n, p = (int(size) for size in rng.integers(3, 40, size=2))
    x = rng.normal(size=(n, p)) * np.arange(1, p + 1) ** -rng.choice([0.0, 0.5, 2.0])
    kind = seed % 6
    if kind == 1:  # rank deficient
        x = x[:, : max(1, p // 3)] @ rng.normal(size=(max(1, p // 3), p))
    elif kind == 2:  # a few stimuli with nearly all the leverage
        x = x * np.exp(2 * rng.normal(size=(n, 1)))
    elif kind == 3:  # stimuli shown twice
        x[n // 2 :] = x[: n - n // 2]
    elif kind == 4:  # nothing to predict from: every penalty ties
        x = np.ones((n, p))
    y = rng.normal(size=(n, 6)) * rng.exponential(size=6)
    y[:, :3] += 3 * x @ rng.normal(size=(p, 3))
    y[:, 5] = y[:, 4]  # ties between targets
    low, high = (-12, 2) if kind == 5 else (-2, 4)
    return x, y, np.logspace(low, high, int(rng.integers(1, 12)))


def basis_of(x: np.ndarray) -> Basis:
    features, everything = torch.from_numpy(x - x.mean(axis=0)), torch.arange(len(x))
    if x.shape[1] < len(x):
        return basis_from_features(features, everything, everything[:0])
    return basis_from_gram(features @ features.mT, everything, everything[:0])


def residuals_of(x: np.ndarray, y: np.ndarray) -> Residuals:
    basis, responses = basis_of(x), torch.from_numpy(y)
    return residuals(basis, responses, rotated(basis, responses))


def exhaustive(parts: Residuals, penalties: torch.Tensor) -> torch.Tensor:
    """Leave-one-out errors (penalty, target), each written out."""
    n, everything = len(parts.basis.train), torch.arange(parts.weights.shape[1])
    spread = _spread(parts.basis, penalties)
    rows = [
        (parts.at(kept, everything) ** 2 / remaining[:, None] ** 2).sum(dim=0) / n
        for kept, remaining in zip(*spread, strict=True)
    ]
    return torch.stack(rows)


@pytest.mark.parametrize("seed", range(0, 300, 10))
def test_bounded_search_is_exhaustive_search(seed):
    for kind in range(10):
        x, y, penalties = problem(seed + kind)
        parts, grid = residuals_of(x, y), torch.from_numpy(penalties)
        errors = exhaustive(parts, grid)
        least, where = errors.min(dim=0)
        chosen = LeaveOneOut(parts).least(grid)
        torch.testing.assert_close(chosen.error, least, rtol=1e-12, atol=0)
        # Where two penalties tie, rounding may choose.
        others = errors.clone()
        others[where, torch.arange(y.shape[1])] = torch.inf
        clear = others.min(dim=0).values > least * (1 + 1e-12)
        assert torch.equal(chosen.penalty[clear], grid[where][clear])
        assert chosen.penalty[4] == chosen.penalty[5]


def test_the_first_of_penalties_that_tie():
    x, y, _ = problem(4)
    chosen = LeaveOneOut(residuals_of(x, y)).least(torch.tensor([3.0, 1.0, 2.0]).double())
    assert chosen.penalty.tolist() == [3.0] * y.shape[1]


def test_bounds_hold_from_every_penalty():
    for seed in range(60):
        x, y, penalties = problem(seed)
        parts, grid = residuals_of(x, y), torch.from_numpy(penalties)
        errors, spread = exhaustive(parts, grid), _spread(parts.basis, grid)
        for known in torch.arange(len(grid)):
            squares = parts.at(spread.kept[known], torch.arange(y.shape[1])) ** 2
            bounds = _lower_bounds(parts, spread, known, squares)
            assert not bool((bounds > errors).any())


def test_few_products_decide(rng, power_law, monkeypatch):
    # The more stimuli, the fewer of the 13 penalties are left: 4.2 here, 1.3 at 1000 x 4000.
    x = power_law(150, 400)
    y = x @ rng.normal(size=(400, 50)) + 5 * rng.normal(size=(150, 50))
    products = []
    at = Residuals.at
    monkeypatch.setattr(
        Residuals, "at", lambda self, kept, some: products.append(len(some)) or at(self, kept, some)
    )
    Ridge(penalties=PENALTIES).fit(x, y)
    assert 50 <= sum(products) < 5 * 50


@pytest.fixture
def data(rng, power_law):
    """Features and eight targets, two of them without signal."""

    def data(n, p):
        x = power_law(n, p)
        y = x @ rng.normal(size=(p, 8)) * [1, 1, 1, 1, 1, 1, 0, 0] + 2 * rng.normal(size=(n, 8))
        return x, y + 5 * rng.normal(size=8)

    return data


SHAPES = [(60, 25), (40, 40), (30, 90)]


def rounding(x: np.ndarray, penalty: float) -> float:
    """Of predictions: 1e-16 times the condition number, with a factor of 100 in hand."""
    return 100 * EPS * (np.linalg.norm(x - x.mean(axis=0), 2) ** 2 + penalty) / penalty


@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_generalised_cross_validation_by_hand(data, n, p):
    x, y = data(n, p)
    centred, errors = x - x.mean(axis=0), []
    for penalty in PENALTIES:
        hat = centred @ np.linalg.solve(
            centred.T @ centred + penalty * np.eye(p), centred.T
        ) + np.full((n, n), 1 / n)
        left = y - hat @ y
        errors.append((left**2).mean(axis=0) / (1 - np.trace(hat) / n) ** 2)
    model = Ridge(penalties=PENALTIES, selection="gcv").fit(x, y)
    np.testing.assert_array_equal(model.penalty_, PENALTIES[np.argmin(errors, axis=0)])
    # The residual and the trace lose digits where they are small.
    rtol = 10 * rounding(x, PENALTIES[0]) * float(np.max(y**2)) / np.min(errors)
    np.testing.assert_allclose(model.training_error_, np.min(errors, axis=0), rtol=rtol)


def test_equal_leverages_make_both_equal(rng):
    # Stimuli on circles: the Gram matrix is circulant, so that all have the same leverage.
    angle = 2 * np.pi * np.outer(np.arange(30), [1, 2, 5]) / 30
    x = np.hstack([np.cos(angle), np.sin(angle)]) * [1, 0.5, 0.2, 1, 0.5, 0.2]
    y = x @ rng.normal(size=(6, 5)) + rng.normal(size=(30, 5))
    one = Ridge(penalties=PENALTIES).fit(x, y)
    other = Ridge(penalties=PENALTIES, selection="gcv").fit(x, y)
    np.testing.assert_array_equal(one.penalty_, other.penalty_)
    np.testing.assert_allclose(one.training_error_, other.training_error_, rtol=1e-11)


@pytest.mark.parametrize(("n", "p"), SHAPES)
@pytest.mark.parametrize("cv", [5, KFold(4, shuffle=True, random_state=1)], ids=["5", "shuffled"])
def test_folds_of_grid_search(data, n, p, cv):
    x, y = data(n, p)
    y = y[:, 4:]
    ours = Ridge(penalties=PENALTIES, selection=cv).fit(x, y)
    for j in range(y.shape[1]):
        theirs = GridSearchCV(
            sklearn.linear_model.Ridge(),
            {"alpha": PENALTIES},
            scoring="neg_mean_squared_error",
            cv=cv,
        ).fit(x, y[:, j])
        assert ours.penalty_[j] == theirs.best_params_["alpha"]
        tolerance = rounding(x, PENALTIES[0])
        # An error is a mean of squares of numbers up to the responses.
        atol = 2 * tolerance * np.abs(y[:, j]).max() ** 2
        np.testing.assert_allclose(ours.training_error_[j], -theirs.best_score_, rtol=0, atol=atol)
        atol = tolerance * np.abs(y).max()
        np.testing.assert_allclose(ours.predict(x)[:, j], theirs.predict(x), rtol=0, atol=atol)


@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_folds_of_himalaya(data, n, p):
    x, y = data(n, p)
    train, test = np.arange(n)[8:], np.arange(n)[:8]
    features, responses = torch.from_numpy(x), torch.from_numpy(y)
    with torch_backend(torch.device("cpu")):
        theirs = KernelRidgeCV(alphas=PENALTIES, cv=KFold(5), fit_intercept=True, warn=False)
        theirs.fit(features[train], responses[train])
        expected = theirs.predict(features[test])
        error = -theirs.cv_scores_
    ours = Ridge(penalties=PENALTIES, selection=KFold(5))
    got = ours.predict_from_gram(features @ features.mT, responses[:, :, None], train, test)
    tolerance = rounding(x, PENALTIES[0])
    atol = tolerance * float(np.abs(y).max())
    torch.testing.assert_close(got.held_out[..., 0], expected, rtol=0, atol=atol)
    # himalaya adds 1e-10 times the logarithm of the penalty, so that the largest wins a tie.
    atol = 2 * tolerance * float(np.abs(y).max()) ** 2 + 1e-10 * np.log(PENALTIES[-1])
    assert got.training_error is not None
    torch.testing.assert_close(got.training_error[:, 0], error, rtol=0, atol=atol)
    fitted = ours.fit(x[train], y[train])
    np.testing.assert_allclose(fitted.penalty_, theirs.best_alphas_.numpy(), rtol=1e-12)


@pytest.mark.parametrize(("n", "p"), [(60, 25), (30, 90)])
@pytest.mark.parametrize("selection", ["leave_one_out", "gcv", 3])
def test_training_error_from_all_entrances(data, n, p, selection):
    x, y = data(n, p)
    train, test = np.arange(n)[5:], np.arange(n)[:5]
    fitted = Ridge(selection=selection).fit(x[train], y[train])
    features = torch.from_numpy(x)
    # Two time bins, and responses to the training stimuli alone: the others come after them.
    order = np.concatenate([train, test])
    features, responses = features[order], torch.from_numpy(y[train].reshape(len(train), 4, 2))
    first, last = np.arange(len(train)), np.arange(len(train), n)
    backwards = first[::-1] if selection != 3 else first  # folds are consecutive
    readout = Ridge(selection=selection)
    for got in (
        readout.predict_from_gram(features @ features.mT, responses, first, last),
        readout.predict_from_gram(features @ features.mT, responses, backwards, last),
        readout.predict_from_features(features, responses, first, last),
    ):
        assert got.training_error is not None
        np.testing.assert_allclose(
            got.training_error.numpy(), fitted.training_error_.reshape(4, 2), rtol=1e-6
        )
        expected = fitted.predict(x[test]).reshape(-1, 4, 2)
        np.testing.assert_allclose(got.held_out.numpy(), expected, rtol=0, atol=1e-7)


def test_error_is_that_of_leaving_out(data):
    x, y = data(25, 40)
    model = Ridge(penalties=[1.0]).fit(x, y)
    squares = []
    for i in range(len(x)):
        rest = np.delete(np.arange(len(x)), i)
        left = y[i] - sklearn.linear_model.Ridge(1.0).fit(x[rest], y[rest]).predict(x[[i]])[0]
        squares.append(left**2)
    expected = np.mean(squares, axis=0)
    np.testing.assert_allclose(model.training_error_, expected, rtol=10 * rounding(x, 1.0))


@pytest.mark.parametrize("selection", ["gcv", 4])
def test_grids_of_all_rules_grow(rng, selection):
    x = rng.normal(size=(50, 10))
    y = np.column_stack([x @ rng.normal(size=10), rng.normal(size=(50, 20))])
    scale = np.linalg.eigvalsh(np.cov(x.T, ddof=0) * 50).mean()
    chosen = Ridge(selection=selection).fit(x, y).penalty_ / scale
    assert chosen[0] == pytest.approx(1e-8)
    assert chosen[1:].max() == pytest.approx(1e9)


@pytest.mark.parametrize("selection", ["leave_one_out", "gcv", 4])
def test_error_is_that_of_the_penalty_wherever_the_search_ends(rng, selection):
    x = rng.normal(size=(50, 10))
    y = np.column_stack([x @ rng.normal(size=10), rng.normal(size=(50, 6))])
    model = Ridge(selection=selection).fit(x, y)
    for j, penalty in enumerate(model.penalty_):
        alone = Ridge(penalties=[penalty], selection=selection).fit(x, y[:, j])
        assert model.training_error_[j] == pytest.approx(alone.training_error_, rel=1e-10)


@pytest.mark.parametrize("selection", ["leave_one_out", "gcv", 4])
def test_targets_in_batches(data, monkeypatch, selection):
    x, y = data(30, 50)
    whole = Ridge(selection=selection).fit(x, y)
    monkeypatch.setattr(ridge, "_TARGETS", 3)
    parts = Ridge(selection=selection).fit(x, y)
    np.testing.assert_allclose(parts.penalty_, whole.penalty_, rtol=1e-12)
    np.testing.assert_allclose(parts.training_error_, whole.training_error_, rtol=1e-12)
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "cv", [RepeatedKFold(n_splits=3, n_repeats=2, random_state=0), ShuffleSplit(3, random_state=0)]
)
def test_other_splitters(data, cv):
    x, y = data(40, 20)
    ours = Ridge(penalties=PENALTIES, selection=cv).fit(x, y[:, 0])
    search = GridSearchCV(
        sklearn.linear_model.Ridge(), {"alpha": PENALTIES}, scoring="neg_mean_squared_error", cv=cv
    ).fit(x, y[:, 0])
    assert ours.penalty_ == search.best_params_["alpha"]


def test_one_target_has_one_error(data):
    x, y = data(20, 5)
    assert np.ndim(Ridge().fit(x, y[:, 0]).training_error_) == 0


@pytest.mark.parametrize("selection", ["loo", None, 2.5])
def test_unknown_selection(data, selection):
    x, y = data(20, 5)
    with pytest.raises(ValueError, match=r"selection, if not one of .*, must be a number of folds"):
        Ridge(selection=selection).fit(x, y)


def test_more_folds_than_stimuli(data):
    x, y = data(20, 5)
    with pytest.raises(ValueError, match="n_splits=21 greater than the number of samples"):
        Ridge(selection=21).fit(x, y)


def test_one_fold(data):
    x, y = data(20, 5)
    with pytest.raises(ValueError, match="n_splits=2 or more, got n_splits=1"):
        Ridge(selection=1).fit(x, y)


def test_backend_of_himalaya_is_as_before():
    def fail():
        with torch_backend(torch.device("cpu")):
            inside.append(get_backend().name)
            raise RuntimeError("stop")

    set_backend("numpy")
    inside = []
    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert inside == ["torch"]
    assert get_backend().name == "numpy"
