"""Sizes and durations in words change their unit where the larger one says more."""

import pytest

from neurorec._words import duration_in_words, size_in_words


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [
        (0, "0.0 MB"),
        (150_000, "0.1 MB"),
        (12_340_000, "12.3 MB"),
        (0.99e9, "990.0 MB"),
        (10**9, "1.0 GB"),
        (2.5e12, "2500.0 GB"),
    ],
)
def test_sizes(n_bytes, words):
    assert size_in_words(n_bytes) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 s"),
        (0.2, "1 s"),
        (89, "89 s"),
        (90, "2 min"),
        (600.0, "10 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (86_400, "24.0 h"),
    ],
)
def test_durations(seconds, words):
    assert duration_in_words(seconds) == words
