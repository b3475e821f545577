"""Shared dimensionality: known factors, scikit-learn's factor analysis, axioms, bad input."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import FactorAnalysis

from neurorec.dimensionality import ROWS, shared_dimensionality
from neurorec.dimensionality.factor_analysis import factor_analysis
from neurorec.populations import as_population, patterns_of


def with_factors(rng, n_factors, n=200, p=15, bins=1):
    """Units whose private variances differ by a factor of nine."""
    loadings = rng.normal(size=(p, n_factors))
    private = rng.uniform(0.5, 1.5, size=p)
    shared = np.einsum("nfb,pf->npb", rng.normal(size=(n, n_factors, bins)), loadings)
    return shared + rng.normal(size=(n, p, bins)) * private[:, None]


def fit(values, n_factors, tolerance=1e-9):
    centred = values - values.mean(axis=0)
    covariance = torch.from_numpy(centred.T @ centred / len(centred))
    many = covariance.expand(len(n_factors), -1, -1).contiguous()
    return covariance, factor_analysis(many, torch.tensor(n_factors), tolerance=tolerance)


def test_equals_scikit_learn(rng):
    """Both climb the same likelihood; scikit-learn's score is of its own fit."""
    values, numbers = with_factors(rng, 3, n=300, p=20)[:, :, 0], [1, 3]
    covariance, models = fit(values, numbers)
    likelihoods = models.log_likelihood(covariance.expand(2, -1, -1))
    for k, own, loadings, private in zip(
        numbers, likelihoods, models.loadings, models.private, strict=True
    ):
        peer = FactorAnalysis(k, svd_method="lapack", tol=1e-7, max_iter=20000).fit(values)
        # Ours stops where a step gains 1e-9 nats, of a few hundred steps.
        assert own.item() == pytest.approx(peer.score(values), abs=1e-6)
        expected = loadings @ loadings.T + torch.diag(private)
        np.testing.assert_allclose(expected.numpy(), peer.get_covariance(), atol=0.01)


def test_likelihood_equals_scipy(rng):
    from scipy.stats import multivariate_normal

    values = with_factors(rng, 2)[:, :, 0]
    covariance, models = fit(values, [2])
    expected = models.loadings[0] @ models.loadings[0].T + torch.diag(models.private[0])
    peer = multivariate_normal(values.mean(axis=0), expected.numpy()).logpdf(values).mean()
    assert models.log_likelihood(covariance[None]).item() == pytest.approx(peer, rel=1e-12)


def test_one_factor_is_recovered(rng):
    """A covariance that is one: loadings (a, b, c) and private variances, in closed form."""
    loading, private = np.array([1.0, 2, -1.5, 0.5]), np.array([1.0, 0.5, 2, 1])
    covariance = torch.from_numpy(np.outer(loading, loading) + np.diag(private))[None]
    model = factor_analysis(covariance, torch.tensor([1]), tolerance=1e-15)
    found = model.loadings[0, :, 0].numpy()
    np.testing.assert_allclose(found * np.sign(found[0]), loading, atol=1e-4)
    np.testing.assert_allclose(model.private[0].numpy(), private, atol=1e-4)


def test_private_variances_keep_their_floor(rng):
    """Of two units with all variance in common the likelihood would grow without end."""
    shared = rng.normal(size=(100, 1))
    values = np.hstack([shared, shared, rng.normal(size=(100, 2))])
    _, models = fit(values, [1])
    assert (models.private[0].numpy() >= 0.0099 * values.var(axis=0)).all()


@pytest.mark.parametrize("n_factors", [0, 1, 3])
def test_known_number_of_factors(rng, n_factors):
    found = shared_dimensionality(with_factors(rng, n_factors, bins=2))
    assert found["n_factors"].values.tolist() == [n_factors] * 2
    assert found["shared_dimensionality"].values.tolist() == [n_factors] * 2
    assert found["n_varying"].values.tolist() == [15, 15]
    assert ((found["shared_variance"] > 0.3) == (n_factors > 0)).all()


def test_fraction(rng):
    """Of factors with a 100 times weaker second one, 95 % of the shared variance needs one."""
    strong, weak = rng.normal(size=(2, 30))
    latent = rng.normal(size=(2000, 2))
    values = np.outer(latent[:, 0], 2 * strong) + np.outer(latent[:, 1], 0.2 * weak)
    values = values + 0.1 * rng.normal(size=values.shape)
    found = [
        shared_dimensionality(values, n_factors=(2,), fraction=share)["shared_dimensionality"]
        for share in (0.95, 0.9999)
    ]
    assert [one.item() for one in found] == [1, 2]


def test_residuals_leave_the_stimuli_out(rng, assembly_of):
    """Means of three dimensions, trials of one; unequal repetitions."""
    n, p = 60, 15
    means = 3 * rng.normal(size=(n, 3)) @ rng.normal(size=(3, p))
    stimulus = np.sort(np.concatenate([np.arange(n)] * 4 + [np.arange(20)]))
    common = np.outer(rng.normal(size=len(stimulus)), rng.normal(size=p))
    values = means[stimulus] + common + 0.5 * rng.normal(size=(len(stimulus), p))
    ids = np.array([f"s{i:03d}" for i in stimulus])
    shown = np.concatenate([np.arange(c) for c in np.bincount(stimulus)])
    assembly = assembly_of(values, stimulus_ids=ids, repetition=shown)
    found = {of: shared_dimensionality(assembly, of=of) for of in ("residuals", "means")}
    assert found["residuals"]["shared_dimensionality"].item() == 1
    assert found["means"]["n_factors"].item() >= 3
    assert found["residuals"].attrs["n_stimuli"] == n


def test_residuals_have_the_variance_of_trials(assembly_of):
    """Deviations of R trials from their mean are too small by (R - 1) / R."""
    ids, shown = ["a", "a", "b", "b", "b"], [0, 1, 0, 1, 2]
    values = np.array([[1.0, 0], [3, 0], [0, 0], [3, 0], [6, 0]])
    rows, stimulus = ROWS["residuals"](
        as_population(assembly_of(values, stimulus_ids=ids, repetition=shown))
    )
    assert stimulus.tolist() == [0, 0, 1, 1, 1]
    expected = [-(2**0.5), 2**0.5, -3 * 1.5**0.5, 0, 3 * 1.5**0.5]
    np.testing.assert_allclose(rows[:, 0, 0], expected, atol=1e-12)


def test_scale_of_units_shift_and_order(rng):
    """The number of factors does not change with units of measurement of each unit."""
    values = with_factors(rng, 2, n=120, p=10)[:, :, 0]
    moved = values[:, rng.permutation(10)] * rng.uniform(0.1, 10, 10) + rng.normal(size=10)
    a, b = (shared_dimensionality(x) for x in (values, moved))
    assert a["n_factors"].item() == b["n_factors"].item() == 2
    assert a["shared_variance"].item() == pytest.approx(b["shared_variance"].item(), abs=1e-3)


def test_silent_units_do_not_count(rng):
    values = with_factors(rng, 1, n=100, p=8, bins=2)
    values[:, 3, 0] = 2
    values[1:, 5, 0] = 2  # constant in the fold that holds the first stimulus out
    found = shared_dimensionality(values)
    assert found["n_varying"].values.tolist() == [6, 8]
    assert found["shared_dimensionality"].values.tolist() == [1, 1]


@pytest.mark.slow
@pytest.mark.data
def test_macaque_v4(cowley):
    """Session 210325: trial-to-trial residuals share 8 % of their variance in four dimensions."""
    found = shared_dimensionality(cowley("210325"), of="residuals")
    # Regression values of this implementation.
    assert found["shared_dimensionality"].item() == 4
    assert found["shared_variance"].item() == pytest.approx(0.078, abs=0.005)


def test_bad_input(rng):
    values = rng.normal(size=(20, 6))
    with pytest.raises(ValueError, match="of must be one of"):
        shared_dimensionality(values, of="trials")
    with pytest.raises(ValueError, match="reads single units and these inner products hold none"):
        shared_dimensionality(patterns_of(values))
    with pytest.raises(ValueError, match=r"residuals need at least 2 .* 20 of 20 stimuli have one"):
        shared_dimensionality(values, of="residuals")
    with pytest.raises(ValueError, match="n_folds=11 and 20 stimuli"):
        shared_dimensionality(values, n_folds=11)
    with pytest.raises(ValueError, match=r"less one, 5, got \[6\]"):
        shared_dimensionality(values, n_factors=[6])
    with pytest.raises(ValueError, match="got \\[\\]"):
        shared_dimensionality(values, n_factors=[])
    with pytest.raises(ValueError, match="fraction must lie in"):
        shared_dimensionality(values, fraction=1.5)
    with pytest.raises(ValueError, match="at least 2 units, got 1"):
        shared_dimensionality(values[:, :1])
    with pytest.raises(ValueError, match=r"at least 2 units that vary .* time bins 0"):
        shared_dimensionality(np.ones((20, 6)))
    assert np.isnan(shared_dimensionality(np.ones((20, 6)), undefined="nan")["n_factors"].item())
    values[2, 3] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite values"):
        shared_dimensionality(values)


@pytest.mark.parametrize("value", [0.3, 0.7, 1e4 + 0.1])
@pytest.mark.parametrize("of", sorted(ROWS))
def test_constant_units_do_not_vary_by_rounding(assembly_of, rng, of, value):
    """The mean of equal numbers may differ from them in the last digit."""
    values = rng.normal(size=(141, 6, 3)) + value
    values[:, :, 1] = value * (1 + np.arange(6) / 7)
    values[:, 0, 2] = value
    source = assembly_of(
        values,
        stimulus_ids=np.repeat([f"s{i:02d}" for i in range(47)], 3),
        repetition=np.tile(np.arange(3), 47),
    )
    found = shared_dimensionality(source, of=of, n_folds=3, undefined="nan")
    assert found["n_varying"].values.tolist() == [6, 0, 5]
    assert np.isnan(found["shared_dimensionality"].values).tolist() == [False, True, False]
