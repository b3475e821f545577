"""Reliability and noise ceilings against known truth."""

import numpy as np
import pytest
import sklearn.model_selection

from neurorec.encoding import Ceiling, noise_ceiling, split_half_reliability
from neurorec.encoding.split_half import _divisions, _from_covariance, _from_halves, _means, _orders
from neurorec.encoding.trial_tables import tables
from neurorec.stats import pearson, spearman_brown


def trials(rng, make, *, n_stimuli, repetitions, noise_std, n_neuroids=2):
    """Gaussian trials with the given number of repetitions of each stimulus."""
    repetitions = np.broadcast_to(repetitions, (n_stimuli,))
    stimulus = np.repeat(np.arange(n_stimuli), repetitions)
    signal = rng.normal(size=(n_stimuli, n_neuroids, 1))
    noise = noise_std * rng.normal(size=(len(stimulus), n_neuroids, 1))
    return make(signal[stimulus] + noise, stimulus_id=[f"s{i}" for i in stimulus])


@pytest.mark.parametrize("noise_std", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("n_repetitions", [4, 5])
def test_known_answer(rng, make, noise_std, n_repetitions):
    n_stimuli = 5000
    responses = trials(
        rng, make, n_stimuli=n_stimuli, repetitions=n_repetitions, noise_std=noise_std
    )
    reliability = split_half_reliability(responses, n_splits=3).mean("split")
    expected = 1 / (1 + noise_std**2 / n_repetitions)
    # The standard error of a correlation over n samples is at most 1 / sqrt(n); the correction
    # multiplies it by its slope at 0, at most 5 / 2. Four standard errors:
    np.testing.assert_allclose(reliability, expected, atol=4 * 2.5 / np.sqrt(n_stimuli))


def test_unequal_repetitions_are_handled_by_count(rng, make):
    n_stimuli = 6000
    repetitions = rng.integers(2, 10, size=n_stimuli)
    responses = trials(rng, make, n_stimuli=n_stimuli, repetitions=repetitions, noise_std=2.0)
    reliability = split_half_reliability(responses, n_splits=5)
    expected = 1 / (1 + 4 * np.mean(1 / repetitions))
    atol = 4 * reliability.attrs["lengthening"] / np.sqrt(n_stimuli)
    np.testing.assert_allclose(reliability.mean("split"), expected, atol=atol)
    plain = split_half_reliability(responses, n_splits=5, corrected=False).mean("split")
    expected = 1 / (1 + 4 * np.mean(1 / (repetitions // 2)))
    np.testing.assert_allclose(plain, expected, atol=4 / np.sqrt(n_stimuli))


@pytest.mark.parametrize("n_repetitions", [2, 5, 8])
def test_halves_are_of_one_size_and_apart(make, n_repetitions):
    # The response to repetition k is 2 ** k for the first neuroid: a mean tells which were in it.
    values = np.tile(2.0 ** np.arange(n_repetitions), 4)[:, None, None]
    responses = make(values, stimulus_id=np.repeat([f"s{i}" for i in range(4)], n_repetitions))
    (table,) = tables(responses)
    divisions = _divisions(table, _orders([table], 60, 0))
    half = n_repetitions // 2
    left_out, different = set(), set()
    for sides in zip(*divisions[:2], strict=True):
        means = np.stack(_means(table.block(0, 1), *sides))[:, :, 0]
        assert (means == means[:, :1]).all()  # the same repetitions for every stimulus
        first, second = (round(mean * half) for mean in means[:, 0])
        assert first.bit_count() == second.bit_count() == half
        assert first & second == 0
        left_out.add(first | second)
        different.add(frozenset((first, second)))
    assert len(left_out) == (n_repetitions if n_repetitions % 2 else 1)
    assert len(different) == len(divisions.first) == divisions.which.max() + 1


@pytest.mark.parametrize("design", ["complete", "unequal", "missing"])
def test_divisions_are_correlations_of_their_halves(rng, make, design):
    repetitions = rng.integers(2, 7, size=40) if design == "unequal" else 5
    responses = trials(rng, make, n_stimuli=40, repetitions=repetitions, noise_std=1.0)
    responses = responses.isel(neuroid=[0, 1, 0, 1, 0])
    responses = responses.assign_coords(neuroid_id=("neuroid", list("abcde")))
    responses = responses.copy(data=responses.values * 3 + 100)
    if design == "missing":
        responses.values[:30:7, 1::2] = np.nan
        responses.values[40::9, 2] = np.nan
    splits = split_half_reliability(responses, n_splits=12, corrected=False)
    found = tables(responses)
    assert len(found) == (3 if design == "missing" else 1)
    for table in found:
        divisions = _divisions(table, _orders(found, 12, 0))
        for split, which in enumerate(divisions.which):
            a, b = (
                np.stack(
                    [
                        trial[chosen].mean(axis=0)
                        for trial, chosen in zip(table.values, side[which], strict=True)
                    ]
                )
                for side in divisions[:2]
            )
            np.testing.assert_allclose(splits[split, table.neuroids], pearson(a, b), atol=1e-12)


def test_both_ways_to_correlate_agree(rng, make):
    (table,) = tables(trials(rng, make, n_stimuli=30, repetitions=7, noise_std=1.0))
    divisions = _divisions(table, _orders([table], 20, 0))
    np.testing.assert_allclose(
        _from_covariance(table, divisions), _from_halves(table, divisions), atol=1e-12
    )


def test_correction_is_to_the_number_of_repetitions(rng, make):
    repetitions = np.array([2, 3, 5, 8])
    responses = trials(rng, make, n_stimuli=4, repetitions=repetitions, noise_std=0.1)
    plain = split_half_reliability(responses, n_splits=4, corrected=False)
    corrected = split_half_reliability(responses, n_splits=4)
    k = np.mean(1 / np.array([1, 1, 2, 4])) / np.mean(1 / repetitions)
    assert corrected.attrs["lengthening"] == pytest.approx(k)
    np.testing.assert_allclose(corrected, k * plain / (1 + (k - 1) * plain), atol=1e-12)


def test_missing_repetitions_of_some_neuroids(rng, make):
    n_stimuli, n_repetitions = 3000, 8
    responses = trials(
        rng, make, n_stimuli=n_stimuli, repetitions=n_repetitions, noise_std=2.0, n_neuroids=3
    )
    gone = responses["repetition"].values >= 4  # of the second neuroid half, of the third none
    responses.values[gone, 1] = np.nan
    reliability = split_half_reliability(responses, n_splits=5).mean("split").values[:, 0]
    expected = 1 / (1 + 4 / np.array([8, 4, 8]))
    np.testing.assert_allclose(reliability, expected, atol=4 * 2 / np.sqrt(n_stimuli))


def test_stimuli_with_one_repetition_are_left_out_and_counted(rng, make):
    repetitions = np.repeat([1, 4], 20)
    responses = trials(rng, make, n_stimuli=40, repetitions=repetitions, noise_std=1.0)
    result = split_half_reliability(responses, n_splits=2)
    assert result.attrs["n_stimuli"] == 20
    assert result.attrs["n_stimuli_left_out"] == 20


def test_a_drift_between_repetitions_cancels(rng, make):
    # Each repetition is shifted by as much as the signal varies, so halves that mixed repetitions
    # differently for each stimulus would correlate at 1 / (1 + 1 / 4) or less.
    signal = rng.normal(size=(200, 1, 1))
    stimulus, repetition = np.repeat(np.arange(200), 8), np.tile(np.arange(8), 200)
    drift = rng.permutation(np.linspace(-2, 2, 8))[repetition]
    responses = make(
        signal[stimulus] + drift[:, None, None], [f"s{i}" for i in stimulus], repetition
    )
    assert split_half_reliability(responses, n_splits=10).values.min() > 1 - 1e-12


def test_repetitions_that_share_a_number_are_still_divided_at_random(rng, make):
    responses = trials(rng, make, n_stimuli=300, repetitions=6, noise_std=1.0)
    flat = responses.assign_coords(repetition=("presentation", np.zeros(1800, dtype=int)))
    splits = split_half_reliability(flat, n_splits=10)
    # Six repetitions have ten divisions, of which ten draws find at least three.
    assert len(np.unique(splits.values[:, 0, 0])) >= 3
    np.testing.assert_array_equal(splits, split_half_reliability(responses, n_splits=10))


def test_order_of_presentations_does_not_matter(rng, make):
    responses = trials(rng, make, n_stimuli=50, repetitions=6, noise_std=1.0)
    again = responses.isel(presentation=rng.permutation(300))
    again = again.sortby("repetition")  # stimuli now follow one another within a repetition
    np.testing.assert_allclose(
        split_half_reliability(responses, n_splits=4).mean("split"),
        split_half_reliability(again, n_splits=4).mean("split"),
        atol=1e-12,
    )


def test_seed(rng, make):
    responses = trials(rng, make, n_stimuli=50, repetitions=6, noise_std=1.0)
    one, two, other = (split_half_reliability(responses, n_splits=2, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_the_first_splits_do_not_depend_on_how_many_follow(rng, make):
    responses = trials(rng, make, n_stimuli=20, repetitions=7, noise_std=1.0)
    many = split_half_reliability(responses, n_splits=30)
    np.testing.assert_array_equal(many[:10], split_half_reliability(responses, n_splits=10))


def test_convention_and_coordinates(rng, make):
    responses = trials(rng, make, n_stimuli=9, repetitions=4, noise_std=1.0)
    result = split_half_reliability(responses, n_splits=7)
    assert result.dims == ("split", "neuroid", "time_bin")
    assert result.shape == (7, 2, 1)
    assert "Spearman-Brown corrected" in result.attrs["convention"]
    assert result.attrs["lengthening"] == 2.0
    assert result["neuroid_id"].values.tolist() == ["n0", "n1"]
    plain = split_half_reliability(responses, n_splits=1, corrected=False)
    assert "not corrected" in plain.attrs["convention"]


def test_ceiling_is_the_root_and_flags_noise(rng, make):
    responses = trials(rng, make, n_stimuli=400, repetitions=4, noise_std=1.0)
    responses.values[:, 1] = rng.normal(size=(1600, 1))
    responses.values[:, 1] += 10  # noise around a mean
    ceiling = noise_ceiling(responses, ceiling=Ceiling(n_splits=20, min_reliability=0.3))
    assert ceiling["reliable"].values.tolist() == [[True], [False]]
    assert float(ceiling["ceiling"][0, 0]) == pytest.approx(
        np.sqrt(float(ceiling["reliability"][0, 0]))
    )
    assert ceiling["reliable"].attrs["rule"] == "reliability of at least 0.3"


def test_a_constant_neuroid_has_no_reliability_and_no_nan(rng, make):
    responses = trials(rng, make, n_stimuli=20, repetitions=4, noise_std=1.0)
    responses.values[:, 1] = 0.1
    ceiling = noise_ceiling(responses)
    assert float(ceiling["reliability"][1, 0]) == 0
    assert float(ceiling["ceiling"][1, 0]) == 0


def test_single_repetitions(rng, make):
    responses = trials(rng, make, n_stimuli=9, repetitions=1, noise_std=1.0)
    with pytest.raises(ValueError, match=r"at least 2 repetitions, got 0 of 9 .* at most 1 rep"):
        split_half_reliability(responses)


def test_too_few_splits():
    with pytest.raises(ValueError, match="n_splits must be at least 1, got 0"):
        Ceiling(n_splits=0)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_minimum_out_of_range(value):
    with pytest.raises(ValueError, match="min_reliability must lie between 0 and 1"):
        Ceiling(min_reliability=value)


def test_unknown_method():
    with pytest.raises(ValueError, match=r"method must be one of .*'explainable_variance'"):
        Ceiling(method="anova")


@pytest.fixture
def brainscore_halves(rng, make):
    """Single trials, also as Brain-Score takes them, and the halves that it makes of them."""
    pytest.importorskip("brainscore_vision", reason="brainscore-vision is not part of this stack")
    from neurorec.brainscore import to_brainio

    def brainscore_halves(n_repetitions):
        responses = trials(
            rng, make, n_stimuli=40, repetitions=n_repetitions, noise_std=1.0, n_neuroids=4
        )
        (table,) = tables(responses)
        shuffle = sklearn.model_selection.ShuffleSplit(10, train_size=0.5, random_state=1)
        halves = []
        for sides in shuffle.split(np.arange(n_repetitions)):
            means = (table.values[:, side].mean(axis=1)[:, :, 0] for side in sides)
            halves.append(pearson(*means))
        return responses, to_brainio(responses), np.array(halves)

    return brainscore_halves


# Brain-Score's metrics rely on calls that newer pandas and numpy warn about.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n_repetitions", [2, 4, 5])
def test_internal_consistency_of_brain_score(brainscore_halves, n_repetitions):
    """Equal on the same halves. Their conventions differ from ours in three ways.

    They correct by a factor of 2 also where a half of an odd number has one repetition more, ours
    leaves one out and corrects to the whole; their formula is not sign-symmetric below 0; they
    report the reliability and not its root.
    """
    from brainscore_vision import load_ceiling

    responses, theirs, halves = brainscore_halves(n_repetitions)
    flat = theirs.isel(time_bin=0, drop=True)
    score = load_ceiling("internal_consistency")(flat)
    raw = score.attrs["raw"].transpose("split", "neuroid").values
    np.testing.assert_allclose(2 * halves / (1 + halves), raw, atol=1e-12)
    ours = split_half_reliability(responses, n_splits=10).values[:, :, 0]
    if n_repetitions == 2:  # one division
        np.testing.assert_allclose(ours, raw, atol=1e-12)
    if n_repetitions == 4:  # three, of which ten draws have each
        for neuroid in range(4):
            values = [np.unique(splits[:, neuroid].round(10)) for splits in (ours, raw)]
            assert len(values[0]) == 3
            np.testing.assert_allclose(*values, atol=2e-10)
        np.testing.assert_array_equal(spearman_brown(halves) > 0, raw > 0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_internal_consistency_over_time_of_brain_score(rng, make):
    pytest.importorskip("brainscore_vision", reason="brainscore-vision is not part of this stack")
    import joblib
    from brainscore_vision import load_metric

    from neurorec.brainscore import to_brainio

    stimulus = np.repeat([f"s{i:02d}" for i in range(30)], 2)
    signal = np.repeat(rng.normal(size=(30, 5, 3)), 2, axis=0)
    responses = make(signal + rng.normal(size=(60, 5, 3)), stimulus_id=stimulus)
    with joblib.parallel_config("sequential"):
        theirs = load_metric("internal_consistency_temporal")(to_brainio(responses))
    ours = split_half_reliability(responses, n_splits=1)[0].median("neuroid")
    np.testing.assert_allclose(np.ravel(theirs), ours, atol=1e-12)
