"""Stimulus sets across the border: ours hold pixels, BrainIO's paths of image files."""

from pathlib import Path

import numpy as np
from PIL import Image

from neurorec._checks import atomic_path
from neurorec.brainscore._import import import_brainscore
from neurorec.stimuli import StimulusSet, as_stimulus_set, require_images

import_brainscore()

from brainscore_core.supported_data_standards.brainio.stimuli import (  # noqa: E402
    StimulusSet as BrainIOStimulusSet,
)


def stimulus_set_to_brainio(
    stimulus_set: StimulusSet, folder: str | Path, *, reuse: bool = False
) -> BrainIOStimulusSet:
    """Write every image to ``folder`` as PNG, without loss, and return the set that points there.

    Files are numbered, because a ``stimulus_id`` may hold characters that no file name can.

    Parameters
    ----------
    reuse
        Leave files that exist as they are: where the folder is named by a hash of the images.

    Raises
    ------
    ValueError
        If the stimuli are films.
    """
    folder = Path(folder)
    images = (image for block in require_images(stimulus_set).blocks() for image in block)
    paths = {
        identifier: _write(pixels, folder / f"{number:06d}.png", reuse)
        for number, (identifier, pixels) in enumerate(
            zip(stimulus_set.stimulus_ids, images, strict=True)
        )
    }
    converted = BrainIOStimulusSet(stimulus_set.table.copy())
    converted.identifier = stimulus_set.identifier
    converted.stimulus_paths = paths
    converted.attrs = {"visual_degrees": stimulus_set.visual_degrees, **stimulus_set.attrs}
    return converted


def stimulus_set_from_brainio(stimulus_set: BrainIOStimulusSet) -> StimulusSet:
    """A BrainIO stimulus set as ours; the inverse of :func:`stimulus_set_to_brainio`.

    The files are decoded when their pixels are asked for.

    Raises
    ------
    ValueError
        If a file is no image or film, or they differ in size.
    FileNotFoundError
        If a file is gone.
    """
    return as_stimulus_set(stimulus_set)


def _write(pixels: np.ndarray, path: Path, reuse: bool) -> Path:
    if reuse and path.exists():
        return path
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")
    return path
