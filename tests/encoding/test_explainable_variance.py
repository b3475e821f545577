"""The ceiling from an analysis of variance."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec.encoding import Ceiling, explainable_variance, noise_ceiling


def stimuli_of(repetitions):
    """Identifiers of the stimuli of single trials."""
    return np.repeat([f"s{i:05d}" for i in range(len(repetitions))], repetitions)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(3, 12), r=st.integers(2, 6), seed=st.integers(0, 1000))
def test_analysis_of_variance_of_scipy(make_once, n, r, seed):
    values = np.random.default_rng(seed).normal(size=(n * r, 2, 2))
    f, _ = scipy.stats.f_oneway(*values.reshape(n, r, 2, 2), axis=0)
    share = explainable_variance(make_once(values, stimuli_of([r] * n)))
    np.testing.assert_allclose(share, 1 - 1 / f, rtol=1e-9, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    repetitions=st.lists(st.integers(1, 5), min_size=3, max_size=9),
    scale=st.floats(0.01, 100),
    shift=st.floats(-100, 100),
    seed=st.integers(0, 1000),
)
def test_bounded_and_blind_to_units(make_once, repetitions, scale, shift, seed):
    repetitions = [2, 2, 2, *repetitions]
    values = np.random.default_rng(seed).normal(size=(sum(repetitions), 1, 1))
    share = explainable_variance(make_once(values, stimuli_of(repetitions))).values
    again = explainable_variance(make_once(scale * values + shift, stimuli_of(repetitions)))
    assert share <= 1
    # Adding the shift rounds to 1e-14, which is 1e-12 of the least spread.
    np.testing.assert_allclose(again, share, atol=1e-9 * (1 + abs(float(share[0, 0]))))


@pytest.fixture(scope="module")
def make_once():
    """The labelling of ``make``, which hypothesis may call many times."""
    from neurorec.assemblies import build

    def make_once(values, stimulus_id):
        _, n_neuroids, n_bins = values.shape
        return build(
            values,
            presentation={"stimulus_id": stimulus_id, "repetition": np.arange(len(values))},
            neuroid={
                "neuroid_id": [f"n{i}" for i in range(n_neuroids)],
                "region": ["V4"] * n_neuroids,
            },
            time_bin_start=np.arange(n_bins),
            time_bin_end=np.arange(n_bins) + 1,
        )

    return make_once


def test_formula_with_unequal_and_missing_repetitions(rng, make):
    repetitions = rng.integers(1, 6, size=30)
    stimulus = stimuli_of(repetitions)
    responses = make(rng.normal(size=(len(stimulus), 3, 2)), stimulus_id=stimulus)
    responses.values[stimulus == "s00003", 1] = np.nan
    responses.values[::11, 2] = np.nan
    shares = explainable_variance(responses)
    gone = [
        name
        for name in np.unique(stimulus)
        if np.isnan(responses.values[stimulus == name, :, 0]).all(axis=0).any()
    ]
    assert shares.attrs["n_stimuli_left_out"] == len(gone) > 0
    for neuroid in range(3):
        means, noise, alone = [], [], []
        for name in sorted(set(stimulus) - set(gone)):
            trials = responses.values[stimulus == name, neuroid]
            trials = trials[~np.isnan(trials[:, 0])]
            means.append(trials.mean(axis=0))
            if len(trials) > 1:
                noise.append((trials.var(axis=0, ddof=1), len(trials)))
            else:
                alone.append(name)
        variances = np.array([v for v, _ in noise])
        counts = np.array([n for _, n in noise])
        total = (variances / counts[:, None]).sum(axis=0) + len(alone) * variances.mean(axis=0)
        expected = 1 - total / len(means) / np.var(means, axis=0, ddof=1)
        np.testing.assert_allclose(shares[neuroid], expected, atol=1e-12)


@pytest.mark.parametrize("repetitions", [(2, 2), (5, 5), (1, 9)])
@pytest.mark.parametrize("noise", ["gaussian", "poisson"])
def test_numerator_and_denominator_are_unbiased(make_once, repetitions, noise):
    # Few stimuli with few repetitions, very often: the mean of Var(m) times the share is the
    # variance of the signal.
    rng = np.random.default_rng(4)
    n_stimuli, n_worlds = 8, 4000
    counts = np.append([2, 2, 2], rng.integers(*repetitions, size=n_stimuli - 3, endpoint=True))
    stimulus = stimuli_of(counts)
    groups = np.unique(stimulus, return_inverse=True)[1]
    rates = rng.uniform(2, 9, size=n_stimuli)
    mean = np.broadcast_to(rates[groups][:, None], (len(stimulus), n_worlds))
    if noise == "poisson":
        if min(repetitions) == 1:
            return  # the noise of single repetitions is then another than that of the others
        values = rng.poisson(mean).astype(float)
    else:
        values = mean + 2 * rng.normal(size=mean.shape)
    share = explainable_variance(make_once(values[:, :, None], stimulus)).values[:, 0]
    means = np.add.reduceat(values, np.append(0, np.cumsum(counts)[:-1])) / counts[:, None]
    signal = share * means.var(axis=0, ddof=1)
    error = signal.std() / np.sqrt(n_worlds)
    assert abs(signal.mean() - rates.var(ddof=1)) < 4 * error


def test_ceiling_of_the_method(rng, make):
    n_stimuli = 3000
    signal = np.repeat(rng.normal(size=(n_stimuli, 2, 1)), 4, axis=0) * [[1], [0]]
    responses = make(signal + rng.normal(size=signal.shape), stimuli_of([4] * n_stimuli))
    result = noise_ceiling(responses, ceiling=Ceiling(method="explainable_variance"))
    # The variance of means over n stimuli, and that of their noise, are known to sqrt(2 / n).
    np.testing.assert_allclose(result["reliability"][:, 0], [0.8, 0], atol=4 * np.sqrt(2 / 3000))
    np.testing.assert_allclose(result["ceiling"][0], np.sqrt(result["reliability"][0]))
    assert result["reliable"].values.tolist() == [[True], [False]]
    assert result["reliable"].attrs["rule"] == "reliability of at least 0.1"
    assert "noise variance of each stimulus" in result["reliability"].attrs["convention"]
    assert '"method": "explainable_variance"' in result.attrs["ceiling_options"]
    assert result["neuroid_id"].values.tolist() == ["n0", "n1"]


def test_order_of_presentations_does_not_matter(rng, make):
    responses = make(rng.normal(size=(60, 2, 2)), stimuli_of([3] * 20))
    again = responses.isel(presentation=rng.permutation(60))
    np.testing.assert_allclose(explainable_variance(responses), explainable_variance(again))


def test_a_constant_neuroid_has_no_reliability_and_no_nan(rng, make):
    repetitions = np.resize([2, 3, 7], 20)  # means of 0.1 that differ by rounding
    responses = make(rng.normal(size=(sum(repetitions), 2, 1)), stimuli_of(repetitions))
    responses.values[:, 1] = 0.1
    assert len(np.unique([np.full(n, 0.1).sum() / n for n in (2, 3, 7)])) > 1
    assert float(explainable_variance(responses)[1, 0]) == 0


def test_single_repetitions(rng, make):
    responses = make(rng.normal(size=(60, 2, 1)), stimuli_of([3] * 20))
    responses.values[responses["repetition"].values > 0, 1] = np.nan
    with pytest.raises(
        ValueError, match=r"at least 3 stimuli .* got 0 of 20 for neuroid 'n1'; giv"
    ):
        explainable_variance(responses)
