"""Scores of held-out and of resampled stimuli."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from neurorec.encoding.scores import held_out_scores, resampled_scores
from neurorec.stats import pearson


@pytest.fixture
def pair(rng):
    y = rng.normal(size=(40, 7)) * np.geomspace(1e-3, 1e3, 7) + 10
    return 0.5 * y + rng.normal(size=y.shape) * y.std(axis=0), y


def drawn(p, y, weights):
    scores = resampled_scores(torch.from_numpy(p), torch.from_numpy(y), torch.from_numpy(weights))
    return scores.r.numpy(), scores.determination.numpy()


def test_scores_of_scikit_learn(pair):
    p, y = pair
    scores = held_out_scores(p, y)
    expected = r2_score(y, p, multioutput="raw_values")
    np.testing.assert_allclose(scores.determination, expected, rtol=1e-12)
    np.testing.assert_allclose(scores.r, pearson(p, y), rtol=1e-12)


def test_known_answers():
    y = np.array([[1.0], [2.0], [3.0]])
    assert held_out_scores(y, y).determination == pytest.approx([1.0])
    assert held_out_scores(np.full_like(y, 2.0), y).determination == pytest.approx([0.0])
    assert held_out_scores(y[::-1].copy(), y).determination == pytest.approx([-3.0])


def test_responses_that_do_not_vary_score_nothing():
    y = np.full((4, 1), 0.1)
    scores = held_out_scores(np.arange(4.0)[:, None], y)
    assert (scores.r, scores.determination) == (0, 0)


def test_weights_are_stimuli_that_are_there_several_times(pair, rng):
    p, y = pair
    weights = rng.multinomial(40, np.full(40, 1 / 40), size=20).astype(np.float32)
    r, determination = drawn(p, y, weights)
    for i, row in enumerate(weights.astype(int)):
        again = np.repeat(np.arange(40), row)
        expected = held_out_scores(p[again], y[again])
        # Sums in float32 of 40 numbers of size 1, over variances of at least 0.1.
        np.testing.assert_allclose(r[i], expected.r, atol=1e-5)
        np.testing.assert_allclose(determination[i], expected.determination, rtol=1e-4, atol=1e-5)


def test_batches_of_targets(pair, monkeypatch):
    p, y = pair
    weights = np.ones((3, 40), dtype=np.float32)
    whole = drawn(p, y, weights)
    monkeypatch.setattr("neurorec.encoding.scores._BATCH", 6)
    np.testing.assert_allclose(drawn(p, y, weights), whole, atol=1e-5)


def test_draws_without_variance():
    y = np.array([[1.0, 5.0], [1.0, 5.0], [2.0, 5.0]])
    p = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    weights = np.array([[2, 1, 0], [0, 0, 3], [0, 0, 0]], dtype=np.float32)
    r, determination = drawn(p, y, weights)
    # Two of three stimuli with the same response, one stimulus alone, none at all.
    assert (r == 0).all()
    assert (determination == 0).all()


def test_a_constant_whose_mean_is_rounded():
    # 0.1 + 0.1 + 0.1 is not 0.3: deviations from the mean are 1e-17, and no variance.
    constant, varied = np.full((3, 1), 0.1), np.array([[1.0], [3.0], [2.0]])
    weights = np.array([[1, 1, 1], [2, 1, 0]], dtype=np.float32)
    assert (drawn(varied, constant, weights)[0] == 0).all()
    assert (drawn(varied, constant, weights)[1] == 0).all()
    assert (drawn(constant, varied, weights)[0] == 0).all()


def test_a_draw_in_which_predictions_do_not_vary():
    p, y = np.array([[1.0], [1.0], [2.0]]), np.array([[1.0], [3.0], [2.0]])
    r, determination = drawn(p, y, np.array([[2, 1, 0]], dtype=np.float32))
    assert r.item() == 0
    # Responses 1, 1, 3 of mean 5/3: errors 0, 0, 4 over deviations 4/9, 4/9, 16/9.
    assert determination.item() == pytest.approx(1 - 4 / (24 / 9), abs=1e-5)


def test_r_is_at_most_one(pair, rng):
    _, y = pair
    weights = rng.multinomial(40, np.full(40, 1 / 40), size=200).astype(np.float32)
    r, _ = drawn(y, y, weights)
    assert (r <= 1).all()
    np.testing.assert_allclose(r, 1, atol=1e-5)


@given(scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
def test_r_does_not_see_scale_and_shift(scale, shift):
    rng = np.random.default_rng(0)
    y = rng.normal(size=(30, 3))
    p = y + rng.normal(size=y.shape)
    expected = held_out_scores(p, y)
    moved = held_out_scores(scale * p + shift, scale * y + shift)
    np.testing.assert_allclose(moved.r, expected.r, atol=1e-10)
    np.testing.assert_allclose(moved.determination, expected.determination, atol=1e-9)
