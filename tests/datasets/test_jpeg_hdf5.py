"""``cifar10-jpeg``: labels, order and pixels; damaged files are named."""

import io

import h5py
import numpy as np
import pytest
from PIL import Image

from neurorec import datasets
from neurorec.datasets.readers.jpeg_hdf5 import Options, read_images

COLOURS = ("red", "green", "blue")


def jpeg(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(file, format="JPEG", quality=95)
    return file.getvalue()


def write(path, labels=(0, 1, 2, 0)):
    bodies = [jpeg(COLOURS[label]) for label in labels]
    with h5py.File(path, "w") as file:
        file["class_name"] = np.array(COLOURS, dtype="S5")
        for split in ("train", "test"):
            group = file.create_group(split)
            group["image_jpeg"] = np.frombuffer(b"".join(bodies), np.uint8)
            group["image_offset"] = np.cumsum([0, *map(len, bodies)])
            group["label"] = np.array(labels, np.uint8)
    return path


def test_known_answer(tmp_path):
    stimuli = read_images(write(tmp_path / "x.h5"), split="test", limit=None, name="x")
    assert stimuli.stimulus_ids == ["test_00000", "test_00001", "test_00002", "test_00003"]
    assert stimuli.table["label"].tolist() == [0, 1, 2, 0]
    assert stimuli.table["class_name"].tolist() == ["red", "green", "blue", "red"]
    middle = stimuli.pixels[:, 16, 16].astype(int)
    # JPEG changes a flat colour by rounding only.
    np.testing.assert_allclose(middle, [[255, 0, 0], [0, 128, 0], [0, 0, 255], [255, 0, 0]], atol=3)


def test_limit(tmp_path):
    stimuli = read_images(write(tmp_path / "x.h5"), split="train", limit=2, name="x")
    assert stimuli.stimulus_ids == ["train_00000", "train_00001"]


def test_the_images_of_the_mirror(mirror):
    data = datasets.load("cifar10-jpeg", split="test", limit=300)
    assert data.stimuli.pixels.shape == (300, 32, 32, 3)
    assert data.assembly is None
    with h5py.File(mirror / "cifar10-jpeg/cifar10_jpeg.h5") as file:
        names = [name.decode() for name in file["class_name"]]
        labels = file["test/label"][:300]
        start, stop = file["test/image_offset"][299:301]
        body = file["test/image_jpeg"][start:stop].tobytes()
    assert data.stimuli.table["class_name"].tolist() == [names[label] for label in labels]
    assert len(set(labels.tolist())) == 10
    with Image.open(io.BytesIO(body)) as image:
        np.testing.assert_array_equal(data.stimuli.pixels[299], np.asarray(image))


def test_unknown_split():
    with pytest.raises(ValueError, match=r"split must be one of \['test', 'train'\], got 'val'"):
        Options(split="val")


def test_no_images():
    with pytest.raises(ValueError, match="limit must be at least 1, got 0; leave it out"):
        Options(limit=0)


def test_truncated(tmp_path):
    path = write(tmp_path / "x.h5")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"x\.h5 cannot be read by the reader 'jpeg_hdf5'"):
        read_images(path, split="train", limit=None, name="x")


def test_an_image_is_damaged(tmp_path):
    path = write(tmp_path / "x.h5")
    with h5py.File(path, "a") as file:
        file["train/image_jpeg"][:20] = 0
    with pytest.raises(ValueError, match=r"x\.h5 cannot be read .*cannot identify image"):
        read_images(path, split="train", limit=None, name="x")
