"""Inversions and tau-a: brute force, scipy, ties, weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from neurorec.geometry.inversions import inversions
from neurorec.geometry.kendall import dense_ranks, tau_a, weighted_tau_a
from neurorec.geometry.sorting import sorting_order


def brute_force(a, b):
    signs = np.sign(a[:, None] - a) * np.sign(b[:, None] - b)
    return signs.sum() / (len(a) * (len(a) - 1))


def test_known_sequences():
    sequences = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [1, 1, 1, 0]])
    assert inversions(sequences).tolist() == [0, 6, 2, 3]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 400),
    n_values=st.integers(1, 500),
    n_rows=st.integers(1, 3),
    seed=st.integers(0),
)
def test_inversions_of_sequences_with_ties(n, n_values, n_rows, seed):
    sequences = np.random.default_rng(seed).integers(n_values, size=(n_rows, n))
    expected = [np.triu(s[:, None] > s[None], 1).sum() for s in sequences]
    assert inversions(sequences).tolist() == expected


@pytest.mark.parametrize("n", [40_000, 100_000])
def test_long_sequences(n):
    """Longer than 16-bit integers, and with more blocks than a byte can name."""
    assert inversions(np.arange(n)[::-1][None]).tolist() == [n * (n - 1) // 2]
    rotated = np.roll(np.arange(n), 7)[None]  # the last 7 come first
    assert inversions(rotated).tolist() == [7 * (n - 7)]


def test_dense_ranks():
    values = np.array([[0.3, 0.1, 0.3, 0.2], [1.0, 1.0, 1.0, 1.0]])
    assert dense_ranks(values).tolist() == [[2, 0, 2, 1], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    "values",
    [
        [3.0, -1.5, np.inf, -np.inf, 0.5, -2.0, 1e-300, -1e-300],
        1 + 2.0**-52 * np.arange(40)[::-1],  # all in the bits that give way
        -1 - 2.0**-52 * np.arange(40),
        np.array([0.25, -0.75, 0.5], dtype=np.float32),
        [7.0],
    ],
)
def test_sorting_order(values):
    values = np.asarray(values)
    assert sorting_order(values).tolist() == np.argsort(values).tolist()


def test_zeros_of_either_sign_tie():
    assert dense_ranks(np.array([[0.0, 1.0, -0.0, -1.0, 0.0]])).tolist() == [[1, 2, 1, 0, 1]]


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (4, 5)])
def test_batches(rng, monkeypatch, shape):
    """Some rows with all others, or one row with some others."""
    monkeypatch.setattr("neurorec.geometry.discordance._BATCH", 3 * 200)
    a, b = (rng.random((n, 200)) for n in shape)
    expected = [[brute_force(x, y) for y in b] for x in a]
    np.testing.assert_allclose(tau_a(a, b), expected, atol=1e-14)


@pytest.mark.parametrize("n", [256, 40_000, 70_000])
def test_tau_a_of_long_vectors(n):
    """Beyond 16-bit ranks, what a byte can name, and what is exact in single precision."""
    entries = np.arange(n, dtype=float)
    a, b = np.stack([entries, -entries]), np.roll(entries, 7)[None]  # the last 7 come first
    expected = 1 - 4 * 7 * (n - 7) / (n * (n - 1))
    np.testing.assert_allclose(tau_a(a, b)[:, 0], [expected, -expected], atol=1e-15)
    assert tau_a(a, a).tolist() == [[1, -1], [-1, 1]]


@pytest.mark.parametrize("rounding", [None, 1])
def test_equals_brute_force(rng, rounding):
    a, b = rng.random((3, 70)), rng.random((4, 70))
    if rounding is not None:
        a, b = a.round(rounding), b.round(rounding)
    expected = [[brute_force(x, y) for y in b] for x in a]
    np.testing.assert_allclose(tau_a(a, b), expected, atol=1e-14)


def test_one_with_ties_and_one_without(rng):
    a, b = rng.random((2, 50)), np.repeat([[0.0, 1.0]], 25, axis=1)
    np.testing.assert_allclose(tau_a(a, b)[:, 0], [brute_force(x, b[0]) for x in a], atol=1e-14)


def test_equals_scipy_without_ties(rng):
    """Without ties tau-a is the tau-b that scipy gives."""
    a, b = rng.random((2, 500)), rng.random((2, 500))
    expected = [[kendalltau(x, y).statistic for y in b] for x in a]
    np.testing.assert_allclose(tau_a(a, b), expected, atol=1e-14)


def test_of_a_vector_with_itself(rng):
    a = rng.random((1, 30))
    assert tau_a(a, a)[0, 0] == 1
    assert tau_a(a, -a)[0, 0] == -1


@pytest.mark.parametrize("rounding", [None, 1])
def test_weights_are_repeated_entries(rng, rounding):
    a, b = rng.random((2, 25)), rng.random((3, 25))
    if rounding is not None:
        a, b = a.round(rounding), b.round(rounding)
    counts = rng.integers(0, 4, size=(5, 25))
    ours = weighted_tau_a(a, b, counts)
    for d, count in enumerate(counts):
        repeated = [[brute_force(np.repeat(x, count), np.repeat(y, count)) for y in b] for x in a]
        np.testing.assert_allclose(ours[d], repeated, atol=1e-14)
