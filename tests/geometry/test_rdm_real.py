"""Noise-normalised RDMs of macaque IT and V4, with presentations missing."""

import numpy as np
import pytest

from neurorec import assemblies, datasets
from neurorec.geometry import compare, rdm

from .repeated import crossnobis_by_hand

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture(scope="module")
def it_bins(zhang):
    """Spike counts in 100 ms, from 200 ms before the stimulus to 300 ms after."""
    return assemblies.window(zhang, start_ms=-200, stop_ms=300, width_ms=100, statistic="sum")


@pytest.fixture(scope="module")
def v4(shared_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
        return datasets.load("cowley-2023", session="210325").assembly


def numbers(assembly):
    ids = assembly["stimulus_id"].values
    order = list(dict.fromkeys(ids.tolist()))
    return np.array([order.index(s) for s in ids])


@pytest.mark.parametrize("noise", ["none", "shrinkage_eye"])
def test_it_definition(it_bins, noise):
    """132 units, 419 presentations: one of repetition 19 is missing."""
    bins = it_bins.isel(time_bin=[3])
    found = rdm(bins, method="crossnobis", noise=noise).values[0]
    values, stimulus = bins.values[:, :, 0], numbers(bins)
    expected = crossnobis_by_hand(values, stimulus, bins["repetition"].values, noise)
    # Through an inverse of condition number about 1e3.
    np.testing.assert_allclose(found, expected, atol=1e-11 * np.abs(expected).max())


def test_it_before_and_after_the_stimulus(it_bins):
    """Nothing before the stimulus but noise, which only crossnobis is free of."""
    cross = rdm(it_bins, method="crossnobis").mean(("condition", "condition_b")).values
    plain = rdm(it_bins, method="mahalanobis").mean(("condition", "condition_b")).values
    assert np.all(np.abs(cross[:2]) < 0.05 * cross[3])
    assert np.all(plain[:2] > 0.2 * plain[3])
    assert cross[3] > 20


def test_it_split_halves(it_bins):
    """Two halves of the repetitions give the same RDM after the stimulus, and another before."""
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(10):
        first = np.isin(it_bins["repetition"].values, rng.permutation(20)[:10])
        halves = [
            rdm(it_bins.isel(presentation=rows), method="crossnobis") for rows in (first, ~first)
        ]
        scores.append(np.diagonal(compare(*halves, method="pearson").values))
    mean = np.mean(scores, axis=0)
    assert np.all(np.abs(mean[:2]) < 0.2)
    assert mean[3] > 0.8


@pytest.mark.parametrize("noise", ["none", "shrinkage_eye", "shrinkage_diag"])
def test_v4_definition(v4, noise):
    """640 images with 6 to 10 repetitions; twelve of them by hand."""
    ids, counts = np.unique(v4["stimulus_id"].values, return_counts=True)
    ends = np.argsort(counts, kind="stable")[[0, 1, 2, 3, 300, 301, 302, 303, -4, -3, -2, -1]]
    assert len(set(counts[ends])) == 3
    some = v4[np.isin(v4["stimulus_id"].values, ids[ends])]
    found = rdm(some, method="crossnobis", noise=noise).values[0]
    expected = crossnobis_by_hand(
        some.values[:, :, 0].astype(float), numbers(some), some["repetition"].values, noise
    )
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


def test_v4_without_the_noise_of_means(v4):
    """Squared distances of means are longer by the noise of the two means, on average."""
    cross = rdm(v4, method="crossnobis", noise="none")
    plain = rdm(v4, method="squared_euclidean")
    stimulus = numbers(v4)
    counts = np.bincount(stimulus)
    means = np.stack([v4.values[stimulus == s, :, 0].mean(axis=0) for s in range(640)])
    squares = ((v4.values[:, :, 0] - means[stimulus]) ** 2).sum(axis=1)
    variance = np.bincount(stimulus, squares) / (counts - 1) / counts
    excess = (plain - cross).values[0][np.triu_indices(640, 1)]
    expected = (variance[:, None] + variance)[np.triu_indices(640, 1)]
    # Folds leave the pairs of one repetition out: equal in sum where noise is independent.
    assert abs(excess.mean() / expected.mean() - 1) < 0.02
    assert excess.mean() > 20
