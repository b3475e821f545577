"""Whole fits against the metrics of brainscore-vision, which draw the same splits."""

import warnings

import numpy as np
import pytest

from neurorec.encoding import PLS, Bootstrap, RandomSplits, Ridge, fit

pytestmark = pytest.mark.slow  # the import of brainscore-vision takes seconds


@pytest.fixture
def case(make, power_law, rng):
    """Features and responses to 120 stimuli of 6 objects."""
    features = power_law(120, 300)
    responses = features @ rng.normal(size=(300, 10)) + rng.normal(size=(120, 10))
    objects = {"object_name": [f"object{i % 6}" for i in range(120)]}
    return (
        make(features[:, :, None], name="feature", **objects),
        make(responses[:, :, None], name="neuron", **objects),
    )


# PLS stops there when weights change by less than 1e-3 a step; ridge is exact on both sides.
@pytest.mark.parametrize(
    ("name", "readout", "atol"),
    [("pls", PLS(), 1e-3), ("ridge", Ridge(penalties=[1.0]), 1e-9)],
)
def test_a_fit_scores_as_the_metric(case, name, readout, atol):
    pytest.importorskip("brainscore_vision", reason="brainscore-vision is not part of this stack")
    from brainscore_vision import load_metric

    from neurorec.brainscore import to_brainio

    features, responses = case
    splits = RandomSplits(seed=1, stratify="object_name")
    scores = fit(
        features, responses, readout=readout, splits=splits, bootstrap=Bootstrap(n_draws=0)
    )
    source, target = (to_brainio(a).isel(time_bin=0, drop=True) for a in case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, of deprecated calls and power iterations
        theirs = load_metric(name)(source, target)
    ours = scores["score"].median("neuroid").mean("split").item()
    assert ours == pytest.approx(float(theirs), abs=atol)
    # Both report no ceiling of their own: r over held-out stimuli, median over neuroids, mean over
    # the ten splits.
    raw = theirs.attrs["raw"].transpose("split", "neuroid").values
    np.testing.assert_allclose(scores["score"][..., 0, 0], raw, rtol=0, atol=10 * atol)
