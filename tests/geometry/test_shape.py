"""Shape distances: known answers, the definition in unit space, real responses, bad input."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec import assemblies
from neurorec.geometry import shape_distance


def whitened(x, alpha):
    """Williams et al. (2021): ``X (alpha I + (1 - alpha) (X'X)^(-1/2))``, centred."""
    x = x - x.mean(axis=0)
    if alpha == 1:
        return x
    s, v = np.linalg.eigh(x.T @ x)
    return x @ (alpha * np.eye(x.shape[1]) + (1 - alpha) * (v / np.sqrt(s)) @ v.T)


def in_unit_space(x, y, alpha, *, angular):
    """Whiten, add zeros to the smaller one, rotate by scipy, and measure."""
    x, y = whitened(x, alpha), whitened(y, alpha)
    width = max(x.shape[1], y.shape[1])
    x, y = (np.pad(z, ((0, 0), (0, width - z.shape[1]))) for z in (x, y))
    turned = x @ scipy.linalg.orthogonal_procrustes(x, y)[0]
    if angular:
        return np.arccos((turned * y).sum() / np.linalg.norm(x) / np.linalg.norm(y))
    return np.linalg.norm(turned - y)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    alpha=st.floats(0, 1),
    sizes=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    angular=st.booleans(),
)
def test_definition(assembly_of, seed, alpha, sizes, angular):
    """With different numbers of units, and a mean that is large."""
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(10, 1, size=(10, size)) for size in sizes)
    result = shape_distance(assembly_of(x), assembly_of(y), alpha=alpha, angular=angular).item()
    # Random populations are far apart: neither arccos nor the root magnifies rounding.
    assert result == pytest.approx(in_unit_space(x, y, alpha, angular=angular), abs=1e-8)


def test_more_units_than_stimuli(assembly_of, rng):
    """Procrustes distance by the singular values of the units x units cross-covariance."""
    x, y = rng.normal(size=(8, 40)), rng.normal(size=(8, 30))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    nuclear = np.linalg.svd(x.T @ y, compute_uv=False).sum()
    expected = np.sqrt((x**2).sum() + (y**2).sum() - 2 * nuclear)
    result = shape_distance(assembly_of(x), assembly_of(y), angular=False).item()
    assert result == pytest.approx(expected, rel=1e-12)


def test_two_dimensions_by_hand(assembly_of):
    """Singular values 2 and 1 against 1 and 1 in the same plane: the cross product has 2, 1."""
    basis = np.linalg.qr(np.column_stack([np.ones(4), [1, -1, 0, 0], [1, 1, -2, 0]]))[0][:, 1:]
    x, y = assembly_of(basis * [2, 1]), assembly_of(basis)
    assert shape_distance(x, y, angular=False).item() == pytest.approx(np.sqrt(5 + 2 - 6))
    assert shape_distance(x, y).item() == pytest.approx(np.arccos(3 / np.sqrt(10)))
    # Half whitened: 1.5 and 1 against 1 and 1.
    half = shape_distance(x, y, alpha=0.5, angular=False).item()
    assert half == pytest.approx(0.5)
    assert shape_distance(x, y, alpha=0).item() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("alpha", [0, 0.3, 1])
def test_orthogonal_subspaces_are_at_right_angles(assembly_of, rng, alpha):
    basis = np.linalg.qr(np.column_stack([np.ones(9), rng.normal(size=(9, 5))]))[0]
    x, y = assembly_of(3 * basis[:, 1:4]), assembly_of(2 * basis[:, 4:6])
    assert shape_distance(x, y, alpha=alpha).item() == pytest.approx(np.pi / 2, abs=1e-12)


def test_scale_in_euclidean_distance(assembly_of, rng):
    """A population and three times itself are twice its size apart."""
    x = rng.normal(size=(9, 20))
    size = np.linalg.norm(x - x.mean(axis=0))
    result = shape_distance(assembly_of(x), assembly_of(3 * x), angular=False).item()
    assert result == pytest.approx(2 * size)


def test_macaque_it_over_time(zhang_windows):
    """Responses move away and the triangle inequality holds between windows of 50 ms."""
    for angular in (True, False):
        d = shape_distance(zhang_windows, angular=angular).values
        assert (d[:, None, :] <= d[:, :, None] + d[None, :, :] + 1e-6).all()
        np.testing.assert_array_equal(np.diagonal(d), 0)
    angles = shape_distance(zhang_windows).values
    # 150-200 ms is closer to the bins beside it than to the baseline before responses begin.
    assert angles[3, [2, 4]].max() < angles[3, 0]
    means = assemblies.average_repetitions(zhang_windows).values
    expected = in_unit_space(means[:, :, 2], means[:, :, 8], 1, angular=True)
    assert angles[2, 8] == pytest.approx(expected, abs=1e-10)


def test_bad_options(assembly_of, rng):
    with pytest.raises(ValueError, match=r"alpha must lie between 0 \(whitened\) and 1"):
        shape_distance(assembly_of(rng.normal(size=(8, 4, 2))), alpha=1.1)
    with pytest.raises(ValueError, match=r"spans all 8 stimuli .* as in time bins 0, 1"):
        shape_distance(assembly_of(rng.normal(size=(8, 7, 2))), alpha=0)
    wide = assembly_of(rng.normal(size=(8, 7, 2)))
    assert np.isnan(shape_distance(wide, alpha=0, undefined="nan")).all()


@pytest.mark.slow
def test_many_units_and_time_bins(assembly_of, rng):
    """Cost does not depend on the number of units."""
    values = rng.normal(size=(100, 5000, 20)).astype(np.float32)
    d = shape_distance(values)
    assert d.shape == (20, 20)
    # Angles between independent populations with many units are close to each other.
    off = d.values[~np.eye(20, dtype=bool)]
    assert np.ptp(off) < 0.01
