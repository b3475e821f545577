"""Small stimuli and models that Brain-Score's objects are tried with."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neurorec import datasets
from neurorec.datasets import NeuralData
from neurorec.models import build


def v4_session(shared_data: Path, n_stimuli: int) -> NeuralData:
    """Session 210325 of macaque V4, some of its images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
        data = datasets.load("cowley-2023", session="210325")
    shown = data.stimuli.select(slice(0, n_stimuli))
    known = np.isin(data.assembly["stimulus_id"].values, shown.stimulus_ids)
    return replace(data, stimuli=shown, assembly=data.assembly.isel(presentation=known))


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
