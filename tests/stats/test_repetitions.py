"""Presentations by stimulus."""

import numpy as np
import pytest

from neurorec.assemblies import average_repetitions, build
from neurorec.stats import by_stimulus


def trials(values, stimuli, repetition=None):
    values = np.asarray(values, dtype=float)
    n = values.shape[1]
    return build(
        values,
        presentation={
            "stimulus_id": stimuli,
            "repetition": np.zeros(len(stimuli), dtype=int) if repetition is None else repetition,
        },
        neuroid={"neuroid_id": [f"n{i}" for i in range(n)], "region": ["IT"] * n},
        time_bin_start=10.0 * np.arange(values.shape[2]),
        time_bin_end=10.0 * np.arange(1, values.shape[2] + 1),
    )


def test_known_answer_with_a_missing_repetition():
    values = np.array([[1.0, 5.0], [10.0, 2.0], [3.0, np.nan], [20.0, 4.0], [5.0, 7.0]])[:, :, None]
    grouped = by_stimulus(trials(values, ["b", "a", "b", "a", "b"]))
    assert grouped.stimulus_ids.tolist() == ["b", "a"]
    assert grouped.counts().tolist() == [[3, 2], [2, 2]]
    np.testing.assert_array_equal(grouped.means()[:, :, 0], [[3.0, 6.0], [15.0, 3.0]])
    # Variances: {1, 3, 5}: 4; {5, 7}: 2; {10, 20}: 50; {2, 4}: 2.
    np.testing.assert_allclose(grouped.variances()[:, :, 0], [[4.0, 2.0], [50.0, 2.0]])
    assert np.isnan(grouped.residuals()[2, 1, 0])
    assert grouped.residuals()[4, 0, 0] == 2.0


def test_nan_in_one_time_bin_drops_the_presentation():
    values = np.array([[[1.0, np.nan]], [[3.0, 4.0]]])
    grouped = by_stimulus(trials(values, ["a", "a"]))
    np.testing.assert_array_equal(grouped.means(), [[[3.0, 4.0]]])


def test_one_repetition_has_no_variance():
    grouped = by_stimulus(trials(np.ones((1, 1, 1)), ["a"]))
    assert np.isnan(grouped.variances()).all()


def test_agrees_with_average_repetitions(rng):
    assembly = trials(rng.normal(size=(40, 3, 2)), rng.integers(0, 9, size=40).astype(str))
    expected = average_repetitions(assembly)
    grouped = by_stimulus(assembly)
    assert grouped.stimulus_ids.tolist() == expected["stimulus_id"].values.tolist()
    np.testing.assert_allclose(grouped.means(), expected.values, rtol=0, atol=1e-14)
    assert grouped.counts()[:, 0].tolist() == expected["n_repetitions"].values.tolist()


def test_no_response_at_all():
    values = np.array([[1.0, np.nan], [2.0, 3.0]])[:, :, None]
    with pytest.raises(ValueError, match=r"1 pairs of neuroid and stimulus .* number 1 at .*'a'"):
        by_stimulus(trials(values, ["a", "b"])).means()


def test_infinite():
    with pytest.raises(ValueError, match="infinite values; mark missing repetitions with NaN"):
        by_stimulus(trials(np.full((1, 1, 1), np.inf), ["a"]))
