"""Softmax regression in all time bins at once against scikit-learn's, one bin at a time."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from neurorec.dynamics.softmax import softmax_evidence


@pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning")  # scikit-learn's call
@pytest.mark.parametrize("p", [12, 90], ids=["few neuroids", "many neuroids"])
@pytest.mark.parametrize("penalty", [0.05, 0.463])
def test_the_minimum_of_scikit_learn(rng, p, penalty):
    n, n_bins, n_classes = 60, 3, 4
    codes = rng.integers(0, n_classes, n)
    scale = rng.uniform(0.5, 3, p)
    activity = (rng.normal(size=(n_bins, n + 9, p)) + 2) * scale
    activity[:, :n] += 0.8 * rng.normal(size=(n_classes, p))[codes] * scale
    train, test = activity[:, :n], activity[:, n:]
    found = softmax_evidence(
        torch.from_numpy(train),
        torch.from_numpy(test),
        torch.from_numpy(codes),
        n_classes=n_classes,
        penalty=penalty,
    )
    mean, deviation = (f(train, axis=1, keepdims=True) for f in (np.mean, np.std))
    for t in range(n_bins):
        seen, unseen = (
            np.column_stack([((x - mean) / deviation)[t], np.ones(x.shape[1])])
            for x in (train, test)
        )
        # It gives the intercept no penalty, so that here it is the weight of a constant.
        strength = 1 / (n * penalty)
        rule = LogisticRegression(C=strength, fit_intercept=False, tol=1e-12, max_iter=10**5)
        expected = rule.fit(seen, codes).decision_function(unseen)
        # The error of a weight is at most the gradient over the penalty, for both.
        np.testing.assert_allclose(found[t].numpy(), expected, atol=1e-5)


def test_a_neuroid_that_is_silent_in_training_says_nothing(rng):
    train, test = rng.normal(size=(1, 20, 5)), rng.normal(size=(1, 4, 5))
    codes = torch.arange(20) % 2
    options = {"n_classes": 2, "penalty": 0.5}
    given = [torch.from_numpy(x) for x in (train, test)]
    expected = softmax_evidence(*given, codes, **options)
    silent = [  # 0 in training and 1 in test
        torch.cat([x, torch.full((1, x.shape[1], 1), float(v))], 2) for v, x in enumerate(given)
    ]
    torch.testing.assert_close(softmax_evidence(*silent, codes, **options), expected)


def test_without_a_penalty():
    activity = torch.zeros(1, 4, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match="penalty must be above 0, got 0"):
        softmax_evidence(activity, activity, torch.arange(4) % 2, n_classes=2, penalty=0)
