"""Gaussian-copula information: closed forms, bias, axioms, bad input."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import psi
from scipy.stats import norm, rankdata

from neurorec import assemblies
from neurorec.dimensionality import copula_information
from neurorec.populations import patterns_of


def correlated(rng, rho, n, bins):
    """Two standard normal variables with correlation ``rho``: values (n, 1, bins), and one label.

    The label is the same in all bins; responses differ.
    """
    label = rng.normal(size=n)
    noise = rng.normal(size=(n, 1, bins))
    return rho * label[:, None, None] + np.sqrt(1 - rho**2) * noise, label


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_bivariate_gaussian(rng, rho):
    """-log2(1 - rho^2) / 2, over 200 draws of 100 rows; labels drawn anew for every 20."""
    found = []
    for _ in range(10):
        values, label = correlated(rng, rho, 100, 20)
        found.append(copula_information(values, label, kind="continuous", n_components=1).values)
    means = np.mean(found, axis=1)
    error = means.std(ddof=1) / np.sqrt(10)
    expected = -0.5 * np.log2(1 - rho**2)
    # Ranks lose a little of a strong correlation: normal scores of 100 rows have a variance of
    # 0.94 and a correlation that is lower by about 1 %, which is 0.06 bits at 0.9.
    assert means.mean() == pytest.approx(expected, abs=4 * error + 0.07 * expected)
    assert error < 0.03


def test_class_of_opposite_correlations(rng):
    """Two classes with unit variances and correlations of 0.8 and -0.8: both margins are normal.

    Together the components are uncorrelated, so I = -log2(1 - 0.64) / 2 in either class.
    """
    n, bins = 200, 60
    label = np.repeat(["a", "b"], n // 2)
    sign = np.where(label == "a", 0.8, -0.8)[:, None]
    first, noise = rng.normal(size=(2, n, bins))
    second = sign * first + 0.6 * noise
    # Two axes of unequal length: components are the variables themselves.
    values = np.stack([3 * first, second], axis=1)
    found = copula_information(values, label, n_components=2).values
    error = found.std() / np.sqrt(bins)
    assert found.mean() == pytest.approx(-0.5 * np.log2(1 - 0.64), abs=4 * error + 0.01)


@pytest.mark.parametrize("k", [1, 3, 6])
def test_no_information_no_bias(rng, k):
    """Labels that have nothing to do with responses: zero bits on average, at any k."""
    values = rng.normal(size=(60, 8, 300))
    found = copula_information(values, np.repeat(np.arange(3), 20), n_components=k).values
    # Normal scores are less variable than normal draws: the correction is short of exact by
    # 1 % of its size, which is k (k + 3) / 4 nats times 3 - 1 classes over 60 rows.
    size = k * (k + 3) / 4 * 2 / 60 / np.log(2)
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(300) + 0.05 * size
    assert size > 3 * found.std() / np.sqrt(300)


def test_separate_classes_are_known(rng):
    """Four classes far apart on one axis: two bits, less what the Gaussian model loses."""
    label = np.repeat(np.arange(4), 50)
    values = 100.0 * label[:, None, None] + rng.normal(size=(200, 1, 5))
    found = copula_information(values, label, n_components=1).values
    # Ranks fill quarters of a normal distribution; variances inside them, in closed form.
    edges = norm.ppf([0, 0.25, 0.5, 0.75, 1])
    inside = []
    for low, high in pairwise(edges):
        grid = norm.ppf(np.linspace(norm.cdf(low), norm.cdf(high), 20003)[1:-1])
        inside.append(np.log2(grid.var()) / 2)
    assert found == pytest.approx(-np.mean(inside), abs=0.05)


def written_out(scores, label, kind):
    """The equations of Ince et al. (2017) for one time bin, entropy by entropy."""

    def entropy(x):
        n, k = x.shape
        plain = np.linalg.slogdet(np.cov(x.T).reshape(k, k))[1] / 2
        term = (np.log(2) - np.log(n - 1)) / 2
        return plain - k * term - psi((n - np.arange(1, k + 1)) / 2).sum() / 2

    x = norm.ppf(rankdata(scores, axis=0) / (len(scores) + 1))
    if kind == "continuous":
        y = norm.ppf(rankdata(label) / (len(label) + 1))[:, None]
        return (entropy(x) + entropy(y) - entropy(np.hstack([x, y]))) / np.log(2)
    inside = [np.mean(label == c) * entropy(x[label == c]) for c in np.unique(label)]
    return (entropy(x) - sum(inside)) / np.log(2)


@pytest.mark.parametrize("kind", ["class", "continuous"])
def test_equals_the_equations(rng, kind, device):
    values = rng.normal(2, 1, size=(40, 6, 3)) * np.linspace(1, 3, 6)[:, None]
    label = rng.permutation(40) % 3 if kind == "class" else rng.normal(size=40)
    values[:, 5] += 2 * label[:, None]
    found = copula_information(values, label, kind=kind, n_components=3, device=device).values
    for t in range(3):
        centred = values[:, :, t] - values[:, :, t].mean(axis=0)
        u, s, _ = np.linalg.svd(centred, full_matrices=False)
        expected = written_out(u[:, :3] * s[:3], label, kind)
        assert found[t] == pytest.approx(expected, rel=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100))
def test_invariances(seed, scale):
    """Rotation, scale, shift and order of responses; any increasing change of the variable."""
    rng = np.random.default_rng(seed)
    values, order = rng.normal(size=(30, 5)), rng.permutation(30)
    label = rng.normal(size=30)
    rotation, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    moved = scale * values @ rotation + rng.normal(size=5)
    a = copula_information(values, label, kind="continuous").item()
    b = copula_information(moved[order], np.exp(label[order]), kind="continuous").item()
    assert b == pytest.approx(a, abs=1e-9)
    classes = np.repeat(["x", "y", "z"], 10)
    a = copula_information(values, classes).item()
    assert copula_information(moved[order], classes[order]).item() == pytest.approx(a, abs=1e-9)


def test_label_of_presentations(rng, assembly_of):
    """A column by its name, of presentations or of means; read before or not."""
    ids, shown = np.repeat([f"s{i:02d}" for i in range(12)], 3), np.tile(np.arange(3), 12)
    assembly = assembly_of(rng.normal(size=(36, 5)), stimulus_ids=ids, repetition=shown)
    assembly = assembly.assign_coords(animal_shown=("presentation", np.repeat(["dog", "cat"], 18)))
    found = copula_information(assembly, "animal_shown", n_components=2)
    assert found.attrs["n_rows"] == 36
    assert found.attrs["label"] == "animal_shown"
    read = patterns_of(assembly, averaged=False)
    assert copula_information(read, "animal_shown", n_components=2).item() == found.item()
    means = copula_information(read, "animal_shown", n_components=2, averaged=True)
    assert means.attrs["n_rows"] == 12
    values = assembly.values[:, :, 0].reshape(12, 3, 5).mean(axis=1)
    expected = copula_information(values, np.repeat([0, 1], 6), n_components=2).item()
    assert means.item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.data
def test_macaque_it(zhang):
    """Objects from three components: nothing before the response, most at 100 to 200 ms."""
    counts = assemblies.window(zhang, start_ms=-100.0, stop_ms=300.0, width_ms=100.0)
    found = copula_information(counts, "object_name").values
    assert abs(found[0]) < 0.05
    assert found[2] > 0.4
    assert found.argmax() == 2


def test_bad_input(rng):
    values, label = rng.normal(size=(20, 5)), np.repeat([0, 1], 10)
    with pytest.raises(ValueError, match="kind must be one of"):
        copula_information(values, label, kind="mixture")
    with pytest.raises(ValueError, match=r"between 1 and the 5 that 20 rows .* got 6"):
        copula_information(values, label, n_components=6)
    with pytest.raises(ValueError, match="label must be one of"):
        copula_information(values, "object")
    with pytest.raises(ValueError, match=r"each of the 20 rows, got an array of shape \(19,\)"):
        copula_information(values, label[:-1])
    with pytest.raises(ValueError, match="1 everywhere"):
        copula_information(values, np.ones(20, dtype=int))
    with pytest.raises(ValueError, match="at least 4 rows of every class, got 2 of 'b'"):
        copula_information(values, np.repeat(["a", "b"], [18, 2]))
    with pytest.raises(ValueError, match="needs finite numbers, got values such as 'a'"):
        copula_information(values, np.repeat(["a", "b"], 10), kind="continuous")
    with pytest.raises(ValueError, match="need at least 5 rows, got 4"):
        copula_information(values[:4], np.arange(4), kind="continuous")
    flat = np.stack([np.ones((20, 5)), values], axis=2)
    with pytest.raises(ValueError, match="fewer than 3 components, as in time bins 0"):
        copula_information(flat, label)
    assert np.isnan(copula_information(flat, label, undefined="nan")).values.tolist() == [
        True,
        False,
    ]
