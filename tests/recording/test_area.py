"""An area of a recording, as analyses read it."""

import numpy as np
import pytest
import xarray as xr

from neurorec.encoding import Bootstrap, Controls, Factorised, KFold, Ridge, fit, unit_curve
from neurorec.populations import patterns_of
from neurorec.recording import record

from .common import model, stimuli

OPTIONS = {
    "readout": Ridge(penalties=[1.0, 100.0]),
    "splits": KFold(3),
    "bootstrap": Bootstrap(n_draws=0),
    "controls": Controls(static=False),
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    out = tmp_path_factory.mktemp("area") / "r.h5"
    return record(model(), stimuli(n=12), out=out, repetitions=2, batch_size=5)


@pytest.fixture(scope="module")
def responses(recording, module_rng):
    """Two bins of three neurons that a unit each drives, in another order of stimuli."""
    assembly = recording.load("a2", neuroids=[3, 40, 99], timesteps=[1, 3])
    assembly = assembly.isel(presentation=module_rng.permutation(24))
    return assembly.copy(data=assembly.values + 0.01 * module_rng.normal(size=assembly.shape))


@pytest.fixture(scope="module")
def module_rng():
    return np.random.default_rng(0)


def test_labels_are_those_of_the_whole(recording):
    area, whole = recording.area("a2"), recording.load("a2")
    xr.testing.assert_identical(area.labels(), whole.isel(neuroid=[0]))
    assert area.n_neuroids == whole.sizes["neuroid"]


def test_units_are_those_of_the_whole(recording):
    xr.testing.assert_identical(
        recording.area("a2").units(), recording.load("a2").isel(presentation=[0])
    )


def test_load(recording):
    xr.testing.assert_identical(
        recording.area("a2").load(timesteps=[2]), recording.load("a2", timesteps=[2])
    )


def test_stream(recording):
    blocks = list(recording.area("a2").stream(timesteps=[3, 1], block_bytes=24 * 2 * 4 * 10))
    whole = recording.load("a2", timesteps=[3, 1])
    assert len(blocks) == -(-whole.sizes["neuroid"] // 10)
    np.testing.assert_array_equal(np.concatenate([b.values for b in blocks], axis=1), whole.values)
    every = list(recording.area("a2").stream(block_bytes=10**9))
    xr.testing.assert_identical(every[0], recording.load("a2"))


@pytest.mark.parametrize("block", [24 * 7, 24 * 300, 2**25])
def test_inner_products_are_those_of_the_whole(recording, monkeypatch, block):
    """Some units of a timestep at a time, some timesteps, and all at once."""
    monkeypatch.setattr("neurorec.populations.patterns._BLOCK", block)
    streamed = patterns_of(recording.area("a2"), averaged=False)
    whole = patterns_of(recording.load("a2"), averaged=False)
    np.testing.assert_allclose(streamed.products, whole.products, rtol=1e-12)
    np.testing.assert_allclose(streamed.sums, whole.sums, rtol=0, atol=1e-9)


def test_an_area_that_was_not_recorded(recording):
    with pytest.raises(ValueError, match=r"no area 'IT' in .*; it has"):
        recording.area("IT")


@pytest.mark.parametrize("time", ["grid", "match", "cumulative"])
def test_a_fit_is_that_of_the_whole(recording, responses, monkeypatch, time):
    monkeypatch.setattr("neurorec.populations.reading._BLOCK", 24 * 4 * 10)
    streamed = fit(recording.area("a2"), responses, time=time, **OPTIONS)
    whole = fit(recording.load("a2"), responses, time=time, **OPTIONS)
    for name in ("score", "determination", "noise_corrected", "prediction_reliability"):
        np.testing.assert_allclose(streamed[name], whole[name], rtol=0, atol=1e-9)
    assert streamed.attrs["n_features"] == whole.attrs["n_features"]
    assert str(recording.path) in streamed.attrs["provenance"]


def test_several_areas(recording, responses):
    names = ("a1", "a2")
    streamed = fit({n: recording.area(n) for n in names}, responses, **OPTIONS)
    whole = fit({n: recording.load(n) for n in names}, responses, **OPTIONS)
    np.testing.assert_allclose(streamed["score"], whole["score"], rtol=0, atol=1e-9)
    assert streamed.attrs["areas"] == "a1, a2"


def test_channels_and_places_are_found(recording, responses):
    options = OPTIONS | {"readout": Factorised(penalties=[1.0])}
    streamed = fit(recording.area("a2"), responses, **options)
    whole = fit(recording.load("a2"), responses, **options)
    np.testing.assert_allclose(streamed["score"], whole["score"], rtol=0, atol=1e-9)


def test_unit_curve(recording, responses):
    options = {"readout": OPTIONS["readout"], "splits": KFold(3), "n_samples": 1}
    streamed = unit_curve({"a2": recording.area("a2")}, responses, [5], **options)
    whole = unit_curve({"a2": recording.load("a2")}, responses, [5], **options)
    xr.testing.assert_identical(streamed, whole)
