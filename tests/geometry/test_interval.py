"""Bootstrap intervals over stimuli: against explicit resampling, coverage of a null, input."""

import numpy as np
import pytest
import xarray as xr

from neurorec.geometry import COMPARISONS, compare, compare_with_interval
from neurorec.geometry._stack import copies_of
from neurorec.geometry.interval import draw_stimuli
from neurorec.geometry.weighted import WEIGHTED


def resampled(rdm, draw):
    """Upper triangle of the resampled matrix without pairs of a stimulus and its copy."""
    rows, columns = np.triu_indices(len(draw), 1)
    other = draw[rows] != draw[columns]
    return rdm[np.ix_(draw, draw)][rows[other], columns[other]]


PLAIN = sorted(m for m in WEIGHTED if not m.startswith("whitened"))
WHITENED = sorted(set(WEIGHTED) - set(PLAIN))


@pytest.mark.parametrize("method", PLAIN)
@pytest.mark.parametrize("rounding", [None, 1])
def test_weights_equal_copies(rng, random_rdms_of, method, rounding):
    """The weighted statistics are those of the explicitly resampled dissimilarities."""
    n = 9
    a, b = (random_rdms_of(rng, k, n, rounding=rounding) for k in (2, 3))
    draws = draw_stimuli(n, n_draws=6, seed=1)
    upper = np.triu_indices(n, 1)
    vectors = (m[:, upper[0], upper[1]] for m in (a, b))
    ours = WEIGHTED[method](*vectors, copies_of(draws, n))
    for d, draw in enumerate(draws):
        x, y = (np.stack([resampled(m, draw) for m in ms]) for ms in (a, b))
        np.testing.assert_allclose(ours[d], COMPARISONS[method](x, y), atol=1e-12)


@pytest.mark.parametrize("method", WHITENED)
@pytest.mark.parametrize("n", [4, 9])
def test_whitening_of_copies(rng, random_rdms_of, method, n):
    """Against the noise covariance of the pairs that a draw holds, formed and inverted."""
    a, b = (random_rdms_of(rng, k, n) for k in (2, 3))
    draws = draw_stimuli(n, n_draws=60, seed=1)
    upper = np.triu_indices(n, 1)
    vectors = (m[:, upper[0], upper[1]] for m in (a, b))
    ours = WEIGHTED[method](*vectors, copies_of(draws, n))
    contrasts = np.eye(n)[upper[0]] - np.eye(n)[upper[1]]
    covariance = (contrasts @ contrasts.T) ** 2
    for d, draw in enumerate(draws):
        other = draw[upper[0]] != draw[upper[1]]
        precision = np.linalg.inv(covariance[np.ix_(other, other)])
        x, y = (np.stack([resampled(m, draw) for m in ms]) for ms in (a, b))
        if method == "whitened_correlation":
            x, y = (z - z.mean(axis=1, keepdims=True) for z in (x, y))
        norms = (np.sqrt(np.einsum("ap,pq,aq->a", z, precision, z)) for z in (x, y))
        expected = x @ precision @ y.T / np.multiply.outer(*norms)
        np.testing.assert_allclose(ours[d], expected, atol=1e-10)


def test_every_comparison_has_a_weighted_form():
    assert set(WEIGHTED) == set(COMPARISONS)


def test_draws_have_three_stimuli():
    draws = draw_stimuli(3, n_draws=200, seed=0)
    assert draws.shape == (200, 3)
    assert all(len(set(draw)) == 3 for draw in draws.tolist())


@pytest.mark.parametrize("method", COMPARISONS)
def test_interval_surrounds_the_score(rng, rdms_of, random_rdms_of, method):
    base = random_rdms_of(rng, 1, 20)
    a = rdms_of(base + 0.5 * random_rdms_of(rng, 2, 20), dim="time_bin")
    b = rdms_of(base[0])
    result = compare_with_interval(a, b, method=method, n_draws=200, seed=3)
    np.testing.assert_array_equal(result["score"].values, compare(a, b, method=method).values)
    assert result["score"].dims == ("time_bin",)
    assert (result["ci_low"] < result["score"]).all()
    assert (result["score"] < result["ci_high"]).all()
    assert result.attrs["n_draws"] == 200
    assert result.attrs["n_conditions"] == 20
    assert (result["n_undefined_draws"] == 0).all()


def test_same_seed_same_interval(rng, rdms_of, random_rdms_of):
    a, b = (rdms_of(m) for m in random_rdms_of(rng, 2, 10))
    once, again = (compare_with_interval(a, b, n_draws=50, seed=5) for _ in range(2))
    xr.testing.assert_identical(once, again)
    other = compare_with_interval(a, b, n_draws=50, seed=6)
    assert other["ci_low"].item() != once["ci_low"].item()


def test_identical_rdms_have_no_spread(rng, rdms_of, random_rdms_of):
    a = rdms_of(random_rdms_of(rng, 1, 12)[0])
    result = compare_with_interval(a, a, n_draws=50, seed=0)
    np.testing.assert_allclose([result["ci_low"], result["ci_high"]], 1, atol=1e-12)


def test_a_wider_level_is_wider(rng, rdms_of, random_rdms_of):
    a, b = (rdms_of(m) for m in random_rdms_of(rng, 2, 15))
    narrow, wide = (
        compare_with_interval(a, b, level=level, n_draws=200, seed=0) for level in (0.5, 0.95)
    )
    assert wide["ci_low"] < narrow["ci_low"] < narrow["ci_high"] < wide["ci_high"]


@pytest.mark.slow
def test_interval_covers_zero_for_unrelated_populations(rng, rdms_of):
    """RDMs of independent populations: the 95 % interval misses zero in about 5 % of cases."""
    n_cases, n, p, missed = 120, 24, 60, 0
    for case in range(n_cases):
        a, b = (rdms_of(1 - np.corrcoef(rng.normal(size=(n, p)))) for _ in range(2))
        result = compare_with_interval(a, b, method="pearson", n_draws=200, seed=case)
        missed += not result["ci_low"].item() <= 0 <= result["ci_high"].item()
    # Binomial with 5 %: mean 6, SD 2.4. A percentile bootstrap of an RDM is conservative.
    assert missed <= 6 + 4 * 2.4


def test_undefined_draws_are_counted(rdms_of):
    """A model of one pair of categories: some draws hold stimuli of one category only."""
    category = np.array([0, 0, 0, 0, 0, 1])
    model = rdms_of((category[:, None] != category).astype(float))
    upper = np.triu(np.random.default_rng(0).random((6, 6)), 1)
    result = compare_with_interval(model, rdms_of(upper + upper.T), n_draws=300, seed=0)
    # The sixth stimulus is absent from (5/6)^6 = 0.33 of the draws.
    assert abs(result["n_undefined_draws"].item() / 300 - 0.335) < 4 * np.sqrt(0.335 * 0.665 / 300)
    assert np.isfinite(result["ci_low"].item())


def test_undefined_rdms_stay_nan(rng, rdms_of, random_rdms_of):
    values = random_rdms_of(rng, 2, 8)
    values[0] = np.nan
    result = compare_with_interval(
        rdms_of(values), rdms_of(values[1]), n_draws=20, undefined="nan", seed=0
    )
    assert np.isnan(result["ci_low"].values[0])
    assert np.isfinite(result["ci_low"].values[1])


def test_written_and_read(rng, rdms_of, random_rdms_of, tmp_path):
    a = rdms_of(random_rdms_of(rng, 2, 8))
    result = compare_with_interval(a, a, n_draws=20, seed=0)
    result.to_netcdf(tmp_path / "scores.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "scores.nc", engine="h5netcdf") as read:
        np.testing.assert_array_equal(read["ci_low"].values, result["ci_low"].values)


@pytest.mark.parametrize("options", [{"n_draws": 1}, {"level": 1.0}])
def test_no_interval(rng, rdms_of, random_rdms_of, options):
    a = rdms_of(random_rdms_of(rng, 1, 8))
    with pytest.raises(ValueError, match="n_draws of at least 2 and a level between 0 and 1"):
        compare_with_interval(a, a, seed=0, **options)


def test_average_over_subjects_by_hand(rng, rdms_of, random_rdms_of):
    model, subjects = (rdms_of(random_rdms_of(rng, k, 12), dim=d) for k, d in ((2, "m"), (3, "s")))
    options = {"method": "pearson", "n_draws": 400, "seed": 3}
    averaged = compare_with_interval(model, subjects, average="s", **options)
    apart = compare_with_interval(model, subjects, **options)
    np.testing.assert_allclose(averaged["score"], apart["score"].mean("s"), atol=1e-12)
    assert averaged["ci_low"].dims == ("m",)
    # The mean of three subjects scatters less than the least certain of them.
    width = averaged["ci_high"] - averaged["ci_low"]
    assert (width < (apart["ci_high"] - apart["ci_low"]).max("s")).all()
    one = compare_with_interval(model, subjects.isel(s=[0]), average="s", **options)
    for name in ("score", "ci_low", "ci_high"):
        np.testing.assert_allclose(one[name], apart[name].isel(s=0), atol=1e-12)
    with pytest.raises(ValueError, match=r"average must be the leading dimension of b, \('s',\)"):
        compare_with_interval(model, subjects, average="subject", **options)
