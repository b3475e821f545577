"""Checks of arguments and the atomic file that every part of the package shares."""

import hashlib
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path


def check_option(parameter: str, value: str, allowed: Collection[str]) -> str:
    """Return ``value`` if it is one of ``allowed``.

    Raises
    ------
    ValueError
        Otherwise; the message lists what is allowed.
    """
    if value not in allowed:
        raise ValueError(f"{parameter} must be one of {sorted(allowed)}, got {value!r}")
    return value


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 digest of the file at ``path``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends without error.

    A reader therefore sees the old file or the whole new one, and a killed process leaves at
    most a ``.tmp`` file behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
