"""What all readers share: errors that name the file and the reader, and pictures from JPEG."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


@contextmanager
def reading(path: Path, reader: str) -> Iterator[None]:
    """Turn whatever a library makes of a damaged or foreign file into one sentence.

    Raises
    ------
    ValueError
        With the file, the reader and what the library said.
    """
    try:
        yield
    # Parsers meet damaged bytes with errors of any class, from IndexError to zlib.error.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path} cannot be read by the reader {reader!r}: {reason}; "
            "it is truncated or not of this format"
        ) from error


def decode_jpeg(content: bytes) -> np.ndarray:
    """RGB pixels (height, width, 3), uint8, of the bytes of a JPEG file."""
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
        return np.asarray(image.convert("RGB"))
