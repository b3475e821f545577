"""Spectra, effective rank, cvPCA and the exponent of a power law."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.decomposition import PCA

from neurorec.dimensionality import (
    SPECTRA,
    cvpca,
    effective_rank,
    eigenspectrum,
    n_components,
    participation_ratio,
    power_law,
)
from neurorec.populations import patterns_of


def with_variances(rng, variances, n):
    """Responses over ``n`` stimuli whose sample covariance has exactly these eigenvalues."""
    p = len(variances)
    scores = rng.normal(size=(n, p))
    scores, _ = np.linalg.qr(scores - scores.mean(axis=0))
    rotation, _ = np.linalg.qr(rng.normal(size=(p, p)))
    return np.sqrt(n - 1) * scores * np.sqrt(variances) @ rotation


def shown(assembly_of, values):
    """Assembly of ``values`` (repetition, stimulus, unit[, time])."""
    n_repetitions, n = values.shape[:2]
    ids = np.tile([f"s{i:04d}" for i in range(n)], n_repetitions)
    repetition = np.repeat(np.arange(n_repetitions), n)
    flat = values.reshape(n_repetitions * n, *values.shape[2:])
    return assembly_of(flat, stimulus_ids=ids, repetition=repetition)


def test_eigenspectrum_equals_scikit_learn(rng, device):
    values = rng.normal(3, 1, size=(20, 12, 2)) * np.linspace(0.3, 2, 12)[:, None]
    found = eigenspectrum(values, device=device)
    assert found.dims == ("time_bin", "component")
    assert found["component"].values.tolist() == list(range(1, 13))
    for t in range(2):
        expected = PCA().fit(values[:, :, t]).explained_variance_
        np.testing.assert_allclose(found.values[t], expected, rtol=1e-9)
    # Fewer stimuli than units: as many components as the stimuli have.
    assert eigenspectrum(values[:7]).sizes["component"] == 6


@pytest.mark.parametrize("n_equal", [1, 2, 5])
def test_effective_rank_of_equal_variances(rng, n_equal):
    values = with_variances(rng, np.repeat([2.0, 0.0], [n_equal, 3]), 30)
    assert effective_rank(values).item() == pytest.approx(n_equal, rel=1e-9)


def test_effective_rank_of_a_geometric_spectrum(rng):
    """Shares 1/2, 1/4, 1/8, 1/8 have an entropy of 7/4 bits."""
    values = with_variances(rng, np.array([4.0, 2, 1, 1]), 25)
    assert effective_rank(values).item() == pytest.approx(2**1.75, rel=1e-9)


def test_effective_rank_equals_scipy(rng):
    values = rng.normal(size=(15, 6))
    expected = np.exp(entropy(PCA().fit(values).explained_variance_))
    assert effective_rank(values).item() == pytest.approx(expected, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(3, 9), p=st.integers(1, 9))
def test_order_of_the_effective_dimensions(seed, n, p):
    """Rényi entropies fall with their order: ratio <= effective rank <= rank."""
    values = np.random.default_rng(seed).normal(size=(n, p))
    ratio, rank = participation_ratio(values).item(), effective_rank(values).item()
    assert 1 - 1e-9 <= ratio <= rank + 1e-9
    assert rank <= min(n - 1, p) + 1e-9


def test_cvpca_equals_projections(rng, assembly_of, device):
    """Two repetitions and one split: components of one half, written out in units."""
    values = rng.normal(size=(2, 12, 7, 2)) + 2 * rng.normal(size=(12, 7, 2))
    seed = 3
    found = cvpca(shown(assembly_of, values), n_splits=1, seed=seed, device=device).values
    # Which repetition of each stimulus is in the first half: one order of all presentations.
    order = np.random.default_rng(seed).permutation(24)
    first = np.array(
        [min((0, 1), key=lambda r: order.tolist().index(i + 12 * r)) for i in range(12)]
    )
    for t in range(2):
        halves = [values[which, np.arange(12), :, t] for which in (first, 1 - first)]
        a, b = (half - half.mean(axis=0) for half in halves)
        vectors = np.linalg.svd(a, full_matrices=False)[2]
        expected = ((a @ vectors.T) * (b @ vectors.T)).sum(axis=0) / 11
        np.testing.assert_allclose(found[t], expected, rtol=1e-8)


def test_cvpca_without_noise_is_pca(rng, assembly_of):
    values = np.repeat(rng.normal(size=(1, 15, 8)), 3, axis=0)
    assembly = shown(assembly_of, values)[:-5]  # some have two repetitions
    np.testing.assert_allclose(cvpca(assembly).values, eigenspectrum(assembly).values, atol=1e-12)


def test_cvpca_sums_to_the_shared_variance(rng, assembly_of):
    """Over 300 time bins, the signal's variance 5 x 1 without the noise's 5 x 4."""
    n, bins = 20, 300
    values = rng.normal(size=(1, n, 5, bins)) + 2 * rng.normal(size=(2, n, 5, bins))
    total = cvpca(shown(assembly_of, values), n_splits=2).values.sum(axis=1)
    assert abs(total.mean() - 5) < 4 * total.std() / np.sqrt(bins)
    assert total.std() / np.sqrt(bins) < 0.2
    assert eigenspectrum(shown(assembly_of, values)).values.sum(axis=1).mean() > 14


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_exponent_of_an_exact_power_law(rng, exponent):
    values = with_variances(rng, np.arange(1, 41.0) ** -exponent, 120)
    for ranks in ((1, 40), (5, 20), (11, 500)):
        found = power_law(values, spectrum="plain", ranks=ranks, level=None)
        assert found["exponent"].item() == pytest.approx(exponent, abs=1e-8)
        assert found.attrs["last_rank"] == min(ranks[1], 40)


def test_exponent_equals_numpy(rng):
    """Weighted least squares of logarithms; numpy squares the weights it is given."""
    values = rng.normal(size=(60, 30))
    variances = eigenspectrum(values).values[0]
    ranks = np.arange(4, 26)
    expected = np.polyfit(np.log(ranks), np.log(variances[3:25]), 1, w=ranks**-0.5)[0]
    found = power_law(values, spectrum="plain", ranks=(4, 25), level=None)
    assert found["exponent"].item() == pytest.approx(-expected, rel=1e-9)


def noisy_power_law(rng, assembly_of, *, n=400, p=150, bins=2):
    """Signal with exponent 1 and white noise in two repetitions."""
    signal = rng.normal(size=(n, p, bins)) * np.arange(1, p + 1.0)[:, None] ** -0.5
    noise = 0.25 * rng.normal(size=(2, n, p, bins))
    return shown(assembly_of, signal + noise)


def test_shared_spectrum_removes_noise(rng, assembly_of):
    """Noise flattens the plain spectrum; ranks well below the numbers of stimuli and units."""
    patterns = patterns_of(noisy_power_law(rng, assembly_of), averaged=False)
    found = {
        name: power_law(patterns, spectrum=name, ranks=(3, 25), level=None, n_splits=2)
        for name in SPECTRA
    }
    # The spread over draws of the exponent is 0.03.
    assert found["shared"]["exponent"].values == pytest.approx([1, 1], abs=0.1)
    assert (found["plain"]["exponent"].values < 0.8).all()
    assert (found["shared"]["negative_ranks"].values == 0).all()


@pytest.mark.slow
def test_coverage_of_the_exponent(rng):
    """Nominal 95 %: 500 draws, standard error 1 %; their mean exponent is 1.499."""
    n, p, bins = 100, 60, 500
    values = rng.normal(size=(n, p, bins)) * np.arange(1, p + 1.0)[:, None] ** -0.75
    found = power_law(values, spectrum="plain", ranks=(3, 15))
    covered = (found["ci_low"] <= 1.5) & (1.5 <= found["ci_high"])
    assert 0.92 <= covered.values.mean() <= 0.98


@pytest.mark.slow
@pytest.mark.data
def test_macaque_v4(cowley):
    """Session 210325 over ranks 5 to 30; noise flattens the plain spectrum."""
    session = patterns_of(cowley("210325"), averaged=False)
    found = {name: power_law(session, spectrum=name, ranks=(5, 30), n_splits=2) for name in SPECTRA}
    # Regression values of this implementation.
    assert found["plain"]["exponent"].item() == pytest.approx(1.29, abs=0.01)
    assert found["shared"]["exponent"].item() == pytest.approx(1.51, abs=0.03)
    assert found["plain"]["ci_high"].item() < found["shared"]["ci_low"].item()
    # The shared variance is the plain one without the noise of means over 7.6 repetitions.
    shared, plain = cvpca(session, n_splits=2).values.sum(), eigenspectrum(session).values.sum()
    assert 0.75 * plain < shared < 0.85 * plain


def test_bad_input(rng, assembly_of):
    once = rng.normal(size=(30, 20))
    for measure in (cvpca, power_law):
        with pytest.raises(ValueError, match="at least 2 of every stimulus are needed; 30 of 30"):
            measure(once)
        means = patterns_of(shown(assembly_of, np.stack([once, once])))
        with pytest.raises(ValueError, match="single presentations are needed"):
            measure(means)
    with pytest.raises(ValueError, match="n_splits must be at least 1, got 0"):
        cvpca(shown(assembly_of, np.stack([once, once])), n_splits=0)
    with pytest.raises(ValueError, match=r"at least 5 ranks .* ranks \(17, 500\) of 20 components"):
        power_law(once, spectrum="plain", ranks=(17, 500), level=None)
    with pytest.raises(ValueError, match="at least 5 ranks from 1 on"):
        power_law(once, spectrum="plain", ranks=(0, 10))
    with pytest.raises(ValueError, match=r"level=1.5, n_groups=10 and 30 stimuli"):
        power_law(once, spectrum="plain", level=1.5)
    with pytest.raises(ValueError, match="n_groups=31"):
        power_law(once, spectrum="plain", n_groups=31)
    with pytest.raises(ValueError, match="spectrum must be one of"):
        power_law(once, spectrum="raw")
    with pytest.raises(ValueError, match="same response, as in time bins 0"):
        eigenspectrum(np.ones((5, 4)))
    flat = power_law(np.ones((30, 20)), spectrum="plain", undefined="nan")
    assert all(np.isnan(one.item()) for one in flat.values())


@pytest.mark.parametrize("spectrum", ["plain", "shared"])
def test_no_power_law_beyond_the_rank(rng, assembly_of, spectrum):
    """Components that are rounding have no exponent."""
    values = rng.normal(size=(60, 80, 2))
    values[:, :, 1] = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 80))
    source = assembly_of(
        np.repeat(values, 2, axis=0),
        stimulus_ids=np.repeat([f"s{i:02d}" for i in range(60)], 2),
        repetition=np.tile([0, 1], 60),
    )
    with pytest.raises(ValueError, match="ranks 1 to 20 needs responses that span as many, as in"):
        power_law(source, spectrum=spectrum, ranks=(1, 20))
    found = power_law(source, spectrum=spectrum, ranks=(1, 20), undefined="nan")
    for name in ("exponent", "ci_low", "negative_ranks"):
        assert np.isnan(found[name].values).tolist() == [False, True]


def test_an_offset_of_all_responses_adds_no_components(rng):
    values = rng.normal(size=(60, 8, 2)) @ np.diag([1.0, 2.0])
    values[:, 5:] = values[:, :3]
    plain, moved = (eigenspectrum(values + by) for by in (0, 1e4))
    np.testing.assert_allclose(moved, plain, atol=1e-6)
    assert (moved[:, 5:] == 0).all()
    assert n_components(values + 1e4, fraction=1.0).values.tolist() == [5, 5]
