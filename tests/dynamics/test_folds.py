"""Folds: blocks of repetitions, stratified deals of stimuli, bad input."""

import numpy as np
import pytest

from neurorec.dynamics.folds import assign_folds, exchangeable


def labels(assembly):
    return assembly["object_name"].values


def test_blocks_of_repetitions(rng, population_of):
    """Repetitions 0 and 1 of 20 are fold 0 of 10."""
    assembly = population_of(rng, n_repetitions=20)
    folds = assign_folds(assembly, labels(assembly), fold="repetition", n_folds=10, seed=0)
    np.testing.assert_array_equal(folds, assembly["repetition"].values // 2)


def test_blocks_of_unequal_length(rng, population_of):
    assembly = population_of(rng, n_repetitions=7)
    folds = assign_folds(assembly, labels(assembly), fold="repetition", n_folds=3, seed=0)
    of_repetition = [folds[assembly["repetition"].values == r][0] for r in range(7)]
    assert of_repetition == [0, 0, 0, 1, 1, 2, 2]


def test_a_stimulus_is_in_one_fold(rng, population_of):
    assembly = population_of(rng, per_class=6)
    folds = assign_folds(assembly, labels(assembly), fold=3, n_folds=10, seed=0)
    for stimulus in np.unique(assembly["stimulus_id"].values):
        assert len(set(folds[assembly["stimulus_id"].values == stimulus])) == 1
    for k in range(3):  # two of the six stimuli of each class
        names, counts = np.unique(labels(assembly)[folds == k], return_counts=True)
        assert counts.tolist() == [12] * len(names) == [12, 12, 12]


def test_folds_are_equally_large(rng, population_of):
    """Classes of 5 stimuli in 4 folds: 15 stimuli, so folds of 4, 4, 4 and 3."""
    assembly = population_of(rng, per_class=5, n_repetitions=1)
    folds = assign_folds(assembly, labels(assembly), fold="stratified", n_folds=4, seed=0)
    assert sorted(np.bincount(folds).tolist()) == [3, 4, 4, 4]


def test_seed(rng, population_of):
    assembly = population_of(rng, per_class=8, n_repetitions=1)
    deals = [
        assign_folds(assembly, labels(assembly), fold=4, n_folds=4, seed=s).tolist()
        for s in (0, 0, 1)
    ]
    assert deals[0] == deals[1] != deals[2]


def test_too_few_repetitions(rng, population_of):
    assembly = population_of(rng, n_repetitions=1)
    with pytest.raises(ValueError, match=r'need as many repetitions, got 1; .*fold="stratified"'):
        assign_folds(assembly, labels(assembly), fold="repetition", n_folds=10, seed=0)


def test_a_class_with_too_few_presentations(rng, population_of):
    assembly = population_of(rng, per_class=1, n_repetitions=6)
    keep = np.ones(18, dtype=bool)
    keep[np.flatnonzero(labels(assembly) == "hand")[:4]] = False
    assembly = assembly.isel(presentation=keep)
    with pytest.raises(ValueError, match="class 'hand' has 2 presentations for 6 folds"):
        assign_folds(assembly, labels(assembly), fold="repetition", n_folds=6, seed=0)


def test_a_class_with_too_few_stimuli(rng, population_of):
    assembly = population_of(rng)
    with pytest.raises(ValueError, match="class 'car' has 4 stimuli for 5 folds"):
        assign_folds(assembly, labels(assembly), fold=5, n_folds=10, seed=0)


def test_a_label_that_changes_within_a_stimulus(rng, population_of):
    assembly = population_of(rng)
    with pytest.raises(ValueError, match="one label per stimulus"):
        assign_folds(assembly, assembly["repetition"].values, fold=2, n_folds=2, seed=0)


@pytest.mark.parametrize("fold", [None, True, 2.0])
def test_no_kind_of_fold(rng, population_of, fold):
    assembly = population_of(rng)
    # Without the check of annotations, which tests switch on.
    unchecked = getattr(assign_folds, "__wrapped__", assign_folds)
    with pytest.raises(ValueError, match=r"fold must be one of .* or a number of folds"):
        unchecked(assembly, labels(assembly), fold=fold, n_folds=2, seed=0)


def test_other_kinds_and_numbers(rng, population_of):
    assembly = population_of(rng)
    with pytest.raises(ValueError, match="fold must be one of"):
        assign_folds(assembly, labels(assembly), fold="session", n_folds=2, seed=0)
    with pytest.raises(ValueError, match="at least 2 folds, got 1"):
        assign_folds(assembly, labels(assembly), fold=1, n_folds=10, seed=0)


def test_what_exchanges_labels(rng, population_of):
    """Presentations within their repetition; stimuli, with all presentations, within their fold."""
    assembly = population_of(rng)
    folds = assign_folds(assembly, labels(assembly), fold=2, n_folds=2, seed=0)
    items, strata = exchangeable(assembly, folds, fold="repetition")
    assert len(np.unique(items)) == 72
    np.testing.assert_array_equal(strata, assembly["repetition"].values)
    items, strata = exchangeable(assembly, folds, fold=2)
    stimuli = np.unique(assembly["stimulus_id"].values, return_inverse=True)[1].ravel()
    np.testing.assert_array_equal(items, stimuli)
    np.testing.assert_array_equal(strata, folds)
