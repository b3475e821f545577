"""Closed-form classifiers: scikit-learn's checks and classifiers, toys, bad input."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import NearestCentroid
from sklearn.utils.estimator_checks import parametrize_with_checks

from neurorec.geometry import MaxCorrelation, NearestMean, RidgeDecoder, ShrinkageLDA
from neurorec.geometry.shrunk_covariance import ledoit_wolf_intensity

DECODERS = (MaxCorrelation, NearestMean, RidgeDecoder, ShrinkageLDA)


def problem(rng, *, n_classes=4, per_class=12, p=10, separation=1.0):
    means = separation * rng.normal(size=(n_classes, p))
    labels = np.repeat(np.arange(n_classes), per_class)
    return means[labels] + rng.normal(size=(len(labels), p)) * rng.uniform(0.5, 2, size=p), labels


# Over two features all correlations are 1 or -1: two of three classes tie, so that the first of
# them takes all, and where two classes have means that are constant none is defined.
NOT_APPLICABLE = {
    (MaxCorrelation, "check_classifier_data_not_an_array"),
    (MaxCorrelation, "check_classifiers_classes"),
}

CHECKS = [
    (estimator, check)
    for estimator, check in parametrize_with_checks([d() for d in DECODERS]).args[1]
    if (type(estimator), check.func.__name__) not in NOT_APPLICABLE
]
NAMES = [f"{type(estimator).__name__}-{check.func.__name__}" for estimator, check in CHECKS]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=NAMES)
def test_estimator_checks(estimator, check):
    check(estimator)


def test_max_correlation_toy():
    """Class means (2, 0, 0) and (0, 0, 2): (1, 9, 0) is with the first, whatever its length."""
    X = [[1, 0, 0], [3, 0, 0], [0, 0, 1], [0, 0, 3]]
    decoder = MaxCorrelation().fit(X, ["left", "left", "right", "right"])
    assert decoder.predict([[1, 9, 0], [0, 9, 1], [100, 900, 0]]).tolist() == [
        "left",
        "right",
        "left",
    ]
    correlations = [np.corrcoef([1, 9, 0], m)[0, 1] for m in ([2, 0, 0], [0, 0, 2])]
    evidence = decoder.decision_function([[1, 9, 0]])
    assert evidence[0] == pytest.approx(correlations[1] - correlations[0], abs=1e-14)


def test_max_correlation_is_the_largest_correlation(rng):
    X, y = problem(rng)
    new = rng.normal(size=(30, X.shape[1]))
    decoder = MaxCorrelation().fit(X, y)
    means = [X[y == c].mean(axis=0) for c in range(4)]
    expected = np.array([[np.corrcoef(x, m)[0, 1] for m in means] for x in new])
    np.testing.assert_allclose(decoder.decision_function(new), expected, atol=1e-13)
    assert decoder.predict(new).tolist() == expected.argmax(axis=1).tolist()


def test_a_constant_pattern_goes_to_the_first_class(rng):
    X, y = problem(rng)
    decoder = MaxCorrelation().fit(X, y)
    assert decoder.predict(np.full((1, X.shape[1]), 2.0)).tolist() == [0]


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_linear_rule_is_the_prediction(rng, decoder):
    """Decoding over time uses ``coef_`` and ``intercept_`` alone."""
    X, y = problem(rng)
    fitted = decoder().fit(X, y)
    new = rng.normal(size=(50, X.shape[1]))
    linear = (new @ fitted.coef_.T + fitted.intercept_).argmax(axis=1)
    assert linear.tolist() == fitted.predict(new).tolist()


def test_nearest_mean_equals_nearest_centroid(rng):
    X, y = problem(rng)
    new = rng.normal(size=(50, X.shape[1]))
    expected = NearestCentroid().fit(X, y).predict(new)
    assert NearestMean().fit(X, y).predict(new).tolist() == expected.tolist()


@pytest.mark.parametrize("p", [5, 30, 200])
@pytest.mark.parametrize("shrinkage", ["auto", 0.3])
def test_lda_equals_scikit_learn(rng, p, shrinkage):
    """Fewer and more neuroids than the 48 presentations; unequal classes; a silent neuroid."""
    X, y = problem(rng, p=p, separation=0.5)
    X[:, 2] = 0.1
    X, y = X[5:], y[5:]
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(X, y)
    ours = ShrinkageLDA(shrinkage=shrinkage).fit(X, y)
    new = 0.5 * rng.normal(size=(200, p))
    scale = np.abs(theirs.decision_function(new)).max()
    np.testing.assert_allclose(
        ours.decision_function(new), theirs.decision_function(new), atol=1e-9 * scale
    )
    assert ours.predict(new).tolist() == theirs.predict(new).tolist()


def test_lda_of_two_classes(rng):
    X, y = problem(rng, n_classes=2)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(X, y)
    evidence = ShrinkageLDA().fit(X, y).decision_function(X)
    np.testing.assert_allclose(evidence, theirs.decision_function(X), atol=1e-9)


@pytest.mark.parametrize("p", [3, 60])
def test_lda_without_shrinkage(rng, p):
    """Two presentations of each class have a Ledoit-Wolf intensity of zero: pseudo-inverse."""
    X, y = problem(rng, per_class=2, n_classes=10, p=p)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(X, y)
    ours = ShrinkageLDA().fit(X, y)
    new = rng.normal(size=(40, p))
    expected = theirs.decision_function(new)
    np.testing.assert_allclose(
        ours.decision_function(new), expected, atol=1e-7 * np.abs(expected).max()
    )


@pytest.mark.parametrize("shape", [(10, 40), (40, 10)])
def test_ledoit_wolf_intensity(rng, shape):
    X = rng.normal(size=shape) * rng.uniform(0.5, 2, size=shape[1])
    X -= X.mean(axis=0)
    expected = ledoit_wolf_shrinkage(X, assume_centered=True)
    assert ledoit_wolf_intensity(X) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("decoder", DECODERS)
def test_well_separated_classes(rng, decoder):
    X, y = problem(rng, separation=6)
    assert decoder().fit(X, y).score(X, y) == 1


@pytest.mark.parametrize("decoder", DECODERS)
def test_bad_input(rng, decoder):
    X, y = problem(rng)
    with pytest.raises(ValueError, match="at least 2 classes, got labels of 1 class"):
        decoder().fit(X, np.zeros(len(X), dtype=int))
    with pytest.raises(NotFittedError):
        clone(decoder()).predict(X)
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        decoder().fit(X, y)


def test_max_correlation_needs_patterns(rng):
    with pytest.raises(ValueError, match="at least 2 of them, got n_features = 1"):
        MaxCorrelation().fit([[0.0], [1.0]], [0, 1])
    X = np.ones((4, 3))
    X[:2] = rng.normal(size=(2, 3))
    with pytest.raises(ValueError, match="mean pattern of 1 of 2 classes is constant"):
        MaxCorrelation().fit(X, [0, 0, 1, 1])


def test_lda_needs_variance(rng):
    with pytest.raises(ValueError, match="at least 2 presentations of each class"):
        ShrinkageLDA().fit(rng.normal(size=(3, 4)), [0, 0, 1])
    with pytest.raises(ValueError, match="do not vary within classes"):
        ShrinkageLDA().fit(np.repeat(np.eye(2), 3, axis=0), [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("shrinkage", ["ledoit", 1.5, -0.1, True, None])
def test_lda_shrinkage(rng, shrinkage):
    X, y = problem(rng)
    with pytest.raises(ValueError, match='"auto" or a number from 0 to 1'):
        ShrinkageLDA(shrinkage=shrinkage).fit(X, y)
