"""CCA, SVCCA and PWCCA: known answers, scikit-learn and definitions in unit space."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cross_decomposition import CCA
from sklearn.linear_model import LinearRegression

from neurorec.geometry import cca


def correlations(x, y):
    """Singular values of the whitened cross-covariance."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    wx, wy = (np.linalg.inv(np.linalg.cholesky(z.T @ z)) for z in (x, y))
    u, rho, _ = np.linalg.svd(wx @ x.T @ y @ wy.T)
    return x @ wx.T @ u, rho


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), sizes=st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_definition(assembly_of, seed, sizes):
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(5, 1, size=(15, size)) for size in sizes)
    _, rho = correlations(x, y)
    assert cca(assembly_of(x), assembly_of(y)).item() == pytest.approx(rho.mean(), abs=1e-9)


def test_scikit_learn(assembly_of, rng):
    x = rng.normal(size=(60, 4))
    y = x @ rng.normal(size=(4, 3)) + rng.normal(size=(60, 3))
    a, b = CCA(n_components=3, tol=1e-12, max_iter=10_000).fit_transform(x, y)
    expected = np.mean([np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(3)])
    # Its power iterations end within the root of the tolerance.
    assert cca(assembly_of(x), assembly_of(y)).item() == pytest.approx(expected, abs=1e-6)


def test_known_angle(assembly_of):
    """One axis in common, the other at 60 degrees."""
    q = np.linalg.qr(np.column_stack([np.ones(6), np.eye(6)[:, :3]]))[0][:, 1:]
    y = np.column_stack([q[:, 0], 0.5 * q[:, 1] + np.sqrt(0.75) * q[:, 2]])
    x = assembly_of(q[:, :2] @ [[1.0, 2.0], [0.5, -3.0]])
    assert cca(x, assembly_of(y)).item() == pytest.approx((1 + 0.5) / 2)
    wide = assembly_of(q[:, :1])
    assert cca(wide, assembly_of(y)).item() == pytest.approx(1)


def test_leading_components(assembly_of, rng):
    """SVCCA by the SVD of centred responses."""
    x, y = (rng.normal(size=(20, 12)) * 2.0 ** -np.arange(12) for _ in range(2))
    parts = []
    for z in (x, y):
        u, s, _ = np.linalg.svd(z - z.mean(axis=0), full_matrices=False)
        n = 1 + np.argmax(np.cumsum(s**2) / np.sum(s**2) >= 0.9)
        parts.append(u[:, :n] * s[:n])
    assert parts[0].shape[1] < 5
    _, rho = correlations(*parts)
    result = cca(assembly_of(x), assembly_of(y), kept_variance=0.9)
    assert result.item() == pytest.approx(rho[: min(p.shape[1] for p in parts)].mean(), abs=1e-9)
    assert result.attrs["method"] == "SVCCA"


@pytest.mark.parametrize("sizes", [(4, 6), (6, 4), (5, 5)])
def test_projection_weights(assembly_of, rng, sizes):
    x, y = (rng.normal(size=(15, size)) * np.arange(1, size + 1) for size in sizes)
    variables, rho = correlations(x, y)
    n = min(sizes)
    weights = np.sum(((x - x.mean(axis=0)).T @ variables[:, :n]) ** 2, axis=0)
    result = cca(assembly_of(x), assembly_of(y), weighting="projection").item()
    assert result == pytest.approx(np.average(rho[:n], weights=weights), abs=1e-9)


def test_projection_weights_are_those_of_regression(assembly_of, rng):
    """One unit: its weight is all there is and its correlation is that of a linear regression."""
    x, y = rng.normal(size=(20, 1)), rng.normal(size=(20, 3))
    r = np.sqrt(LinearRegression().fit(y, x).score(y, x))
    result = cca(assembly_of(x), assembly_of(y), weighting="projection").item()
    assert result == pytest.approx(r)


def test_projection_weights_without_overlap(assembly_of, rng):
    basis = np.linalg.qr(np.column_stack([np.ones(9), rng.normal(size=(9, 5))]))[0]
    x, y = assembly_of(basis[:, 1:4]), assembly_of(basis[:, 3:6])
    # One axis of three is shared.
    assert cca(x, y, weighting="projection").item() == pytest.approx(1 / 3)


def test_rounding_is_no_axis(assembly_of, rng):
    """Three units with means 1e5 times their spread: the rest of the Gram matrix is rounding."""
    x, y = rng.normal(size=(15, 3)), rng.normal(size=(15, 4))
    expected = cca(assembly_of(x), assembly_of(y)).item()
    # Inner products of 1e10 are rounded at 1e-6 and less, of variances near 15.
    assert cca(assembly_of(x + 1e5), assembly_of(y)).item() == pytest.approx(expected, abs=1e-5)


def test_as_many_units_as_stimuli(assembly_of, rng):
    wide = assembly_of(rng.normal(size=(8, 9, 2)))
    with pytest.raises(ValueError, match="CCA says nothing where a population spans all 8 stimuli"):
        cca(wide)
    assert np.isnan(cca(wide, undefined="nan")).all()
    assert np.isfinite(cca(wide, kept_variance=0.7)).all()


def test_bad_options(assembly_of, rng):
    assembly = assembly_of(rng.normal(size=(8, 4, 2)))
    with pytest.raises(ValueError, match="kept_variance must be above 0 and at most 1, got 0"):
        cca(assembly, kept_variance=0)
    with pytest.raises(ValueError, match="weighting must be one of"):
        cca(assembly, weighting="absolute")
