"""Comparing RDMs: scipy and rsatoolbox, matching, labels, real data, bad input."""

import warnings

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata, spearmanr

from neurorec.geometry import COMPARISONS, compare

UPPER = np.triu_indices(12, 1)

# "kendall" of rsatoolbox is tau-b; ours is tau-a.
RSATOOLBOX = {
    "pearson": "corr",
    "spearman": "spearman",
    "rho_a": "rho-a",
    "kendall": "tau-a",
    "cosine": "cosine",
    "whitened_cosine": "cosine_cov",
    "whitened_correlation": "corr_cov",
}


def vectors(rdms):
    return rdms.values[..., UPPER[0], UPPER[1]]


def test_equals_scipy(rng, rdms_of, random_rdms_of):
    a, b = (rdms_of(random_rdms_of(rng, k, 12, rounding=1)) for k in (2, 3))
    for method, function in (("pearson", pearsonr), ("spearman", spearmanr)):
        expected = [[function(x, y)[0] for y in vectors(b)] for x in vectors(a)]
        np.testing.assert_allclose(compare(a, b, method=method).values, expected, atol=1e-13)


def test_cosine_by_hand(rdms_of):
    """Dissimilarities (1, 0, 0) and (1, 1, 0): cosine 1 / sqrt(2)."""
    a = rdms_of([[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    b = rdms_of([[0, 1, 1], [1, 0, 0], [1, 0, 0]])
    assert compare(a, b, method="cosine").item() == pytest.approx(1 / np.sqrt(2), abs=1e-15)


@pytest.mark.parametrize("method", COMPARISONS)
@pytest.mark.parametrize("rounding", [None, 1])
def test_equals_rsatoolbox(rng, rdms_of, random_rdms_of, method, rounding):
    pytest.importorskip("rsatoolbox")
    a, b = (random_rdms_of(rng, k, 12, rounding=rounding) for k in (2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rsatoolbox import rdm

        expected = rdm.compare(rdm.RDMs(a), rdm.RDMs(b), method=RSATOOLBOX[method])
    ours = compare(rdms_of(a), rdms_of(b, dim="model"), method=method)
    np.testing.assert_allclose(ours.values, expected, atol=1e-12)


def test_rho_a_is_the_mean_over_broken_ties(rng, rdms_of, random_rdms_of):
    """Spearman of ranks whose ties are broken at random, 4000 times."""
    a, b = (random_rdms_of(rng, 1, 12, rounding=1)[0] for _ in range(2))
    x, y = (m[UPPER] for m in (a, b))
    broken = (rankdata(v + 1e-6 * rng.random((4000, len(v))), axis=1) for v in (x, y))
    rho = [np.corrcoef(p, q)[0, 1] for p, q in zip(*broken, strict=True)]
    ours = compare(rdms_of(a), rdms_of(b), method="rho_a").item()
    assert ours == pytest.approx(np.mean(rho), abs=5 * np.std(rho) / np.sqrt(4000))


def test_rho_a_by_hand(rdms_of):
    """Ranks (1, 2.5, 2.5) against (1, 2, 3): 12 * 1.5 / 24; against themselves: 12 * 1.5 / 24."""
    a = rdms_of([[0, 1, 2], [1, 0, 2], [2, 2, 0]])
    b = rdms_of([[0, 1, 2], [1, 0, 3], [2, 3, 0]])
    assert compare(a, b, method="rho_a").item() == pytest.approx(0.75, abs=1e-15)
    assert compare(a, a, method="rho_a").item() == pytest.approx(0.75, abs=1e-15)
    assert compare(b, b, method="rho_a").item() == pytest.approx(1, abs=1e-15)


def noise_covariance(n, sigma_k):
    """``(C sigma C')`` with its entries squared, formed for all pairs."""
    rows, columns = np.triu_indices(n, 1)
    contrasts = np.eye(n)[rows] - np.eye(n)[columns]
    return (contrasts @ sigma_k @ contrasts.T) ** 2


@pytest.mark.parametrize("kind", ["equal", "unequal", "correlated"])
@pytest.mark.parametrize("method", ["whitened_cosine", "whitened_correlation"])
def test_whitening_by_the_whole_covariance(rng, rdms_of, random_rdms_of, method, kind):
    """Against the inverse of the noise covariance of the pairs, and rsatoolbox's iterations."""
    n = 8
    noise = rng.normal(size=(n, 30))
    sigma_k = {
        "equal": np.eye(n),
        "unequal": np.diag(rng.random(n) + 0.5),
        "correlated": noise @ noise.T / 30,
    }[kind]
    a, b = (rdms_of(random_rdms_of(rng, k, n), dim=d) for k, d in ((2, "m"), (3, "s")))
    precision = np.linalg.inv(noise_covariance(n, sigma_k))
    x, y = (r.values[:, *np.triu_indices(n, 1)] for r in (a, b))
    if method == "whitened_correlation":
        x, y = (v - v.mean(axis=1, keepdims=True) for v in (x, y))
    norms = (np.sqrt(np.einsum("ap,pq,aq->a", v, precision, v)) for v in (x, y))
    expected = x @ precision @ y.T / np.multiply.outer(*norms)
    ours = compare(a, b, method=method, sigma_k=sigma_k).values
    np.testing.assert_allclose(ours, expected, atol=1e-10)
    scaled = compare(a, b, method=method, sigma_k=3 * sigma_k).values
    np.testing.assert_allclose(scaled, expected, atol=1e-10)
    if kind == "equal":
        np.testing.assert_allclose(compare(a, b, method=method).values, expected, atol=1e-10)
    pytest.importorskip("rsatoolbox")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rsatoolbox import rdm

        first, second = rdm.RDMs(a.values), rdm.RDMs(b.values)
        theirs = rdm.compare(first, second, method=RSATOOLBOX[method], sigma_k=sigma_k)
    # Conjugate gradients with a relative tolerance of 1e-5.
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_whitened_cosine_is_linear_cka(rng, rdms_of):
    """Of squared Euclidean RDMs (Diedrichsen et al. 2021)."""
    patterns = rng.normal(size=(10, 6)), rng.normal(size=(10, 4))
    a, b = (rdms_of(((x[:, None] - x) ** 2).sum(axis=2)) for x in patterns)
    x, y = (p - p.mean(axis=0) for p in patterns)
    cka = np.linalg.norm(x.T @ y) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)
    assert compare(a, b, method="whitened_cosine").item() == pytest.approx(cka, abs=1e-12)


@pytest.mark.parametrize(
    ("sigma_k", "method", "message"),
    [
        (np.eye(4), "cosine", "sigma_k is for methods 'whitened_cosine' and"),
        (np.ones(4), "whitened_cosine", r"noise covariance of the 4 conditions.*got shape \(4,\)"),
        (-np.eye(4), "whitened_cosine", "symmetric and positive definite"),
        (np.triu(np.ones((4, 4))), "whitened_cosine", "symmetric and positive definite"),
    ],
)
def test_bad_sigma_k(rng, rdms_of, random_rdms_of, sigma_k, method, message):
    a = rdms_of(random_rdms_of(rng, 1, 4))
    with pytest.raises(ValueError, match=message):
        compare(a, a, method=method, sigma_k=sigma_k)


@pytest.mark.parametrize("method", COMPARISONS)
def test_conditions_are_matched_by_stimulus_id(rng, rdms_of, random_rdms_of, method):
    values = random_rdms_of(rng, 2, 12)
    order = rng.permutation(12)
    ids = np.array([f"s{i:03d}" for i in range(12)])
    shuffled = rdms_of(values[:, order][:, :, order], stimulus_ids=ids[order])
    score = compare(rdms_of(values), shuffled, method=method)
    np.testing.assert_allclose(np.diagonal(score.values), 1, atol=1e-14)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100), shift=st.floats(0, 10))
def test_invariances(rdms_of, random_rdms_of, seed, scale, shift):
    """All: positive scale, order of conditions. Pearson: shift. Ranks: any increasing function.

    Symmetric in a and b.
    """
    rng = np.random.default_rng(seed)
    a, b = (rdms_of(m) for m in random_rdms_of(rng, 2, 8))
    off = 1 - np.eye(8)
    for method in COMPARISONS:
        score = compare(a, b, method=method).item()
        assert compare(b, a, method=method).item() == pytest.approx(score, abs=1e-12)
        assert compare(scale * a, b, method=method).item() == pytest.approx(score, abs=1e-12)
        assert -1 - 1e-12 <= score <= 1 + 1e-12
        order = rng.permutation(8)
        moved = (x.isel(condition=order, condition_b=order) for x in (a, b))
        assert compare(*moved, method=method).item() == pytest.approx(score, abs=1e-12)
    moved = compare(a + shift * off, b, method="pearson").item()
    assert moved == pytest.approx(compare(a, b, method="pearson").item(), abs=1e-10)
    for method in ("spearman", "rho_a", "kendall"):
        score = compare(a**3, b, method=method).item()
        assert score == pytest.approx(compare(a, b, method=method).item(), abs=1e-12)


def test_leading_dimensions_and_labels(rng, rdms_of, random_rdms_of):
    ends = ("time_bin", [10.0, 20.0])
    a = rdms_of(random_rdms_of(rng, 2, 12), dim="time_bin", coords={"time_bin_end": ends})
    b = rdms_of(random_rdms_of(rng, 3, 12), coords={"rdm_name": ("rdm", ["V1", "V4", "IT"])})
    score = compare(a, b)
    assert score.dims == ("time_bin", "rdm")
    assert score["rdm_name"].values.tolist() == ["V1", "V4", "IT"]
    assert score["time_bin_end"].values.tolist() == [10, 20]
    assert score.attrs["n_conditions"] == 12
    assert score.attrs["n_pairs"] == 66
    np.testing.assert_array_equal(compare(a, b.isel(rdm=1)).values, score.values[:, 1])
    assert compare(a.isel(time_bin=0), b.isel(rdm=0)).shape == ()


def test_cross_temporal(rng, rdms_of, random_rdms_of):
    ends = ("time_bin", [10.0, 20.0])
    a = rdms_of(random_rdms_of(rng, 2, 12), dim="time_bin", coords={"time_bin_end": ends})
    score = compare(a, a)
    assert score.dims == ("time_bin", "time_bin_b")
    assert score["time_bin_end_b"].dims == ("time_bin_b",)
    np.testing.assert_allclose(np.diagonal(score.values), 1, atol=1e-14)


def test_models_over_time_with_brains_over_time(rng, rdms_of, random_rdms_of):
    """Timesteps of a model against time bins of a brain: each cell is its own comparison."""
    starts = ("time_bin", [0.0, 10.0, 20.0], {"units": "ms"})
    model = rdms_of(
        random_rdms_of(rng, 2, 12), dim="time_bin", coords={"timestep": ("time_bin", [0, 1])}
    )
    brain = rdms_of(random_rdms_of(rng, 3, 12), dim="time_bin", coords={"time_bin_start": starts})
    for method in COMPARISONS:
        score = compare(model, brain, method=method)
        assert score.dims == ("time_bin", "time_bin_b")
        assert score["timestep"].dims == ("time_bin",)
        assert score["time_bin_start"].dims == ("time_bin_b",)
        assert score["time_bin_start"].attrs["units"] == "ms"
        for t in range(2):
            for u in range(3):
                cell = compare(model.isel(time_bin=t), brain.isel(time_bin=u), method=method)
                assert score.values[t, u] == pytest.approx(cell.item(), abs=1e-14)


def test_two_leading_dimensions(rng, rdms_of, random_rdms_of):
    values = random_rdms_of(rng, 6, 12).reshape(3, 2, 12, 12)
    ids = {"stimulus_id": ("condition", [f"s{i:03d}" for i in range(12)])}
    a = xr.DataArray(values, dims=("area", "time_bin", "condition", "condition_b"), coords=ids)
    score = compare(a, rdms_of(values[1, 0]))
    assert score.dims == ("area", "time_bin")
    assert score.values[1, 0] == pytest.approx(1, abs=1e-14)


def test_written_and_read(rng, rdms_of, random_rdms_of, tmp_path):
    a = rdms_of(random_rdms_of(rng, 2, 12), coords={"rdm_name": ("rdm", ["V4", "IT"])})
    score = compare(a, a)
    score.to_netcdf(tmp_path / "score.nc", engine="h5netcdf")
    with xr.open_dataarray(tmp_path / "score.nc", engine="h5netcdf") as read:
        np.testing.assert_array_equal(read.values, score.values)


@pytest.mark.data
@pytest.mark.parametrize(
    ("first", "second", "method", "value"),
    [
        ("mIT_674neurons", "hITvisStim_316vx", "pearson", 0.491),
        ("mIT_674neurons", "hITvisStim_316vx", "spearman", 0.439),
        ("model_animacy", "mIT_674neurons", "spearman", 0.453),
        ("model_animacy", "hITvisStim_316vx", "spearman", 0.588),
        ("model_V1", "mIT_674neurons", "spearman", 0.074),
        ("model_V1", "hITvisStim_316vx", "spearman", 0.039),
    ],
)
def test_monkey_and_human(objects_92, first, second, method, value):
    """The reference gives no method for the models; Spearman is the one that lands on them."""
    names = objects_92["rdm_name"].values
    a, b = (objects_92.isel(rdm=int(np.flatnonzero(names == n)[0])) for n in (first, second))
    assert compare(a, b, method=method).item() == pytest.approx(value, abs=0.0005)


def test_different_conditions(rng, rdms_of, random_rdms_of):
    a = rdms_of(random_rdms_of(rng, 1, 5))
    b = rdms_of(random_rdms_of(rng, 1, 4))
    with pytest.raises(ValueError, match=r"5 in the first, 4 in the second, 4 in both.*'s004'"):
        compare(a, b)


def test_two_conditions(rng, rdms_of, random_rdms_of):
    a = rdms_of(random_rdms_of(rng, 1, 2))
    with pytest.raises(ValueError, match="at least 3 conditions, got 2 by 2"):
        compare(a, a)


def test_repeated_stimulus(rng, rdms_of, random_rdms_of):
    a = rdms_of(random_rdms_of(rng, 1, 3), stimulus_ids=["a", "b", "b"])
    with pytest.raises(ValueError, match="stimulus_id repeats"):
        compare(a, a)


def test_no_stimulus_id(rng, rdms_of, random_rdms_of):
    a = rdms_of(random_rdms_of(rng, 1, 4))
    with pytest.raises(ValueError, match="need the coordinate 'stimulus_id'"):
        compare(a, a.drop_vars("stimulus_id"))


def test_no_rdm(rng, rdms_of, random_rdms_of):
    a = rdms_of(random_rdms_of(rng, 1, 4))
    with pytest.raises(ValueError, match="dimensions 'condition' and 'condition_b'"):
        compare(a, a.rename(condition_b="other"))
    with pytest.raises(ValueError, match="symmetric with a zero diagonal; 1 of 1"):
        compare(a, 1 - a)


def test_nan(rng, rdms_of, random_rdms_of):
    a = rdms_of(random_rdms_of(rng, 2, 4))
    b = a.copy()
    b[1, 0, 2] = np.nan
    with pytest.raises(ValueError, match="1 of 2 RDMs hold NaN, the first is number 1"):
        compare(a, b)
    score = compare(a, b, undefined="nan").values
    assert np.isnan(score[:, 1]).all()
    np.testing.assert_allclose(score[:, 0], compare(a, a).values[:, 0])


@pytest.mark.parametrize("method", COMPARISONS)
def test_constant_rdm(rng, rdms_of, random_rdms_of, method):
    values = random_rdms_of(rng, 2, 4)
    values[1] = 1 - np.eye(4)
    a = rdms_of(values)
    with pytest.raises(ValueError, match=r"as in 1 of the 2 RDMs of the first.*number 1"):
        compare(a, a, method=method)
    assert np.isnan(compare(a, a, method=method, undefined="nan").values).sum() == 3


def test_unknown_options(rng, rdms_of, random_rdms_of):
    a = rdms_of(random_rdms_of(rng, 1, 4))
    with pytest.raises(ValueError, match="method must be one of"):
        compare(a, a, method="tau-b")
    with pytest.raises(ValueError, match="undefined must be one of"):
        compare(a, a, undefined="drop")
