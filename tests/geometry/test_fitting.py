"""Fits of many time bins and labellings from blocks of units are fits of each by itself."""

import numpy as np
import pytest
import torch

from neurorec.geometry import MaxCorrelation, NearestMean, RidgeDecoder, ShrinkageLDA
from neurorec.geometry.fitting import lower_products

DECODERS = {
    "max_correlation": MaxCorrelation(),
    "nearest_mean": NearestMean(),
    "ridge": RidgeDecoder(),
    "ridge of one penalty": RidgeDecoder(penalty=5.0),
    "LDA": ShrinkageLDA(),
    "LDA of one intensity": ShrinkageLDA(shrinkage=0.2),
    "LDA without shrinkage": ShrinkageLDA(shrinkage=0),
}

N_BINS, N_CLASSES, PER_CLASS = 3, 3, 4


def fitted(decoder, patterns, codes, sizes):
    """Coefficients and intercepts from blocks of ``sizes`` units."""
    fitting = decoder.fitting(codes, N_CLASSES, patterns.shape[2])
    blocks = patterns.split(sizes, dim=2)
    for step in range(fitting.n_passes):
        for block in blocks:
            fitting.observe(step, block)
    coefficients = torch.cat([fitting.coefficients(block) for block in blocks], dim=3)
    return coefficients, fitting.intercepts()


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("p", [6, 40])
def test_together_and_alone(rng, name, p, device):
    """Rounding of solves: 1e-9 of the largest number."""
    n = N_CLASSES * PER_CLASS
    values = rng.normal(size=(N_BINS, n, p)) * rng.uniform(0.5, 2, size=(N_BINS, 1, p)) + 4
    codes = np.stack([rng.permutation(np.arange(n) % N_CLASSES) for _ in range(4)])
    patterns = torch.from_numpy(values).to(device)
    sizes = [p] if p <= n else [7, 20, 13]
    coefficients, intercepts = fitted(
        DECODERS[name], patterns, torch.from_numpy(codes).to(device), sizes
    )
    for t in range(N_BINS):
        for row, one in enumerate(codes):
            alone = DECODERS[name].fit(values[t], one)
            for ours, theirs in (
                (coefficients[t, row], alone.coef_),
                (intercepts[t, row], alone.intercept_),
            ):
                scale = np.abs(theirs).max()
                np.testing.assert_allclose(ours.cpu().numpy(), theirs, atol=1e-9 * scale)


def test_max_correlation_keeps_digits_of_a_large_mean(rng):
    """Class means of 1e6 that vary by 1 over neuroids: the unit length is right to 1e-9."""
    patterns = torch.from_numpy(rng.normal(size=(1, 12, 40)) + 1e6)
    codes = torch.arange(12)[None] % 3
    coefficients, _ = fitted(MaxCorrelation(), patterns, codes, [15, 25])
    lengths = torch.linalg.vector_norm(coefficients, dim=3)
    np.testing.assert_allclose(lengths.numpy(), 1, atol=1e-9)


@pytest.mark.parametrize("p", [1, 3, 17])
def test_lower_products(rng, p):
    rows = torch.from_numpy(rng.normal(size=(2, 9, p)))
    expected = (rows.mT @ rows).tril()
    np.testing.assert_allclose(lower_products(rows).tril().numpy(), expected.numpy(), atol=1e-13)


@pytest.mark.parametrize("p", [5, 40])
def test_one_time_bin_without_variance(rng, p):
    patterns = torch.from_numpy(rng.normal(size=(2, 12, p)))
    codes = torch.arange(12)[None] % 3
    patterns[1] = torch.from_numpy(rng.normal(size=(3, p)))[codes[0]]
    with pytest.raises(ValueError, match="do not vary within classes"):
        fitted(ShrinkageLDA(), patterns, codes, [p])
