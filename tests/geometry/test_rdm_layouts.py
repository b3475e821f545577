"""RDMs of each repetition, of several areas, and of populations that lie in files."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neurorec.geometry import NOISE_METHODS, RDM_METHODS, Noise, PoissonPrior, compare, rdm
from neurorec.models import build
from neurorec.populations import patterns_of
from neurorec.recording import record
from neurorec.stimuli import StimulusSet

from .repeated import labels, make, noisy, precision

ONE_OF_EACH = [method for method in RDM_METHODS if method != "crossnobis"]


@pytest.fixture
def repeated(assembly_of, rng):
    stimulus, repetition = labels(5, 3, rng)
    return make(assembly_of, np.abs(noisy(rng, stimulus, 8, 2)), stimulus, repetition)


@pytest.mark.parametrize("method", ONE_OF_EACH)
def test_each_repetition(repeated, method):
    """As if it were alone; noise is that of all."""
    found = rdm(repeated, method=method, noise="none", by_repetition=True)
    assert found.dims == ("repetition", "time_bin", "condition", "condition_b")
    assert found["repetition"].values.tolist() == [0, 1, 2]
    for r in range(3):
        alone = rdm(repeated[repeated["repetition"].values == r], method=method, noise="none").sel(
            condition=slice(None)
        )
        order = [alone["stimulus_id"].values.tolist().index(s) for s in found["stimulus_id"].values]
        np.testing.assert_allclose(found.values[r], alone.values[:, order][:, :, order], atol=1e-11)


def test_each_repetition_in_the_metric_of_all(repeated):
    found = rdm(repeated, method="mahalanobis", by_repetition=True)
    ids = found["stimulus_id"].values
    stimulus = np.array([ids.tolist().index(s) for s in repeated["stimulus_id"].values])
    metric = precision(repeated.values[:, :, 1], stimulus, "shrinkage_eye")
    first = repeated.values[repeated["repetition"].values == 2, :, 1]
    first = first[np.argsort(stimulus[repeated["repetition"].values == 2])]
    differences = first[:, None] - first
    expected = np.einsum("iju,uv,ijv->ij", differences, metric, differences)
    np.testing.assert_allclose(found.values[2, 1], expected, atol=1e-11 * expected.max())


@pytest.mark.parametrize("method", ONE_OF_EACH)
def test_missing_presentation(repeated, method):
    first = str(repeated["stimulus_id"].values[0])
    r = int(repeated["repetition"].values[0])
    short = repeated[1:]
    with pytest.raises(ValueError, match=rf"{first!r} was not shown in repetition {r}, and 0 more"):
        rdm(short, method=method, by_repetition=True)
    found = rdm(short, method=method, by_repetition=True, undefined="nan")
    absent = found["stimulus_id"].values == first
    assert np.isnan(found.values[r][:, absent]).all()
    assert np.isnan(found.values[r][:, :, absent]).all()
    assert np.isfinite(found.values[r][:, ~absent][:, :, ~absent]).all()
    assert np.isfinite(np.delete(found.values, r, axis=0)).all()
    assert found.attrs["n_undefined_patterns"] == 0


def test_repetitions_can_be_compared(repeated):
    found = rdm(repeated, by_repetition=True)
    scores = compare(found, rdm(repeated))
    assert scores.dims == ("repetition", "time_bin", "time_bin_b")


def test_crossnobis_of_each_repetition(repeated):
    with pytest.raises(ValueError, match="compares repetitions with one another"):
        rdm(repeated, method="crossnobis", by_repetition=True)


@pytest.mark.parametrize(
    ("method", "by_repetition"),
    [(m, False) for m in RDM_METHODS] + [(m, True) for m in ONE_OF_EACH],
)
def test_areas(repeated, method, by_repetition):
    """Stimuli of the second come in another order."""
    both = {"V4": repeated[:, :5], "IT": repeated[::-1]}
    options = {"method": method, "by_repetition": by_repetition}
    found = rdm(both, **options)
    assert found.dims[0] == "area"
    assert found["area"].values.tolist() == ["V4", "IT"]
    assert found["n_neuroids"].values.tolist() == [5, 8]
    first, second = (rdm(one, **options) for one in both.values())
    np.testing.assert_array_equal(found.sel(area="V4"), first)
    ids = second["stimulus_id"].values.tolist()
    order = [ids.index(s) for s in found["stimulus_id"].values]
    np.testing.assert_array_equal(found.values[1], second.values[..., order, :][..., order])
    if method in ("mahalanobis", "crossnobis"):
        assert found["shrinkage"].dims == ("area", "time_bin")
        np.testing.assert_array_equal(found["shrinkage"][1], second["shrinkage"])


def test_areas_are_written_and_read(repeated, tmp_path):
    found = rdm({"V4": repeated[:, :5], "IT": repeated}, method="crossnobis")
    found.to_netcdf(tmp_path / "rdm.nc", engine="h5netcdf")
    with xr.open_dataarray(tmp_path / "rdm.nc", engine="h5netcdf") as read:
        np.testing.assert_array_equal(read.values, found.values)
        assert read.attrs["noise"] == "shrinkage_eye"


def test_areas_that_do_not_match(repeated):
    with pytest.raises(ValueError, match="at least one area, got an empty mapping"):
        rdm({})
    with pytest.raises(ValueError, match="same time_bins, 'V4' has 2 and 'IT' has 1"):
        rdm({"V4": repeated, "IT": repeated[:, :, :1]})
    fewer = repeated[repeated["stimulus_id"].values != "s03"]
    with pytest.raises(ValueError, match="5 in 'V4', 4 in 'IT', 4 in both"):
        rdm({"V4": repeated, "IT": fewer})
    two = repeated[repeated["repetition"].values != 1]
    with pytest.raises(ValueError, match="same repetitions, 'V4' has 3 and 'IT' has 2"):
        rdm({"V4": repeated, "IT": two}, by_repetition=True)


@pytest.mark.parametrize("method", [m for m in ONE_OF_EACH if m != "poisson_kl"])
@pytest.mark.parametrize("by_repetition", [False, True])
def test_what_is_read_already(repeated, method, by_repetition):
    read = patterns_of(repeated, averaged=False)
    options = {"method": method, "by_repetition": by_repetition}
    once, again = rdm(repeated, **options), rdm(read, **options)
    np.testing.assert_allclose(again, once, atol=1e-11 * float(once.max()))
    assert (
        again.coords.to_dataset()
        .drop_vars("shrinkage", errors="ignore")
        .identical(once.coords.to_dataset().drop_vars("shrinkage", errors="ignore"))
    )


@pytest.fixture(scope="module")
def area(tmp_path_factory):
    """Six images shown four times to a network with dropout."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 12, 12, 3)).astype(np.uint8)
    table = pd.DataFrame({"stimulus_id": [f"s{i}" for i in range(6)]})
    stimuli = StimulusSet(identifier="noise", pixels=pixels, table=table)
    model = build("greco2025-fb-dropout", input_size=8, timesteps=4)
    path = tmp_path_factory.mktemp("recording") / "noisy.h5"
    return record(model, stimuli, out=path, device="cpu", repetitions=4).area("a2")


@pytest.mark.parametrize("method", RDM_METHODS)
def test_streamed_equals_loaded(area, method, monkeypatch):
    """Some units at a time; Poisson rates of responses that are not negative."""
    prior = PoissonPrior(rate=50, weight=1)
    loaded = area.load()
    assert loaded.sizes["presentation"] < loaded.sizes["neuroid"]
    monkeypatch.setattr("neurorec.populations.reading._BLOCK", 24 * 60)
    for noise in NOISE_METHODS if method in ("mahalanobis", "crossnobis") else ("none",):
        options = {"method": method, "noise": noise, "prior": prior}
        whole, streamed = rdm(loaded, **options), rdm(area, **options)
        np.testing.assert_allclose(streamed, whole, atol=1e-11 * float(np.abs(whole).max()))
        assert streamed.attrs["n_neuroids"] == loaded.sizes["neuroid"]


def test_streamed_areas(area):
    both = rdm({"a": area, "b": area.load()}, method="crossnobis")
    np.testing.assert_allclose(both.sel(area="a"), both.sel(area="b"), atol=1e-9)


def test_noise_by_name_and_in_full(repeated):
    by_name = rdm(repeated, method="crossnobis", noise="diagonal")
    in_full = rdm(repeated, method="crossnobis", noise=Noise(method="diagonal"))
    assert by_name.identical(in_full)
