"""Labelled images as JPEG bytes in one HDF5 file (``cifar10-jpeg``).

Groups ``train`` and ``test`` hold ``image_jpeg`` (all files one after the other),
``image_offset`` (image i is the bytes ``offset[i]`` to ``offset[i + 1]``) and ``label``;
``class_name`` lies in the root.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import pandas as pd

from neurorec._checks import check_option
from neurorec.datasets.fetch import fetch_files
from neurorec.datasets.manifest import Manifest
from neurorec.datasets.neural_data import NeuralData, provenance
from neurorec.datasets.readers._reading import decode_jpeg, reading
from neurorec.stimuli import StimulusSet

NAME: Final = "jpeg_hdf5"
VERSION: Final = 1
SPLITS: Final = ("train", "test")


@final
@dataclass(frozen=True, kw_only=True)
class Options:
    """Which split, and how many of its first images; classes are mixed in any prefix.

    Raises
    ------
    ValueError
        If there is no such split, or ``limit`` is not positive.
    """

    split: str = "train"
    limit: int | None = None

    def __post_init__(self) -> None:
        check_option("split", self.split, SPLITS)
        if self.limit is not None and self.limit < 1:
            raise ValueError(
                f"limit must be at least 1, got {self.limit}; leave it out to have every image"
            )


def read(manifest: Manifest, options: Options) -> NeuralData:
    """Images with the columns ``label`` and ``class_name``.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    files = fetch_files(manifest)
    (path,) = files.values()
    stimuli = read_images(path, split=options.split, limit=options.limit, name=manifest.name)
    return NeuralData(
        identifier=stimuli.identifier,
        stimuli=stimuli,
        provenance=provenance(manifest, files, options=options, reader_version=VERSION),
    )


def read_images(path: Path, *, split: str, limit: int | None, name: str) -> StimulusSet:
    """The first ``limit`` images of a split, or all of them.

    Raises
    ------
    ValueError
        If the file is damaged or not of this format.
    """
    import h5py

    with reading(path, NAME), h5py.File(path, "r") as file:
        group: Any = file[split]
        names: Any = file["class_name"]
        labels = np.asarray(group["label"][:limit]).astype(np.int64)
        offsets = group["image_offset"][: len(labels) + 1]
        content = group["image_jpeg"][: offsets[-1]].tobytes()
        classes = np.array([label.decode() for label in names[()]])
        pixels = _decode_all(content, offsets, title=f"Decoding {name}")
        class_names = classes[labels]
    table = pd.DataFrame(
        {
            "stimulus_id": [f"{split}_{i:05d}" for i in range(len(labels))],
            "label": labels,
            "class_name": class_names,
        }
    )
    return StimulusSet(identifier=f"{name}/{split}", pixels=pixels, table=table)


def _decode_all(content: bytes, offsets: np.ndarray, *, title: str) -> np.ndarray:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    spans = list(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))
    shown = track(spans, description=title, console=console, disable=not console.is_terminal)
    return np.stack([decode_jpeg(content[start:stop]) for start, stop in shown])
