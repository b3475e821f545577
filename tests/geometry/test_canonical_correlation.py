"""Canonical correlation: scikit-learn's, ridge in units, independent populations, lags."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cross_decomposition import CCA

from neurorec.assemblies import window
from neurorec.geometry import canonical_correlation
from neurorec.populations import patterns_of


def coupled(rng, *, n=80, n_units=6, strength=1.0, n_bins=1):
    """Two populations with two latent variables in common."""
    latent = rng.normal(size=(n, 2, n_bins))
    return tuple(
        strength * np.einsum("nlt,lu->nut", latent, rng.normal(size=(2, n_units)))
        + rng.normal(size=(n, n_units, n_bins))
        for _ in range(2)
    )


def test_scikit_learn(rng):
    """In sample and without shrinkage both are the textbook's correlations.

    scikit-learn iterates until weights move by less than the tolerance.
    """
    x, y = coupled(rng)
    model = CCA(n_components=4, max_iter=10_000, tol=1e-14).fit(x[:, :, 0], y[:, :, 0])
    scores = model.transform(x[:, :, 0], y[:, :, 0])
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(scores[0].T, scores[1].T, strict=True)]
    result = canonical_correlation(x, y, n_components=4, n_dimensions=6, n_folds=None)
    assert result.dims == ("time_bin", "time_bin_b", "component")
    np.testing.assert_allclose(result.values[0, 0], expected, atol=1e-6)


@pytest.mark.parametrize("ridge", [0.0, 0.7])
def test_definition_in_units(rng, ridge):
    """Principal components, whitening and held-out correlation, fold by fold."""
    x, y = coupled(rng, n=40)
    result = canonical_correlation(
        x, y, n_components=2, n_dimensions=4, ridge=ridge, n_folds=4, seed=9
    )
    assignment = np.random.default_rng(9).permutation(np.arange(40) % 4)
    folds = []
    for fold in range(4):
        inside, fitted, tested = assignment != fold, [], []
        for values in (x[:, :, 0], y[:, :, 0]):
            centred = values - values[inside].mean(axis=0)
            s, vt = np.linalg.svd(centred[inside], full_matrices=False)[1:]
            kappa = ridge * (s[:4] ** 2).mean()
            weights = vt[:4].T / np.sqrt(s[:4] ** 2 + kappa)
            fitted.append(centred[inside] @ weights)
            tested.append(centred[~inside] @ weights)
        a, _, bt = np.linalg.svd(fitted[0].T @ fitted[1])
        scores = tested[0] @ a, tested[1] @ bt.T
        folds.append([np.corrcoef(scores[0][:, i], scores[1][:, i])[0, 1] for i in range(2)])
    np.testing.assert_allclose(result.values[0, 0], np.mean(folds, axis=0), atol=1e-9)


def test_independent_populations(rng):
    """High in the rows it was fitted to; none in the rows left out, on average over time."""
    x, y = rng.normal(size=(2, 40, 30, 12))
    fitted = canonical_correlation(x, y, n_folds=None).values
    left_out = canonical_correlation(x, y).values
    assert fitted.min() > 0.5
    # Pairs of 12 and 12 independent bins; each a mean over five folds of eight rows.
    assert abs(left_out.mean()) < 4 * left_out.std() / 12


def test_lags(rng):
    """The second population repeats the first one bin later."""
    x = rng.normal(size=(60, 5, 4))
    y = 0.3 * rng.normal(size=(60, 5, 4))
    y[:, :, 1:] += x[:, :, :-1] @ np.eye(3)
    result = canonical_correlation(x, y, n_dimensions=5).values[:, :, 0]
    assert (np.diagonal(result, offset=1) > 0.8).all()
    others = ~np.eye(4, k=1, dtype=bool)
    assert np.abs(result[others]).mean() < 0.3


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100), folds=st.sampled_from([None, 4]))
def test_rotation_scaling_and_symmetry(seed, scale, folds):
    rng = np.random.default_rng(seed)
    x, y = coupled(rng, n=30, n_bins=2)
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    moved = scale * np.einsum("nut,uv->nvt", x, rotation) + rng.normal(size=(6, 1))
    options = {"n_dimensions": 3, "n_folds": folds, "ridge": 0.1}
    first = canonical_correlation(x, y, **options).values
    np.testing.assert_allclose(canonical_correlation(moved, y, **options).values, first, atol=1e-6)
    turned = canonical_correlation(y, x, **options).values
    np.testing.assert_allclose(turned, first.transpose(1, 0, 2), atol=1e-8)
    assert (np.abs(first) <= 1 + 1e-9).all()
    own = canonical_correlation(x, **options).values
    np.testing.assert_allclose(own[[0, 1], [0, 1]], 1, atol=1e-9)


def test_whitened_responses_may_be_mixed(rng):
    """All dimensions kept, any invertible mixture of units has the same correlations."""
    x, y = coupled(rng)
    mixed = np.einsum("nut,uv->nvt", x, rng.normal(size=(6, 6)))
    first, second = (
        canonical_correlation(v, y, n_components=6, n_dimensions=6).values for v in (x, mixed)
    )
    np.testing.assert_allclose(first, second, atol=1e-8)


def test_rows_are_matched_and_labels(assembly_of, rng, tmp_path):
    x, y = coupled(rng, n=24, n_bins=2)
    first = assembly_of(x)
    second = assembly_of(y, prefix="v4")
    result = canonical_correlation(first, second, n_dimensions=3)
    shuffled = second.isel(presentation=rng.permutation(24))
    again = canonical_correlation(patterns_of(first), shuffled, n_dimensions=3)
    np.testing.assert_allclose(result.values, again.values, atol=1e-9)
    assert result["time_bin_end_b"].values.tolist() == [10, 20]
    assert result.attrs["n_neuroids_b"] == 6
    assert result.attrs["n_folds"] == 5
    result.to_netcdf(tmp_path / "cca.nc", engine="h5netcdf")
    repeated = first.assign_coords(
        stimulus_id=("presentation", [f"s{i // 2}" for i in range(24)]),
        repetition=("presentation", np.tile([0, 1], 12)),
    )
    means = canonical_correlation(repeated, n_dimensions=3, n_folds=4)
    single = canonical_correlation(repeated, n_dimensions=3, averaged=False)
    assert means.attrs["n_rows"] == 12
    assert single.attrs["n_rows"] == 24


def test_fewer_dimensions_than_asked_for(rng):
    x, y = coupled(rng, n_units=3)
    first, second = (
        canonical_correlation(x, y, n_components=3, n_dimensions=k).values for k in (3, 5)
    )
    np.testing.assert_allclose(first, second, atol=1e-9)
    last = canonical_correlation(x, y, n_components=4, n_dimensions=5).values
    assert last[0, 0, 3] == 0


def test_bad_input(assembly_of, rng):
    x, y = coupled(rng, n=20, n_bins=2)
    with pytest.raises(ValueError, match="at least 2 of them, got 1"):
        canonical_correlation(x[:, :, :1])
    with pytest.raises(ValueError, match="between 1 and n_dimensions=2, got 3"):
        canonical_correlation(x, y, n_components=3, n_dimensions=2)
    with pytest.raises(ValueError, match="ridge must not be negative, got -1"):
        canonical_correlation(x, y, ridge=-1)
    with pytest.raises(ValueError, match=r"at least 3 rows in every fold, got 2 \(20 rows in 10"):
        canonical_correlation(x, y, n_folds=10)
    with pytest.raises(ValueError, match="15 dimensions of 16 rows can be made to correlate"):
        canonical_correlation(x, y, n_dimensions=15)
    with pytest.raises(ValueError, match="20 in the first, 19 in the second"):
        canonical_correlation(x, y[:19])
    with pytest.raises(ValueError, match="undefined must be one of"):
        canonical_correlation(x, y, undefined="zero")
    x[:, :, 0] = 0.1
    with pytest.raises(ValueError, match=r"as in time bins 0 .*slice\(1, None\)"):
        canonical_correlation(x, y)
    result = canonical_correlation(x, y, n_dimensions=3, undefined="nan").values
    assert np.isnan(result[0]).all()
    assert np.isfinite(result[1]).all()
    result = canonical_correlation(y, x, n_dimensions=3, undefined="nan").values
    assert np.isnan(result[:, 0]).all()


@pytest.mark.data
def test_it_cortex(zhang):
    """Means of 21 stimuli: bins after IT answers correlate with one another, not with baseline."""
    counts = window(zhang, start_ms=-150, stop_ms=400, width_ms=50, statistic="sum")
    values = canonical_correlation(counts, n_dimensions=5, n_folds=4).values[:, :, 0]
    after = counts["time_bin_start"].values >= 100
    assert values[np.ix_(after, after)][~np.eye(after.sum(), dtype=bool)].mean() > 0.7
    assert abs(values[np.ix_(after, ~after)].mean()) < 0.3


@pytest.mark.parametrize("n_folds", [None, 5])
def test_an_offset_of_all_responses_adds_no_dimensions(rng, n_folds):
    """Of five units only five components are real, whatever rounding an offset leaves."""
    first, second = rng.normal(size=(2, 60, 5, 2))
    plain, moved = (
        canonical_correlation(first + by, second + by, n_folds=n_folds) for by in (0, 1e4)
    )
    np.testing.assert_allclose(moved, plain, atol=1e-6)


def test_means_are_matched_by_stimulus(assembly_of, rng):
    """However repetitions are numbered, and in whatever order stimuli come."""
    once = assembly_of(rng.normal(size=(30, 4, 2)), repetition=np.full(30, 3))
    ids = np.repeat([f"s{i:03d}" for i in range(30)], 2)
    values = np.repeat(once.values, 2, axis=0) + rng.normal(size=(60, 4, 2))
    twice = assembly_of(values, stimulus_ids=ids, repetition=np.tile([0, 1], 30))
    expected = canonical_correlation(
        once.values, values.reshape(30, 2, 4, 2).mean(axis=1), n_dimensions=3
    )
    shuffled = twice.isel(presentation=rng.permutation(60))
    for other in (twice, shuffled):
        found = canonical_correlation(once, other, n_dimensions=3)
        np.testing.assert_allclose(found, expected, atol=1e-9)
