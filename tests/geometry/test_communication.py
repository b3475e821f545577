"""Communication subspaces: known ranks, scikit-learn's ridge, the regression in units."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from neurorec.geometry import communication_subspace
from neurorec.populations import patterns_of


def areas(rng, *, rank, n=200, n_source=15, n_target=12, noise=1.0, n_bins=1):
    """Responses of a source, and of a target that gets ``rank`` dimensions of it, and noise."""
    source = rng.normal(2, 1, size=(n, n_source, n_bins))
    inward, _ = np.linalg.qr(rng.normal(size=(n_source, rank)))
    outward, _ = np.linalg.qr(rng.normal(size=(n_target, rank)))
    target = np.einsum("nst,sr,ur->nut", source, inward, outward) * 2
    return source, target + noise * rng.normal(size=target.shape)


def folds(n, n_folds, seed):
    return np.random.default_rng(seed).permutation(np.arange(n) % n_folds)


def test_regression_in_units(rng):
    """Every rank, written out with scikit-learn's ridge regression, fold by fold."""
    source, target = areas(rng, rank=2, n=40, n_source=9, n_target=6)
    x, y, penalty = source[:, :, 0], target[:, :, 0], 0.3
    result = communication_subspace(source, target, penalties=[penalty], n_folds=4, seed=5)
    assignment, full, ranks = folds(40, 4, 5), [], []
    for fold in range(4):
        inside = assignment != fold
        xc, yc = x[inside] - x[inside].mean(axis=0), y[inside] - y[inside].mean(axis=0)
        xt, yt = x[~inside] - x[inside].mean(axis=0), y[~inside] - y[inside].mean(axis=0)
        weights = Ridge(alpha=penalty * np.trace(xc @ xc.T) / 9, fit_intercept=False).fit(xc, yc)
        b = weights.coef_.T
        directions = np.linalg.svd(xc @ b, full_matrices=False)[2]
        predictions = [xt @ b @ directions[:r].T @ directions[:r] for r in range(7)]
        ranks.append([1 - ((yt - p) ** 2).sum() / (yt**2).sum() for p in predictions])
        full.append(1 - ((yt - xt @ b) ** 2).sum() / (yt**2).sum())
    np.testing.assert_allclose(result["performance"].values[0], np.mean(ranks, axis=0), atol=1e-9)
    mean, error = np.mean(full), np.std(full, ddof=1) / 2
    assert result["full_performance"].item() == pytest.approx(mean, abs=1e-9)
    assert result["standard_error"].item() == pytest.approx(error, abs=1e-9)
    expected = np.flatnonzero(np.mean(ranks, axis=0) >= mean - error)[0]
    assert result["dimension"].item() == expected
    values = np.linalg.eigvalsh(np.cov(y.T))
    ratio = values.sum() ** 2 / (values**2).sum()
    assert result["target_dimension"].item() == pytest.approx(ratio)
    assert result["relative_dimension"].item() == pytest.approx(expected / ratio)


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_known_rank(rng, rank):
    source, target = areas(rng, rank=rank, n=300, noise=0.5)
    result = communication_subspace(source, target)
    assert result["dimension"].item() == rank
    # Signal has 4 a dimension and noise 1/4 each of 12.
    expected = 4 * rank / (4 * rank + 3)
    assert result["full_performance"].item() == pytest.approx(expected, abs=0.05)


def test_more_units_than_presentations(rng):
    source, target = areas(rng, rank=2, n=60, n_source=120, n_target=80, noise=0.1)
    result = communication_subspace(source, target, n_folds=5)
    assert result["performance"].sizes["rank"] <= 49
    full, performance = result["full_performance"].item(), result["performance"].values[0]
    assert performance[-1] == pytest.approx(full, abs=1e-6)
    assert performance[0] == 0


def test_nothing_is_communicated(rng):
    source, target = rng.normal(size=(2, 150, 10, 1))
    result = communication_subspace(source, target)
    assert result["dimension"].item() == 0
    assert result["full_performance"].item() < 0.02
    assert result["penalty"].item() > 1


def test_bins_are_paired(rng):
    """Two dimensions in one bin, none in the other."""
    source, target = areas(rng, rank=2, n=200, n_bins=2, noise=0.5)
    target[:, :, 1] = rng.normal(size=target.shape[:2])
    result = communication_subspace(source, target)
    assert result["dimension"].values.tolist() == [2, 0]
    one = communication_subspace(source[:, :, :1], target[:, :, :1])
    for name in ("performance", "penalty", "full_performance"):
        np.testing.assert_allclose(result[name].values[0], one[name].values[0], atol=1e-9)


def test_fluctuations(assembly_of, rng):
    """Means of stimuli are shared in three dimensions, fluctuations around them in one."""
    stimuli = np.repeat(np.arange(20), 15)
    shared, load = rng.normal(size=(20, 3)), rng.normal(size=(2, 3, 10))
    fluctuation, weights = rng.normal(size=(300, 1)), rng.normal(size=(2, 1, 10))
    noise = 0.3 * rng.normal(size=(2, 300, 10))
    first, second = (
        assembly_of(
            shared[stimuli] @ load[i] + fluctuation @ weights[i] + noise[i],
            stimulus_ids=[f"s{s:02d}" for s in stimuli],
            repetition=np.tile(np.arange(15), 20),
            prefix=f"area{i}-",
        )
        for i in range(2)
    )
    together = communication_subspace(first, second)
    alone = communication_subspace(first, second, subtract="stimulus")
    assert together["dimension"].item() == 4
    assert alone["dimension"].item() == 1
    averaged = communication_subspace(first, second, averaged=True, n_folds=5)
    assert averaged.attrs["n_presentations"] == 20


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100))
def test_rotation_scaling_and_order_change_nothing(seed, scale):
    rng = np.random.default_rng(seed)
    source, target = areas(rng, rank=2, n=30, n_source=8, n_target=6)
    turn, turn_b = (np.linalg.qr(rng.normal(size=(k, k)))[0] for k in (8, 6))
    moved = scale * np.einsum("nut,uv->nvt", source, turn) + rng.normal(size=(8, 1))
    moved_b = np.einsum("nut,uv->nvt", target, turn_b) / scale + rng.normal(size=(6, 1))
    first = communication_subspace(source, target, n_folds=3)
    second = communication_subspace(moved, moved_b, n_folds=3)
    np.testing.assert_allclose(first["performance"], second["performance"], atol=1e-7)
    assert (first["dimension"] <= 6).all()


def test_presentations_are_matched(assembly_of, rng):
    source, target = areas(rng, rank=2, n=40)
    ids, repetitions = [f"s{i // 2}" for i in range(40)], np.tile([0, 1], 20)
    first = assembly_of(source, stimulus_ids=ids, repetition=repetitions)
    second = assembly_of(target, stimulus_ids=ids, repetition=repetitions)
    result = communication_subspace(first, second)
    shuffled = second.isel(presentation=rng.permutation(40))
    again = communication_subspace(patterns_of(first, averaged=False), shuffled)
    np.testing.assert_allclose(result["performance"], again["performance"], atol=1e-9)
    with pytest.raises(ValueError, match="40 in the first, 39 in the second, 39 in both"):
        communication_subspace(first, second[:39])
    with pytest.raises(ValueError, match="these repeat; number the repetitions"):
        communication_subspace(
            first.assign_coords(repetition=("presentation", np.zeros(40, dtype=int))), second
        )


def test_bad_input(assembly_of, rng, tmp_path):
    source, target = areas(rng, rank=2, n=20, n_bins=2)
    with pytest.raises(ValueError, match="source has 2 time bins and the target 1"):
        communication_subspace(source, target[:, :, :1])
    with pytest.raises(ValueError, match=r"penalties must be positive, got \[0\]"):
        communication_subspace(source, target, penalties=[0])
    for n_folds in (1, 21):
        with pytest.raises(ValueError, match=f"between 2 and the 20 rows there are, got {n_folds}"):
            communication_subspace(source, target, n_folds=n_folds)
    with pytest.raises(ValueError, match="subtract must be one of"):
        communication_subspace(source, target, subtract="all")
    with pytest.raises(ValueError, match="at least 2 presentations of every stimulus, 20 of 20"):
        communication_subspace(source, target, subtract="stimulus")
    source[:, :, 0] = 1
    with pytest.raises(ValueError, match=r"same response, as in time bins 0"):
        communication_subspace(source, target)
    result = communication_subspace(source, target, n_folds=4, undefined="nan")
    for name in ("dimension", "performance", "penalty", "target_dimension"):
        assert np.isnan(result[name].values[0]).all()
        assert np.isfinite(result[name].values[1]).all()
    result.to_netcdf(tmp_path / "c.nc", engine="h5netcdf")


@pytest.mark.parametrize("n_repetitions", [2, 4])
def test_fluctuations_do_not_leak(assembly_of, rng, n_repetitions):
    """Around a mean they add up to zero: those of two repetitions are the same, turned round."""
    n = 20 * n_repetitions
    ids = [f"s{i // n_repetitions:02d}" for i in range(n)]
    repetition = np.tile(np.arange(n_repetitions), 20)
    source, target = (
        assembly_of(rng.normal(size=(n, size, 1)), stimulus_ids=ids, repetition=repetition)
        for size in (150, 10)
    )
    result = communication_subspace(source, target, subtract="stimulus", n_folds=5)
    assert abs(result["full_performance"].item()) < 0.02
    assert result["dimension"].item() == 0
    with pytest.raises(ValueError, match="between 2 and the 20 stimuli there are, got 21"):
        communication_subspace(source, target, subtract="stimulus", n_folds=21)
