"""Brain-Score's data come back as they were.

Packaged by its own functions, stored by a server of this process, fetched by its own loader.
"""

import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neurorec import assemblies, datasets
from neurorec.datasets import DamagedError, DataUnavailableError
from neurorec.stimuli import StimulusSet

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")

from brainscore_core.supported_data_standards.brainio import packaging, s3
from brainscore_core.supported_data_standards.brainio.assemblies import (
    BehavioralAssembly,
    NeuroidAssembly,
    NeuronRecordingAssembly,
)

from neurorec import brainscore
from neurorec.brainscore._import import import_brainscore

from .storage import out_of_reach, serving

#: Where their plugins register data; imported by ours, since their import warns.
REGISTRY = import_brainscore().data_registry
BUCKET = "brainscore-storage/brainio-brainscore"
NAME = "Nobody2026.public"


@pytest.fixture
def storage(tmp_path, monkeypatch):
    with serving(tmp_path, monkeypatch) as handler:
        yield handler


def stimuli() -> StimulusSet:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    table = {
        "stimulus_id": ["é-1", "b", "c d", "β/1"],
        "object_name": ["dog", "cat", "dog", "cat"],
        "contrast": [0.25, np.nan, 1.0, 0.5],
    }
    return StimulusSet(identifier=NAME, pixels=pixels, table=pd.DataFrame(table))


def recording(shown: StimulusSet) -> xr.DataArray:
    """Two regions, three repetitions, bins of 10 ms, and a neuroid that was lost."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(12, 5, 3)).astype(np.float32)
    values[6:, 2] = np.nan
    return assemblies.build(
        values,
        presentation={
            "stimulus_id": np.repeat(shown.stimulus_ids, 3),
            "repetition": np.tile([0, 1, 2], 4),
        },
        neuroid={
            "neuroid_id": [f"Chabo_L_{i}" for i in range(5)],
            "region": ["V4", "V4", "IT", "IT", "IT"],
            "x_mm": [0.5, 1.0, np.nan, 2.0, 2.5],
        },
        time_bin_start=[70.0, 80.0, 90.0],
        time_bin_end=[80.0, 90.0, 100.0],
        attrs={"units": "spikes / s"},
    )


def package(tmp_path, shown: StimulusSet, assembly: NeuroidAssembly) -> tuple[dict, dict]:
    """Files in BrainIO's format, written by its own functions, where the server has them."""
    folder = tmp_path / "s3" / BUCKET
    theirs = brainscore.stimulus_set_to_brainio(shown, tmp_path / "png")
    names = [f"image-{i}" for i in range(len(shown))]  # of the files in the archive
    theirs["stimulus_path_within_store"] = names
    images = packaging.package_stimulus_set_locally(theirs, NAME, folder)
    found = packaging.package_data_assembly_locally(assembly, NAME, NAME, downloads_path=folder)
    return images, found


def register(monkeypatch, images: dict, found: dict) -> None:
    """As a plugin of theirs does."""
    hashes = {f"{kind}_sha1": images[f"{kind}_sha1"] for kind in ("csv", "zip")}
    place = {"identifier": NAME, "bucket": BUCKET}
    monkeypatch.setitem(
        REGISTRY,
        NAME,
        lambda: s3.load_assembly_from_s3(
            **place,
            version_id="null",
            sha1=found["sha1"],
            cls=NeuronRecordingAssembly,
            stimulus_set_loader=lambda: s3.load_stimulus_set_from_s3(
                **place, **hashes, csv_version_id="null", zip_version_id="null"
            ),
        ),
    )


@pytest.fixture
def stored(storage, tmp_path, monkeypatch):
    shown = stimuli()
    original = recording(shown)
    register(monkeypatch, *package(tmp_path, shown, brainscore.to_brainio(original)))
    return original, shown, storage


def test_recordings_come_back_exactly(stored):
    original, shown, _ = stored
    data = datasets.from_brainscore(NAME, visual_degrees=8)
    columns = shown.table.set_index("stimulus_id").loc[original["stimulus_id"].values]
    merged = {name: ("presentation", columns[name].values) for name in ("object_name", "contrast")}
    assert data.assembly is not None
    names = data.assembly["filename"].values.tolist()
    assert names == np.repeat([f"image-{i}.png" for i in range(4)], 3).tolist()
    returned = data.assembly.drop_vars("filename")
    assert returned.attrs["stimulus_set_identifier"] == NAME
    returned.attrs = {"units": returned.attrs["units"]}
    xr.testing.assert_identical(returned, original.assign_coords(merged))
    assert {k: v.dtype.kind for k, v in returned.coords.items()} == {
        k: v.dtype.kind for k, v in original.coords.items()
    } | {"object_name": "U", "contrast": "f"}
    assert type(returned) is xr.DataArray
    assert isinstance(returned.data, np.ndarray)


def test_stimuli_come_back_exactly(stored):
    _, shown, _ = stored
    data = datasets.from_brainscore(NAME, visual_degrees=8)
    assert data.stimuli is not None
    np.testing.assert_array_equal(data.stimuli.pixels[:], shown.pixels)
    assert data.stimuli.stimulus_ids == shown.stimulus_ids
    returned = data.stimuli.table[list(shown.table)]
    pd.testing.assert_frame_equal(returned, shown.table)
    assert data.stimuli.visual_degrees == 8
    assert data.identifier == data.provenance["data_set"] == NAME
    assert data.provenance["source"].startswith("brainscore-vision 2")


# Brain-Score's metrics rely on calls that newer pandas and numpy warn about.
@pytest.mark.filterwarnings("ignore")
def test_a_benchmark_takes_them(stored, tmp_path):
    data = brainscore.load_data(NAME, visual_degrees=8)
    found = brainscore.benchmark(data, metric="ridge", region="V4", folder=tmp_path)
    assert found.identifier.startswith(f"{NAME}.V4-ridge")


def test_files_that_are_here_need_no_storage(stored):
    first = brainscore.load_data(NAME)
    stored[2].status = 503
    xr.testing.assert_identical(brainscore.load_data(NAME).assembly, first.assembly)


def test_static_data_that_do_not_say_when(storage, tmp_path, monkeypatch):
    """Numbers for identifiers of stimuli and no bins of time, as several of theirs have it."""
    shown = stimuli()
    numbers = shown.table.assign(stimulus_id=["12", "7", "3", "40"])
    shown = StimulusSet(identifier=NAME, pixels=shown.pixels, table=numbers)
    original = recording(shown).isel(time_bin=[1])
    ids = original["stimulus_id"].values.astype(int)
    flat = original.assign_coords(stimulus_id=("presentation", ids))
    flat = brainscore.to_brainio(flat).isel(time_bin=0, drop=True)
    register(monkeypatch, *package(tmp_path, shown, flat))
    with pytest.raises(ValueError, match=r"does not say when it was .* time_bin_ms=\(start, end\)"):
        brainscore.load_data(NAME)
    data = brainscore.load_data(NAME, time_bin_ms=(80, 90))
    assert data.stimuli is not None
    assert data.stimuli.stimulus_ids == ["12", "7", "3", "40"]
    assert data.assembly is not None
    np.testing.assert_array_equal(data.assembly.values, original.values)
    for name in ("stimulus_id", "repetition", "time_bin_start", "time_bin_end", "region"):
        assert data.assembly[name].values.tolist() == original[name].values.tolist()


def test_storage_out_of_reach(stored, tmp_path, monkeypatch):
    out_of_reach(monkeypatch, tmp_path)
    expected = (
        rf"^{NAME}: .*brainio/\w+/(assy|stimulus)_Nobody2026_public\.(nc|csv) is not here, and "
        r"https://.* cannot be reached; connect .*copy its folder ~/\.brainio to .*brainio "
    )
    with pytest.raises(DataUnavailableError, match=expected):
        datasets.from_brainscore(NAME)


def test_private_data(stored):
    stored[2].status = 403
    with pytest.raises(
        DataUnavailableError, match=rf"{NAME} is private: .*credentials only.*public: {NAME}$"
    ):
        brainscore.load_data(NAME)


def test_private_data_out_of_reach(tmp_path, monkeypatch):
    """Of which a network would be no help."""
    out_of_reach(monkeypatch, tmp_path)
    public = "MajajHong2015.public, MajajHong2015.temporal.public"
    with pytest.raises(DataUnavailableError, match=f"is private: .* public: {public}$"):
        brainscore.load_data("MajajHong2015.private")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "is not where this version of Brain-Score looks for it; install a newer"),
        (503, r"could not .* \(.*503.*; try again later"),
    ],
)
def test_storage_in_trouble(stored, status, said):
    stored[2].status = status
    with pytest.raises(DataUnavailableError, match=said):
        brainscore.load_data(NAME)


def test_damaged_file(stored, tmp_path):
    brainscore.load_data(NAME)
    (file,) = (tmp_path / "brainio").rglob("assy_*.nc")
    file.write_bytes(b"")
    with pytest.raises(DamagedError, match=rf"{file.name} is not the file .* delete it and run"):
        brainscore.load_data(NAME)


@pytest.mark.parametrize("change", ["less", "more"])
def test_images_of_an_interrupted_run(stored, tmp_path, change):
    brainscore.load_data(NAME)
    (image,) = (tmp_path / "brainio").rglob("image-2.png")
    if change == "less":
        image.unlink()
    else:
        shutil.copy(image, image.with_name("image-9.png"))
    with pytest.raises(DamagedError, match=rf"in {image.parent} are not those .* delete this"):
        brainscore.load_data(NAME)


def test_unknown_data():
    with pytest.raises(ValueError, match=r"no data 'majajhong2015'; .*'MajajHong2015\.public'"):
        brainscore.load_data("majajhong2015")
    with pytest.raises(ValueError, match=r"mean one of \['MajajHong2015\.public', .* all 1"):
        datasets.from_brainscore("MajajHong2015public.IT-pls")
    with pytest.raises(ValueError, match=r"no data '\?'; nr.brainscore.data_names\(\) lists all 1"):
        brainscore.load_data("?")


def test_names_are_those_that_brainscore_finds():
    """It refuses those that are in no text, or in two."""
    from brainscore_core.plugin_management.import_plugin import ImportPlugin

    names = brainscore.data_names()
    assert {"MajajHong2015.public", "FreemanZiemba2013.public", "Bracci2019"} <= set(names)
    assert len(set(names)) == len(names) > 100
    for name in names[:: len(names) // 12]:
        assert ImportPlugin("brainscore_vision", "data", name).plugin_dirname


def test_other_kinds_of_data(monkeypatch):
    choices = BehavioralAssembly(np.zeros(3), dims=["presentation"])
    monkeypatch.setitem(REGISTRY, NAME, lambda: choices)
    with pytest.raises(ValueError, match=r"BehavioralAssembly of dimensions \('presentation',\), "):
        brainscore.load_data(NAME)
    monkeypatch.setitem(REGISTRY, NAME, lambda: {"a": 1})
    with pytest.raises(ValueError, match=f"{NAME} is a dict, and recordings .*load_dataset"):
        brainscore.load_data(NAME)


def test_other_errors_stay_themselves(monkeypatch):
    def fails():
        raise RuntimeError("of another kind")

    monkeypatch.setitem(REGISTRY, NAME, fails)
    with pytest.raises(RuntimeError, match="of another kind"):
        brainscore.load_data(NAME)


def test_an_assembly_of_ones_own_files(stored, tmp_path):
    """Loaded from BrainIO's file without stimuli, or with."""
    original, _, _ = stored
    brainscore.load_data(NAME)
    (file,) = (tmp_path / "brainio").rglob("assy_*.nc")
    loaded = NeuroidAssembly.from_files(file, stimulus_set_identifier=None, stimulus_set=None)
    data = brainscore.neural_data(loaded, identifier="mine")
    assert data.stimuli is None
    assert data.assembly is not None
    data.assembly.attrs = original.attrs
    xr.testing.assert_identical(data.assembly, original)
    assert data.identifier == "mine"
