"""The pixel model shows the image, at its size."""

import numpy as np
import pytest
import torch

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from neurorec.brainscore import pixel_model, subject
from neurorec.models import to_images
from neurorec.stimuli.images import read_image

from .common import stimuli_of


@pytest.mark.parametrize(("text", "size"), [("pixels", 64), ("pixels:5", 5)])
def test_every_region_is_the_image(tmp_path, text, size):
    stimuli = stimuli_of(tmp_path, n=3, size=20)
    made = subject(text)
    assert made.identifier.startswith(f"pixels-{size}-")
    assert list(made.regions) == ["V1", "V2", "V4", "IT"]
    pixels = np.stack([read_image(stimuli.get_stimulus(s)) for s in stimuli["stimulus_id"]])
    expected = to_images(pixels, size).flatten(1)
    for region in ("V1", "IT"):
        made.start_recording(region, [(70, 170)])
        x = made.look_at(stimuli)
        np.testing.assert_array_equal(x.values[..., 0], expected)
    # Channels, then rows, then columns.
    assert x["neuroid_id"].values[size * size + 1] == "pixels.1.0.1"


def test_other_regions_are_named():
    made = subject("pixels:4", {"LOC": "pixels"})
    assert made.regions == {"LOC": ("pixels",)}


def test_it_runs_where_it_is_put(device):
    network = pixel_model(4)
    network.to(device)
    assert network.device.type == device
    images = torch.rand(2, 3, 4, 4, device=device)
    ((_, state),) = network.unroll(images, 1)
    torch.testing.assert_close(state["pixels"]["h"], images)
    torch.testing.assert_close(network.readout(state), images.mean((2, 3)))


def test_no_pixels():
    with pytest.raises(ValueError, match="at least 1 pixel along a side, got 0"):
        pixel_model(0)
