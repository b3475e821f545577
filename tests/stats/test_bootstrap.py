"""Bootstrap intervals."""

import numpy as np
import pytest

from neurorec.stats import bootstrap_interval


def test_mean_of_a_large_sample(rng):
    # The interval of a mean tends to mean +- 1.96 standard errors; with 4000 draws the standard
    # error of a 2.5 % quantile of a normal is sqrt(.025 * .975 / 4000) / phi(1.96) = 0.042
    # standard errors of the mean, so five of them are 0.21.
    x = rng.normal(3.0, 2.0, size=2000)
    low, high = bootstrap_interval(x, statistic=np.mean, n_draws=4000, seed=0)
    error = x.std() / np.sqrt(len(x))
    assert low == pytest.approx(x.mean() - 1.96 * error, abs=0.21 * error)
    assert high == pytest.approx(x.mean() + 1.96 * error, abs=0.21 * error)


@pytest.mark.parametrize("method", ["percentile", "basic", "BCa"])
def test_shapes_and_order(rng, method):
    x = rng.normal(size=(4, 30, 3))
    low, high = bootstrap_interval(x, statistic=np.mean, axis=1, method=method, n_draws=200, seed=1)
    assert low.shape == high.shape == (4, 3)
    assert np.all(low < x.mean(axis=1))
    assert np.all(x.mean(axis=1) < high)


def test_the_same_draws_serve_every_column(rng):
    # Columns that differ by a shift have intervals that differ by it, to rounding.
    x = rng.normal(size=(20, 1)) + np.array([0.0, 10.0])
    low, _ = bootstrap_interval(x, axis=0, n_draws=50, seed=3)
    assert low[1] - low[0] == pytest.approx(10.0, abs=1e-12)


def test_seed(rng):
    x = rng.normal(size=40)
    one, two, other = (bootstrap_interval(x, n_draws=99, seed=seed) for seed in (5, 5, 6))
    assert one == two
    assert one != other


def test_wider_level_is_wider(rng):
    x = rng.normal(size=40)
    narrow = bootstrap_interval(x, level=0.5, seed=0)
    wide = bootstrap_interval(x, level=0.99, seed=0)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statistic", "truth"), [(np.median, np.log(2.0)), (np.mean, 1.0)], ids=["median", "mean"]
)
def test_coverage(rng, statistic, truth):
    # 2000 samples of 100 exponential values. The standard error of a coverage of 95 % is
    # sqrt(.95 * .05 / 2000) = 0.5 %; the bound of 3 % is what the percentile interval owes.
    n_samples, size = 2000, 100
    x = rng.exponential(size=(n_samples, size))
    covered = 0
    for sample in x:
        low, high = bootstrap_interval(sample, statistic=statistic, n_draws=500, seed=rng)
        covered += int(low <= truth <= high)
    assert abs(covered / n_samples - 0.95) < 0.03


def test_too_few_observations():
    with pytest.raises(ValueError, match=r"at least 2 observations, got an array of shape \(1,\)"):
        bootstrap_interval(np.ones(1), seed=0)


def test_not_finite():
    with pytest.raises(ValueError, match="needs finite values, got NaN"):
        bootstrap_interval(np.array([1.0, np.nan]), seed=0)


def test_level_out_of_range():
    with pytest.raises(ValueError, match=r"level must lie between 0 and 1, got 95"):
        bootstrap_interval(np.arange(5.0), level=95.0, seed=0)


def test_no_draws():
    with pytest.raises(ValueError, match="n_draws must be at least 1, got 0"):
        bootstrap_interval(np.arange(5.0), n_draws=0, seed=0)


def test_unknown_method():
    with pytest.raises(ValueError, match=r"method must be one of .*got 'studentized'"):
        bootstrap_interval(np.arange(5.0), method="studentized", seed=0)
