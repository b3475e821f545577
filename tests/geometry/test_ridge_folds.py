"""Ridge rules of all folds from shared inner products: the rules that each fold fits alone."""

import numpy as np
import pytest
import torch

from neurorec.geometry import RidgeDecoder, ridge_folds
from neurorec.geometry.fitting import fitted_at_once

N = 36


def problem(rng, p, n_classes, n_bins=3):
    """Patterns (time_bin, presentation, neuroid) with a common response, and two labellings."""
    codes = np.stack([rng.permutation(np.arange(N) % n_classes) for _ in range(2)])
    code = 0.5 * rng.normal(size=(n_bins, n_classes, p))
    patterns = code[:, codes[0]] + rng.normal(size=(n_bins, N, p)) + 5
    return torch.from_numpy(patterns), torch.from_numpy(codes)


def assert_alone(decoder, patterns, codes, n_classes, training, atol):
    found = decoder.folds(patterns).rules(training, codes, n_classes)
    fitting = decoder.fitting(codes[:, training], n_classes, patterns.shape[2])
    alone = fitted_at_once(fitting, patterns[:, training])
    for ours, expected in zip(found, alone, strict=True):
        torch.testing.assert_close(ours, expected, atol=atol, rtol=0)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("p", [8, 100])
@pytest.mark.parametrize("n_training", [30, 12])
def test_rules_of_each_fold(rng, monkeypatch, p, n_classes, n_training):
    """Fewer and more neuroids than presentations, most or few in training, bins in parts.

    Weights are below one, and condition numbers below 1e3.
    """
    monkeypatch.setattr(ridge_folds, "_TOGETHER", 2 * min(p, N) ** 2)
    patterns, codes = problem(rng, p, n_classes)
    for _ in range(3):
        training = rng.permutation(N)[:n_training]
        assert_alone(RidgeDecoder(2.0), patterns, codes, n_classes, training, atol=1e-12)


@pytest.mark.parametrize("p", [8, 100])
def test_a_rest_far_away(rng, p):
    """A little is lost where the rest differs a lot; nothing is kept where it would be more."""
    patterns, codes = problem(rng, p, 3)
    training = np.arange(6, N)
    patterns[:, :6] += 5
    assert_alone(RidgeDecoder(2.0), patterns, codes, 3, training, atol=1e-11)
    patterns[:, :6] += 20
    assert RidgeDecoder(2.0).folds(patterns).rules(training, codes, 3) is None


def test_training_that_does_not_vary(rng):
    patterns, codes = problem(rng, 8, 3)
    patterns[1, 6:] = 1.0
    assert RidgeDecoder(2.0).folds(patterns).rules(np.arange(6, N), codes, 3) is None


@pytest.mark.parametrize("penalty", ["auto", [0.1, 1.0]])
def test_penalties_to_choose_from(rng, penalty):
    """The choice needs the patterns of each training set."""
    assert RidgeDecoder(penalty).folds(problem(rng, 8, 3)[0]) is None
