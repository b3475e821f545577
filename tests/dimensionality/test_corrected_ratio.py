"""Corrected participation ratio: sums written out, unbiased on average, axioms, real data."""

from itertools import chain, combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec import assemblies
from neurorec.dimensionality import (
    CORRECTIONS,
    corrected_participation_ratio,
    participation_ratio,
    size_curve,
)
from neurorec.populations import patterns_of

SUBSETS = list(chain.from_iterable(combinations(CORRECTIONS, n) for n in range(4)))


def repeated(assembly_of, values, counts):
    """Assembly of presentations (presentation, unit[, time]) of stimuli shown ``counts`` times."""
    ids = np.repeat([f"s{i:03d}" for i in range(len(counts))], counts)
    repetition = np.concatenate([np.arange(count) for count in counts])
    return assembly_of(values, stimulus_ids=ids, repetition=repetition)


def written_out(values, counts, corrected_for):
    """The two estimates as means over every allowed choice of four presentations and two units."""
    n, stops = len(counts), np.cumsum(counts)
    shown = [np.arange(stop - count, stop) for stop, count in zip(stops, counts, strict=True)]
    if "trials" not in corrected_for:
        values = np.stack([values[rows].mean(axis=0) for rows in shown])
        shown = [np.array([i]) for i in range(n)]
    gram = values @ values.T

    def mean(stimuli):
        """K_ij K_kl from different presentations, and from different units if those count."""
        chosen = np.array(list(product(*(shown[i] for i in stimuli))))
        if "trials" in corrected_for:
            chosen = chosen[[len(set(one)) == 4 for one in chosen.tolist()]]
        a, b, c, d = chosen.T
        found = gram[a, b] * gram[c, d]
        if "neuroids" in corrected_for:
            found = found - (values[a] * values[b] * values[c] * values[d]).sum(axis=1)
        return found.mean()

    everything = list(product(range(n), repeat=4))
    if "stimuli" in corrected_for:
        different = [t for t in everything if len(set(t)) == 4]
        apart = np.mean([mean((i, j, k, l)) for i, j, k, l in different])  # noqa: E741
        shared = np.mean([mean((i, j, i, k)) for i, j, k, _ in different])
        own = np.mean([mean((i, i, j, k)) for i, j, k, _ in different])
        both = np.mean([mean((i, j, i, j)) for i, j, _, _ in different])
        owns = np.mean([mean((i, i, j, j)) for i, j, _, _ in different])
        return owns - 2 * own + apart, both - 2 * shared + apart
    centring = np.eye(n) - 1 / n
    products = {t: mean(t) for t in everything}
    trace = sum(centring[i, j] * centring[k, m] * products[i, j, k, m] for i, j, k, m in everything)
    square = sum(
        centring[j, k] * centring[m, i] * products[i, j, k, m] for i, j, k, m in everything
    )
    return trace, square


@pytest.mark.parametrize("corrected_for", SUBSETS, ids="+".join)
def test_equals_the_sums_written_out(rng, assembly_of, corrected_for, device):
    """Stimuli that are repeated unequally often; four times at least where that is needed."""
    fixed = "trials" in corrected_for and "stimuli" not in corrected_for
    counts = [4, 5, 4] if fixed else [2, 3, 2, 4]
    # A signal larger than the noise, so that both estimates are positive.
    signal = np.repeat(rng.normal(size=(len(counts), 3)) * [6, 5, 4], counts, axis=0)
    values = signal + 0.5 * rng.normal(size=signal.shape) + [3, -2, 1]
    found = corrected_participation_ratio(
        repeated(assembly_of, values, counts), corrected_for=corrected_for, device=device
    )
    squared_trace, trace_of_square = written_out(values, counts, corrected_for)
    assert found.item() == pytest.approx(squared_trace / trace_of_square, rel=1e-9)


def test_unbiased_hsic(rng):
    """The trace of the square is the unbiased HSIC (Song et al. 2012, equation 5) of K with K."""
    from neurorec.dimensionality.moments import moments_of_means
    from neurorec.gram import gram

    values = rng.normal(2, 1, size=(9, 5, 2))
    kernels = gram(values)
    _, found = moments_of_means(kernels).of_all_stimuli(9)
    for kernel, one in zip(kernels.numpy(), found.numpy(), strict=True):
        k = kernel - np.diag(np.diag(kernel))
        n, total = 9, k.sum()
        expected = np.trace(k @ k) + total**2 / ((n - 1) * (n - 2)) - 2 * (k @ k).sum() / (n - 2)
        assert one == pytest.approx(expected / (n * (n - 3)), rel=1e-10)


def test_nothing_corrected_is_the_plain_ratio(rng):
    values = rng.normal(5, 1, size=(14, 9, 4))
    found = corrected_participation_ratio(values, corrected_for=()).values
    np.testing.assert_allclose(found, participation_ratio(values).values, rtol=1e-11)


def estimates(values, counts, corrected_for, assembly_of):
    """Estimates of both sums are compared, since their ratio is not unbiased in small samples."""
    from neurorec.dimensionality.corrected_ratio import _moments

    assembly = repeated(assembly_of, values, counts)
    _, moments, n = _moments(assembly, frozenset(corrected_for), "cpu")
    return [one.numpy() for one in moments.of_all_stimuli(n)]


def assert_mean(values, expected):
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert abs(values.mean() - expected) < 4 * error
    # Or the test would say nothing.
    assert error < 0.05 * abs(expected)


@pytest.mark.parametrize("corrected_for", [("stimuli",), ("stimuli", "trials")], ids="+".join)
def test_unbiased_over_stimuli_and_trials(rng, assembly_of, corrected_for):
    """600 draws of 12 stimuli in 5 units with variances 4, 2, 1, 1, 1; noise if repeated."""
    variances = np.array([4.0, 2, 1, 1, 1])
    draws, n = 600, 12
    counts = [2] * (n - 1) + [3] if "trials" in corrected_for else [1] * n
    signal = rng.normal(size=(n, 5, draws)) * np.sqrt(variances)[:, None]
    noise = 1.5 * rng.normal(size=(sum(counts), 5, draws)) if "trials" in corrected_for else 0
    # Noise that units share drops out as well.
    noise = noise + (rng.normal(size=(sum(counts), 1, draws)) if "trials" in corrected_for else 0)
    values = np.repeat(signal, counts, axis=0) + noise
    squared_trace, trace_of_square = estimates(values, counts, corrected_for, assembly_of)
    assert_mean(squared_trace, variances.sum() ** 2)
    assert_mean(trace_of_square, (variances**2).sum())


@pytest.mark.slow
def test_unbiased_over_units(rng, assembly_of):
    """Units with random loadings on three latents: both sums grow as p (p - 1)."""
    variances, draws, n, p = np.array([4.0, 2, 1]), 3000, 10, 8
    counts = [2] * n
    latent = rng.normal(size=(n, 3, draws)) * np.sqrt(variances)[:, None]
    loadings = rng.normal(size=(p, 3, draws))
    signal = np.einsum("nkd,pkd->npd", latent, loadings)
    values = np.repeat(signal, counts, axis=0) + rng.normal(size=(2 * n, p, draws))
    squared_trace, trace_of_square = estimates(values, counts, CORRECTIONS, assembly_of)
    assert_mean(squared_trace / (p * (p - 1)), variances.sum() ** 2)
    assert_mean(trace_of_square / (p * (p - 1)), (variances**2).sum())


def test_isotropic_gaussian_has_as_many_dimensions_as_units(rng):
    """Where the plain ratio of n = 40 stimuli in p = 20 units is about n p / (n + p) = 13."""
    values = rng.normal(size=(40, 20, 200))
    plain, found = (
        corrected_participation_ratio(values, corrected_for=some).values.mean()
        for some in ((), ("stimuli",))
    )
    assert plain == pytest.approx((20 * 39 + 2) / (39 + 21), rel=0.01)
    # The ratio's own bias is the squared relative spread of its denominator, 1 %.
    assert found == pytest.approx(20, rel=0.02)


def test_does_not_depend_on_the_number_of_stimuli(rng):
    """Half of the stimuli give the same on average, where the plain ratio loses a fifth."""
    values = rng.normal(size=(60, 25, 1)) * np.linspace(0.5, 2, 25)[:, None]
    numbers = {"n_stimuli": (30, 60), "n_draws": 100}
    plain = size_curve(values, **numbers)["participation_ratio"].values[:, 0]
    found = size_curve(values, "participation_ratio_of_stimuli", **numbers)
    found = found["participation_ratio_of_stimuli"].values[:, 0]
    assert plain[0] < 0.85 * plain[1]
    assert found[0] == pytest.approx(found[1], rel=0.03)


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100))
def test_invariances(assembly_of, seed, scale):
    """Scale, shift and order always; rotation as long as units are not a sample."""
    rng = np.random.default_rng(seed)
    counts = [4] * 7
    signal = np.repeat(rng.normal(size=(7, 5)), counts, axis=0)
    values = signal + 0.1 * rng.normal(size=signal.shape)
    rotation, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    order = rng.permutation(len(values))
    loss = 1 + scale**-2
    for corrected_for in SUBSETS:
        assembly = repeated(assembly_of, values, counts)
        turned = values if "neuroids" in corrected_for else values @ rotation
        moved = assembly.copy(data=(scale * turned + rng.normal(size=5))[:, :, None])[order]
        a, b = (
            corrected_participation_ratio(x, corrected_for=corrected_for, undefined="nan").item()
            for x in (assembly, moved)
        )
        assert b == pytest.approx(a, rel=1e-9 * loss, nan_ok=True)


def test_noise_alone_is_undefined_or_positive(rng, assembly_of):
    """Either estimate may come out negative; no ratio of such is given."""
    noise = repeated(assembly_of, rng.normal(size=(16, 5, 200)), [2] * 8)
    options = {"corrected_for": ("stimuli", "trials"), "undefined": "nan"}
    found = corrected_participation_ratio(noise, **options).values
    assert 20 < np.isnan(found).sum() < 200
    assert (found[~np.isnan(found)] > 0).all()


@pytest.mark.parametrize("corrected_for", SUBSETS, ids="+".join)
def test_large_means_cost_few_digits(rng, assembly_of, corrected_for):
    """Counts of 1e4 with a spread of 1: inner products are 1e8, of which 1e-16 is lost."""
    counts = [4] * 5
    values = np.repeat(rng.normal(size=(5, 6)), counts, axis=0) + 0.1 * rng.normal(size=(20, 6))
    a, b = (
        corrected_participation_ratio(
            repeated(assembly_of, x, counts), corrected_for=corrected_for, undefined="nan"
        ).item()
        for x in (values, values + 1e4)
    )
    assert b == pytest.approx(a, rel=1e-4, nan_ok=True)


def test_one_pass_serves(rng, assembly_of):
    values = rng.normal(size=(18, 6, 3))
    assembly = repeated(assembly_of, values, [3] * 6)
    read = patterns_of(assembly, averaged=False)
    for corrected_for in (("stimuli",), ("stimuli", "trials")):
        found = [
            corrected_participation_ratio(x, corrected_for=corrected_for, undefined="nan").values
            for x in (assembly, read)
        ]
        np.testing.assert_allclose(found[0], found[1], rtol=1e-10)


@pytest.mark.slow
@pytest.mark.data
def test_macaque_v4_without_noise(cowley):
    """Session 210325, 6 to 10 repetitions: noise adds two dimensions to the plain 14.06."""
    session = patterns_of(cowley("210325"), averaged=False)
    found = [
        corrected_participation_ratio(session, corrected_for=some).item()
        for some in (("stimuli",), ("trials",), ("stimuli", "trials"))
    ]
    # Regression values of this implementation; the plain ratio is a reference figure.
    assert found == pytest.approx([14.39, 11.65, 11.87], abs=0.01)


@pytest.mark.data
def test_macaque_it_without_noise(zhang):
    """Of 12.7, 5.7 and 5.5 dimensions of 21 means; before the response there is only noise."""
    for (start, stop), value in {(100.0, 150.0): 3.54, (100.0, 300.0): 4.43}.items():
        counts = assemblies.window(zhang, start_ms=start, stop_ms=stop)
        found = corrected_participation_ratio(counts, corrected_for=("trials",)).item()
        assert found == pytest.approx(value, abs=0.01)
    before = assemblies.window(zhang, start_ms=-200.0, stop_ms=0.0)
    with pytest.raises(ValueError, match="no variance over stimuli is left after the correction"):
        corrected_participation_ratio(before, corrected_for=("stimuli", "trials"))


def test_bad_input(rng, assembly_of):
    values = rng.normal(size=(6, 5))
    with pytest.raises(ValueError, match="corrected_for must be one of"):
        corrected_participation_ratio(values, corrected_for=("time",))
    with pytest.raises(ValueError, match="at least 4 stimuli, got 3"):
        corrected_participation_ratio(values[:3])
    with pytest.raises(ValueError, match="at least 2 of every stimulus are needed; 6 of 6"):
        corrected_participation_ratio(values, corrected_for=("stimuli", "trials"))
    three = repeated(assembly_of, rng.normal(size=(13, 5)), [3, 5, 5])
    with pytest.raises(ValueError, match=r"at least 4 .*1 of 3 .*'s000' with 3"):
        corrected_participation_ratio(three, corrected_for=("trials",))
    with pytest.raises(ValueError, match="reads single units and these inner products hold none"):
        corrected_participation_ratio(patterns_of(values), corrected_for=("neuroids",))
    with pytest.raises(ValueError, match="at least 2 units, got 1"):
        corrected_participation_ratio(values[:, :1], corrected_for=("neuroids",))
    with pytest.raises(ValueError, match="all stimuli evoke the same response"):
        corrected_participation_ratio(np.ones((6, 5)))
