"""Every similarity and distance: axioms, labels, what time axes and bad input do."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec import assemblies
from neurorec.geometry import SIMILARITIES, similarity
from neurorec.populations import patterns_of

STOCHASTIC = ("stochastic_shape",)
MEANS = tuple(name for name in SIMILARITIES if name not in STOCHASTIC)
SYMMETRIC = tuple(
    name for name in MEANS if name not in ("pwcca", "predictivity", "predictivity_backward")
)
DISTANCES = (
    "procrustes_angular",
    "procrustes_euclidean",
    "half_whitened_angular",
    "whitened_angular",
)
# A map of units by any invertible matrix changes nothing.
AFFINE = ("cca", "whitened_angular")
# A change of scale does: distances in units of the activity, and partial whitening.
SCALED = ("procrustes_euclidean", "half_whitened_angular", "stochastic_shape")

# arccos and the square root turn a rounding error of some 1e-16 times the number of axes into its
# root.
ROOT = 2e-7


def case(assembly_of, values):
    """Every stimulus shown three times, with noise; the means do not change."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(3, *values.shape))
    noise -= noise.mean(axis=0)
    n = len(values)
    return assembly_of(
        (values + noise).reshape(3 * n, *values.shape[1:]),
        stimulus_ids=[f"s{i}" for i in range(n)] * 3,
        repetition=np.repeat(np.arange(3), n),
    )


def mapped(assembly, matrix, shift=0.0):
    """The same presentations with other units."""
    values = np.einsum("iut,uv->ivt", assembly.values, matrix) + shift
    return assemblies.build(
        values,
        presentation=assemblies.columns_of(assembly, "presentation"),
        neuroid={
            "neuroid_id": np.arange(values.shape[1]).astype(str),
            "region": np.full(values.shape[1], "IT"),
        },
        time_bin_start=assembly["time_bin_start"].values,
        time_bin_end=assembly["time_bin_end"].values,
    )


def rotation(rng, n):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


@pytest.mark.parametrize("name", SIMILARITIES)
def test_invariance(assembly_of, rng, name):
    """Rotation of units and a shift change nothing; scale where it is claimed."""
    a = case(assembly_of, rng.normal(size=(14, 5, 2)))
    b = case(assembly_of, rng.normal(size=(14, 4, 2)))
    expected = similarity(a, b, method=name).values
    changed = mapped(a, rotation(rng, 5), shift=rng.normal(size=(5, 1)))
    np.testing.assert_allclose(similarity(changed, b, method=name), expected, atol=1e-6)
    scaled = similarity(mapped(a, 3 * np.eye(5)), b, method=name)
    assert np.allclose(scaled, expected, atol=1e-6) == (name not in SCALED)
    sheared = similarity(mapped(a, np.diag([0.05, 2, 3, 4, 5])), b, method=name)
    assert np.allclose(sheared, expected, atol=1e-6) == (name in AFFINE)


@pytest.mark.parametrize("name", SYMMETRIC + STOCHASTIC)
def test_symmetry(assembly_of, rng, name):
    a = case(assembly_of, rng.normal(size=(14, 5, 2)))
    b = case(assembly_of, rng.normal(size=(14, 4, 3)))
    # Alternation ends within 1e-10 of the squares on either way.
    atol = 1e-4 if name in STOCHASTIC else ROOT
    forth, back = similarity(a, b, method=name), similarity(b, a, method=name)
    np.testing.assert_allclose(forth.values, back.values.T, atol=atol)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_one_population_is_two_equal_ones(assembly_of, rng, name):
    a = case(assembly_of, rng.normal(size=(14, 5, 3)))
    alone, twice = similarity(a, method=name), similarity(a, a, method=name)
    np.testing.assert_allclose(alone, twice, atol=1e-4 if name in STOCHASTIC else ROOT)
    assert alone.attrs["kind"] == (
        "distance" if "_shape" in name or name in DISTANCES else "similarity"
    )
    if "predictivity" not in name:
        best = 0.0 if alone.attrs["kind"] == "distance" else 1.0
        np.testing.assert_allclose(np.diagonal(alone), best, atol=1e-12)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 10))
@pytest.mark.parametrize("name", SYMMETRIC)
def test_identity_and_range(assembly_of, name, seed, scale):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(12, 4))
    scale = 1.0 if name in SCALED else scale
    both = np.stack([x, scale * x @ rotation(rng, 4) + 5, rng.normal(size=(12, 4))], axis=2)
    values = similarity(assembly_of(both), method=name)
    if values.attrs["kind"] == "distance":
        assert abs(values[0, 1]) < ROOT * np.linalg.norm(x)
        assert values[0, 2] > 1e-3
        assert name == "procrustes_euclidean" or values.max() <= np.pi / 2
    else:
        assert values[0, 1] == pytest.approx(1, abs=1e-10)
        lowest = -1 if name == "cka_debiased" else 0
        assert lowest <= values[0, 2] < 1


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), alpha=st.floats(0, 1), angular=st.booleans())
def test_triangle_inequality(assembly_of, seed, alpha, angular):
    """Over all triples of six populations, some of them close to another."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(9, 4, 6)) * rng.gamma(1, size=(4, 1))
    values[:, :, 1] = values[:, :, 0] + 0.1 * rng.normal(size=(9, 4))
    values[:, :, 2] = (values[:, :, 0] + values[:, :, 3]) / 2
    d = similarity(
        assembly_of(values),
        method="procrustes_angular" if angular else "procrustes_euclidean",
        alpha=alpha,
    ).values
    size = np.linalg.norm(values, axis=(0, 1)).max()
    assert (d[:, None, :] <= d[:, :, None] + d[None, :, :] + ROOT * size).all()


@pytest.mark.parametrize("name", SIMILARITIES)
def test_labels(assembly_of, rng, name):
    a = case(assembly_of, rng.normal(size=(8, 5, 3)))
    b = case(assembly_of, rng.normal(size=(8, 4, 2)))
    result = similarity(a, b, method=name)
    assert result.dims == ("time_bin", "time_bin_b")
    assert result.shape == (3, 2)
    assert result["time_bin_end_b"].values.tolist() == [10, 20]
    sizes = [result.attrs[key] for key in ("n_stimuli", "n_neuroids", "n_neuroids_b")]
    assert sizes == [8, 5, 4]


def test_file(assembly_of, rng, tmp_path):
    result = similarity(assembly_of(rng.normal(size=(8, 5, 3))), method="procrustes_angular")
    result.to_netcdf(tmp_path / "result.nc", engine="h5netcdf")
    with xr.open_dataarray(tmp_path / "result.nc", engine="h5netcdf") as read:
        np.testing.assert_array_equal(read.values, result.values)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_order_of_stimuli_and_what_was_read_before(assembly_of, rng, name):
    a = case(assembly_of, rng.normal(size=(10, 5, 2)))
    b = case(assembly_of, rng.normal(size=(10, 4, 2)))
    read = patterns_of(b.isel(presentation=rng.permutation(30)), averaged=False)
    atol = 1e-4 if name in STOCHASTIC else ROOT
    np.testing.assert_allclose(
        similarity(a, b, method=name), similarity(a, read, method=name), atol=atol
    )


@pytest.mark.parametrize("name", SIMILARITIES)
def test_constant_time_bin(assembly_of, rng, name):
    values = case(assembly_of, rng.normal(size=(10, 4, 3)))
    values[:, :, 0] = 0.1
    with pytest.raises(ValueError, match=r"the same response, as in time bins 0 .*slice\(1, None"):
        similarity(values, method=name)
    result = similarity(values, method=name, undefined="nan").values
    assert np.isnan(result[0]).all()
    assert np.isnan(result[:, 0]).all()
    assert np.isfinite(result[1:, 1:]).all()


@pytest.mark.parametrize("name", SIMILARITIES)
def test_bad_input(assembly_of, rng, name):
    a = case(assembly_of, rng.normal(size=(8, 4, 2)))
    with pytest.raises(ValueError, match="at least 2 of them, got 1"):
        similarity(a.isel(time_bin=[0]), method=name)
    with pytest.raises(ValueError, match="8 in the first, 7 in the second, 7 in both"):
        similarity(a, a[a["stimulus_id"] != "s0"], method=name)
    with pytest.raises(ValueError, match=r"at least \d stimuli, got 2"):
        similarity(a[a["stimulus_id"].isin(["s0", "s1"])], method=name)
    with pytest.raises(ValueError, match="undefined must be one of"):
        similarity(a, method=name, undefined="zero")
    with pytest.raises(ValueError, match="NaN or infinite"):
        similarity(a.where(a < 1), method=name)


def test_unknown_method(assembly_of, rng):
    with pytest.raises(ValueError, match="method must be one of"):
        similarity(assembly_of(rng.normal(size=(8, 4, 2))), method="alike")


@pytest.mark.parametrize("name", ["cka_rbf", "pwcca", "procrustes_angular", *STOCHASTIC])
def test_devices_agree(assembly_of, rng, name, device):
    a = case(assembly_of, rng.normal(size=(10, 4, 2)))
    atol = 1e-4 if name in STOCHASTIC else ROOT
    np.testing.assert_allclose(
        similarity(a, method=name), similarity(a, method=name, device=device), atol=atol
    )
