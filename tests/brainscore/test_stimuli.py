"""Stimulus sets cross the border pixel by pixel, and Brain-Score reads the files."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neurorec.stimuli import StimulusSet, as_stimulus_set
from neurorec.stimuli import images as image_module

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")

from neurorec import brainscore
from neurorec.brainscore.stimuli import BrainIOStimulusSet


@pytest.fixture
def stimulus_set(rng) -> StimulusSet:
    return StimulusSet(
        identifier="noise",
        pixels=rng.integers(0, 256, size=(3, 8, 6, 3), dtype=np.uint8),
        table=pd.DataFrame(
            {
                "stimulus_id": ["b/1", "a", "c:?*"],  # no names of files
                "label": [2, 0, 1],
                "contrast": [0.5, np.nan, 1.0],
            }
        ),
        visual_degrees=8.0,
        attrs={"source": "a generator"},
    )


def test_round_trip(stimulus_set, tmp_path):
    converted = brainscore.stimulus_set_to_brainio(stimulus_set, tmp_path / "images")
    returned = brainscore.stimulus_set_from_brainio(converted)
    np.testing.assert_array_equal(returned.pixels, stimulus_set.pixels)
    assert replace(returned, pixels=returned.pixels[:]).sha256() == stimulus_set.sha256()
    pd.testing.assert_frame_equal(returned.table, stimulus_set.table)
    assert type(returned.table) is pd.DataFrame
    assert returned.identifier == stimulus_set.identifier
    assert returned.visual_degrees == stimulus_set.visual_degrees
    assert returned.attrs == stimulus_set.attrs


def test_a_set_of_theirs_is_read_lazily(stimulus_set, tmp_path, monkeypatch):
    decoded = []
    read_image = image_module.read_image
    monkeypatch.setattr(
        image_module, "read_image", lambda path: decoded.append(path.name) or read_image(path)
    )
    converted = brainscore.stimulus_set_to_brainio(stimulus_set, tmp_path)
    stimuli = as_stimulus_set(converted[converted["label"] > 0])
    assert stimuli.identifier == "noise"
    assert stimuli.stimulus_ids == ["b/1", "c:?*"]
    assert decoded == []
    np.testing.assert_array_equal(stimuli.pixels[1:], stimulus_set.pixels[2:])
    assert decoded == ["000002.png"]


def test_a_set_of_theirs_from_its_own_files(stimulus_set, tmp_path):
    """As their loader reads it from a table and a folder."""
    converted = brainscore.stimulus_set_to_brainio(stimulus_set, tmp_path)
    names = [path.name for path in converted.stimulus_paths.values()]
    pd.DataFrame(converted).assign(filename=names).to_csv(tmp_path / "x.csv", index=False)
    loaded = BrainIOStimulusSet.from_files(tmp_path / "x.csv", tmp_path)
    stimuli = as_stimulus_set(loaded)
    np.testing.assert_array_equal(stimuli.pixels, stimulus_set.pixels)
    assert stimuli.table["filename"].tolist() == names


def test_films_do_not_cross(stimulus_set, tmp_path):
    films = replace(stimulus_set, pixels=stimulus_set.pixels[:, None])
    with pytest.raises(ValueError, match="'noise' holds films of 1 frames, and images are needed"):
        brainscore.stimulus_set_to_brainio(films, tmp_path)


def test_the_given_set_is_left_alone(stimulus_set, tmp_path):
    before = stimulus_set.table.copy()
    converted = brainscore.stimulus_set_to_brainio(stimulus_set, tmp_path)
    converted.loc[0, "label"] = 7
    pd.testing.assert_frame_equal(stimulus_set.table, before)
    assert stimulus_set.table.attrs == {}


def test_brainscore_reads_the_files(stimulus_set, tmp_path):
    """Through torchvision, whose import needs help beside a CPU torch."""
    from brainscore_vision.model_helpers.activations.pytorch import load_preprocess_images

    converted = brainscore.stimulus_set_to_brainio(stimulus_set, tmp_path)
    paths = [converted.get_stimulus(identifier) for identifier in converted["stimulus_id"]]
    assert [path.name for path in paths] == ["000000.png", "000001.png", "000002.png"]
    images = load_preprocess_images(paths, image_size=8)
    assert images.shape == (3, 3, 8, 8)


def test_images_of_different_size(stimulus_set, tmp_path):
    converted = brainscore.stimulus_set_to_brainio(stimulus_set, tmp_path)
    Image.new("RGB", (5, 4)).save(converted.get_stimulus("a"))
    with pytest.raises(ValueError, match=r"differ in size: \[\(4, 5\), \(8, 6\)\].*resize them"):
        brainscore.stimulus_set_from_brainio(converted)


def test_file_that_is_gone_or_no_image(stimulus_set, tmp_path):
    converted = brainscore.stimulus_set_to_brainio(stimulus_set, tmp_path)
    converted.get_stimulus("b/1").write_text("no image")
    with pytest.raises(ValueError, match=r"000000\.png is no image that can be read: .*; replace"):
        brainscore.stimulus_set_from_brainio(converted)
    converted.get_stimulus("b/1").unlink()
    with pytest.raises(FileNotFoundError, match=r"000000\.png"):
        brainscore.stimulus_set_from_brainio(converted)
