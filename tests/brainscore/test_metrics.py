"""Metrics in sample space against those of brainscore-vision."""

import re
import warnings

import numpy as np
import pytest

pytest.importorskip("brainscore_vision", reason="brainscore-vision is not part of this stack")

from neurorec import assemblies
from neurorec.brainscore import METRICS, from_brainio, metric, to_brainio

# Of its number: PLS stops there when weights change by less than 1e-3 a step, and single neuroids
# are further off until it converges; ridge is exact on both sides.
AS_IT_IS = {"pls": 1e-3, "ridge": 1e-9}
# 1e-10 over the gap of the leading eigenvalues, of predictions about as large as responses.
CONVERGED = {"pls": 1e-7, "ridge": 1e-9}


def make(values, name, times=1):
    n, p = values.shape[:2]
    return to_brainio(
        assemblies.build(
            values.reshape(n, p, times),
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
    """Features whose spectrum decays as that of images does, and noisy responses to them."""
    features = rng.normal(size=(120, 200)) * np.arange(1, 201) ** -0.5
    signal = features @ rng.normal(size=(200, 8))
    responses = signal / signal.std(axis=0) + rng.normal(size=signal.shape)
    return make(features, "f"), make(responses, "n")


def static(assembly):
    return assembly.isel(time_bin=0, drop=True)


def theirs(name, source, target, *, converged=False, **options):
    from brainscore_vision import load_metric

    found = load_metric(name, crossvalidation_kwargs=options)
    if converged and name == "pls":
        found.regression._regression.set_params(tol=1e-20, max_iter=10**6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, of deprecated calls and power iterations
        return found(source, target)


@pytest.mark.slow
@pytest.mark.parametrize("stratification_coord", ["object_name", None])
@pytest.mark.parametrize("name", sorted(METRICS))
def test_the_score_of_brainscore(case, name, stratification_coord):
    source, target = map(static, case)
    options = {"stratification_coord": stratification_coord}
    expected = theirs(name, source, target, **options)
    score = metric(name, **options)(source, target)
    assert type(score) is type(expected)
    assert float(score) == pytest.approx(float(expected), abs=AS_IT_IS[name])
    exact = theirs(name, source, target, converged=True, **options)
    raw = exact.attrs["raw"].transpose("split", "neuroid")
    np.testing.assert_allclose(score.attrs["raw"].values, raw.values, atol=CONVERGED[name])
    for number in (score, score.attrs["error"]):
        assert number.dims == ()
    error, expected_error = (float(s.attrs["error"]) for s in (score, exact))
    assert error == pytest.approx(expected_error, abs=CONVERGED[name])
    for level in ("neuroid_id", "region"):
        assert list(score.attrs["raw"][level].values) == list(raw[level].values)


@pytest.mark.slow
def test_every_bin_predicts_its_own(rng):
    features = rng.normal(size=(90, 40, 3))
    responses = features[:, :5] + 0.5 * rng.normal(size=(90, 5, 3))
    source, target = make(features, "f", 3), make(responses, "n", 3)
    score = metric("ridge")(source, target)
    assert score.dims == ("time_bin",)
    for t in range(3):
        one = (a.isel(time_bin=t, drop=True) for a in (source, target))
        expected = theirs("ridge", *one, stratification_coord="object_name")
        assert float(score[t]) == pytest.approx(float(expected), abs=1e-9)


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
