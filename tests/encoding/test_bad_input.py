"""Data at the edge of what can be fitted: a score, or one sentence that says why there is none."""

import numpy as np
import pytest

from neurorec.encoding import (
    PLS,
    BandedRidge,
    Bootstrap,
    Ceiling,
    Factorised,
    Identity,
    KFold,
    OneToOne,
    RandomSplits,
    Ridge,
    SoftMatching,
    fit,
)

OPTIONS = {"splits": KFold(3), "bootstrap": Bootstrap(n_draws=20), "device": "cpu"}
READOUTS = [
    Ridge(),
    PLS(n_components=3),
    OneToOne(),
    SoftMatching(),
    BandedRidge(n_iter=3),
    Factorised(shape=(3, 2, 2), penalties=[1.0]),
    Identity(),
]
by_readout = pytest.mark.parametrize("readout", READOUTS, ids=lambda r: type(r).__name__)


@pytest.fixture
def pair(rng, make):
    """Three timesteps of 12 units, and as many neuroids, which follow the last two."""

    def pair(n=30, trials=1):
        x = rng.normal(size=(n, 12, 3))
        y = np.repeat(x[:, :, 1:], trials, axis=0)
        y = y + 0.5 * rng.normal(size=y.shape)
        names = [f"s{i:04d}" for i in range(n)]
        return make(x, name="u"), make(y, stimulus_id=np.repeat(names, trials).tolist())

    return pair


def finite(scores):
    """Whether every number is one, but for intervals over neuroids where there is one neuroid."""
    names = [name for name in scores if scores[name].dtype.kind == "f"]
    if scores.sizes["neuroid"] < 2:
        scores = scores.sel(resampled=["stimuli"])
    return all(np.isfinite(scores[name].values).all() for name in names)


@by_readout
def test_a_timestep_without_variance(pair, readout):
    features, responses = pair()
    features.values[:, :, 0] = 0.1
    scores = fit(features, responses, readout=readout, **OPTIONS)
    assert (scores["score"][:, :, 0] == 0).all()
    assert float(scores["score"][:, :, 1, 0].mean()) > 0.3
    assert finite(scores)


@by_readout
def test_one_unit_that_varies(pair, readout):
    features, responses = pair()
    features.values[:, 1:] = 0.5
    scores = fit(features, responses, readout=readout, **OPTIONS)
    assert float(scores["score"][:, 0, 1, 0].mean()) > 0.5
    assert finite(scores)


@by_readout
def test_one_neuroid_one_bin(pair, readout):
    features, responses = pair()
    one = slice(1) if not isinstance(readout, Identity) else slice(None)
    scores = fit(
        features.isel(time_bin=[1]),
        responses.isel(neuroid=one, time_bin=[0]),
        readout=readout,
        **OPTIONS,
    )
    assert scores["score"].sizes["time_bin"] == scores["score"].sizes["model_time"] == 1
    assert finite(scores)


def test_one_unit(pair):
    features, responses = pair()
    scores = fit(features.isel(neuroid=[0]), responses, **OPTIONS)
    assert float(scores["score"][:, 0, 1, 0].mean()) > 0.5
    assert finite(scores)


def test_missing_trials_count_by_neuroid(pair, rng):
    # Means over the trials that are there, by hand.
    features, responses = pair(trials=4)
    gone = rng.random((30, 4, 12)) < 0.3
    gone[:, :2] = False
    responses.values[gone.reshape(120, 12)] = np.nan
    means = responses[::4].copy(data=np.nanmean(responses.values.reshape(30, 4, 12, 2), axis=1))
    options = OPTIONS | {"ceiling": Ceiling(n_splits=5)}
    scores = fit(features, responses, **options)
    expected = fit(features, means, **OPTIONS)
    np.testing.assert_allclose(scores["score"], expected["score"], atol=1e-12)
    assert scores.attrs["n_repetitions"] == 4
    assert finite(scores)


def test_six_stimuli_in_two_folds(pair):
    scores = fit(*pair(n=6), **(OPTIONS | {"splits": KFold(2)}))
    assert np.isfinite(scores["score"]).all()


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (None, "5 folds need at least 5 stimuli, got 3"),
        (KFold(3), "at least 3 held-out stimuli, got 1 of 3"),
        (RandomSplits(), "at least 3 held-out stimuli, got 1 of 3"),
    ],
)
def test_three_stimuli(pair, splits, message):
    with pytest.raises(ValueError, match=message):
        fit(*pair(n=3), **(OPTIONS | {"splits": splits}))


def test_identifiers_that_are_numbers(pair):
    features, responses = pair()
    expected = fit(features, responses, **OPTIONS)["score"]
    numbered = [one.assign_coords(stimulus_id=("presentation", np.arange(30))) for one in pair()]
    scores = fit(
        features.assign_coords(stimulus_id=numbered[0]["stimulus_id"]),
        responses.assign_coords(stimulus_id=numbered[1]["stimulus_id"]),
        **OPTIONS,
    )
    np.testing.assert_allclose(scores["score"], expected, atol=1e-12)
    named = numbered[1].assign_coords(stimulus_id=("presentation", np.arange(30).astype(str)))
    with pytest.raises(ValueError, match=r"no stimulus_id: features have \[0, 1\].*\['0', '1'\]"):
        fit(numbered[0], named, **OPTIONS)


def test_a_neuroid_with_one_repetition(pair):
    features, responses = pair(trials=4)
    for trial in (1, 2, 3):
        responses.values[trial::4, 3] = np.nan
    with pytest.raises(ValueError, match=r"0 of 30 stimuli .* leave out neuroids that lack them"):
        fit(features, responses, **OPTIONS)


def test_nothing_selected(pair):
    features, responses = pair()
    for dim in ("neuroid", "time_bin"):
        with pytest.raises(ValueError, match="responses need presentations, neuroids"):
            fit(features, responses.isel({dim: []}), **OPTIONS)
        with pytest.raises(ValueError, match="features need presentations, units and timesteps"):
            fit(features.isel({dim: []}), responses, **OPTIONS)
