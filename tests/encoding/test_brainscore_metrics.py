"""Readouts and whole fits against the metrics of brainscore-vision, on the same splits."""

import warnings

import numpy as np
import pytest
import torch

from neurorec.encoding import PLS, Bootstrap, RandomSplits, Ridge, fit
from neurorec.stats import pearson

pytestmark = pytest.mark.slow  # the import of brainscore-vision takes seconds


@pytest.fixture(scope="module")
def brainscore():
    pytest.importorskip("brainscore_vision", reason="brainscore-vision is not part of this stack")
    import neurorec.brainscore

    return neurorec.brainscore


@pytest.fixture
def case(make, power_law, rng):
    """Features and responses to 120 stimuli of 6 objects."""
    features = power_law(120, 300)
    responses = features @ rng.normal(size=(300, 10)) + rng.normal(size=(120, 10))
    # Brain-Score sorts neuroids by name.
    objects = {"object_name": [f"object{i % 6}" for i in range(120)]}
    return (
        make(features[:, :, None], name="feature", **objects),
        make(responses[:, :, None], name="neuron", **objects),
    )


def scores(metric, source, target):
    """Scores (split, neuroid) of the metric, and its number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, of deprecated calls and power iterations
        score = metric(source, target)
    return score.attrs["raw"].transpose("split", "neuroid").values, float(score)


# PLS stops there when weights change by less than 1e-3 a step; ridge is exact on both sides.
@pytest.mark.parametrize(
    ("name", "readout", "atol"),
    [("pls", PLS(), 1e-3), ("ridge", Ridge(penalties=[1.0]), 1e-9)],
)
def test_a_fit_scores_as_the_metric(brainscore, case, name, readout, atol):
    from brainscore_vision import load_metric

    features, responses = case
    splits = RandomSplits(seed=1, stratify="object_name")
    fitted = fit(
        features, responses, readout=readout, splits=splits, bootstrap=Bootstrap(n_draws=0)
    )
    source, target = (brainscore.to_brainio(a).isel(time_bin=0, drop=True) for a in case)
    raw, theirs = scores(load_metric(name), source, target)
    ours = fitted["score"].median("neuroid").mean("split").item()
    assert ours == pytest.approx(theirs, abs=atol)
    # Both report no ceiling of their own: r over held-out stimuli, median over neuroids, mean over
    # the ten splits.
    np.testing.assert_allclose(fitted["score"][..., 0, 0], raw, rtol=0, atol=10 * atol)


@pytest.mark.parametrize("stratified", [True, False])
def test_scores_of_the_metric(brainscore, case, stratified):
    from brainscore_vision import load_metric

    features, responses = case
    source, target = (brainscore.to_brainio(a).isel(time_bin=0, drop=True) for a in case)
    options = {} if stratified else {"stratification_coord": None}
    metric = load_metric("pls", crossvalidation_kwargs=options)
    _, splits = metric.cross_validation._split.build_splits(target)
    x = torch.from_numpy(features.values[:, :, 0])
    y = torch.from_numpy(responses.values)
    ours = np.stack(
        [
            pearson(
                PLS().predict_from_gram(x @ x.mT, y, train, test).held_out[..., 0].numpy(),
                responses.values[test, :, 0],
            )
            for train, test in splits
        ]
    )
    theirs, number = scores(metric, source, target)
    assert ours.shape == theirs.shape == (10, 10)
    # Its power iterations stop when weights change by less than 1e-3 a step.
    assert abs(np.median(ours, axis=1).mean() - number) < 1e-3
    metric.regression._regression.set_params(tol=1e-20, max_iter=10**6)
    converged, _ = scores(metric, source, target)
    # 1e-10 over the gap of the leading eigenvalues, of predictions about as large as responses.
    np.testing.assert_allclose(ours, converged, rtol=0, atol=1e-7)
