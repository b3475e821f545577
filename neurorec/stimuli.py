"""A stimulus set: images, their identifiers and what is known about them."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class StimulusSet:
    """Images of one size with a table of one row each.

    Parameters
    ----------
    identifier
        Name of the set.
    pixels
        ``uint8`` array (stimulus, height, width, 3), RGB.
    table
        One row per image; its column ``stimulus_id`` holds unique strings.
    visual_degrees
        Width of the images in degrees of visual angle, where it is known.

    Raises
    ------
    ValueError
        If lengths differ, pixels are no RGB bytes, or identifiers repeat.
    """

    identifier: str
    pixels: np.ndarray
    table: pd.DataFrame
    visual_degrees: float | None = None
    attrs: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or self.pixels.shape[3] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(
                "pixels must be a uint8 array (stimulus, height, width, 3), got "
                f"{self.pixels.dtype} {self.pixels.shape}"
            )
        if "stimulus_id" not in self.table:
            raise ValueError(
                f"the table needs a column 'stimulus_id', it has {list(self.table.columns)}"
            )
        if len(self.table) != len(self.pixels):
            raise ValueError(f"the table has {len(self.table)} rows for {len(self.pixels)} images")
        if self.table["stimulus_id"].duplicated().any():
            raise ValueError(f"stimulus_id repeats in the stimulus set {self.identifier!r}")

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def stimulus_ids(self) -> list[str]:
        """Identifiers, in order."""
        return [str(s) for s in self.table["stimulus_id"]]

    def select(self, indices: np.ndarray | slice | list[int]) -> "StimulusSet":
        """The stimuli at ``indices``, in that order."""
        return StimulusSet(
            identifier=self.identifier,
            pixels=self.pixels[indices],
            table=self.table.iloc[indices].reset_index(drop=True),
            visual_degrees=self.visual_degrees,
            attrs=self.attrs,
        )

    def sha256(self) -> str:
        """Digest of pixels, their shape and everything in the table."""
        columns = {str(name): [str(v) for v in self.table[name]] for name in self.table}
        digest = hashlib.sha256(repr((self.pixels.shape, sorted(columns.items()))).encode())
        digest.update(self.pixels.tobytes())
        return digest.hexdigest()


def from_folder(folder: str | Path) -> StimulusSet:
    """Every image file of ``folder``, in order of name; the name is the ``stimulus_id``.

    Raises
    ------
    ValueError
        If the folder holds no image, or images of different sizes.
    """
    from PIL import Image

    folder = Path(folder)
    paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise ValueError(f"no image in {folder}; looked for files ending in {IMAGE_SUFFIXES}")
    images = []
    for path in paths:
        with Image.open(path) as image:
            images.append(np.asarray(image.convert("RGB")))
    sizes = {image.shape[:2] for image in images}
    if len(sizes) > 1:
        raise ValueError(
            f"the images of {folder} differ in size: {sorted(sizes)}; resize them first"
        )
    return StimulusSet(
        identifier=folder.name,
        pixels=np.stack(images),
        table=pd.DataFrame({"stimulus_id": [p.name for p in paths]}),
    )
