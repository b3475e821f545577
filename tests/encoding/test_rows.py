"""Trials of a model: means, halves, and how reliable predictions from them are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorec.encoding import Bootstrap, Identity, KFold, Ridge, fit
from neurorec.populations.rows import rows_of
from neurorec.stats import pearson, spearman_brown

IDENTIFIERS = np.array(["b", "a", "b", "c", "a", "b", "a", "c", "x"])
REPETITIONS = np.array([0, 1, 2, 0, 0, 1, 2, 1, 0])
STIMULI = np.array(["a", "b", "c"])


def values(rng):
    return rng.normal(size=(9, 2, 1))


def test_means_over_trials(rng):
    x = values(rng)
    rows = rows_of(IDENTIFIERS, REPETITIONS, STIMULI, halves=False)
    expected = np.stack([x[IDENTIFIERS == s].mean(axis=0) for s in STIMULI])
    np.testing.assert_allclose(rows.mean(x), expected, atol=1e-12)
    assert rows.n_trials == (2, 3)
    assert rows.of(np.array([2, 0])).tolist() == [2, 0]


def test_halves_are_apart_and_of_one_size(rng):
    rows = rows_of(IDENTIFIERS, REPETITIONS, STIMULI)
    assert rows.has_halves
    (_, first), (one, starts), (other, _) = rows.groups
    assert not set(one) & set(other)
    assert len(one) == len(other) == 3
    assert IDENTIFIERS[one[starts]].tolist() == ["a", "b", "c"]
    assert rows.of(np.array([1])).tolist() == [1, 4, 7]
    assert rows.mean(values(rng)).shape == (9, 2, 1)
    assert first.tolist() == [0, 3, 6]


def test_halves_are_drawn():
    shown, numbers = np.full(8, "a"), np.arange(8)
    halves = [rows_of(shown, numbers, np.array(["a"]), seed=seed).groups[1][0] for seed in (0, 1)]
    assert len({frozenset(half.tolist()) for half in (*halves, numbers[:4], numbers[4:])}) == 4


@pytest.mark.parametrize(
    ("trials", "expected"),
    # Noise of a half over that of all: 1/floor(n/2) over 1/n, each the mean over stimuli.
    [([2, 2], 2), ([3, 3], 3), ([5, 5], 2.5), ([2, 3], 1 / (5 / 12)), ([4, 2], 0.75 / 0.375)],
)
def test_lengthening(trials, expected):
    shown = np.repeat(["a", "b"], trials)
    rows = rows_of(shown, np.arange(len(shown)), np.array(["a", "b"]))
    assert rows.lengthening == pytest.approx(expected)


def test_first_repetitions(rng):
    x = values(rng)
    rows = rows_of(IDENTIFIERS, REPETITIONS, STIMULI, n_trials=1)
    expected = np.stack([x[(IDENTIFIERS == s) & (REPETITIONS == 0)][0] for s in STIMULI])
    np.testing.assert_array_equal(rows.mean(x), expected)
    assert not rows.has_halves


@pytest.mark.parametrize("n_trials", [0, 3])
def test_more_trials_than_there_are(n_trials):
    with pytest.raises(ValueError, match=f"{n_trials} model trials were asked for, a stimulus has"):
        rows_of(IDENTIFIERS, REPETITIONS, STIMULI, n_trials=n_trials)


@given(st.integers(0, 2**32 - 1))
def test_any_order_of_presentations(seed):
    rng = np.random.default_rng(seed)
    x, order = values(rng), rng.permutation(9)
    expected = rows_of(IDENTIFIERS, REPETITIONS, STIMULI).mean(x)
    moved = rows_of(IDENTIFIERS[order], REPETITIONS[order], STIMULI).mean(x[order])
    np.testing.assert_allclose(moved, expected, atol=1e-12)


@pytest.fixture
def stochastic(rng, make):
    """A model with noise of its own, and neurons that follow its mean."""

    def stochastic(trials, noise, n=400, p=6, monkey_trials=4):
        mean = rng.normal(size=(n, p))
        stimulus = np.repeat(np.arange(n), trials)
        x = mean[stimulus] + noise * rng.normal(size=(n * trials, p))
        shown = np.repeat(np.arange(n), monkey_trials)
        y = (mean @ rng.normal(size=(p, 20)))[shown]
        y = y + 0.5 * y.std() * rng.normal(size=y.shape)
        names = np.array([f"s{i:04d}" for i in range(n)])
        return (
            make(x[:, :, None], stimulus_id=names[stimulus], name="u"),
            make(y[:, :, None], stimulus_id=names[shown]),
        )

    return stochastic


PLAIN = {"readout": Ridge(penalties=[1e-3]), "bootstrap": Bootstrap(n_draws=0)}


@pytest.mark.parametrize("trials", [2, 4, 8])
def test_reliability_of_predictions(stochastic, trials):
    # Features of signal 1 and noise 1/trials: predictions are linear in them.
    features, responses = stochastic(trials, noise=1.0)
    scores = fit(features, responses, **PLAIN)
    expected = trials / (trials + 1)
    # 400 stimuli in 5 folds, 20 neurons of one 6-dimensional code: the standard error of a
    # correlation over 400 is at most 0.05, the correction multiplies it by at most 2.
    assert float(scores["prediction_reliability"].mean()) == pytest.approx(expected, abs=0.1)
    corrected = scores["score"].mean("split") / np.sqrt(
        scores["reliability"] * scores["prediction_reliability"]
    )
    np.testing.assert_allclose(
        scores["noise_corrected"], corrected.transpose(*scores["noise_corrected"].dims), atol=1e-12
    )
    # A square is of a correlation with both; the errors of R² are those of the responses alone.
    responses_alone = scores["reliability"].expand_dims("model_time", axis=1)
    both = responses_alone * scores["prediction_reliability"]
    for name, limit in (("r_squared", both), ("determination", responses_alone)):
        expected = scores[name].mean("split") / limit
        np.testing.assert_allclose(scores[f"noise_corrected_{name}"], expected, atol=1e-12)
    assert scores.attrs["n_model_trials"] == trials


def test_reliability_of_predictions_by_hand(rng, make):
    shown = np.repeat([f"s{i:02d}" for i in range(30)], 4)
    features = make(rng.normal(size=(120, 2, 1)), stimulus_id=shown, name="u")
    responses = make(rng.normal(size=(30, 2, 1)), stimulus_id=shown[::4])
    ours = fit(features, responses, **(PLAIN | {"readout": Identity(), "splits": KFold(3)}))
    rows = rows_of(shown, features["repetition"].values, shown[::4])
    _, one, other = np.split(rows.mean(features.values), 3)
    folds = [test for _, test in KFold(3).split(responses)]
    expected = np.mean([spearman_brown(pearson(one[t], other[t])) for t in folds], axis=0)
    found = ours["prediction_reliability"].isel(model_time=0)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_floor_of_predictions(stochastic, rng):
    # Predictions from noise have no reliability, and nothing is divided by it.
    features, responses = stochastic(2, noise=1.0, n=60)
    features = features.copy(data=rng.normal(size=features.shape))
    scores = fit(features, responses, **PLAIN)
    assert float(scores["prediction_reliability"].min()) < 0.1
    floored = scores["reliability"].clip(min=0.1) * scores["prediction_reliability"].clip(min=0.1)
    expected = scores["score"].mean("split") / np.sqrt(floored)
    expected = expected.transpose(*scores["noise_corrected"].dims)
    np.testing.assert_allclose(scores["noise_corrected"], expected, atol=1e-12)


def test_an_odd_number_of_trials(stochastic):
    # Halves of one trial each say how reliable three are; as if of two it would be 2/3.
    features, responses = stochastic(3, noise=1.0, n=1500)
    reliability = fit(features, responses, **PLAIN)["prediction_reliability"]
    # As above, with 1500 stimuli in 5 folds: a standard error of 0.01.
    assert float(reliability.mean()) == pytest.approx(3 / 4, abs=0.03)


def test_corrected_scores_do_not_depend_on_the_number_of_trials(stochastic):
    features, responses = stochastic(8, noise=1.0, n=1500)
    medians = [
        float(fit(features, responses, model_trials=n, **PLAIN)["noise_corrected"].median())
        for n in (2, 8)
    ]
    # Both reach the ceiling, up to the errors above with 1500 stimuli.
    assert medians == pytest.approx([1, 1], abs=0.05)
    raw = [
        float(fit(features, responses, model_trials=n, **PLAIN)["score"].median()) for n in (2, 8)
    ]
    assert raw[0] < raw[1] - 0.05


def test_as_many_trials_as_the_monkey(stochastic):
    features, responses = stochastic(8, noise=1.0, n=60)
    matched = fit(features, responses, model_trials="matched", **PLAIN)
    assert matched.attrs["n_model_trials"] == 4
    given_ = fit(features, responses, model_trials=4, **PLAIN)
    np.testing.assert_array_equal(matched["score"], given_["score"])


def test_missing_trials_of_the_monkey_are_not_counted(stochastic):
    features, responses = stochastic(8, noise=1.0, n=60)
    responses.values[responses["repetition"].values > 1] = np.nan
    assert fit(features, responses, model_trials="matched", **PLAIN).attrs["n_model_trials"] == 2


def test_a_deterministic_model_has_no_reliability(stochastic):
    features, responses = stochastic(1, noise=0.0, n=60)
    assert "prediction_reliability" not in fit(features, responses, **PLAIN)
    with pytest.raises(ValueError, match="4 model trials were asked for, a stimulus has 1"):
        fit(features, responses, model_trials="matched", **PLAIN)
    with pytest.raises(ValueError, match='model_trials must be a number, "matched" or None'):
        fit(features, responses, model_trials="some", **PLAIN)
