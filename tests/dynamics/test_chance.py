"""Chance: the binomial threshold, balanced accuracy, names dealt at random."""

from itertools import permutations
from math import comb

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from neurorec.dynamics import decoding_over_time, significant_accuracy
from neurorec.dynamics.chance import effective_n, shares
from neurorec.dynamics.tally import _by_chance
from neurorec.geometry import NearestMean


def tail(k, n, p):
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))


@pytest.mark.parametrize("n", [10, 72, 419])
@pytest.mark.parametrize("chance", [0.5, 1 / 7])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_threshold_is_the_smallest_significant_accuracy(n, chance, alpha):
    k = round(significant_accuracy(n, chance=chance, alpha=alpha) * n)
    assert tail(k, n, chance) <= alpha < tail(k - 1, n, chance)


def test_threshold_of_ten_coins():
    """9 of 10 heads: 11 / 1024 = 0.011; 8 of 10: 0.055."""
    assert significant_accuracy(10, chance=0.5) == 0.9


def test_threshold_bad_input():
    with pytest.raises(ValueError, match=r"with 4 presentations and chance 0\.5 even to be right"):
        significant_accuracy(4, chance=0.5)
    with pytest.raises(ValueError, match="chance must lie between 0 and 1, got 7"):
        significant_accuracy(10, chance=7.0)
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1, got 0"):
        significant_accuracy(10, chance=0.5, alpha=0.0)
    with pytest.raises(ValueError, match="n_tested must be a positive number of presentations"):
        significant_accuracy(0, chance=0.5)


def unbalanced(rng, population_of):
    """Of 24 presentations of each class, 24, 12 and 9."""
    assembly = population_of(rng, noise=6.0)
    names = assembly["object_name"].values
    repetition = assembly["repetition"].values
    keep = (names == "car") | ((names == "face") & (repetition % 2 == 0))
    keep |= (names == "hand") & (assembly["stimulus_id"].values == "s08")
    keep |= (names == "hand") & (repetition < 1)
    return assembly.isel(presentation=keep)


def test_balanced_equals_scikit_learn(rng, population_of):
    assembly = unbalanced(rng, population_of)
    labels, folds = assembly["object_name"].values, assembly["repetition"].values // 2
    result = decoding_over_time(
        assembly, classifier="nearest_mean", n_folds=3, standardise=False, balanced=True
    )
    for t in range(assembly.sizes["time_bin"]):
        x, named = assembly.values[:, :, t], labels.copy()
        for fold in range(3):
            out = folds == fold
            named[out] = NearestMean().fit(x[~out], labels[~out]).predict(x[out])
        expected = balanced_accuracy_score(labels, named)
        assert result["accuracy"].values[t] == pytest.approx(expected, abs=1e-14)
        of_split = balanced_accuracy_score(labels[folds == 1], named[folds == 1])
        assert result["accuracy_per_split"].values[1, t] == pytest.approx(of_split, abs=1e-14)
    assert "significant_accuracy" not in result.attrs


def test_threshold_of_a_result_is_that_of_the_largest_class(rng, population_of):
    assembly = unbalanced(rng, population_of)
    n = assembly.sizes["presentation"]
    result = decoding_over_time(assembly, n_folds=3)
    expected = significant_accuracy(n, chance=24 / n)
    assert result.attrs["significant_accuracy"] == expected
    assert result.attrs["largest_class"] == pytest.approx(24 / n)


@pytest.mark.parametrize("balanced", [False, True])
def test_chance_is_the_mean_over_all_deals(balanced):
    """Every order of the five names that were given, by counting."""
    truth, named = np.array([0, 0, 0, 1, 2]), np.array([0, 2, 0, 1, 1])
    weights = shares(truth[None], balanced=balanced)[0]
    deals = [weights[np.array(deal) == truth].sum() for deal in permutations(named)]
    found = _by_chance(torch.from_numpy(named)[None], torch.from_numpy(truth), weights[None])
    assert found[0, 0] == pytest.approx(np.mean(deals), abs=1e-12)


def test_chance_of_equal_classes(rng, population_of):
    """Whatever is named, each name is right in a third of the deals."""
    result = decoding_over_time(population_of(rng, noise=5.0), n_folds=3)
    np.testing.assert_allclose(result["chance"].values, 1 / 3, atol=1e-12)


def test_balanced_chance_is_one_over_the_number_of_classes(rng, population_of):
    """A decoder that always names the largest class: 24 of 45 correct, but a third balanced."""
    assembly = unbalanced(rng, population_of)
    codes = np.unique(assembly["object_name"].values, return_inverse=True)[1].ravel()
    weights = shares(codes[None], balanced=True)[0]
    assert weights[codes == 0].sum() / len(codes) == pytest.approx(1 / 3)
    assert weights.mean() == pytest.approx(1)


def test_effective_n():
    """Equal classes are as good as all presentations; of 30 and 10, 4 / (1 / 30 + 1 / 10) = 30."""
    assert effective_n(np.repeat(np.arange(3), 8), balanced=True) == pytest.approx(24)
    assert effective_n(np.repeat([0, 1], [30, 10]), balanced=True) == pytest.approx(30)
    assert effective_n(np.repeat([0, 1], [30, 10]), balanced=False) == 40
