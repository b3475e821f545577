"""``cowley-2023``: equal to the independent conversion; damaged files are named."""

import io
import zipfile

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from neurorec import datasets
from neurorec.datasets.readers import _reading, npy_zip
from neurorec.datasets.readers.npy_zip import (
    Session,
    read_array,
    read_images,
    read_session,
    single_trials,
)


@pytest.fixture
def session_210325(mirror) -> datasets.NeuralData:
    return datasets.load("cowley-2023", session="210325")


@pytest.fixture
def conversion(expected) -> xr.Dataset:
    with xr.open_dataset(expected / "v4_210325.nc", engine="h5netcdf") as dataset:
        return dataset.load()


def test_responses_equal_the_independent_conversion(session_210325, conversion):
    assembly = session_210325.assembly
    assert assembly.dims == ("presentation", "neuroid", "time_bin")
    np.testing.assert_array_equal(assembly.values, conversion["spike_count"].values)
    for ours, theirs in {
        "stimulus_id": "presentation_stimulus_id",
        "repetition": "repetition",
        "stimulus_index": "stimulus_index",
        "neuroid_id": "neuroid_id",
        "region": "region",
        "animal": "animal",
        "time_bin_width_ms": "time_bin_width_ms",
    }.items():
        assert assembly[ours].values.tolist() == conversion[theirs].values.tolist(), ours
    assert assembly.attrs["session"] == conversion.attrs["session"]


def test_means_over_repetitions_equal_the_independent_conversion(session_210325, conversion):
    assembly = session_210325.assembly
    sums = np.zeros((640, 50))
    np.add.at(sums, assembly["stimulus_index"].values, assembly.values[:, :, 0].astype(float))
    means = sums / np.bincount(assembly["stimulus_index"].values)[:, None]
    theirs = conversion["mean_spike_count"].values
    # Theirs is float32.
    np.testing.assert_allclose(means, theirs, rtol=2**-23)


def test_images_equal_the_independent_conversion(session_210325, conversion):
    stimuli = session_210325.stimuli
    assert stimuli.stimulus_ids == conversion["stimulus_id"].values.tolist()
    content = conversion["image_jpeg"].values.tobytes()
    offsets = conversion["image_offset"].values
    for i in range(640):
        with Image.open(io.BytesIO(content[offsets[i] : offsets[i + 1]])) as image:
            np.testing.assert_array_equal(stimuli.pixels[i], np.asarray(image.convert("RGB")))


def test_the_source_does_not_say_when_the_bin_begins(session_210325):
    assembly = session_210325.assembly
    assert assembly["time_bin_start"].values.tolist() == [0]
    assert assembly["time_bin_end"].values.tolist() == [100]
    assert "not when it begins" in assembly.attrs["window_note"]


def test_provenance(session_210325):
    record = session_210325.provenance
    assert record["source_commit"] == "f4552ad9d34a466ebc66658f72a08a8e5038f1cf"
    assert record["options"] == {"session": "210325"}
    assert len(record["sha256"]) == 4
    assert record["simulated"] is False
    assert session_210325.identifier == "cowley-2023/210325"


@pytest.mark.parametrize(
    ("session", "n_stimuli", "n_neuroids", "animal", "n_repetitions"),
    [("190923", 1200, 33, "WE", 14), ("210224", 800, 67, "PE", 9)],
)
def test_repeat_means(session, n_stimuli, n_neuroids, animal, n_repetitions, mirror):
    data = datasets.load("cowley-2023", session=session)
    assert data.assembly.shape == (n_stimuli, n_neuroids, 1)
    source = "data_V4_responses/responses_repeat_averaged/responses_{}.npy"
    raw = np.load(mirror / "cowley-2023" / source.format(session))
    np.testing.assert_array_equal(data.assembly.values[:, :, 0], raw.T)
    assert set(data.assembly["repetition"].values.tolist()) == {0}
    assert set(data.assembly["n_repetitions"].values.tolist()) == {n_repetitions}
    assert set(data.assembly["animal"].values.tolist()) == {animal}
    assert data.assembly["stimulus_id"].values.tolist() == data.stimuli.stimulus_ids
    assert data.stimuli.stimulus_ids[-1] == f"{session}_image{n_stimuli:04d}"
    assert data.stimuli.pixels.shape == (n_stimuli, 112, 112, 3)


def test_unknown_session(mirror):
    with pytest.raises(
        ValueError, match=r"session must be one of \['190923', '210224', '210325'\]"
    ):
        datasets.load("cowley-2023", session="1")


@given(hnp.arrays(bool, st.tuples(st.integers(1, 5), st.integers(1, 4))), st.integers(1, 3))
def test_every_repetition_that_took_place_becomes_one_presentation(missing, n_neuroids):
    missing[:, 0] = False
    counts = np.arange(n_neuroids * missing.size, dtype=float).reshape(n_neuroids, *missing.shape)
    responses = np.where(missing, np.nan, counts)
    trials, presentation = single_trials(responses)
    assert len(trials) == (~missing).sum()
    for row, i, k in zip(
        trials, presentation["stimulus_index"], presentation["repetition"], strict=True
    ):
        np.testing.assert_array_equal(row, counts[:, i, k])


def test_a_repetition_that_some_neuroids_lack():
    responses = np.ones((2, 3, 4))
    responses[0, 1, 2] = np.nan
    with pytest.raises(ValueError, match="missing for some neuroids only"):
        single_trials(responses)


def test_counts_that_are_no_counts():
    with pytest.raises(ValueError, match="must be whole numbers"):
        single_trials(np.full((1, 1, 1), 0.5))


def test_truncated_array(mirror, tmp_path):
    source = mirror / "cowley-2023/data_V4_responses/responses_raw/responses_210325.npy"
    path = tmp_path / "responses.npy"
    path.write_bytes(source.read_bytes()[:100_000])
    with pytest.raises(ValueError, match=r"responses\.npy cannot be read by the reader 'npy_zip'"):
        read_array(path, n_dims=3)


def test_pickled_array_is_not_opened(tmp_path):
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(
        ValueError, match=r"objects\.npy cannot be read by the reader 'npy_zip'.*pickle"
    ):
        read_array(path, n_dims=1)


def test_array_of_another_shape(tmp_path):
    path = tmp_path / "flat.npy"
    np.save(path, np.zeros(3))
    with pytest.raises(ValueError, match=r"flat.npy cannot be read .* one array of 2 dimensions"):
        read_array(path, n_dims=2)


@pytest.mark.parametrize("keep", [0, 100, 1_000_000])
def test_truncated_archive(keep, mirror, tmp_path):
    source = mirror / "cowley-2023/data_V4_responses/images/images_210325.zip"
    path = tmp_path / "images.zip"
    path.write_bytes(source.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"images\.zip cannot be read by the reader 'npy_zip'"):
        read_images(path, session="210325", identifier="x")


def jpeg(size: int = 8) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size, size), "red").save(file, format="JPEG")
    return file.getvalue()


def archive(path, members: dict[str, bytes]):
    with zipfile.ZipFile(path, "w") as file:
        for name, body in members.items():
            file.writestr(name, body)
    return path


def test_folders_in_an_archive_are_passed_over(tmp_path):
    path = archive(tmp_path / "a.zip", {"f/": b"", "f/b.jpg": jpeg(), "f/a.jpg": jpeg()})
    stimuli = read_images(path, session="s", identifier="x")
    assert stimuli.stimulus_ids == ["s_a", "s_b"]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"a.txt": b""}, "holds no .jpg file"),
        ({"a.jpg": b"no picture"}, "cannot identify image file"),
        ({"a.jpg": jpeg()[:200]}, "truncated"),
        ({"a.jpg": jpeg(8), "b.jpg": jpeg(9)}, "same shape"),
    ],
)
def test_faulty_archives(members, reason, tmp_path):
    path = archive(tmp_path / "a.zip", members)
    with pytest.raises(ValueError, match=rf"a\.zip cannot be read .*{reason}"):
        read_images(path, session="s", identifier="x")


def test_session_without_a_row(tmp_path):
    path = tmp_path / "readme.txt"
    path.write_text("190923 \tWE \t test \t 33\t\t14\t 1200\tnormal (1,200)\n")
    assert read_session(path, "190923") == Session(
        session="190923",
        animal="WE",
        n_neuroids=33,
        n_repetitions=14,
        n_stimuli=1200,
        image_types="normal (1,200)",
    )
    with pytest.raises(ValueError, match=r"readme.txt has no row for session 190924"):
        read_session(path, "190924")


def test_files_that_contradict_each_other(mirror, tmp_path, monkeypatch):
    """A mirror whose manifest was regenerated around files of another session."""
    manifest = datasets.info("cowley-2023")
    files = datasets.fetch("cowley-2023", session="190923")
    other = datasets.fetch("cowley-2023", session="210224")
    swapped = dict(files) | {
        path: local for path, local in other.items() if path.endswith("responses_210224.npy")
    }
    swapped.pop("data_V4_responses/responses_repeat_averaged/responses_190923.npy")
    monkeypatch.setattr(npy_zip, "fetch_files", lambda *_, **__: swapped)
    with pytest.raises(
        ValueError, match="should have 33 neuroids and 1200 images, got responses of 67"
    ):
        npy_zip.read(manifest, npy_zip.Options(session="190923"))


def test_no_jpeg_of_another_format_is_taken():
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, format="PNG")
    with pytest.raises(OSError, match="cannot identify"):
        _reading.decode_jpeg(file.getvalue())
