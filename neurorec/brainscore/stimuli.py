"""Stimulus sets across the border: ours hold pixels, BrainIO's paths of image files."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from neurorec._checks import atomic_path
from neurorec.brainscore._import import import_brainscore
from neurorec.stimuli import StimulusSet

import_brainscore()

from brainscore_core.supported_data_standards.brainio.stimuli import (  # noqa: E402
    StimulusSet as BrainIOStimulusSet,
)


def stimulus_set_to_brainio(stimulus_set: StimulusSet, folder: str | Path) -> BrainIOStimulusSet:
    """Write every image to ``folder`` as PNG, without loss, and return the set that points there.

    Files are numbered, because a ``stimulus_id`` may hold characters that no file name can.
    """
    folder = Path(folder)
    paths = {
        identifier: _write(pixels, folder / f"{number:06d}.png")
        for number, (identifier, pixels) in enumerate(
            zip(stimulus_set.stimulus_ids, stimulus_set.pixels, strict=True)
        )
    }
    converted = BrainIOStimulusSet(stimulus_set.table.copy())
    converted.identifier = stimulus_set.identifier
    converted.stimulus_paths = paths
    converted.attrs = {"visual_degrees": stimulus_set.visual_degrees, **stimulus_set.attrs}
    return converted


def stimulus_set_from_brainio(stimulus_set: BrainIOStimulusSet) -> StimulusSet:
    """Read every image of a BrainIO stimulus set; the inverse of :func:`stimulus_set_to_brainio`.

    Raises
    ------
    OSError
        If a file is gone or no image.
    ValueError
        If the images differ in size.
    """
    identifiers = list(stimulus_set["stimulus_id"])
    images = [_read(Path(stimulus_set.get_stimulus(identifier))) for identifier in identifiers]
    sizes = {image.shape[:2] for image in images}
    if len(sizes) > 1:
        raise ValueError(
            f"the images of {stimulus_set.identifier} differ in size: {sorted(sizes)} "
            "(height, width); resize them first"
        )
    attrs = dict(stimulus_set.attrs)
    table = pd.DataFrame(stimulus_set).reset_index(drop=True)
    table.attrs = {}
    return StimulusSet(
        identifier=stimulus_set.identifier,
        pixels=np.stack(images),
        table=table.assign(stimulus_id=[str(identifier) for identifier in identifiers]),
        visual_degrees=attrs.pop("visual_degrees", None),
        attrs=attrs,
    )


def _write(pixels: np.ndarray, path: Path) -> Path:
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")
    return path


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
