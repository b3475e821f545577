"""Divergence of Poisson rates: known answers, axioms, scipy and rsatoolbox, bad input."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr

from neurorec.geometry import PoissonPrior, rdm
from neurorec.populations import patterns_of

from .repeated import in_order, labels, make

FLAT = PoissonPrior(weight=0)


def counts(seed, n=6, p=9, n_bins=2, rate=3.0):
    return np.random.default_rng(seed).poisson(rate, size=(n, p, n_bins))


def kl(values, **options):
    return rdm(values, method="poisson_kl", **options)


def test_known_answer(assembly_of):
    """Rates e and 1 in one unit: (e - 1) (1 - 0), and nothing from equal rates."""
    rates = np.array([[np.e, 2.0], [1.0, 2.0], [1.0, 2.0]])
    found = kl(assembly_of(rates), prior=FLAT).values[0]
    np.testing.assert_allclose(found[0], [0, np.e - 1, np.e - 1], atol=1e-15)
    assert found[1, 2] == 0


def test_prior(assembly_of):
    """One spike against none, with a tenth of a trial of one spike: rates 1 and 1/11."""
    found = kl(assembly_of(np.array([[1.0], [0.0], [1.0]]))).values[0]
    expected = (1 - 1 / 11) * np.log(11)
    np.testing.assert_allclose(found, expected * np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]))


def test_relative_entropies_of_scipy(assembly_of, device):
    """Both directions; what is added to each so that rates need not sum to one cancels."""
    values = counts(0) + 0.5
    found = kl(assembly_of(values), prior=FLAT, device=device).values
    for t in range(2):
        one, other = values[:, None, :, t], values[None, :, :, t]
        expected = (rel_entr(one, other) + rel_entr(other, one)).sum(axis=-1)
        np.testing.assert_allclose(found[t], expected, atol=1e-12)


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("prior", [PoissonPrior(), PoissonPrior(rate=2, weight=0.5)])
def test_equals_rsatoolbox(assembly_of, rng, prior):
    """It divides by the number of channels; we do not."""
    pytest.importorskip("rsatoolbox")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rsatoolbox.data import Dataset
        from rsatoolbox.rdm import calc_rdm
    stimulus, repetition = labels(6, 3, rng)
    values = counts(1, n=18)
    dataset = Dataset(
        values[:, :, 0].astype(float),
        obs_descriptors={"stimulus": np.array([f"s{i}" for i in stimulus])},
    )
    expected = calc_rdm(
        dataset,
        method="poisson",
        descriptor="stimulus",
        prior_lambda=prior.rate,
        prior_weight=prior.weight,
    ).get_matrices()[0]
    found = in_order(kl(make(assembly_of, values, stimulus, repetition), prior=prior))[0]
    np.testing.assert_allclose(found, 9 * expected, atol=1e-12)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 10))
def test_axioms(assembly_of, seed, scale):
    """Symmetric, not negative, linear in the unit of time, and blind to the order of units."""
    values = counts(seed) + 0.1
    found = kl(assembly_of(values), prior=FLAT).values
    np.testing.assert_array_equal(found, found.transpose(0, 2, 1))
    assert found.min() >= 0
    assert np.all(np.diagonal(found, axis1=1, axis2=2) == 0)
    scaled = kl(assembly_of(scale * values), prior=FLAT).values
    np.testing.assert_allclose(scaled, scale * found, atol=1e-11 * scale)
    order = np.random.default_rng(seed).permutation(9)
    np.testing.assert_allclose(
        kl(assembly_of(values[:, order]), prior=FLAT).values, found, atol=1e-11
    )


def test_precision_of_products(assembly_of):
    values = counts(2, p=200)
    exact, rough = (kl(assembly_of(values), precision=p).values for p in ("float64", "float32"))
    # Sums of 200 products of about 3 log 3.
    assert 0 < np.abs(rough - exact).max() < 1e-6 * 200 * 3


def test_units_in_blocks(assembly_of, monkeypatch):
    values = counts(3, p=50)
    whole = kl(assembly_of(values)).values
    monkeypatch.setattr("neurorec.populations.reading._BLOCK", 6 * 2 * 7)
    np.testing.assert_allclose(kl(assembly_of(values)).values, whole, atol=1e-12)
    np.testing.assert_allclose(kl(torch.from_numpy(values)).values, whole, atol=1e-12)


def test_labels_of_the_measure(assembly_of):
    found = kl(assembly_of(counts(4)))
    assert found.attrs["units"].startswith("nats")
    assert found.attrs["n_neuroids"] == 9


def test_bad_input(assembly_of):
    values = counts(5).astype(float)
    with pytest.raises(ValueError, match="a response is 0 and the prior adds nothing"):
        kl(assembly_of(0 * values), prior=FLAT)
    with pytest.raises(ValueError, match=r"not negative, got a response of -1; give spike counts"):
        kl(assembly_of(values - 1 - values.min()))
    with pytest.raises(ValueError, match="inner products of responses; give the population"):
        kl(patterns_of(assembly_of(values)))
    with pytest.raises(ValueError, match="at least 3 stimuli, got 2"):
        kl(assembly_of(values[:2]))
    with pytest.raises(ValueError, match="precision must be one of"):
        kl(assembly_of(values), precision="half")
    values[1, 2, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        kl(assembly_of(values))


@pytest.mark.parametrize("bad", [{"rate": -1}, {"weight": -0.1}, {"rate": np.inf}])
def test_bad_prior(bad):
    with pytest.raises(ValueError, match="finite rate and weight of at least 0, got rate="):
        PoissonPrior(**bad)
