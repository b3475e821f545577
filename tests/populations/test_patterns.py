"""Inner products of responses: against the definition, from assemblies, files and arrays."""

import numpy as np
import pytest
import torch

from neurorec import assemblies
from neurorec.gram import centre
from neurorec.populations import matched, patterns_of


def assembly_of(values, stimulus_ids, repetition):
    _, p, n_bins = values.shape
    return assemblies.build(
        values,
        presentation={"stimulus_id": np.asarray(stimulus_ids), "repetition": repetition},
        neuroid={"neuroid_id": [f"n{j}" for j in range(p)], "region": ["IT"] * p},
        time_bin_start=10.0 * np.arange(n_bins),
        time_bin_end=10.0 * np.arange(1, n_bins + 1),
    )


@pytest.fixture
def repeated(rng):
    """Four stimuli in an order that is not sorted, with one to three repetitions each."""
    ids = ["d", "a", "c", "a", "b", "d", "a"]
    return assembly_of(rng.normal(size=(7, 5, 3)), ids, [0, 0, 0, 1, 0, 1, 2])


def test_products_and_sums_of_means(repeated, device):
    patterns = patterns_of(repeated, device=device)
    means = np.stack(
        [repeated.values[repeated["stimulus_id"].values == s].mean(axis=0) for s in "dacb"]
    )
    assert patterns.stimulus_ids == list("dacb")
    assert (patterns.n_rows, patterns.n_neuroids) == (4, 5)
    expected = np.einsum("iut,jut->tij", means, means)
    # Sums of five products of numbers of size one.
    np.testing.assert_allclose(patterns.products.cpu(), expected, atol=1e-14)
    np.testing.assert_allclose(patterns.sums.cpu(), means.sum(axis=1).T, atol=1e-14)


def test_presentations(repeated):
    patterns = patterns_of(repeated, averaged=False)
    assert patterns.stimulus_ids == list("dacabda")
    expected = np.einsum("iut,jut->tij", repeated.values, repeated.values)
    np.testing.assert_allclose(patterns.products, expected, atol=1e-14)


def test_means_of_presentations_that_are_read_already(repeated):
    once = patterns_of(repeated)
    again = patterns_of(patterns_of(repeated, averaged=False))
    torch.testing.assert_close(again.products, once.products)
    torch.testing.assert_close(again.sums, once.sums)
    assert again.labels.identical(once.labels)
    assert patterns_of(once).products is once.products


def test_what_can_not_be_had_from_inner_products(repeated):
    means = patterns_of(repeated)
    with pytest.raises(ValueError, match="these patterns are means over repetitions"):
        patterns_of(means, averaged=False)
    with pytest.raises(ValueError, match="can not be transformed"):
        patterns_of(means, transform=np.square)
    with pytest.raises(ValueError, match="at least 5 stimuli, got 4"):
        patterns_of(means, at_least=5)


def test_transform_comes_before_the_mean(repeated):
    squared = patterns_of(repeated, transform=np.square)
    expected = patterns_of(repeated.copy(data=repeated.values**2))
    np.testing.assert_array_equal(squared.products, expected.products)


def test_array(rng):
    values = rng.normal(size=(6, 4, 2)).astype(np.float32)
    patterns = patterns_of(values)
    assert patterns.labels.sizes["time_bin"] == 2
    exact = values.astype(np.float64)
    np.testing.assert_allclose(
        patterns.products, np.einsum("iut,jut->tij", exact, exact), atol=1e-14
    )
    rough = patterns_of(torch.from_numpy(values), precision="float32")
    assert 0 < (rough.products - patterns.products).abs().max() < 1e-5


def test_matched(repeated):
    first = patterns_of(repeated)
    other = repeated.isel(presentation=[4, 2, 3, 5])
    second = matched(first, patterns_of(other))
    assert second.stimulus_ids == first.stimulus_ids
    assert list(second.labels["stimulus_id"].values) == first.stimulus_ids
    reordered = other.isel(presentation=[3, 2, 1, 0])
    torch.testing.assert_close(second.products, patterns_of(reordered).products)
    torch.testing.assert_close(second.sums, patterns_of(reordered).sums)


def test_different_stimuli(repeated):
    first = patterns_of(repeated)
    with pytest.raises(ValueError, match="4 in the first, 3 in the second, 3 in both"):
        matched(first, patterns_of(repeated.isel(presentation=[0, 1, 2])))


def test_too_few_stimuli(repeated):
    with pytest.raises(ValueError, match=r"at least 3 stimuli, got 2 \(3 presentations\)"):
        patterns_of(repeated.isel(presentation=[0, 1, 3]))


def test_not_finite(repeated):
    values = repeated.values.copy()
    values[2, 1, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        patterns_of(repeated.copy(data=values))


def test_unknown_precision(repeated):
    with pytest.raises(ValueError, match="precision must be one of"):
        patterns_of(repeated, precision="half")


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("offset", [0, 3, 30])
@pytest.mark.parametrize(("n_stimuli", "n_units"), [(8, 3), (60, 5), (200, 40)])
def test_rounding_is_told_from_dimensions(rng, precision, offset, n_stimuli, n_units):
    """As many eigenvalues as units are left, whatever was subtracted and in which precision."""
    values = rng.normal(offset, 1, size=(n_stimuli, n_units, 2)).astype(np.float32)
    patterns = patterns_of(values, precision=precision)
    eigenvalues = torch.linalg.eigvalsh(centre(patterns.products))
    assert ((eigenvalues > patterns.rounding[:, None]).sum(dim=1) == n_units).all()
    again = patterns_of(patterns)
    torch.testing.assert_close(again.rounding, patterns.rounding)
