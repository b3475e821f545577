"""Small stimuli and models that Brain-Score's objects are tried with."""

import numpy as np
import pandas as pd
from PIL import Image

from neurorec.models import build


def write_images(folder, n=6, size=12, seed=0):
    """PNG files of noise, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (n, size, size, 3)).astype(np.uint8)
    paths = {f"s{i}": folder / f"s{i}.png" for i in range(n)}
    for path, image in zip(paths.values(), pixels, strict=True):
        Image.fromarray(image).save(path)
    return paths


def stimuli_of(folder, *, names=None, **settings):
    """A stimulus set of Brain-Score's own class."""
    from brainscore_core.supported_data_standards.brainio.stimuli import StimulusSet

    files = write_images(folder, **settings)
    paths = dict(zip(names or files, files.values(), strict=True))
    labels = ["dog", "cat", "car"]
    table = {
        "stimulus_id": list(paths),
        "image_label": [labels[i % 3] for i in range(len(paths))],
        "contrast": np.linspace(0, 1, len(paths)),
    }
    stimuli = StimulusSet(pd.DataFrame(table))
    stimuli.identifier = "noise"
    stimuli.stimulus_paths = paths
    return stimuli


def model(name="fb-dropout", **changes):
    return build(f"greco2025-{name}", **{"input_size": 8, "timesteps": 4, **changes}).eval()
