"""The ridge classifier: scikit-learn, refits without each presentation, invariances, bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import RidgeClassifier, RidgeClassifierCV

from neurorec.geometry import NearestMean, RidgeDecoder
from neurorec.geometry.ridge_decoder import RELATIVE_PENALTIES


def problem(rng, *, n_classes=4, per_class=9, p=10, n=None):
    labels = np.repeat(np.arange(n_classes), per_class)[:n]
    means = 0.5 * rng.normal(size=(n_classes, p))
    return means[labels] + rng.normal(size=(len(labels), p)) + 3, labels


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("p", [5, 30, 200])
def test_equals_scikit_learn(rng, p, n_classes):
    """Fewer and more neuroids than presentations; unequal classes; rounding of a solve."""
    X, y = problem(rng, p=p, n_classes=n_classes)
    X, y = X[3:], y[3:]
    theirs = RidgeClassifier(alpha=3.0).fit(X, y)
    ours = RidgeDecoder(penalty=3).fit(X, y)
    new = rng.normal(size=(100, p)) + 3
    np.testing.assert_allclose(
        ours.decision_function(new), theirs.decision_function(new), atol=1e-11
    )
    assert ours.predict(new).tolist() == theirs.predict(new).tolist()


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("p", [10, 60])
def test_choice_equals_scikit_learn(rng, p, n_classes):
    penalties = [0.1, 1.0, 10.0, 100.0, 1e3]
    for _ in range(5):
        X, y = problem(rng, p=p, n_classes=n_classes)
        theirs = RidgeClassifierCV(alphas=penalties).fit(X, y)
        chosen = RidgeDecoder(penalty=penalties).fit(X, y)
        given = RidgeDecoder(penalty=float(theirs.alpha_)).fit(X, y)
        np.testing.assert_allclose(chosen.coef_, given.coef_, atol=1e-11)


@pytest.mark.parametrize("p", [4, 20])
def test_choice_by_refits_without_each_presentation(rng, p):
    """``"auto"`` takes the penalty whose 15 refits miss the targets by least."""
    X, y = problem(rng, n_classes=3, per_class=5, p=p)
    unit = ((X - X.mean(axis=0)) ** 2).sum() / len(X)
    targets = 2 * np.eye(3)[y] - 1
    losses = []
    for relative in RELATIVE_PENALTIES:
        missed = []
        for i in range(len(X)):
            kept = np.arange(len(X)) != i
            mean, level = X[kept].mean(axis=0), targets[kept].mean(axis=0)
            centred = X[kept] - mean
            penalised = centred.T @ centred + relative * unit * np.eye(p)
            weights = np.linalg.solve(penalised, centred.T @ (targets[kept] - level))
            missed.append(targets[i] - level - (X[i] - mean) @ weights)
        losses.append(np.square(missed).sum())
    best = float(RELATIVE_PENALTIES[int(np.argmin(losses))] * unit)
    given = RidgeDecoder(penalty=best).fit(X, y)
    np.testing.assert_allclose(RidgeDecoder().fit(X, y).coef_, given.coef_, atol=1e-11)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    p=st.integers(2, 40),
    scale=st.floats(1e-3, 1e3),
    decoder=st.sampled_from([RidgeDecoder(), NearestMean()]),
)
def test_invariances(seed, p, scale, decoder):
    """Evidence does not change when space is turned, moved and rescaled, or neuroids reordered.

    Of the nearest mean it grows with the square of the scale, less the length of the pattern.
    """
    rng = np.random.default_rng(seed)
    X, y = problem(rng, p=p, n_classes=3)
    turned = np.linalg.qr(rng.normal(size=(p, p)))[0]

    def evidence(activity):
        found = decoder.fit(activity[:20], y[:20]).decision_function(activity[20:])
        return found - found.mean(axis=1, keepdims=True)

    factor = scale**2 if isinstance(decoder, NearestMean) else 1
    plain = evidence(X)
    for other, by in (
        (X @ turned, 1),
        (X[:, rng.permutation(p)], 1),
        (scale * X, factor),
        (X + rng.normal(size=p), 1),
    ):
        tolerance = 1e-8 * by * np.abs(plain).max()
        np.testing.assert_allclose(evidence(other), by * plain, atol=tolerance)


@pytest.mark.parametrize("penalty", ["loo", 0, -1.0, np.inf, np.nan, True, None, [], [1.0, -2.0]])
def test_penalty(rng, penalty):
    with pytest.raises(ValueError, match='penalty must be "auto", a positive number or several'):
        RidgeDecoder(penalty=penalty).fit(*problem(rng))


@pytest.mark.parametrize("p", [3, 30])
def test_nothing_varies(p):
    with pytest.raises(ValueError, match="training patterns are all the same"):
        RidgeDecoder().fit(np.ones((10, p)), np.arange(10) % 2)
