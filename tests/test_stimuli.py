"""Stimulus sets."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neurorec.stimuli import StimulusSet, from_folder


def pixels(n=3):
    return np.arange(n * 4 * 5 * 3, dtype=np.uint8).reshape(n, 4, 5, 3)


def table(n=3):
    return pd.DataFrame({"stimulus_id": [f"s{i}" for i in range(n)], "label": range(n)})


def test_select_and_digest():
    stimuli = StimulusSet(identifier="x", pixels=pixels(), table=table())
    chosen = stimuli.select([2, 0])
    assert chosen.stimulus_ids == ["s2", "s0"]
    assert chosen.table["label"].tolist() == [2, 0]
    np.testing.assert_array_equal(chosen.pixels, pixels()[[2, 0]])
    assert stimuli.sha256() == StimulusSet(identifier="y", pixels=pixels(), table=table()).sha256()
    assert stimuli.sha256() != chosen.sha256()
    changed = pixels()
    changed[0, 0, 0, 0] += 1
    other = StimulusSet(identifier="x", pixels=changed, table=table())
    assert other.sha256() != stimuli.sha256()


def test_bad_input():
    with pytest.raises(
        ValueError, match=r"pixels must be a uint8 array .* got float64 \(3, 4, 5, 3\)"
    ):
        StimulusSet(identifier="x", pixels=pixels().astype(float), table=table())
    with pytest.raises(ValueError, match="the table has 2 rows for 3 images"):
        StimulusSet(identifier="x", pixels=pixels(), table=table(2))
    with pytest.raises(ValueError, match="needs a column 'stimulus_id', it has"):
        StimulusSet(identifier="x", pixels=pixels(), table=table().drop(columns="stimulus_id"))
    repeated = table().assign(stimulus_id=["a", "a", "b"])
    with pytest.raises(ValueError, match="stimulus_id repeats in the stimulus set 'x'"):
        StimulusSet(identifier="x", pixels=pixels(), table=repeated)


def test_a_folder_of_images(tmp_path):
    for i, image in enumerate(pixels()):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    (tmp_path / "notes.txt").write_text("no image")
    stimuli = from_folder(tmp_path)
    assert stimuli.stimulus_ids == ["0.png", "1.png", "2.png"]
    np.testing.assert_array_equal(stimuli.pixels, pixels())
    Image.new("RGB", (9, 9)).save(tmp_path / "z.png")
    with pytest.raises(ValueError, match=r"differ in size: .*; resize them first"):
        from_folder(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match=r"no image in .*empty; looked for files ending in"):
        from_folder(empty)
