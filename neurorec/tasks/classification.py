"""Image classification: training and test images with labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from neurorec.datasets.readers.jpeg_hdf5 import read_images
from neurorec.stimuli import StimulusSet


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ClassificationTask:
    """Labelled images to learn from and to be tested on.

    Both stimulus sets carry an integer column ``label``.

    Raises
    ------
    ValueError
        If labels are missing, or the test images show a class that training lacks.
    """

    title: str
    train: StimulusSet
    test: StimulusSet

    def __post_init__(self) -> None:
        for part in (self.train, self.test):
            if "label" not in part.table:
                raise ValueError(
                    f"{part.identifier!r} has no column 'label'; it has {list(part.table.columns)}"
                )
        unseen = set(labels_of(self.test)) - set(labels_of(self.train))
        if unseen:
            raise ValueError(f"classes {sorted(unseen)} are tested but never trained")

    @property
    def n_classes(self) -> int:
        """Number of classes, counted from label 0."""
        return int(labels_of(self.train).max()) + 1

    @property
    def class_names(self) -> list[str] | None:
        """Name of each class, from column ``object_name``; None where one has none or several."""
        if "object_name" not in self.train.table:
            return None
        names = self.train.table["object_name"].groupby(labels_of(self.train)).unique()
        if len(names) < self.n_classes or any(len(found) > 1 for found in names):
            return None
        return [str(found[0]) for found in names]


def labels_of(stimuli: StimulusSet) -> np.ndarray:
    """Class of each stimulus."""
    return stimuli.table["label"].to_numpy(dtype=np.int64)


def digits(*, n_test: int = 360, seed: int = 0) -> ClassificationTask:
    """Handwritten digits, 1,797 real images of 8 × 8 pixels in 16 grey levels.

    They come with scikit-learn, so nothing is downloaded (UCI optical recognition of handwritten
    digits, Alpaydin & Kaynak 1998). ``n_test`` of them, stratified by class, are kept for testing.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    grey = np.round(bunch.images * (255 / 16)).astype(np.uint8)  # type: ignore[union-attr]
    labels = np.asarray(bunch.target)  # type: ignore[union-attr]
    everything = StimulusSet(
        identifier="digits",
        pixels=np.repeat(grey[..., None], 3, axis=3),
        table=pd.DataFrame(
            {
                "stimulus_id": [f"digit-{i:04d}" for i in range(len(grey))],
                "label": labels,
                "object_name": labels.astype(str),
            }
        ),
    )
    train, test = train_test_split(
        np.arange(len(grey)), test_size=n_test, random_state=seed, stratify=labels
    )
    return ClassificationTask(
        title="8×8 digits",
        train=everything.select(np.sort(train)),
        test=everything.select(np.sort(test)),
    )


def from_file(
    path: str | Path, *, n_train: int | None = None, n_test: int | None = None
) -> ClassificationTask:
    """Labelled images of an HDF5 file with groups ``train`` and ``test``, such as CIFAR-10.

    Parameters
    ----------
    path
        File with ``image_jpeg``, ``image_offset`` and ``label`` in each group.
    n_train, n_test
        How many images to take from the beginning of each group; all if left out.

    Raises
    ------
    ValueError
        If the file does not exist or has another layout.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no image file {path}; give an HDF5 file such as CIFAR-10")
    return ClassificationTask(
        title=path.stem,
        train=read_images(path, split="train", limit=n_train, name=path.stem),
        test=read_images(path, split="test", limit=n_test, name=path.stem),
    )
