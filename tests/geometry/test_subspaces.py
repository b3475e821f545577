"""Angles and alignment of subspaces: scipy's angles, definitions in units, invariances."""

from functools import partial

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles

from neurorec.assemblies import window
from neurorec.geometry import (
    alignment_index,
    canonical_correlation,
    communication_subspace,
    few_shot_geometry,
    glue_style_capacity,
    linear_separability,
    manifold_capacity,
    principal_angles,
)
from neurorec.populations import patterns_of

# Near zero the arc cosine has the square root of the precision: sqrt(2 * 2e-16 * 10) in degrees.
NEAR_ZERO = 5e-6


def principal(values, k):
    """Leading directions of units and of stimuli, and all singular values."""
    u, s, vt = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    return vt[:k].T, u[:, :k], s


@pytest.mark.parametrize("space", ["units", "stimuli"])
@pytest.mark.parametrize(("n_stimuli", "n_units"), [(20, 9), (9, 30)])
def test_angles_are_those_of_scipy(assembly_of, rng, space, n_stimuli, n_units):
    values = rng.normal(3, 1, size=(n_stimuli, n_units, 3))
    result = principal_angles(assembly_of(values), n_components=4, space=space)
    assert result.dims == ("time_bin", "time_bin_b", "component")
    bases = [principal(values[:, :, t], 4)[int(space == "stimuli")] for t in range(3)]
    for t in range(3):
        for s in range(3):
            expected = np.rad2deg(subspace_angles(bases[t], bases[s]))[::-1]
            np.testing.assert_allclose(result.values[t, s], expected, atol=NEAR_ZERO)


def test_alignment_in_units(assembly_of, rng):
    values = rng.normal(3, 1, size=(12, 7, 3)) * np.linspace(0.5, 2, 7)[:, None]
    result = alignment_index(assembly_of(values), n_components=2).values
    for t in range(3):
        directions = principal(values[:, :, t], 2)[0]
        for s in range(3):
            covariance = np.cov(values[:, :, s].T)
            most = np.linalg.eigvalsh(covariance)[::-1][:2].sum()
            expected = np.trace(directions.T @ covariance @ directions) / most
            assert result[t, s] == pytest.approx(expected, abs=1e-12)


def test_known_subspaces(rng):
    """The same two dimensions, dimensions at right angles, and one at 30 degrees."""
    latent = np.linalg.qr(rng.normal(size=(15, 3)))[0]
    latent = np.linalg.qr(latent - latent.mean(axis=0))[0][:, :2] * [2.0, 1.0]
    loadings = np.zeros((4, 2, 6))
    loadings[0, :, :2] = loadings[1, :, :2] = np.eye(2)
    loadings[1, :, :2] *= 3
    loadings[2, :, 2:4] = np.eye(2)
    loadings[3, 0, 0] = 1
    loadings[3, 1, 1], loadings[3, 1, 4] = np.cos(np.pi / 6), np.sin(np.pi / 6)
    values = np.moveaxis(np.array([latent @ loading for loading in loadings]), 0, 2)
    angles = principal_angles(values, n_components=2).values[0]
    np.testing.assert_allclose(angles, [[0, 0], [0, 0], [90, 90], [0, 30]], atol=NEAR_ZERO)
    index = alignment_index(values, n_components=2).values[0]
    # Of variances 4 and 1 the first is aligned, of the second cos^2 of 30 degrees.
    np.testing.assert_allclose(index, [1, 1, 0, (4 + 0.75) / 5], atol=1e-12)
    # All of them tell the same of the stimuli.
    angles = principal_angles(values, n_components=2, space="stimuli").values
    np.testing.assert_allclose(angles, 0, atol=NEAR_ZERO)


def test_alignment_of_isotropic_activity(rng):
    """Directions of no special variance capture k of p dimensions, relative to the k largest."""
    values = rng.normal(size=(500, 10, 2))
    result = alignment_index(values, n_components=3).values
    eigenvalues = principal(values[:, :, 1], 3)[2] ** 2
    expected = 0.3 * eigenvalues.sum() / eigenvalues[:3].sum()
    # A direction's variance differs from the mean by sqrt(2 / n); three of them.
    assert result[0, 1] == pytest.approx(expected, abs=5 * np.sqrt(2 / 500 / 3))


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100))
def test_rotation_scaling_and_symmetry(seed, scale):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(10, 8, 3))
    rotation, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    moved = scale * np.einsum("nut,uv->nvt", values, rotation) + rng.normal(size=(8, 1))
    for measure in (principal_angles, alignment_index):
        first, second = (measure(v, n_components=3).values for v in (values, moved))
        np.testing.assert_allclose(first, second, atol=1e-5)
    index = alignment_index(values, n_components=3).values
    assert (index >= 0).all()
    assert (index <= 1 + 1e-9).all()
    np.testing.assert_allclose(np.diagonal(index), 1, atol=1e-9)
    angles = principal_angles(values, n_components=3).values
    np.testing.assert_allclose(angles, angles.transpose(1, 0, 2), atol=1e-5)
    assert (np.diff(angles, axis=2) >= 0).all()
    assert angles.min() >= 0
    assert angles.max() <= 90


def test_two_populations_of_the_same_units(assembly_of, rng):
    """Units are matched by name, stimuli may differ, repetitions are averaged."""
    a, b = rng.normal(size=(9, 6, 2)), rng.normal(size=(12, 6, 1))
    order, repetitions = rng.permutation(6), np.repeat([0, 1], 6)
    second = assembly_of(
        b, stimulus_ids=[f"t{i % 6}" for i in range(12)], repetition=repetitions
    ).isel(neuroid=order)
    first = assembly_of(a)
    means = (b[:6] + b[6:])[:, :, 0] / 2
    angles = principal_angles(first, second, n_components=2)
    assert angles.shape == (2, 1, 2)
    assert angles.attrs["n_stimuli"] == 9
    assert angles.attrs["n_stimuli_b"] == 6
    index = alignment_index(first, second, n_components=2).values
    for t in range(2):
        directions, directions_b = principal(a[:, :, t], 2)[0], principal(means, 2)[0]
        expected = np.rad2deg(subspace_angles(directions, directions_b))[::-1]
        np.testing.assert_allclose(angles.values[t, 0], expected, atol=NEAR_ZERO)
        centred = means - means.mean(axis=0)
        most = (principal(means, 2)[2][:2] ** 2).sum()
        assert index[t, 0] == pytest.approx(((centred @ directions) ** 2).sum() / most)


def test_two_populations_of_the_same_stimuli(assembly_of, rng):
    a, b = rng.normal(size=(9, 6, 2)), rng.normal(size=(9, 20, 1))
    order = rng.permutation(9)
    first = assembly_of(a)
    second = assembly_of(b[order], stimulus_ids=first["stimulus_id"].values[order], prefix="v4")
    result = principal_angles(first, second, n_components=3, space="stimuli")
    bases = principal(a[:, :, 1], 3)[1], principal(b[:, :, 0], 3)[1]
    expected = np.rad2deg(subspace_angles(*bases))[::-1]
    np.testing.assert_allclose(result.values[1, 0], expected, atol=NEAR_ZERO)
    with pytest.raises(ValueError, match=r"different units: 6 in the first, 20 .*space=.stimuli"):
        principal_angles(first, second, n_components=3)
    read = patterns_of(first), patterns_of(second)
    again = principal_angles(*read, n_components=3, space="stimuli")
    np.testing.assert_allclose(again.values, result.values, atol=NEAR_ZERO)


class Streamed:
    """An assembly that is read two units at a time."""

    def __init__(self, assembly):
        self.assembly = assembly
        self.n_neuroids = assembly.sizes["neuroid"]

    def labels(self):
        return self.assembly[:, :1]

    def units(self):
        return self.assembly[:1]

    def stream(self, *, timesteps, block_bytes):
        for start in range(0, self.n_neuroids, 2):
            yield self.assembly[:, start : start + 2, list(timesteps)]


def test_blocks_of_units(assembly_of, rng):
    a, b = rng.normal(size=(9, 7, 2)), rng.normal(size=(9, 7, 3))
    first, second = assembly_of(a), assembly_of(b[:, ::-1]).isel(neuroid=rng.permutation(7))
    for measure in (principal_angles, alignment_index):
        expected = measure(first, second, n_components=2)
        for pair in ((Streamed(first), Streamed(second)), (first, Streamed(second))):
            result = measure(*pair, n_components=2)
            np.testing.assert_allclose(result.values, expected.values, atol=NEAR_ZERO)


def test_bad_input(assembly_of, rng, tmp_path):
    values = rng.normal(size=(8, 5, 3))
    assembly = assembly_of(values)
    for measure in (principal_angles, alignment_index):
        with pytest.raises(ValueError, match="at least 2 of them, got 1"):
            measure(assembly[:, :, :1], n_components=2)
        with pytest.raises(ValueError, match="between 1 and 7, as many as 8 stimuli span"):
            measure(assembly, n_components=8)
        with pytest.raises(ValueError, match="fewer than n_components=6 dimensions in time bins 0"):
            measure(assembly, n_components=6)
        with pytest.raises(ValueError, match="inner products of stimuli; give the assembly"):
            measure(patterns_of(assembly), n_components=2)
        with pytest.raises(ValueError, match="undefined must be one of"):
            measure(assembly, n_components=2, undefined="zero")
        with pytest.raises(ValueError, match="at least 3 stimuli, got 2"):
            measure(assembly[:2], n_components=1)
    with pytest.raises(ValueError, match="space must be one of"):
        principal_angles(assembly, n_components=2, space="time")
    with pytest.raises(ValueError, match="8 in the first, 7 in the second, 7 in both"):
        principal_angles(assembly, assembly[:7], n_components=2, space="stimuli")
    principal_angles(assembly, n_components=2).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")


@pytest.mark.parametrize("space", ["units", "stimuli"])
def test_nothing_varies(assembly_of, rng, space):
    values = rng.normal(size=(8, 5, 3))
    values[:, :, 0] = 0.1
    with pytest.raises(ValueError, match=r"in time bins 0 .*slice\(1, None\)"):
        principal_angles(values, n_components=2, space=space)
    results = [principal_angles(values, n_components=2, space=space, undefined="nan").values]
    if space == "units":
        results.append(alignment_index(values, n_components=2, undefined="nan").values)
    for result in results:
        assert np.isnan(result[0]).all()
        assert np.isnan(result[:, 0]).all()
        assert np.isfinite(result[1:, 1:]).all()


def test_on_a_device(assembly_of, rng, device):
    """Every measure of manifolds and subspaces, with its inner products on that device."""
    values = rng.normal(size=(24, 7, 2))
    labels = np.repeat([0, 1, 2], 8).tolist()
    other = assembly_of(values[:, ::-1] + rng.normal(size=(24, 7, 2)))
    measures = [
        partial(manifold_capacity, label=labels, n_draws=3),
        partial(glue_style_capacity, label=labels, n_draws=3),
        partial(linear_separability, label=labels, n_draws=3),
        partial(few_shot_geometry, label=labels, n_draws=3),
        partial(principal_angles, other=other, n_components=2),
        partial(principal_angles, other=other, n_components=2, space="stimuli"),
        partial(alignment_index, other=other, n_components=2),
        partial(communication_subspace, target=other, n_folds=3),
        partial(canonical_correlation, other=other, n_dimensions=3),
    ]
    for measure in measures:
        result = measure(assembly_of(values), device=device)
        xr.testing.assert_allclose(result, measure(assembly_of(values)), rtol=1e-6, atol=1e-6)


@pytest.mark.data
def test_it_cortex_turns(zhang):
    """Directions of 21 stimuli: neighbours of 50 ms are nearer than 300 ms, or the baseline."""
    counts = window(zhang, start_ms=-100, stop_ms=500, width_ms=50, statistic="sum")
    starts = counts["time_bin_start"].values.tolist()
    baseline, early, next_one, late = (starts.index(ms) for ms in (-100, 100, 150, 400))
    angles = principal_angles(counts, n_components=6).mean("component").values
    assert angles[early, next_one] + 10 < angles[early, late]
    assert angles[early, late] < angles[early, baseline] + 10
    index = alignment_index(counts, n_components=6).values
    assert index[early, next_one] > index[early, late] > index[early, baseline]
