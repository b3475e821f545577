"""RDMs: known answers, axioms, scipy and rsatoolbox, real data, bad input."""

import warnings

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from neurorec import assemblies
from neurorec.geometry import DISSIMILARITIES, compare, rdm

SCIPY = {"correlation": "correlation", "squared_euclidean": "sqeuclidean", "cosine": "cosine"}


def patterns(seed, n=8, p=12, n_bins=3):
    return np.random.default_rng(seed).normal(1, 1, size=(n, p, n_bins))


def test_orthogonal_patterns(assembly_of):
    """Unit vectors: distance 2, cosine 0, and a correlation of -1 / (p - 1)."""
    p = 5
    assembly = assembly_of(np.eye(p))
    off = ~np.eye(p, dtype=bool)
    assert np.all(rdm(assembly, method="squared_euclidean").values[0][off] == 2)
    np.testing.assert_allclose(rdm(assembly, method="cosine").values[0][off], 1, atol=1e-15)
    np.testing.assert_allclose(rdm(assembly).values[0][off], 1 + 1 / (p - 1), atol=1e-15)


@pytest.mark.parametrize("method", DISSIMILARITIES)
def test_equals_scipy_in_every_time_bin(assembly_of, method, device):
    values = patterns(0)
    ours = rdm(assembly_of(values), method=method, device=device).values
    for t in range(values.shape[2]):
        expected = cdist(values[:, :, t], values[:, :, t], SCIPY[method])
        np.testing.assert_allclose(ours[t], expected, atol=1e-12)


def test_correlation_of_patterns_with_a_large_mean(assembly_of):
    """Rounding of the Gram matrix in float64: about 1e-16 times mean square over variance."""
    values = patterns(1) + 1e3
    expected = cdist(values[:, :, 0], values[:, :, 0], "correlation")
    np.testing.assert_allclose(rdm(assembly_of(values)).values[0], expected, atol=1e-16 * 1e6 * 50)


def test_float32_products(assembly_of):
    values = patterns(2, n=20, p=500).astype(np.float32)
    exact = rdm(assembly_of(values)).values
    fast = rdm(assembly_of(values), precision="float32").values
    assert np.abs(fast - exact).max() < 20 * 1e-7 * 2  # mean square over variance is 2
    assert np.abs(fast - exact).max() > 0


def test_repetitions_are_averaged(assembly_of):
    values = patterns(3, n=12)
    ids = [f"s{i % 4}" for i in range(12)]
    repetition = np.arange(12) // 4
    means = values.reshape(3, 4, *values.shape[1:]).mean(axis=0)
    result = rdm(assembly_of(values, stimulus_ids=ids, repetition=repetition))
    np.testing.assert_allclose(result.values, rdm(assembly_of(means)).values, atol=1e-14)
    assert result["n_repetitions"].values.tolist() == [3] * 4


def test_labels(assembly_of):
    assembly = assembly_of(patterns(4), object_name=np.repeat(["car", "face"], 4))
    assembly = assembly.assign_coords(timestep=("time_bin", [0, 1, 2]))
    result = rdm(assembly)
    assert result.dims == ("time_bin", "condition", "condition_b")
    assert result["stimulus_id"].values.tolist() == assembly["stimulus_id"].values.tolist()
    assert result["object_name"].dims == ("condition",)
    assert result["timestep"].values.tolist() == [0, 1, 2]
    assert result["time_bin_end"].attrs["units"] == "ms"
    assert result.attrs["n_neuroids"] == 12
    assert result.attrs["n_conditions"] == 8


def test_written_and_read(assembly_of, tmp_path):
    result = rdm(assembly_of(patterns(5), object_name=np.repeat(["car", "face"], 4)))
    result.to_netcdf(tmp_path / "rdm.nc", engine="h5netcdf")
    with xr.open_dataarray(tmp_path / "rdm.nc", engine="h5netcdf") as read:
        np.testing.assert_array_equal(read.values, result.values)
        assert read.attrs["units"] == "1 - Pearson r"


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), method=st.sampled_from(sorted(DISSIMILARITIES)))
def test_symmetric_with_zero_diagonal(assembly_of, seed, method):
    values = rdm(assembly_of(patterns(seed)), method=method).values
    np.testing.assert_array_equal(values, values.transpose(0, 2, 1))
    assert np.all(np.diagonal(values, axis1=1, axis2=2) == 0)
    assert values.min() >= 0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100), shift=st.floats(-5, 5))
def test_invariances(assembly_of, seed, scale, shift):
    """Correlation: scale and shift of patterns; cosine: scale; all: order of neuroids."""
    rng = np.random.default_rng(seed)
    values = patterns(seed)
    order = rng.permutation(values.shape[1])
    for method in DISSIMILARITIES:
        original = rdm(assembly_of(values), method=method).values
        permuted = rdm(assembly_of(values[:, order]), method=method).values
        np.testing.assert_allclose(permuted, original, atol=1e-12 * original.max())
    moved = rdm(assembly_of(scale * values + shift)).values
    # The Gram matrix loses digits as the mean grows against the scale.
    loss = (1 + shift / scale) ** 2
    np.testing.assert_allclose(moved, rdm(assembly_of(values)).values, atol=1e-13 * loss)
    scaled = rdm(assembly_of(scale * values), method="cosine").values
    unscaled = rdm(assembly_of(values), method="cosine").values
    np.testing.assert_allclose(scaled, unscaled, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_rotation_of_the_population(assembly_of, seed):
    values = patterns(seed)
    p = values.shape[1]
    rotation, _ = np.linalg.qr(np.random.default_rng(seed + 1).normal(size=(p, p)))
    rotated = np.einsum("npt,pq->nqt", values, rotation)
    for method in ("squared_euclidean", "cosine"):
        original = rdm(assembly_of(values), method=method).values
        turned = rdm(assembly_of(rotated), method=method).values
        np.testing.assert_allclose(turned, original, atol=1e-11)


@pytest.mark.parametrize(
    ("method", "theirs"), [("correlation", "correlation"), ("squared_euclidean", "euclidean")]
)
def test_equals_rsatoolbox(assembly_of, method, theirs):
    """The peer divides the squared Euclidean distance by the number of channels; we do not."""
    pytest.importorskip("rsatoolbox")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rsatoolbox.data import Dataset
        from rsatoolbox.rdm import calc_rdm

        values = patterns(6, n=15, p=40, n_bins=1)
        expected = calc_rdm(Dataset(values[:, :, 0]), method=theirs).get_matrices()[0]
    scale = values.shape[1] if method == "squared_euclidean" else 1
    ours = rdm(assembly_of(values), method=method).values[0]
    np.testing.assert_allclose(ours, scale * expected, atol=1e-12 * scale)


@pytest.mark.data
@pytest.mark.slow
def test_split_half_of_it(zhang):
    """Macaque IT: 0.27 (50-100 ms), 0.71 (100-150 ms), 0.87 (100-300 ms).

    The convention that gives these: Pearson between the correlation RDMs of two random halves of
    the repetitions, the same repetitions for every stimulus and unit; spike counts, not rescaled.
    """
    limits = ((50.0, 100.0), (100.0, 150.0), (100.0, 300.0))
    parts = [assemblies.window(zhang, start_ms=a, stop_ms=b) for a, b in limits]
    bins = assemblies.build(
        np.concatenate([part.values for part in parts], axis=2),
        presentation=assemblies.columns_of(zhang, "presentation"),
        neuroid=assemblies.columns_of(zhang, "neuroid"),
        time_bin_start=[a for a, _ in limits],
        time_bin_end=[b for _, b in limits],
    )
    rng = np.random.default_rng(0)
    n_draws, scores = 60, []
    for _ in range(n_draws):
        first = np.isin(bins["repetition"].values, rng.permutation(20)[:10])
        halves = (bins.isel(presentation=rows) for rows in (first, ~first))
        agreement = compare(*(rdm(half) for half in halves), method="pearson")
        scores.append(np.diagonal(agreement.values))
    mean, spread = np.mean(scores, axis=0), np.std(scores, axis=0)
    # Rounding of the reference, and four standard errors of the difference of two means.
    tolerance = 0.005 + 4 * spread * np.sqrt(2 / n_draws)
    np.testing.assert_array_less(np.abs(mean - [0.27, 0.71, 0.87]), tolerance)
    assert np.all(tolerance < [0.09, 0.05, 0.03])


def test_unknown_method(assembly_of):
    with pytest.raises(ValueError, match=r"method must be one of .*'correlation'"):
        rdm(assembly_of(patterns(0)), method="euclid")


def test_unknown_precision_and_policy(assembly_of):
    with pytest.raises(ValueError, match="precision must be one of"):
        rdm(assembly_of(patterns(0)), precision="half")
    with pytest.raises(ValueError, match="undefined must be one of"):
        rdm(assembly_of(patterns(0)), undefined="ignore")


def test_two_stimuli(assembly_of):
    with pytest.raises(ValueError, match="at least 3 stimuli, got 2"):
        rdm(assembly_of(patterns(0, n=2)))


def test_nan(assembly_of):
    values = patterns(0)
    values[2, 3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        rdm(assembly_of(values))


@pytest.mark.parametrize(("method", "level"), [("correlation", 0.1), ("cosine", 0.0)])
def test_constant_pattern(assembly_of, method, level):
    values = patterns(0)
    values[4, :, 0] = level
    with pytest.raises(ValueError, match=r"stimulus 's004' in time bin 0 .*slice\(1, None\)"):
        rdm(assembly_of(values), method=method)
    result = rdm(assembly_of(values), method=method, undefined="nan").values
    assert np.isnan(result[0, 4]).all()
    assert np.isnan(result[0, :, 4]).all()
    assert np.isfinite(np.delete(np.delete(result[0], 4, 0), 4, 1)).all()
    assert np.isfinite(result[1:]).all()


def test_constant_pattern_in_the_last_bin(assembly_of):
    values = patterns(0)
    values[4, :, 2] = 1
    with pytest.raises(ValueError, match="keep the other time bins"):
        rdm(assembly_of(values))


def test_gpu_and_cpu_agree(assembly_of, device):
    torch.manual_seed(0)
    values = patterns(9, n=30, p=200)
    ours = rdm(assembly_of(values), device=device).values
    np.testing.assert_allclose(ours, rdm(assembly_of(values)).values, atol=1e-12)
