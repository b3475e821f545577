"""Metrics in sample space against those of brainscore-vision."""

import re
import warnings

import numpy as np
import pytest

pytest.importorskip("brainscore_vision", reason="brainscore-vision is not part of this stack")

from brainscore_core.metrics import Score

from neurorec import assemblies
from neurorec.brainscore import METRICS, from_brainio, metric, to_brainio
from neurorec.brainscore._scores import over_splits
from neurorec.brainscore.metrics import SPLIT_METRICS, WHOLE

# Of the score. PLS stops there when weights change by less than 1e-3 a step, and single neuroids
# are further off until it converges; the others are sums of some hundred products on both sides,
# and least squares divides by eigenvalues a thousandth of the largest.
AS_IT_IS = {"pls": 1e-3, "reverse_pls": 1e-3}
# 1e-10 over the gap of the leading eigenvalues, of predictions about as large as responses.
CONVERGED = {"pls": 1e-7, "reverse_pls": 1e-7}
EXACT = 1e-9


def make(values, name, times=1):
    n, p = values.shape[:2]
    return to_brainio(
        assemblies.build(
            values.reshape(n, p, times),
            presentation={
                "stimulus_id": [f"s{i:03d}" for i in range(n)],
                "repetition": np.zeros(n, dtype=np.int64),
                "object_name": [f"object{i % 6}" for i in range(n)],
                "animacy": ["animate" if i % 4 else "inanimate" for i in range(n)],
            },
            neuroid={"neuroid_id": [f"{name}{j:03d}" for j in range(p)], "region": ["IT"] * p},
            time_bin_start=70.0 + 10.0 * np.arange(times),
            time_bin_end=80.0 + 10.0 * np.arange(times),
        )
    )


@pytest.fixture
def case(rng):
    """Features whose spectrum decays as that of images does, and noisy responses to them."""
    features = rng.normal(size=(120, 200)) * np.arange(1, 201) ** -0.5
    signal = features @ rng.normal(size=(200, 8))
    responses = signal / signal.std(axis=0) + rng.normal(size=signal.shape)
    return make(features, "f"), make(responses, "n")


def static(assembly):
    return assembly.isel(time_bin=0, drop=True)


def theirs(name, *assemblies, converged=False, parts=None, **options):
    from brainscore_vision import load_metric

    found = load_metric(name, **options)
    if converged:
        found.regression._regression.set_params(tol=1e-20, max_iter=10**6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, of deprecated calls and power iterations
        return found(*assemblies, **(parts or {}))


def folds(name, stratification_coord):
    whole = name in WHOLE
    return (
        {} if whole else {"crossvalidation_kwargs": {"stratification_coord": stratification_coord}}
    )


def fitting(name, case):
    """The case with sizes for which Brain-Score's metric of that name works."""
    source, target = map(static, case)
    if name.startswith("reverse_pls"):
        return target, source  # it needs as many responses as components
    if name.startswith("linear_predictivity"):
        return source[:, :60], target  # see test_least_squares_of_more_features_than_stimuli
    return source, target


def assert_same_raw(name, score, expected):
    raw, expected_raw = score.attrs["raw"], expected.attrs["raw"]
    expected_raw = expected_raw.transpose(*raw.dims)
    atol = CONVERGED.get(name.removesuffix("_split"), EXACT)
    np.testing.assert_allclose(raw.values, expected_raw.values, atol=atol)
    if "neuroid" in raw.dims:
        for level in ("neuroid_id", "region"):
            assert list(raw[level].values) == list(expected_raw[level].values)


@pytest.mark.slow
@pytest.mark.parametrize("stratification_coord", ["object_name", None])
@pytest.mark.parametrize("name", sorted(METRICS))
def test_the_score_of_brainscore(case, name, stratification_coord):
    source, target = fitting(name, case)
    options = folds(name, stratification_coord)
    expected = theirs(name, source, target, **options)
    score = metric(name, **options)(source, target)
    assert type(score) is type(expected)
    assert score.dims == ()
    assert float(score) == pytest.approx(float(expected), abs=AS_IT_IS.get(name, EXACT))
    if name in WHOLE:
        return
    if name in CONVERGED:
        if stratification_coord is not None:
            return  # converging takes seconds, and the divisions are those of the others
        expected = theirs(name, source, target, converged=True, **options)
    assert_same_raw(name, score, expected)
    errors = [float(s.attrs["error"]) for s in (score, expected)]
    assert errors[0] == pytest.approx(errors[1], abs=CONVERGED.get(name, EXACT))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SPLIT_METRICS))
def test_the_score_of_brainscore_on_a_given_split(case, name):
    source, target = fitting(name, case)
    test = np.arange(0, 120, 7)
    train = np.setdiff1d(np.arange(120), test)
    # Responses to test stimuli in another order.
    parts = dict(
        source_train=source[train],
        source_test=source[test],
        target_train=target[train],
        target_test=target[test[::-1]],
    )
    expected = theirs(name, parts=parts)
    score = metric(name)(**parts)
    base = name.removesuffix("_split")
    assert type(score) is type(expected)
    assert float(score) == pytest.approx(float(expected), abs=AS_IT_IS.get(base, EXACT))
    if base in CONVERGED:
        expected = theirs(name, converged=True, parts=parts)
    assert_same_raw(name, score, expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"splits": 3, "train_size": 0.57},
        {"splits": 4, "kfold": True},
        {"splits": 2, "train_size": 0.6, "test_size": 0.25, "random_state": 5},
        {"splits": 2, "unique_split_values": True},
        {"splits": 2, "split_coord": "stimulus_id", "stratification_coord": "animacy"},
    ],
    ids=lambda options: "-".join(options),
)
def test_the_divisions_of_brainscore(case, options):
    source, target = map(static, case)
    shuffled = source[np.random.default_rng(0).permutation(120)]
    kwargs = {"crossvalidation_kwargs": options}
    expected = theirs("ridge", shuffled, target, **kwargs)
    score = metric("ridge", **kwargs)(shuffled, target)
    assert_same_raw("ridge", score, expected)


def test_the_error_counts_splits_that_have_a_score():
    score = over_splits(Score([0.1, 0.3, np.nan, np.nan], dims=["split"]))
    assert float(score) == pytest.approx(0.2)
    assert float(score.attrs["error"]) == pytest.approx(0.1 / np.sqrt(2))


@pytest.mark.slow
def test_a_silent_neuroid_does_not_count(case):
    source, target = map(static, case)
    quiet = target.copy()
    quiet.values[:, 2] = 3.0
    quiet.values[100, 2] = 4.0  # it spikes once, so that it is constant on most held-out sets
    expected = theirs("ridge", source, quiet)
    score = metric("ridge")(source, quiet)
    assert np.isnan(score.attrs["raw"].values).any()
    assert_same_raw("ridge", score, expected)
    assert float(score) == pytest.approx(float(expected), abs=EXACT)


@pytest.mark.slow
def test_every_bin_predicts_its_own(rng):
    features = rng.normal(size=(90, 40, 3))
    responses = features[:, :5] + 0.5 * rng.normal(size=(90, 5, 3))
    source, target = make(features, "f", 3), make(responses, "n", 3)
    score = metric("ridge")(source, target)
    assert score.dims == ("time_bin",)
    for t in range(3):
        one = (a.isel(time_bin=t, drop=True) for a in (source, target))
        expected = theirs("ridge", *one)
        assert float(score[t]) == pytest.approx(float(expected), abs=1e-9)


@pytest.mark.slow
def test_least_squares_of_more_features_than_stimuli(case):
    """Theirs divides by rounding: centred rows have a direction less than there are stimuli.

    scikit-learn's LinearRegression keeps the last singular value, 4e-16 of the first, as it is.
    """
    source, target = map(static, case)
    train, test = np.arange(108), np.arange(108, 120)
    parts = dict(
        source_train=source[train],
        source_test=source[test],
        target_train=target[train],
        target_test=target[test],
    )
    x, y = source.values - source.values[train].mean(axis=0), target.values
    weights, *_ = np.linalg.lstsq(x[train], y[train] - y[train].mean(axis=0), rcond=1e-10)
    exact = [
        np.corrcoef(x[test] @ w, measured)[0, 1]
        for w, measured in zip(weights.T, y[test].T, strict=True)
    ]
    raw = metric("linear_predictivity_split")(**parts).attrs["raw"]
    np.testing.assert_allclose(raw.values, exact, atol=EXACT)
    their_raw = theirs("linear_predictivity_split", parts=parts).attrs["raw"]
    assert np.abs(their_raw.values - exact).max() > 1e-4


def test_stimuli_are_matched_by_their_identifiers(case, rng):
    source, target = map(static, case)
    shuffled = source.isel(presentation=rng.permutation(source.sizes["presentation"]))
    score, same = (metric("ridge")(one, target) for one in (source, shuffled))
    # Sums of a hundred products, in another order.
    assert float(same) == pytest.approx(float(score), abs=1e-12)


def test_labels_of_the_score_are_those_of_the_responses(case):
    source, target = map(static, case)
    raw = metric("ridge")(source, target).attrs["raw"]
    assert dict(raw.sizes) == {"split": 10, "neuroid": 8}
    assert list(raw["neuroid_id"].values) == list(from_brainio(case[1])["neuroid_id"].values)


def test_other_stimuli(case):
    source, target = map(static, case)
    message = "different stimuli: 119 and 120, 119 in both"
    with pytest.raises(ValueError, match=message):
        metric("pls")(source[1:], target)


def test_other_time_bins(case, rng):
    source, _ = case
    target = make(rng.normal(size=(120, 4, 2)), "n", 2)
    with pytest.raises(ValueError, match=re.escape("the model has 1 time bins")):
        metric("pls")(source, target)


def test_unknown_metric():
    with pytest.raises(ValueError, match="metric must be one of"):
        metric("cca")
