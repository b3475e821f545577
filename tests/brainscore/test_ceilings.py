"""The ceiling of split halves against brainscore-vision's."""

import warnings

import joblib
import numpy as np
import pytest

pytest.importorskip("brainscore_vision", reason="brainscore-vision is not part of this stack")

from neurorec import assemblies
from neurorec.brainscore import ceilings, internal_consistency, to_brainio


def trials(rng, n_stimuli, n_repetitions, n_neuroids, n_bins):
    signal = rng.normal(size=(n_stimuli, 1, n_neuroids, n_bins))
    noise = rng.normal(size=(n_stimuli, n_repetitions, n_neuroids, n_bins))
    return assemblies.build(
        (signal + noise).reshape(-1, n_neuroids, n_bins),
        presentation={
            "stimulus_id": np.repeat([f"s{i:03d}" for i in range(n_stimuli)], n_repetitions),
            "repetition": np.tile(np.arange(n_repetitions), n_stimuli),
        },
        neuroid={
            "neuroid_id": [f"n{j}" for j in range(n_neuroids)],
            "region": ["IT"] * n_neuroids,
        },
        time_bin_start=10.0 * np.arange(n_bins),
        time_bin_end=10.0 * np.arange(1, n_bins + 1),
    )


def theirs(assembly, name="internal_consistency"):
    from brainscore_vision import load_ceiling

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, of deprecated calls
        return load_ceiling(name)(assembly)


@pytest.mark.slow
@pytest.mark.parametrize("n_repetitions", [2, 5])
def test_the_ceiling_of_brainscore(rng, n_repetitions):
    responses = trials(rng, 20, n_repetitions, 6, 1)
    expected = theirs(to_brainio(responses).isel(time_bin=0, drop=True))
    ceiling = internal_consistency(responses)
    # The same sums in another order.
    assert float(ceiling) == pytest.approx(float(expected), abs=1e-12)
    assert float(ceiling.attrs["error"]) == pytest.approx(float(expected.attrs["error"]), abs=1e-12)
    np.testing.assert_allclose(
        ceiling.attrs["raw"].values,
        expected.attrs["raw"].transpose("split", "neuroid").values,
        atol=1e-12,
    )


@pytest.mark.slow
def test_every_time_bin(rng):
    responses = trials(rng, 15, 4, 5, 3)
    ceiling = internal_consistency(responses)
    with joblib.parallel_backend("sequential"):
        expected = theirs(to_brainio(responses), "internal_consistency_temporal")
    assert ceiling.dims == expected.dims == ("time_bin",)
    np.testing.assert_allclose(ceiling.values, expected.values, atol=1e-12)
    raw = expected.attrs["raw"].transpose("split", "neuroid", "time_bin")
    np.testing.assert_allclose(ceiling.attrs["raw"].values, raw.values, atol=1e-12)


def test_trials_are_taken_in_parts(rng, monkeypatch):
    responses = trials(rng, 20, 4, 7, 3)
    whole = internal_consistency(responses)
    for neuroids in (1, 3):
        monkeypatch.setattr(ceilings, "_BLOCK", responses.sizes["presentation"] * 3 * neuroids)
        parts = internal_consistency(responses)
        np.testing.assert_array_equal(parts.attrs["raw"].values, whole.attrs["raw"].values)


def test_known_reliability(rng):
    responses = trials(rng, 3000, 8, 5, 1)
    # Signal and noise of one trial have variance one: reliability of 8 trials is 8 / 9. A standard
    # error of r over n stimuli is at most (1 - r^2) / sqrt(n) < 0.01; five of them.
    assert float(internal_consistency(responses)) == pytest.approx(8 / 9, abs=0.05)


def test_missing_repetitions(rng):
    whole = trials(rng, 30, 4, 3, 1)
    gone = (whole["stimulus_id"].values == "s000") & (whole["repetition"].values > 0)
    ceiling = internal_consistency(whole.isel(presentation=np.flatnonzero(~gone)))
    without = whole.isel(presentation=np.flatnonzero(whole["stimulus_id"].values != "s000"))
    assert float(ceiling) == pytest.approx(float(internal_consistency(without)), abs=1e-12)


def test_one_repetition(rng):
    with pytest.raises(ValueError, match="at least 2 repetitions, got 1"):
        internal_consistency(trials(rng, 10, 1, 3, 1))


def test_repetitions_that_are_numbered_through(rng):
    responses = trials(rng, 4, 2, 3, 1)
    numbered = responses.assign_coords(repetition=("presentation", np.arange(8)))
    with pytest.raises(ValueError, match="at least 3 are needed; number the repetitions"):
        internal_consistency(numbered)
