"""Linear and RBF CKA: known answers, invariances, definitions, debiasing, bad input."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm, compare
from scipy.spatial.distance import pdist, squareform

from neurorec import assemblies
from neurorec.geometry import linear_cka, rbf_cka


def feature_space(x, y):
    """``|Y'X|^2 / (|X'X| |Y'Y|)`` as written in the definition."""
    x, y = x - x.mean(0), y - y.mean(0)
    norm = np.linalg.norm
    return norm(y.T @ x) ** 2 / (norm(x.T @ x) * norm(y.T @ y))


def unbiased_hsic(x, y):
    """Song et al. (2012), equation 5, term by term."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    ones = np.ones(n)
    terms = (
        np.trace(k @ m)
        + (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * (ones @ k @ m @ ones)
    )
    return terms / (n * (n - 3))


def test_definition(assembly_of, rng):
    values = rng.normal(2, 1, size=(9, 5, 3))
    result = linear_cka(assembly_of(values)).values
    for t in range(3):
        for s in range(3):
            expected = feature_space(values[:, :, t], values[:, :, s])
            assert result[t, s] == pytest.approx(expected, abs=1e-13)


def test_debiased_definition(assembly_of, rng):
    values = rng.normal(2, 1, size=(9, 5, 2))
    x, y = values[:, :, 0], values[:, :, 1]
    expected = unbiased_hsic(x, y) / np.sqrt(unbiased_hsic(x, x) * unbiased_hsic(y, y))
    result = linear_cka(assembly_of(values), debiased=True).values
    assert result[0, 1] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(np.diagonal(result), 1, atol=1e-13)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100), debiased=st.booleans())
def test_one_under_rotation_scaling_and_shift(assembly_of, seed, scale, debiased):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(12, 6))
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    both = np.stack([x, scale * x @ rotation + rng.normal(size=6)], axis=2)
    np.testing.assert_allclose(
        linear_cka(assembly_of(both), debiased=debiased).values, 1, atol=1e-8
    )


def test_debiased_is_zero_on_average_for_independent_populations():
    """With three times more neuroids than stimuli the plain measure is near one."""
    values = np.random.default_rng(3).normal(size=(20, 60, 60))
    result = linear_cka(values, debiased=True).values
    # A bin's mean over its partners; those are nearly independent of one another.
    means = (result.sum(axis=1) - 1) / 59
    assert abs(means.mean()) < 4 * means.std() / np.sqrt(60)
    assert linear_cka(values).values[np.triu_indices(60, 1)].mean() > 0.7


def test_two_populations_are_matched(assembly_of, rng):
    values = rng.normal(size=(8, 5, 2))
    order = rng.permutation(8)
    a = assembly_of(values)
    b = assembly_of(values[order][:, :4], stimulus_ids=a["stimulus_id"].values[order])
    result = linear_cka(a, b)
    assert result.dims == ("time_bin", "time_bin_b")
    expected = feature_space(values[:, :, 0], values[:, :4, 1])
    assert result.values[0, 1] == pytest.approx(expected, abs=1e-13)
    assert result.attrs["n_neuroids_b"] == 4


def test_labels(assembly_of, rng, tmp_path):
    result = linear_cka(assembly_of(rng.normal(size=(8, 5, 3))))
    assert result["time_bin_end"].values.tolist() == [10, 20, 30]
    assert result["time_bin_end_b"].dims == ("time_bin_b",)
    assert result.attrs["n_stimuli"] == 8
    result.to_netcdf(tmp_path / "cka.nc", engine="h5netcdf")
    with xr.open_dataarray(tmp_path / "cka.nc", engine="h5netcdf") as read:
        np.testing.assert_array_equal(read.values, result.values)


def test_one_time_bin(assembly_of, rng):
    assembly = assembly_of(rng.normal(size=(8, 5, 1)))
    with pytest.raises(ValueError, match="at least 2 of them, got 1"):
        linear_cka(assembly)
    assert linear_cka(assembly, assembly).item() == pytest.approx(1)


def test_too_few_stimuli(assembly_of, rng):
    assembly = assembly_of(rng.normal(size=(3, 5, 2)))
    assert linear_cka(assembly).shape == (2, 2)
    with pytest.raises(ValueError, match="at least 4 stimuli, got 3"):
        linear_cka(assembly, debiased=True)


def test_different_stimuli(assembly_of, rng):
    a = assembly_of(rng.normal(size=(5, 5, 2)))
    with pytest.raises(ValueError, match="5 in the first, 4 in the second, 4 in both"):
        linear_cka(a, a.isel(presentation=slice(0, 4)))


def test_nothing_varies(assembly_of, rng):
    values = rng.normal(size=(6, 5, 3))
    values[:, :, 0] = 0.1
    with pytest.raises(ValueError, match=r"same response, as in time bins 0 .*slice\(1, None\)"):
        linear_cka(assembly_of(values))
    result = linear_cka(assembly_of(values), undefined="nan").values
    assert np.isnan(result[0]).all()
    assert np.isnan(result[:, 0]).all()
    assert np.isfinite(result[1:, 1:]).all()


def test_nan_and_unknown_policy(assembly_of, rng):
    values = rng.normal(size=(6, 5, 3))
    with pytest.raises(ValueError, match="undefined must be one of"):
        linear_cka(assembly_of(values), undefined="zero")
    values[0, 0, 0] = np.inf
    with pytest.raises(ValueError, match="NaN or infinite"):
        linear_cka(assembly_of(values))


def test_macaque_it_over_time(zhang_windows):
    """Windows of 50 ms: neighbours in the response are alike, the baseline is not."""
    result = linear_cka(zhang_windows).values
    means = assemblies.average_repetitions(zhang_windows).values
    expected = feature_space(means[:, :, 3], means[:, :, 5])
    assert result[3, 5] == pytest.approx(expected, abs=1e-12)
    for cka in (result, linear_cka(zhang_windows, debiased=True).values):
        assert cka[3, [2, 4]].min() > cka[3, 0]
    # Before a response there is noise: alike by its 132 units over 21 stimuli, not debiased.
    assert abs(linear_cka(zhang_windows, debiased=True).values[0, 3]) < 0.2 < result[0, 3]


def gaussian_kernel(x, bandwidth):
    """Kornblith et al. (2019), from responses; the median is over pairs of different stimuli."""
    d = pdist(x, "sqeuclidean")
    return np.exp(-squareform(d) / (2 * bandwidth**2 * np.median(d)))


@pytest.mark.parametrize("n", [7, 8])
@pytest.mark.parametrize("bandwidth", [0.3, 1])
def test_rbf_definition(assembly_of, rng, n, bandwidth):
    x, y = rng.normal(5, 1, size=(n, 6)), rng.normal(size=(n, 20))
    h = np.eye(n) - 1 / n
    k, m = (h @ gaussian_kernel(z, bandwidth) @ h for z in (x, y))
    expected = np.sum(k * m) / np.linalg.norm(k) / np.linalg.norm(m)
    result = rbf_cka(assembly_of(x), assembly_of(y), bandwidth=bandwidth)
    assert result.item() == pytest.approx(expected, abs=1e-11)


def test_wide_kernels_are_linear(assembly_of, rng):
    """``exp(-d / w)`` is ``1 - d / w`` up to the square, and centring leaves the Gram matrix."""
    a = assembly_of(rng.normal(size=(12, 5, 3)))
    np.testing.assert_allclose(rbf_cka(a, bandwidth=1e3), linear_cka(a), atol=1e-5)


def test_rbf_bad_input(assembly_of, rng):
    values = rng.normal(size=(10, 5, 2))
    for bandwidth in (0, -1, np.inf):
        with pytest.raises(ValueError, match="bandwidth must be a positive share"):
            rbf_cka(assembly_of(values), bandwidth=bandwidth)
    values[1:, :, 1] = values[0, :, 1]
    values[9, :, 1] += 1
    with pytest.raises(ValueError, match=r"more than half of the pairs .* time bins 1"):
        rbf_cka(assembly_of(values))
    assert np.isnan(rbf_cka(assembly_of(values), undefined="nan").values[:, 1]).all()


def test_debiased_of_equal_distances(assembly_of, rng):
    """A simplex: without its diagonal the Gram matrix is constant."""
    values = np.stack([np.eye(6), rng.normal(size=(6, 6))], axis=2)
    with pytest.raises(ValueError, match="equally far apart, as in time bins 0"):
        linear_cka(assembly_of(values), debiased=True)
    result = linear_cka(assembly_of(values), debiased=True, undefined="nan").values
    assert np.isnan(result[0]).all()
    assert result[1, 1] == pytest.approx(1)


def test_rsatoolbox(assembly_of, rng):
    """Its cosine of centred Gram matrices is the whitened cosine of squared distances."""
    values = rng.normal(size=(10, 6, 2))
    rdms = [calc_rdm(Dataset(values[:, :, t]), method="euclidean") for t in range(2)]
    expected = compare(*rdms, method="cosine_cov").item()
    # It solves for the whitened vectors with a tolerance of 1e-5.
    assert linear_cka(assembly_of(values)).values[0, 1] == pytest.approx(expected, abs=1e-4)
