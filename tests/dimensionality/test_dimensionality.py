"""Participation ratio of a sample and component counts: closed forms, axioms, real data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from neurorec import assemblies
from neurorec.dimensionality import n_components, participation_ratio

MEASURES = (participation_ratio, n_components)


def with_spectrum(rng, eigenvalues, n=40):
    """Centred patterns whose covariance has exactly these eigenvalues."""
    p = len(eigenvalues)
    scores = rng.normal(size=(n, p))
    scores, _ = np.linalg.qr(scores - scores.mean(axis=0))
    rotation, _ = np.linalg.qr(rng.normal(size=(p, p)))
    return scores * np.sqrt(eigenvalues) @ rotation


@pytest.mark.parametrize("eigenvalues", [(1.0, 1.0), (3.0, 1.0), (9.0, 0.5)])
def test_two_eigenvalues(rng, assembly_of, eigenvalues):
    """(a + b)^2 / (a^2 + b^2)."""
    a, b = eigenvalues
    values = with_spectrum(rng, np.array([a, b, 0.0, 0.0])) + rng.normal(size=4)
    result = participation_ratio(assembly_of(values)).item()
    assert result == pytest.approx((a + b) ** 2 / (a**2 + b**2), abs=1e-10)


def test_isotropic_gaussian(rng, assembly_of):
    """Covariance W of n stimuli in p dimensions: E tr(W)^2 / E tr(W^2) = (p(n-1) + 2) / (n + p)."""
    n, p = 400, 20
    bins = rng.normal(size=(n, p, 30))
    result = participation_ratio(assembly_of(bins)).values
    m = n - 1
    # E[tr(W)^2] = pm (pm + 2); E[tr(W^2)] = pm (m + p + 1).
    expected = (p * m + 2) / (m + p + 1)
    # The ratio of means and the mean of the ratio agree to the square of the relative spread.
    tolerance = 5 * result.std() / np.sqrt(30) + expected * (result.std() / expected) ** 2
    assert result.mean() == pytest.approx(expected, abs=tolerance)
    assert tolerance < 0.1


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100))
def test_invariances(assembly_of, seed, scale):
    """Rotation and scale of the population, shift of every neuroid, order of the stimuli."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(12, 6)) * rng.uniform(0.2, 2, size=6)
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    moved = (scale * values @ rotation)[rng.permutation(12)] + rng.normal(size=6)
    for measure in MEASURES:
        original = measure(assembly_of(values)).item()
        # The Gram matrix loses digits as the mean grows against the scale.
        loss = 1 + scale**-2
        assert measure(assembly_of(moved)).item() == pytest.approx(original, abs=1e-12 * loss)
    assert 1 <= participation_ratio(assembly_of(values)).item() <= 6


def test_equals_the_covariance_eigenvalues(rng, assembly_of, device):
    values = rng.normal(2, 1, size=(15, 8, 3))
    result = participation_ratio(assembly_of(values), device=device).values
    for t in range(3):
        eigenvalues = np.linalg.eigvalsh(np.cov(values[:, :, t].T))
        expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
        assert result[t] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.5, 1), (0.51, 2), (0.8, 2), (0.9, 3), (0.91, 4), (1.0, 4)]
)
def test_components_of_a_known_spectrum(rng, assembly_of, fraction, expected):
    """Eigenvalues 5, 3, 1, 1: cumulative shares 0.5, 0.8, 0.9, 1."""
    values = with_spectrum(rng, np.array([5.0, 3, 1, 1, 0, 0]))
    assert n_components(assembly_of(values), fraction=fraction).item() == expected


def test_components_equal_scikit_learn(rng, assembly_of):
    values = rng.normal(size=(30, 12)) * np.linspace(0.2, 3, 12)
    shares = np.cumsum(PCA().fit(values).explained_variance_ratio_)
    for fraction in (0.3, 0.7, 0.9, 0.99):
        expected = np.searchsorted(shares, fraction) + 1
        assert n_components(assembly_of(values), fraction=fraction).item() == expected


def test_more_neuroids_than_stimuli(rng, assembly_of):
    """Five stimuli span four dimensions."""
    values = rng.normal(size=(5, 300))
    assert participation_ratio(assembly_of(values)).item() <= 4
    assert n_components(assembly_of(values), fraction=1.0).item() == 4


def test_repetitions_are_averaged(rng, assembly_of):
    values = rng.normal(size=(12, 5))
    ids, repetition = [f"s{i % 4}" for i in range(12)], np.arange(12) // 4
    result = participation_ratio(assembly_of(values, stimulus_ids=ids, repetition=repetition))
    means = values.reshape(3, 4, 5).mean(axis=0)
    expected = participation_ratio(assembly_of(means)).item()
    assert result.item() == pytest.approx(expected, abs=1e-12)
    assert result.attrs["n_stimuli"] == 4


def test_written_and_read(rng, assembly_of, tmp_path):
    assembly = assembly_of(rng.normal(size=(10, 6, 2)))
    for measure in MEASURES:
        result = measure(assembly)
        assert result["time_bin_end"].values.tolist() == [10, 20]
        result.to_netcdf(tmp_path / "result.nc", engine="h5netcdf")


@pytest.mark.data
def test_macaque_it(zhang):
    """21 means over presentations: 12.7 (50-100 ms), 5.7 (100-150), 5.5 (100-300).

    Of spike counts as they are; with units z-scored they would be 15.1, 9.2 and 6.8.
    """
    for (start, stop), value in {
        (50.0, 100.0): 12.7,
        (100.0, 150.0): 5.7,
        (100.0, 300.0): 5.5,
    }.items():
        counts = assemblies.window(zhang, start_ms=start, stop_ms=stop)
        result = participation_ratio(counts)
        assert result.attrs["n_stimuli"] == 21
        assert result.item() == pytest.approx(value, abs=0.05)


@pytest.mark.data
@pytest.mark.parametrize(
    ("session", "value"), [("190923", 9.9), ("210224", 14.3), ("210325", 14.1)]
)
def test_macaque_v4(cowley, session, value):
    """Session 210224 gives 14.352, which is 14.3 only if it is rounded twice; hence 0.055."""
    assert participation_ratio(cowley(session)).item() == pytest.approx(value, abs=0.055)


@pytest.mark.parametrize("measure", MEASURES)
def test_two_stimuli(rng, assembly_of, measure):
    with pytest.raises(ValueError, match="at least 3 stimuli, got 2"):
        measure(assembly_of(rng.normal(size=(2, 5))))


@pytest.mark.parametrize("measure", MEASURES)
def test_nan(rng, assembly_of, measure):
    values = rng.normal(size=(5, 5))
    values[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        measure(assembly_of(values))


@pytest.mark.parametrize("measure", MEASURES)
def test_nothing_varies(rng, assembly_of, measure):
    values = rng.normal(size=(6, 5, 3))
    values[:, :, :2] = 0.1
    with pytest.raises(ValueError, match=r"same response, as in time bins 0, 1 .*slice\(2, None\)"):
        measure(assembly_of(values))
    assert np.isnan(measure(assembly_of(values), undefined="nan").values).tolist() == [
        True,
        True,
        False,
    ]


def test_bad_options(rng, assembly_of):
    assembly = assembly_of(rng.normal(size=(6, 5)))
    with pytest.raises(ValueError, match=r"fraction must lie in \(0, 1\], got 0"):
        n_components(assembly, fraction=0.0)
    with pytest.raises(ValueError, match="undefined must be one of"):
        participation_ratio(assembly, undefined="zero")
