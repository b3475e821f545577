"""Metrics over time against brainscore-vision's, and on models whose dynamics are known."""

import warnings

import joblib
import numpy as np
import pytest
import torch

pytest.importorskip("brainscore_vision", reason="brainscore-vision is not part of this stack")

from sklearn import linear_model

from neurorec import assemblies
from neurorec.brainscore import (
    TEMPORAL_METRICS,
    CrossTemporalMetric,
    ObjectSolutionTimes,
    UniqueLateMetric,
    from_brainio,
    metric,
    temporal_metric,
    to_brainio,
)
from neurorec.brainscore.readouts import FixedRidge
from neurorec.brainscore.temporal_benchmark import over_time
from neurorec.encoding import Bootstrap, RandomSplits, Ridge, unique_variance

# Of the number over all time bins, which is what the score of a benchmark is: their PLS stops
# before it has converged, and the median of few neuroids in a single bin is further off.
AS_IT_IS = {"pls": 1e-3, "ridge": 1e-9}
# 1e-10 over the gap of the leading eigenvalues, of predictions about as large as responses.
CONVERGED = {"pls": 1e-7, "ridge": 1e-9}
N_BINS = 3
#: Those whose source and target are assemblies, and whose score has a time.
OVER_TIME = sorted(set(TEMPORAL_METRICS) - {"ost"})


def make(values, name):
    n, p, times = values.shape
    return to_brainio(
        assemblies.build(
            values,
            presentation={
                "stimulus_id": [f"s{i:03d}" for i in range(n)],
                "repetition": np.zeros(n, dtype=np.int64),
                "object_name": [f"object{i % 6}" for i in range(n)],
            },
            neuroid={"neuroid_id": [f"{name}{j:03d}" for j in range(p)], "region": ["IT"] * p},
            time_bin_start=70.0 + 10.0 * np.arange(times),
            time_bin_end=80.0 + 10.0 * np.arange(times),
        )
    )


@pytest.fixture
def case(rng):
    """Features that drift over time, with a decaying spectrum, and noisy responses to them."""
    scale = np.arange(1, 101) ** -0.5
    start, drift = (rng.normal(size=(90, 100)) * scale for _ in range(2))
    features = np.stack([start + t * drift for t in range(N_BINS)], axis=2)
    signal = np.einsum("nft,fu->nut", features, rng.normal(size=(100, 6)))
    responses = signal / signal.std(axis=0) + rng.normal(size=signal.shape)
    return make(features, "f"), make(responses, "n")


def theirs(name, kind, source, target, *, converged=False):
    from brainscore_vision.metric_helpers import temporal
    from brainscore_vision.metrics.regression_correlation import metric as regressions

    regression = {"pls": regressions.pls_regression, "ridge": regressions.ridge_regression}[name]()
    if converged and name == "pls":
        regression._regression.set_params(tol=1e-20, max_iter=10**6)
    over = {"temporal": temporal.PerTimeRegression, "spantime": temporal.SpanTimeRegression}[kind]
    found = regressions.CrossRegressedCorrelation(
        regression=over(regression),
        correlation=temporal.PerTime(regressions.pearsonr_correlation()),
    )
    # Its one regression is fitted to all time bins at once, which only processes can bear.
    with joblib.parallel_backend("sequential"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, of deprecated calls and power iterations
        return found(source, target)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["spantime", "temporal"])
@pytest.mark.parametrize("name", ["pls", "ridge"])
def test_the_score_of_brainscore(case, name, kind):
    expected = theirs(name, kind, *case)
    score = temporal_metric(f"{name}-{kind}")(*case)
    assert score.dims == expected.dims == ("time_bin",)
    assert float(score.mean()) == pytest.approx(float(expected.mean()), abs=AS_IT_IS[name])
    exact = theirs(name, kind, *case, converged=True)
    raw = exact.attrs["raw"].transpose("split", "neuroid", "time_bin")
    np.testing.assert_allclose(score.attrs["raw"].values, raw.values, atol=CONVERGED[name])


def quiet(target):
    """Neuroid 2 spikes to few stimuli in the second bin, and on most held-out sets to none."""
    values = target.values.copy()
    values[:, 2, 1] = 3.0
    values[::10, 2, 1] = 4.0
    return target.copy(data=values)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["spantime", "temporal"])
def test_a_silent_neuroid_does_not_count_as_in_brainscore(case, kind):
    source, target = case[0], quiet(case[1])
    expected = theirs("ridge", kind, source, target)
    score = temporal_metric(f"ridge-{kind}")(source, target)
    raw = expected.attrs["raw"].transpose("split", "neuroid", "time_bin").values
    silent = np.zeros(raw.shape, dtype=bool)
    silent[:, 2, 1] = np.isnan(raw[:, 2, 1])
    assert 0 < silent[:, 2, 1].sum() < 10
    np.testing.assert_array_equal(np.isnan(raw), silent)
    np.testing.assert_allclose(score.attrs["raw"].values, raw, atol=1e-9)
    np.testing.assert_allclose(score.values, expected.values, atol=1e-9)
    error = expected.attrs["error"].values
    np.testing.assert_allclose(score.attrs["error"].values, error, atol=1e-9)


@pytest.mark.parametrize("name", ["cross-temporal", "temporal-generalization"])
def test_a_silent_neuroid_does_not_count_in_a_grid(case, name):
    """As in Brain-Score's metric of the responses in the same bin."""
    from brainscore_vision import load_metric

    source, target = case[0], quiet(case[1])
    grid = temporal_metric(name)(source, target)
    one = [a.isel(time_bin=1, drop=True) for a in (source, target)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, of correlations with constants
        expected = load_metric("ridge")(*one)
    raw = expected.attrs["raw"].transpose("split", "neuroid").values
    assert 0 < np.isnan(raw[:, 2]).sum() < 10
    found = grid.attrs["raw"].transpose("split", "neuroid", "train_time", "test_time").values
    np.testing.assert_allclose(found[:, :, 1, 1], raw, atol=1e-9)
    assert float(grid[1, 1]) == pytest.approx(float(expected), abs=1e-9)
    for train_time in range(N_BINS):
        np.testing.assert_array_equal(np.isnan(found[:, :, train_time, 1]), np.isnan(raw))


@pytest.mark.parametrize("name", sorted(set(OVER_TIME) - {"ridge-unique-late"}))
def test_a_model_that_does_nothing_has_no_score(case, name):
    from brainscore_core.metrics import Score

    source, target = case
    dead = source.copy(data=np.zeros_like(source.values))
    score = temporal_metric(name, n_splits=2)(dead, target)
    for values in (score, score.attrs["error"], score.attrs["raw"]):
        assert np.isnan(values.values).all()
    ceiling = Score(np.full(N_BINS, 0.8), dims=["time_bin"], coords={})
    found = over_time(temporal_metric(name), score, ceiling)
    assert np.isnan(float(found))
    assert np.isnan(float(found.attrs["error"]))


def test_one_readout_is_fitted_to_the_rows_of_all_time_bins(case):
    source, target = case
    found = temporal_metric("ridge-spantime", n_splits=2, stratification_coord=None)
    raw = found(source, target).attrs["raw"].values
    x, y = source.values, target.values
    for split, (train, test) in enumerate(found.within.splits.split(target)):
        rows = [np.concatenate(list(np.moveaxis(one[train], 2, 0))) for one in (x, y)]
        rule = linear_model.Ridge(alpha=1.0).fit(*rows)
        for t in range(N_BINS):
            pairs = zip(rule.predict(x[test, :, t]).T, y[test, :, t].T, strict=True)
            r = [np.corrcoef(*pair)[0, 1] for pair in pairs]
            np.testing.assert_allclose(raw[split, :, t], r, atol=1e-9)


def test_one_readout_for_more_features_than_rows(rng):
    # 20 stimuli in 2 time bins are fewer rows than features, and the other way round.
    target = make(rng.normal(size=(20, 3, 2)), "n")
    features = rng.normal(size=(20, 12, 2))
    options = {"n_splits": 2, "stratification_coord": None, "train_size": 0.8}
    few = temporal_metric("ridge-spantime", **options)(make(features, "f"), target)
    padded = np.concatenate([features, np.zeros((20, 60, 2))], axis=1)
    many = temporal_metric("ridge-spantime", **options)(make(padded, "f"), target)
    np.testing.assert_allclose(many.attrs["raw"].values, few.attrs["raw"].values, atol=1e-9)


@pytest.mark.parametrize("of", ["gram", "features"])
@pytest.mark.parametrize("size", [1, 1e9], ids=["usual", "huge"])
def test_ridge_of_a_given_penalty(rng, of, size):
    """Also of features so large that the penalty is lost when it is added."""
    values = size * rng.normal(size=(30, 40 if of == "gram" else 12))
    values[:, 1] = values[:, 0]  # without a penalty there is no one solution
    features, y = torch.from_numpy(values), torch.from_numpy(rng.normal(size=(30, 3, 2)))
    table = features @ features.mT if of == "gram" else features
    train, test = np.arange(24), np.arange(24, 30)
    found, expected = (
        getattr(readout, f"predict_from_{of}")(table, y, train, test).held_out
        for readout in (FixedRidge(penalty=1.0), Ridge(penalties=[1.0]))
    )
    # Rounding of the largest over the smallest eigenvalue.
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def moving(rng, lag, n_bins=4):
    """A model whose activity is new in every time bin, and responses that follow it by ``lag``."""
    features = rng.normal(size=(80, 10, n_bins + lag))
    model = features[:, :, lag:]
    return make(model, "f"), make(features[:, :, :n_bins] + 0, "n")


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_the_diagonal_moves(rng, lag):
    grid = temporal_metric("cross-temporal", n_splits=2)(*moving(rng, lag))
    assert dict(grid.sizes) == {"train_time": 4, "test_time": 4}
    for axis in grid.dims:
        assert grid.attrs["raw"][f"{axis}_start"].values.tolist() == [70, 80, 90, 100]
        assert grid.attrs["raw"][f"{axis}_end"].values.tolist() == [80, 90, 100, 110]
    best = grid.values.argmax(axis=0)
    # What the responses do in bin t the model does lag bins before, where there is such a bin.
    assert best[lag:].tolist() == list(range(4 - lag))
    # The features themselves, but for what a penalty of 1 takes from 72 of unit variance.
    assert np.diagonal(grid.values, offset=lag).min() > 0.95


def test_a_grid_is_made_of_single_fits(case):
    source, target = case
    grid = temporal_metric("cross-temporal", n_splits=2)(source, target)
    for s, t in [(0, 0), (2, 0), (1, 2)]:
        one = (a.isel(time_bin=b, drop=True) for a, b in ((source, s), (target, t)))
        expected = metric("ridge", n_splits=2)(*one)
        assert float(grid[s, t]) == pytest.approx(float(expected), abs=1e-9)
        for raw in (grid.attrs["raw"], expected.attrs["raw"]):
            assert raw["neuroid_id"].values.tolist() == [f"n00{j}" for j in range(6)]


def test_weights_move_to_other_times(case):
    source, target = case
    options = {"n_splits": 2, "stratification_coord": None}
    found = CrossTemporalMetric(Ridge(penalties=[1.0]), kind="generalization", **options)
    raw = found(source, target).attrs["raw"]
    x, y = source.values, target.values
    for split, (train, test) in enumerate(found.within.splits.split(target)):
        for s in range(N_BINS):
            rule = Ridge(penalties=[1.0]).fit(x[train, :, s], y[train, :, s])
            for t in range(N_BINS):
                predicted = rule.predict(x[test, :, t])
                pairs = zip(predicted.T, y[test, :, t].T, strict=True)
                r = [np.corrcoef(*pair)[0, 1] for pair in pairs]
                np.testing.assert_allclose(raw.values[split, :, s, t], r, atol=1e-9)


def test_a_code_that_stays_generalises_and_one_that_turns_round_does_not(rng):
    features = rng.normal(size=(80, 10))
    weights = rng.normal(size=(10, 5))
    model = make(np.stack([features, features], axis=2), "f")
    for sign in (1, -1):
        target = make(np.stack([features @ weights, sign * features @ weights], axis=2), "n")
        grid = temporal_metric("temporal-generalization", n_splits=2)(model, target)
        # Ridge with a penalty of 1 for 72 stimuli shrinks and hardly turns predictions.
        np.testing.assert_allclose(grid.values, [[1, sign], [sign, 1]], atol=0.01)


@pytest.mark.slow
def test_only_dynamics_are_unique_to_late_time_bins(rng):
    early, late = rng.normal(size=(2, 120, 6))
    options = {"n_splits": 5, "stratification_coord": None}
    target = make(np.stack([early[:, :4], early[:, :4] + late[:, :4]], axis=2), "n")
    dynamic = make(np.stack([early, late], axis=2), "f")
    static = make(np.stack([early, early], axis=2), "f")
    scores = [
        temporal_metric("ridge-unique-late", **options)(m, target).values for m in (dynamic, static)
    ]
    # Half of the variance in the second bin is new there. The error of a share of variance from
    # 60 held-out stimuli with nearly no noise is below (1 - R²) sqrt(2 / 60) < 0.1.
    np.testing.assert_allclose(scores[0], [0, 0.5], atol=0.2)
    np.testing.assert_allclose(scores[1], [0, 0], atol=0.05)


def test_late_time_bins_begin_where_they_are_said_to(case):
    """The same as of the activity itself, by the same divisions."""
    options = {"n_splits": 2, "stratification_coord": None, "random_state": 3}
    found = temporal_metric("ridge-unique-late", boundary_ms=75, train_size=0.8, **options)(*case)
    expected = unique_variance(
        *map(from_brainio, case),
        boundary_ms=75,
        splits=RandomSplits(n_splits=2, test_fraction=0.2, seed=3),
        bootstrap=Bootstrap(n_draws=0),
        device="cpu",
    )
    assert found.attrs["boundary_ms"] == 75
    assert temporal_metric("ridge-unique-late", **options)(*case).attrs["boundary_ms"] == 85
    unique = expected["value"].sel(part="unique_late")
    np.testing.assert_allclose(found.attrs["raw"].values[0], unique.values, atol=1e-12)
    np.testing.assert_allclose(found.values, unique.median("neuroid").values, atol=1e-12)


@pytest.mark.parametrize("make_metric", [ObjectSolutionTimes, UniqueLateMetric])
@pytest.mark.parametrize("over", ["object_name", None])
def test_metrics_of_their_own_divide_stimuli_as_the_others(case, make_metric, over):
    target = from_brainio(case[1])
    options = {"n_splits": 4, "train_size": 0.7, "stratification_coord": over, "random_state": 5}
    pairs = zip(
        make_metric(**options).splits.split(target),
        metric("ridge", **options).splits.split(target),
        strict=True,
    )
    for found, expected in pairs:
        for rows, other_rows in zip(found, expected, strict=True):
            np.testing.assert_array_equal(rows, other_rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", OVER_TIME)
def test_stimuli_are_matched_by_their_identifiers(case, rng, name):
    source, target = case
    shuffled = source.isel(presentation=rng.permutation(source.sizes["presentation"]))
    score, same = (temporal_metric(name, n_splits=2)(one, target) for one in (source, shuffled))
    np.testing.assert_allclose(same.values, score.values, atol=1e-9)


@pytest.mark.parametrize("name", OVER_TIME)
def test_other_time_bins(case, name):
    source, target = case
    with pytest.raises(ValueError, match="the model has 2 time bins and the responses have 3"):
        temporal_metric(name)(source.isel(time_bin=[0, 1]), target)


def test_no_numbers(case):
    source, target = case
    broken = source.copy(data=np.where(source.values > 2, np.nan, source.values))
    for name in OVER_TIME:
        with pytest.raises(ValueError, match="NaN or infinite"):
            temporal_metric(name)(broken, target)


def test_unknown_names():
    with pytest.raises(ValueError, match="metric must be one of"):
        temporal_metric("pls")
    with pytest.raises(ValueError, match="kind must be one of"):
        CrossTemporalMetric(Ridge(), kind="grid")
