"""What a benchmark shows, as a model can see it."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurorec.brainscore.stimuli import BrainIOStimulusSet
from neurorec.models import to_images
from neurorec.stimuli import IMAGE_SUFFIXES, StimulusSet, as_stimulus_set
from neurorec.stimuli.file_pixels import FilePixels
from neurorec.stimuli.images import image_size, read_image


def as_brainio(stimuli: Any) -> BrainIOStimulusSet:
    """A stimulus set of Brain-Score, of one or of a list of paths, which are then identifiers.

    Raises
    ------
    ValueError
        If it is neither, or empty.
    """
    if isinstance(stimuli, list | tuple) and all(isinstance(s, str | Path) for s in stimuli):
        paths = [str(path) for path in stimuli]
        listed = BrainIOStimulusSet({"stimulus_id": paths, "stimulus_path": paths})
        listed.identifier = None
        listed.stimulus_paths = {path: path for path in paths}
        stimuli = listed
    if not isinstance(stimuli, BrainIOStimulusSet) or "stimulus_id" not in stimuli:
        raise ValueError(
            "stimuli must be a stimulus set of Brain-Score with a column 'stimulus_id', or a list "
            f"of paths of images, got a {_whose(stimuli)}; make one of neurorec's with "
            "neurorec.brainscore.stimulus_set_to_brainio"
        )
    if len(stimuli) == 0:
        raise ValueError("there are no stimuli to look at")
    return stimuli


def shown_pixels(stimuli: BrainIOStimulusSet, size: int) -> StimulusSet:
    """What is shown and under which identifiers; what else a table says changes no activity.

    Images that differ in size are brought to ``size`` × ``size`` one by one, as a model sees them.

    Raises
    ------
    ValueError
        If a stimulus is shown twice, or a file cannot be read.
    FileNotFoundError
        If a file is gone.
    """
    names = list(stimuli["stimulus_id"])
    if len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise ValueError(
            f"the stimulus {twice!r} is shown more than once; show it once and ask for more trials"
        )
    paths = [Path(stimuli.get_stimulus(name)) for name in names]
    _check_there(names, paths)
    if _differ_in_size(paths):
        pixels = FilePixels(
            files=tuple((path,) for path in paths),
            file_shape=(size, size, 3),
            decode=partial(_resized, size=size),
        )
    else:
        pixels = as_stimulus_set(stimuli).pixels
    return StimulusSet(
        identifier=str(getattr(stimuli, "identifier", None) or "stimuli"),
        pixels=pixels,
        table=pd.DataFrame({"stimulus_id": [str(name) for name in names]}),
    )


def _whose(stimuli: Any) -> str:
    """Its class, and the package that it is from."""
    return f"{type(stimuli).__module__.partition('.')[0]}.{type(stimuli).__name__}"


def _check_there(names: list[Any], paths: list[Path]) -> None:
    gone = [(n, path) for n, path in zip(names, paths, strict=True) if not path.exists()]
    if gone:
        name, path = gone[0]
        raise FileNotFoundError(
            f"there is no file {path} of the stimulus {name!r}, and {len(gone)} of "
            f"{len(paths)} files are missing; write or download the stimuli again"
        )


def _differ_in_size(paths: list[Path]) -> bool:
    images = all(path.suffix.lower() in IMAGE_SUFFIXES for path in paths)
    return images and len({image_size(path) for path in paths}) > 1


def _resized(path: Path, size: int) -> np.ndarray:
    image = to_images(read_image(path)[None], size)[0]
    return (image * 255).round().byte().permute(1, 2, 0).numpy()
