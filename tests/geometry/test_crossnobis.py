"""Mahalanobis and crossnobis distances: definitions, axioms, rsatoolbox, bad input."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec.geometry import NOISE_METHODS, Noise, rdm
from neurorec.populations import patterns_of

from .repeated import (
    crossnobis_by_hand,
    in_order,
    labels,
    make,
    noisy,
    precision,
    residuals,
)

PEER = {
    "none": None,
    "diagonal": "diag",
    "shrinkage_eye": "shrinkage_eye",
    "shrinkage_diag": "shrinkage_diag",
}
# Fewer units than the 24 presentations, and more: solved among units and among presentations.
SIZES = (7, 60)

# Sums of at most 60 products of numbers of size ten, through an inverse whose condition number is
# below 1e3: 1e3 times 1e-16 times some tens.
CLOSE = 1e-11


def squared(means, metric):
    differences = means[:, None] - means
    return np.einsum("iju,uv,ijv->ij", differences, metric, differences)


def means_of(values, stimulus):
    return np.stack([values[stimulus == s].mean(axis=0) for s in np.unique(stimulus)])


@pytest.mark.parametrize("n_units", SIZES)
@pytest.mark.parametrize("method", NOISE_METHODS)
def test_definition(assembly_of, rng, method, n_units, device):
    """In every time bin, with presentations missing and in any order."""
    stimulus, repetition = labels(6, 4, rng)
    keep = ~((stimulus == 2) & (repetition == 1)) & ~((stimulus == 4) & (repetition == 3))
    stimulus, repetition = stimulus[keep], repetition[keep]
    values = noisy(rng, stimulus, n_units, 2)
    assembly = make(assembly_of, values, stimulus, repetition)
    cross = in_order(rdm(assembly, method="crossnobis", noise=method, device=device))
    plain = in_order(rdm(assembly, method="mahalanobis", noise=method, device=device))
    for t in range(2):
        now = values[:, :, t]
        by_hand = crossnobis_by_hand(now, stimulus, repetition, method)
        np.testing.assert_allclose(cross[t], by_hand, atol=CLOSE * by_hand.max())
        expected = squared(means_of(now, stimulus), precision(now, stimulus, method))
        np.testing.assert_allclose(plain[t], expected, atol=CLOSE * expected.max())


@pytest.mark.parametrize("n_units", SIZES)
@pytest.mark.parametrize("method", NOISE_METHODS)
def test_presentations_twice_in_a_repetition(assembly_of, rng, method, n_units):
    stimulus, repetition = labels(5, 6, rng)
    values = noisy(rng, stimulus, n_units)
    ours = rdm(
        make(assembly_of, values, stimulus, repetition // 2), method="crossnobis", noise=method
    )
    by_hand = crossnobis_by_hand(values[:, :, 0], stimulus, repetition // 2, method)
    np.testing.assert_allclose(in_order(ours)[0], by_hand, atol=CLOSE * by_hand.max())


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
def test_pieces_of_blocks(assembly_of, rng, monkeypatch, missing):
    """More units than are multiplied at once; a repetition of one stimulus only trains others.

    Responses that share a million are known to 1e-10, and so are means and their differences.
    """
    monkeypatch.setattr("neurorec.geometry._fold_products._PIECE", 1)
    stimulus, repetition = labels(5, 4, rng)
    if missing:
        keep = ((repetition < 3) & ~((stimulus == 2) & (repetition == 1))) | (stimulus == 4)
        stimulus, repetition = stimulus[keep], repetition[keep]
    values = noisy(rng, stimulus, 1100, 2, offset=1e6)
    assembly = make(assembly_of, values, stimulus, repetition)
    ours = in_order(rdm(assembly, method="crossnobis", noise="none"))
    for t in range(2):
        by_hand = crossnobis_by_hand(values[:, :, t], stimulus, repetition, "none")
        np.testing.assert_allclose(ours[t], by_hand, atol=1e-10 * by_hand.max())


def rsatoolbox_of(values, stimulus, repetition):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rsatoolbox.data import Dataset
    columns = {"stimulus": np.array([f"s{i:02d}" for i in stimulus]), "repetition": repetition}
    return Dataset(values.copy(), obs_descriptors=columns)


def peer_precision(dataset, method):
    """None for the identity.

    ``prec_from_measurements`` counts (stimuli - 1) x repetitions degrees of freedom where there
    are stimuli x (repetitions - 1); ``prec_from_unbalanced`` counts right.
    """
    from rsatoolbox.data.noise import prec_from_unbalanced

    known = PEER[method]
    return None if known is None else prec_from_unbalanced(dataset, "stimulus", method=known)


# The peer casts a missing mean to integers on the way.
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("n_units", SIZES)
@pytest.mark.parametrize("method", NOISE_METHODS)
def test_equals_rsatoolbox(assembly_of, rng, method, n_units):
    """It divides by the number of channels; we do not."""
    pytest.importorskip("rsatoolbox")
    stimulus, repetition = labels(6, 4, rng)
    values = noisy(rng, stimulus, n_units)
    dataset = rsatoolbox_of(values[:, :, 0], stimulus, repetition)
    from rsatoolbox.rdm import calc_rdm

    options = {"descriptor": "stimulus", "noise": peer_precision(dataset, method)}
    plain = calc_rdm(dataset, method="mahalanobis", **options).get_matrices()[0] * n_units
    options |= {"cv_descriptor": "repetition"}
    cross = calc_rdm(dataset, method="crossnobis", **options).get_matrices()[0] * n_units
    assembly = make(assembly_of, values, stimulus, repetition)
    ours = in_order(rdm(assembly, method="mahalanobis", noise=method))[0]
    np.testing.assert_allclose(ours, plain, atol=CLOSE * plain.max())
    pooled = in_order(rdm(assembly, method="crossnobis", noise=Noise(method=method, pooled=True)))
    np.testing.assert_allclose(pooled[0], cross, atol=CLOSE * np.abs(cross).max())


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("n_units", SIZES)
@pytest.mark.parametrize("method", NOISE_METHODS)
def test_folds_equal_rsatoolbox(assembly_of, rng, method, n_units):
    """Fold by fold, with the precision of the training repetitions."""
    pytest.importorskip("rsatoolbox")
    stimulus, repetition = labels(6, 4, rng)
    values = noisy(rng, stimulus, n_units)
    whole = rsatoolbox_of(values[:, :, 0], stimulus, repetition)
    from rsatoolbox.rdm import calc_rdm

    total = 0
    for fold in range(4):
        train = whole.subset_obs("repetition", [r for r in range(4) if r != fold])
        # One test and one training "repetition" of each stimulus: its two folds are the same.
        side = np.where(repetition == fold, 0, 1)
        two = rsatoolbox_of(values[:, :, 0], stimulus, side)
        total += calc_rdm(
            two,
            method="crossnobis",
            descriptor="stimulus",
            cv_descriptor="repetition",
            noise=peer_precision(train, method),
        ).get_matrices()[0]
    ours = rdm(make(assembly_of, values, stimulus, repetition), method="crossnobis", noise=method)
    expected = total / 4 * n_units
    np.testing.assert_allclose(in_order(ours)[0], expected, atol=CLOSE * np.abs(expected).max())


def test_without_noise_normalisation(assembly_of, rng):
    """Mahalanobis is then Euclidean, and two repetitions are enough to cross-validate."""
    stimulus, repetition = labels(5, 2)
    values = noisy(rng, stimulus, 9)
    assembly = make(assembly_of, values, stimulus, repetition)
    plain = rdm(assembly, method="mahalanobis", noise="none").values
    euclidean = rdm(assembly, method="squared_euclidean").values
    np.testing.assert_allclose(plain, euclidean, atol=1e-13 * euclidean.max())
    first, second = (values[repetition == r, :, 0] for r in (0, 1))
    a, b = first[:, None] - first, second[:, None] - second
    expected = (a * b).sum(axis=-1)
    ours = rdm(assembly, method="crossnobis", noise="none").values[0]
    np.testing.assert_allclose(ours, expected, atol=1e-13 * np.abs(expected).max())


def test_patterns_that_are_read_already(assembly_of, rng):
    stimulus, repetition = labels(6, 4, rng)
    assembly = make(assembly_of, noisy(rng, stimulus, 8, 2), stimulus, repetition)
    read = patterns_of(assembly, averaged=False)
    for method in ("mahalanobis", "crossnobis"):
        for noise in ("none", "shrinkage_eye"):
            once = rdm(assembly, method=method, noise=noise)
            again = rdm(read, method=method, noise=noise)
            np.testing.assert_allclose(again, once, atol=CLOSE * float(once.max()))
            assert again.attrs == once.attrs
        with pytest.raises(ValueError, match="only inner products are known; give the population"):
            rdm(read, method=method, noise="diagonal")
        with pytest.raises(ValueError, match="these patterns are means over repetitions"):
            rdm(patterns_of(assembly), method=method)


@pytest.mark.parametrize("n_units", SIZES)
def test_shrinkage_is_reported(assembly_of, rng, n_units):
    stimulus, repetition = labels(6, 4, rng)
    values = noisy(rng, stimulus, n_units, 2)
    assembly = make(assembly_of, values, stimulus, repetition)
    found = rdm(assembly, method="mahalanobis", noise="shrinkage_eye")
    for t in range(2):
        from sklearn.covariance import ledoit_wolf_shrinkage

        deviations, _ = residuals(values[:, :, t], stimulus)
        expected = ledoit_wolf_shrinkage(deviations, assume_centered=True)
        assert 0 < expected < 1
        np.testing.assert_allclose(found["shrinkage"].values[t], expected, rtol=1e-12)
    given = Noise(method="shrinkage_diag", shrinkage=0.3)
    assert rdm(assembly, method="crossnobis", noise=given)["shrinkage"].values.tolist() == [0.3] * 2
    assert "shrinkage" not in rdm(assembly).coords
    assert found.attrs["noise"] == "shrinkage_eye"
    assert found.attrs["noise_repetitions"] == "all"
    folds = rdm(assembly, method="crossnobis")
    assert folds.attrs["noise_repetitions"] == "those of training"
    plain = rdm(assembly, method="crossnobis", noise="none")
    assert plain.attrs["units"] == "squared activity, summed over neuroids"
    with pytest.raises(ValueError, match="precision must be one of"):
        rdm(assembly, method="crossnobis", precision="half")


def test_precision_of_products(assembly_of, rng):
    stimulus, repetition = labels(6, 4, rng)
    values = noisy(rng, stimulus, 60).astype(np.float32)
    assembly = make(assembly_of, values, stimulus, repetition)
    exact = rdm(assembly, method="crossnobis").values
    rough = rdm(assembly, method="crossnobis", precision="float32").values
    # Squared norms are about 600 times the smallest noise variance.
    assert 0 < np.abs(rough - exact).max() < 1e-6 * 600


CASES = {
    "seed": st.integers(0, 10**6),
    "n_units": st.sampled_from(SIZES),
    "method": st.sampled_from(["mahalanobis", "crossnobis"]),
}


@settings(max_examples=12, deadline=None)
@given(**CASES, noise=st.sampled_from(list(NOISE_METHODS)))
def test_axioms(assembly_of, seed, n_units, method, noise):
    """Order of stimuli and of neuroids, what is common to all, and symmetry."""
    rng = np.random.default_rng(seed)
    stimulus, repetition = labels(5, 3, rng)
    values = noisy(rng, stimulus, n_units)

    def ours(v, s=stimulus):
        return in_order(rdm(make(assembly_of, v, s, repetition), method=method, noise=noise))[0]

    original = ours(values)
    close = {"atol": 1e-9 * np.abs(original).max()}
    np.testing.assert_allclose(original, original.T, **close)
    assert np.all(np.diag(original) == 0)
    np.testing.assert_allclose(ours(values[:, rng.permutation(n_units)]), original, **close)
    np.testing.assert_allclose(ours(values + rng.normal(size=(1, n_units, 1))), original, **close)
    names = rng.permutation(5)
    moved = ours(values, names[stimulus])[np.ix_(names, names)]
    np.testing.assert_allclose(moved, original, **close)


@settings(max_examples=12, deadline=None)
@given(**CASES, noise=st.sampled_from(list(NOISE_METHODS)), scale=st.floats(0.01, 100))
def test_transformed_populations(assembly_of, seed, n_units, method, noise, scale):
    """What each covariance does not see: rotation, the scale of all, the scale of each unit."""
    rng = np.random.default_rng(seed)
    stimulus, repetition = labels(5, 3, rng)
    values = noisy(rng, stimulus, n_units)

    def ours(v):
        return rdm(make(assembly_of, v, stimulus, repetition), method=method, noise=noise).values

    original = ours(values)
    close = {"atol": 1e-9 * np.abs(original).max()}
    if noise in ("none", "shrinkage_eye"):
        rotation, _ = np.linalg.qr(rng.normal(size=(n_units, n_units)))
        rotated = np.einsum("nut,uv->nvt", values, rotation)
        np.testing.assert_allclose(ours(rotated), original, **close)
    else:
        rescaled = values * rng.uniform(0.1, 10, size=(1, n_units, 1))
        np.testing.assert_allclose(ours(rescaled), original, **close)
    factor = scale**2 if noise == "none" else 1
    np.testing.assert_allclose(ours(scale * values) / factor, original, **close)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_any_linear_transform_of_units(assembly_of, seed):
    """Without shrinkage, with residuals that span the units."""
    rng = np.random.default_rng(seed)
    stimulus, repetition = labels(6, 5, rng)
    values = noisy(rng, stimulus, 4)
    # A condition number of at most 8: digits are lost in proportion to its square.
    left, right = (np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(2))
    transform = left * rng.uniform(0.5, 4, size=4) @ right
    whole = Noise(shrinkage=0)
    for method in ("mahalanobis", "crossnobis"):
        original, transformed = (
            rdm(make(assembly_of, v, stimulus, repetition), method=method, noise=whole).values
            for v in (values, np.einsum("nut,uv->nvt", values, transform))
        )
        np.testing.assert_allclose(transformed, original, atol=1e-9 * np.abs(original).max())


@pytest.mark.parametrize("n_units", SIZES)
@pytest.mark.parametrize("noise", NOISE_METHODS)
def test_a_large_common_response(assembly_of, rng, n_units, noise):
    """Inner products of presentations lose the digits of its square; responses do not."""
    stimulus, repetition = labels(6, 4, rng)
    values = noisy(rng, stimulus, n_units, offset=0)
    without, ours = (
        rdm(make(assembly_of, v, stimulus, repetition), method="crossnobis", noise=noise).values
        for v in (values, values + 1e4)
    )
    in_products = n_units == 60 and noise != "none"
    lost = 1e-16 * 1e8 * n_units if in_products else 1e-16 * 1e4 * n_units
    # Through inverses of condition numbers of some tens.
    np.testing.assert_allclose(ours, without, atol=100 * lost * max(np.abs(without).max(), 1))


@pytest.mark.parametrize("n_units", SIZES)
def test_silent_units(assembly_of, rng, n_units):
    """They have no noise to divide by, and nothing to tell."""
    stimulus, repetition = labels(6, 4, rng)
    values = noisy(rng, stimulus, n_units)
    silent = np.concatenate([values, np.full((24, 3, 1), 0.1)], axis=1)
    for noise in ("none", "diagonal", "shrinkage_diag"):
        without, ours = (
            rdm(make(assembly_of, v, stimulus, repetition), method="crossnobis", noise=noise).values
            for v in (values, silent)
        )
        np.testing.assert_allclose(ours, without, atol=CLOSE * np.abs(without).max())


@pytest.mark.parametrize("method", ["mahalanobis", "crossnobis"])
@pytest.mark.parametrize("n_units", SIZES)
def test_noiseless(assembly_of, rng, method, n_units):
    """A deterministic model shown the same images again, in its second time bin."""
    stimulus, repetition = labels(5, 3)
    values = noisy(rng, stimulus, n_units, 2)
    values[:, :, 1] = rng.normal(size=(5, n_units))[stimulus]
    assembly = make(assembly_of, values, stimulus, repetition)
    with pytest.raises(
        ValueError, match=rf"{method} has no noise covariance in time bins 1 .* never differ"
    ):
        rdm(assembly, method=method)
    with pytest.raises(ValueError, match="a unit tells stimuli apart and never varies"):
        rdm(assembly, method=method, noise="diagonal")
    for noise in ("shrinkage_eye", "shrinkage_diag"):
        left = rdm(assembly, method=method, noise=noise, undefined="nan")
        assert np.isnan(left.values[1]).all()
        assert np.isnan(left["shrinkage"].values[1])
        alone = rdm(assembly[:, :, :1], method=method, noise=noise).values
        np.testing.assert_allclose(left.values[:1], alone, atol=1e-12 * np.abs(alone).max())
        assert left.attrs["n_undefined_patterns"] == 5
    assert np.isfinite(rdm(assembly, method=method, noise="none")).all()


@pytest.mark.parametrize("method", ["mahalanobis", "crossnobis"])
def test_without_an_inverse(assembly_of, rng, method):
    stimulus, repetition = labels(5, 3)
    for n_units in SIZES:
        values = noisy(rng, stimulus, n_units)
        values[:, 1] = values[:, 0]
        with pytest.raises(ValueError, match=r"without shrinkage it has no inverse .* above 0"):
            rdm(
                make(assembly_of, values, stimulus, repetition),
                method=method,
                noise=Noise(shrinkage=0),
            )


def test_one_repetition(assembly_of, rng):
    stimulus, repetition = labels(5, 1)
    assembly = make(assembly_of, noisy(rng, stimulus, 7), stimulus, repetition)
    with pytest.raises(ValueError, match="at least 2 repetitions of every stimulus, 5 of 5 have 1"):
        rdm(assembly, method="crossnobis")
    with pytest.raises(ValueError, match="no stimulus is repeated in these 5 presentations"):
        rdm(assembly, method="mahalanobis")


def test_one_stimulus_with_one_repetition(assembly_of, rng):
    stimulus, repetition = labels(5, 3)
    keep = (stimulus != 2) | (repetition == 0)
    assembly = make(assembly_of, noisy(rng, stimulus, 7)[keep], stimulus[keep], repetition[keep])
    with pytest.raises(ValueError, match=r"1 of 5 have 1, the first is 's02'"):
        rdm(assembly, method="crossnobis")


def test_two_repetitions(assembly_of, rng):
    stimulus, repetition = labels(5, 2)
    assembly = make(assembly_of, noisy(rng, stimulus, 7), stimulus, repetition)
    with pytest.raises(ValueError, match=r"at least 3 repetitions, got 2; .* biased upwards"):
        rdm(assembly, method="crossnobis")
    assert np.isfinite(rdm(assembly, method="crossnobis", noise=Noise(pooled=True))).all()


def test_no_repetition_in_common(assembly_of, rng):
    stimulus, repetition = labels(4, 4)
    keep = ~((stimulus == 1) & (repetition < 2)) & ~((stimulus == 3) & (repetition >= 2))
    assembly = make(assembly_of, noisy(rng, stimulus, 7)[keep], stimulus[keep], repetition[keep])
    with pytest.raises(ValueError, match="'s01' and 's03' have none in common; number their"):
        rdm(assembly, method="crossnobis")


@pytest.mark.parametrize("n_units", SIZES)
@pytest.mark.parametrize("noise", NOISE_METHODS)
def test_nan(assembly_of, rng, n_units, noise):
    stimulus, repetition = labels(5, 3)
    for bad in (np.nan, np.inf):
        values = noisy(rng, stimulus, n_units)
        values[3, 2, 0] = bad
        assembly = make(assembly_of, values, stimulus, repetition)
        for method in ("mahalanobis", "crossnobis"):
            with pytest.raises(ValueError, match="NaN or infinite"):
                rdm(assembly, method=method, noise=noise)


@pytest.mark.parametrize("method", ["mahalanobis", "crossnobis"])
def test_two_stimuli(assembly_of, rng, method):
    stimulus, repetition = labels(2, 4)
    assembly = make(assembly_of, noisy(rng, stimulus, 7), stimulus, repetition)
    with pytest.raises(ValueError, match=r"at least 3 stimuli, got 2 \(8 presentations\)"):
        rdm(assembly, method=method)


def test_noise_options():
    with pytest.raises(ValueError, match=r"noise must be one of .*'shrinkage_eye'"):
        Noise(method="full")
    with pytest.raises(ValueError, match=r"shrinkage must be a number from 0 to 1, got 1\.5"):
        Noise(shrinkage=1.5)
    with pytest.raises(ValueError, match="number from 0 to 1, got nan"):
        Noise(shrinkage=np.nan)
    with pytest.raises(ValueError, match=r"noise 'diagonal' is not shrunk, got shrinkage=0\.1"):
        Noise(method="diagonal", shrinkage=0.1)
