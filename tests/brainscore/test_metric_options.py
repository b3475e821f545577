"""Options and inputs of the metrics in sample space: what is refused, and the edges."""

import re

import numpy as np
import pytest
import torch
import xarray as xr

pytest.importorskip("brainscore_vision", reason="brainscore-vision is not part of this stack")

from neurorec import assemblies
from neurorec.brainscore import METRICS, from_brainio, metric, to_brainio
from neurorec.brainscore.ceiling_metric import InternalConsistency
from neurorec.brainscore.folds import shuffled
from neurorec.brainscore.metrics import PENALTIES, SPLIT_METRICS
from neurorec.brainscore.readouts import FixedRidge, SharedPenaltyRidge
from neurorec.brainscore.similarity import cka, unbiased_cka
from neurorec.encoding import PLS, Ridge


@pytest.fixture
def packed(rng):
    def packed(values=None, *, name="n", n=24, p=4, times=1, repetitions=1):
        values = rng.normal(size=(n * repetitions, p, times)) if values is None else values
        return to_brainio(
            assemblies.build(
                values,
                presentation={
                    "stimulus_id": np.repeat([f"s{i:03d}" for i in range(n)], repetitions),
                    "repetition": np.tile(np.arange(repetitions), n),
                    "object_name": np.repeat([f"o{i % 3}" for i in range(n)], repetitions),
                },
                neuroid={"neuroid_id": [f"{name}{j}" for j in range(p)], "region": ["IT"] * p},
                time_bin_start=10.0 * np.arange(times),
                time_bin_end=10.0 * np.arange(1, times + 1),
            )
        )

    return packed


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("pls", {"crossvalidation_kwargs": {"folds": 3}}, "crossvalidation_kwargs has ['folds']"),
        ("rdm_cv", {"crossvalidation_kwargs": {"split_coord": "repetition"}}, "divide stimuli"),
        ("pls", {"regression_kwargs": {"scale": True}}, "has {'scale': True}; a readout in sample"),
        ("pls", {"regression_kwargs": {"tol": 1e-3}}, "has {'tol': 0.001}; a readout in sample"),
        ("ridge", {"regression_kwargs": {"solver": "svd"}}, "takes 'alpha'"),
        ("ridge", {"regression_kwargs": {"alpha": -1.0}}, "alpha must be a number that is not"),
        ("neuron_to_neuron", {"regression_kwargs": {"alpha": 1}}, "takes no regression_kwargs"),
        ("ridgecv_split", {"regression_kwargs": {"cv": 5}}, "has {'cv': 5}; a readout in sample"),
    ],
)
def test_options_that_cannot_be_had(name, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        metric(name, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_splits": 0}, "splits must be at least 1, got 0"),
        (
            {"stratification_coord": "stimulus_id"},
            "24 stimuli cannot be divided into 10 splits balanced over 'stimulus_id': The least",
        ),
        ({"train_size": 0.95}, "give more stimuli, or sets of other sizes, or stratification_"),
        ({"train_size": 1.5, "stratification_coord": None}, "24 stimuli cannot be divided into 10"),
    ],
    ids=["none", "single", "few", "share"],
)
def test_divisions_that_cannot_be_had(packed, options, message):
    source = packed()
    with pytest.raises(ValueError, match=message):
        metric("ridge", **options)(source, source)


@pytest.mark.parametrize("over", ["object_name", None])
def test_options_of_divisions_are_those_of_brainscore(packed, over):
    """Of 100 stimuli 0.57 are 56 to train on, as they round it."""
    from brainscore_vision.metric_helpers.transformations import Split

    stimuli = from_brainio(packed(n=100))
    options = {"train_size": 0.57, "stratification_coord": over, "random_state": 5}
    found = list(shuffled(n_splits=4, **options).split(stimuli))
    order = np.arange(100)
    coords = {k: ("presentation", stimuli[k].values) for k in ("stimulus_id", "object_name")}
    _, expected = Split(splits=4, **options).build_splits(
        xr.DataArray(order, coords=coords, dims="presentation")
    )
    assert [len(train) for train, _ in found] == [56] * 4
    for one, other in zip(found, expected, strict=True):
        for rows, other_rows in zip(one, other, strict=True):
            np.testing.assert_array_equal(rows, np.sort(other_rows))


def test_regression_options(packed):
    source, target = packed(name="f", p=30), packed()
    few = metric("pls", regression_kwargs={"n_components": 2, "scale": False})(source, target)
    assert float(few) != float(metric("pls", regression_kwargs={"n_components": 5})(source, target))
    assert metric("ridge", regression_kwargs={"alpha": 3}).readout == FixedRidge(3)
    split = metric("ridgecv_split", regression_kwargs={"alpha": 1}, alphas=[1, 2])
    assert split.readout == SharedPenaltyRidge((1, 2))
    assert metric("dual_ridgecv_split").readout == SharedPenaltyRidge(PENALTIES)


def test_alphas_are_taken_by_every_split_as_benchmarks_give_them():
    for name in SPLIT_METRICS:
        metric(name, alphas=[1.0, 10.0])


def test_too_few_stimuli_of_a_column(packed):
    source = packed()
    with pytest.raises(ValueError, match="no stimulus column 'texture_type'"):
        metric("ridge", stratification_coord="texture_type")(source, source)


def test_repeated_stimuli(packed):
    source = packed(repetitions=2)
    with pytest.raises(ValueError, match="48 presentations of 24 stimuli; average repetitions"):
        metric("ridge")(source, source)


@pytest.mark.parametrize("name", ["rdm", "cka_cv"])
def test_similarity_of_several_bins(packed, name):
    source = packed(times=2)
    with pytest.raises(ValueError, match="this metric compares one time bin, got 2; select one"):
        metric(name)(source, source)


def test_unbiased_cka_of_three_stimuli(packed):
    source = packed(n=3)
    with pytest.raises(ValueError, match="at least 4 stimuli, got 3"):
        metric("cka")(source, source)


def test_other_neuroids_in_the_test_set(packed):
    parts = [packed(name="f"), packed(name="f"), packed(), packed(name="other")]
    with pytest.raises(ValueError, match="different neuroids, 4 and 4"):
        metric("ridge_split")(*parts)


def test_neuroids_in_another_order_in_the_test_set(packed):
    source, target = packed(name="f"), packed()
    train, test = np.arange(16), np.arange(16, 24)
    expected = metric("ridge_split")(source[train], source[test], target[train], target[test])
    shuffled = target[test][:, [2, 0, 3, 1]]
    score = metric("ridge_split")(source[train], source[test], target[train], shuffled)
    np.testing.assert_allclose(score.attrs["raw"].values, expected.attrs["raw"].values, atol=1e-12)


def test_bins_of_a_given_split(packed):
    source, target = packed(name="f", times=2), packed(times=2)
    train, test = np.arange(16), np.arange(16, 24)
    both = metric("pls_split", regression_kwargs={"n_components": 3})
    score = both(source[train], source[test], target[train], target[test])
    assert score.dims == ("time_bin",)
    for t in range(2):
        one = [part[..., t : t + 1] for part in (source, target)]
        expected = both(one[0][train], one[0][test], one[1][train], one[1][test])
        assert float(score[t]) == pytest.approx(float(expected), abs=1e-12)


def test_ceiling_without_its_coordinate(packed):
    with pytest.raises(ValueError, match="no coordinate 'trial' that numbers repetitions"):
        InternalConsistency("trial")(packed(repetitions=2))


def test_axioms_of_similarity(packed, rng):
    """One with itself and after a rotation; unbiased CKA of independent populations is about 0."""
    values = rng.normal(size=(40, 30, 1))
    turn = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    one, turned = (
        packed(values, n=40, p=30),
        packed(np.einsum("npt,pq->nqt", values, turn), n=40, p=30),
    )
    for name in ("rdm", "cka", "cka_biased", "rdm_cv", "cka_cv"):
        assert float(metric(name)(one, one)) == pytest.approx(1, abs=1e-9)
    for name in ("cka", "cka_biased"):
        assert float(metric(name)(one, turned)) == pytest.approx(1, abs=1e-9)
    # Its standard error over pairs of 200 stimuli is about 1 / 200; five of them.
    a, b = (x @ x.T for x in rng.normal(size=(2, 200, 50)))
    assert abs(unbiased_cka(a, b)) < 5 / 200
    assert cka(a, b) > 0.1


def test_a_population_that_tells_nothing_apart():
    equal = np.ones((6, 6))
    assert unbiased_cka(equal, equal) == 0.0


@pytest.mark.parametrize("penalty", [0, 1e-13, 1e-3, 1, 1e4])
@pytest.mark.parametrize("p", [10, 80])
def test_ridge_of_a_given_penalty(rng, p, penalty):
    """Against an eigenbasis, on features of rank above and below the number of stimuli."""
    x = torch.from_numpy(rng.normal(size=(50, p)))
    y = torch.from_numpy(rng.normal(size=(50, 3, 2)) + 4)
    train, test = np.arange(40), np.arange(40, 50)
    found = FixedRidge(penalty).predict_from_gram(x @ x.mT, y, train, test).held_out
    primal = FixedRidge(penalty).predict_from_features(x, y, train, test).held_out
    peer = Ridge(penalties=[max(penalty, 1e-14)]).predict_from_features(x, y, train, test).held_out
    # Eigenvalues of the features lie between about 1 and 200.
    torch.testing.assert_close(found, peer, rtol=0, atol=1e-10)
    torch.testing.assert_close(primal, peer, rtol=0, atol=1e-10)


def test_the_shared_penalty_is_that_of_least_error(rng):
    """Leaving each stimulus out by hand."""
    x = rng.normal(size=(25, 40)) * np.arange(1, 41) ** -0.5
    y = x @ rng.normal(size=(40, 3)) + 2 * rng.normal(size=(25, 3))
    gram = torch.from_numpy(x @ x.T)
    responses = torch.from_numpy(y[..., None])
    train, test = np.arange(20), np.arange(20, 25)
    grid = [0.1, 1.0, 3.0, 10.0, 30.0, 100.0]
    errors = []
    for penalty in grid:
        left_out = [
            FixedRidge(penalty)
            .predict_from_gram(gram, responses, np.delete(train, i), np.array([i]))
            .held_out
            for i in train
        ]
        errors.append(float((torch.cat(left_out) - responses[train]).square().sum()))
    best = grid[int(np.argmin(errors))]
    assert 0 < grid.index(best) < len(grid) - 1
    found = SharedPenaltyRidge(grid).predict_from_gram(gram, responses, train, test).held_out
    expected = FixedRidge(best).predict_from_gram(gram, responses, train, test).held_out
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_names(packed):
    """Scores of one name are not those of another."""
    source, target = packed(name="f", p=30, n=60), packed(p=30, n=60)
    scores = {name: float(metric(name)(source, target)) for name in METRICS}
    assert len(set(np.round(list(scores.values()), 6))) == len(METRICS)
    assert isinstance(metric("pls").readout, PLS)
