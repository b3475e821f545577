"""Folds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorec.assemblies import build
from neurorec.encoding import KFold


def stimuli(n):
    return build(
        np.zeros((n, 1, 1)),
        presentation={"stimulus_id": [f"s{i}" for i in range(n)], "repetition": [0] * n},
        neuroid={"neuroid_id": ["n"], "region": ["V4"]},
        time_bin_start=[0],
        time_bin_end=[1],
    )


@given(n=st.integers(2, 60), k=st.integers(2, 10), seed=st.integers(0, 5))
def test_a_partition(n, k, seed):
    if n < k:
        return
    folds = list(KFold(k, seed).split(stimuli(n)))
    assert len(folds) == k
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(n))
    for train, test in folds:
        assert sorted([*train, *test]) == list(range(n))
        assert len(test) in (n // k, -(-n // k))


def test_shuffled_by_the_seed():
    first, again, other = (next(iter(KFold(5, seed).split(stimuli(50))))[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, np.arange(10))


def test_fewer_stimuli_than_folds():
    with pytest.raises(ValueError, match="5 folds need at least 5 stimuli, got 4; ask for fewer"):
        list(KFold(5).split(stimuli(4)))


def test_one_fold():
    with pytest.raises(ValueError, match="n_splits must be at least 2, got 1"):
        KFold(1)
