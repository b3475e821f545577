"""Every readout inside a fit against itself outside of it."""

import numpy as np
import pytest
import xarray as xr

from neurorec.encoding import (
    PLS,
    Bootstrap,
    Controls,
    Factorised,
    Identity,
    KFold,
    OneToOne,
    Ridge,
    SoftMatching,
    fit,
)
from neurorec.stats import pearson

PLAIN = {
    "splits": KFold(3),
    "bootstrap": Bootstrap(n_draws=0),
    "controls": Controls(static=False),
}
READOUTS = [
    Ridge(penalties=[0.1, 10, 1000]),
    PLS(n_components=3),
    OneToOne(),
    SoftMatching(),
    Factorised(shape=(6, 2, 2), penalties=[1.0]),
]


@pytest.fixture
def pair(rng, make, power_law):
    """An area of 6 channels at 2 x 2 places, and neurons."""
    x = np.stack([power_law(60, 24) for _ in range(2)], axis=2)
    y = np.einsum("nut,uq->nqt", x, rng.normal(size=(24, 3)))
    y += 0.5 * y.std() * rng.normal(size=y.shape)
    features = make(x, name="u")
    channel, row, col = np.indices((6, 2, 2)).reshape(3, -1)
    return features.assign_coords(
        channel=("neuroid", channel), row=("neuroid", row), col=("neuroid", col)
    ), make(y)


def folds(n):
    return list(KFold(3).split(xr.DataArray(np.zeros(n), dims="presentation")))


@pytest.mark.parametrize("readout", READOUTS, ids=lambda r: type(r).__name__)
def test_a_fit_is_the_estimator(pair, readout):
    features, responses = pair
    scores = fit(features, responses, readout=readout, **PLAIN)
    for t in range(2):
        for b in range(2):
            x, y = features.values[:, :, t], responses.values[:, :, b]
            for k, (train, test) in enumerate(folds(60)):
                expected = pearson(readout.fit(x[train], y[train]).predict(x[test]), y[test])
                np.testing.assert_allclose(scores["score"][k, :, t, b], expected, atol=1e-8)


@pytest.mark.parametrize("readout", READOUTS, ids=lambda r: type(r).__name__)
def test_every_readout_has_the_static_control(pair, readout):
    features, responses = pair
    scores = fit(features, responses, readout=readout, **(PLAIN | {"controls": Controls()}))
    chosen = scores["static_timestep"].values
    for k in range(3):
        for i in range(3):
            expected = scores["score"].values[k, i, chosen[k, i]]
            np.testing.assert_allclose(scores["static_score"][k, i], expected, atol=1e-12)


def test_identity(pair):
    features, responses = pair
    scores = fit(features.isel(neuroid=[3, 0, 7]), responses, readout=Identity(), **PLAIN)
    for k, (_, test) in enumerate(folds(60)):
        expected = pearson(features.values[test][:, [3, 0, 7], 1], responses.values[test][:, :, 0])
        np.testing.assert_allclose(scores["score"][k, :, 1, 0], expected, atol=1e-12)


def test_factorised_finds_channels_and_places(pair, rng):
    features, responses = pair
    given = fit(features, responses, readout=Factorised(shape=(6, 2, 2), penalties=[1.0]), **PLAIN)
    mixed = features.isel(neuroid=rng.permutation(24))
    found = fit(mixed, responses, readout=Factorised(penalties=[1.0]), **PLAIN)
    np.testing.assert_allclose(found["score"], given["score"], rtol=0, atol=1e-8)


def test_factorised_of_several_areas(pair):
    features, responses = pair
    with pytest.raises(ValueError, match=r"sees one area, got \['a', 'b'\]; fit each alone"):
        fit({"a": features, "b": features}, responses, readout=Factorised(), **PLAIN)
