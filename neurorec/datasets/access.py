"""The verbs of this package: load, fetch and verify a data set by its name."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from neurorec._checks import check_option
from neurorec.datasets.fetch import FileStatus, fetch_files, file_statuses
from neurorec.datasets.manifest import Manifest, info
from neurorec.datasets.neural_data import NeuralData
from neurorec.datasets.readers import READERS


def load(name: str, **options: Any) -> NeuralData:
    """Recordings, stimuli or dissimilarities of the data set ``name``.

    Files are taken from the folders of ``NEUROREC_MIRROR``, from the cache, or downloaded, and
    are used only if their digest is the manifest's.

    Parameters
    ----------
    options
        Of the reader of this data set; ``cowley-2023`` has ``session``, ``zhang-desimone-2011``
        has ``bin_width_ms`` and ``session``, ``cifar10-jpeg`` has ``split`` and ``limit``.

    Raises
    ------
    ValueError
        If there is no such data set, session or option, or a file is damaged.
    DataUnavailableError
        If neither mirror, cache nor network has a file.
    """
    manifest = info(name)
    return READERS[manifest.reader].read(manifest, read_options(manifest, options))


def read_options(manifest: Manifest, options: dict[str, Any]) -> Any:
    """The options of the reader of ``manifest``, as its dataclass.

    Raises
    ------
    ValueError
        If the reader does not exist, an option is unknown, or a value is not allowed.
    """
    reader = READERS[check_option(f"the reader of {manifest.name}", manifest.reader, READERS)]
    allowed = [field.name for field in fields(reader.options)]
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        raise ValueError(
            f"{manifest.name} has no option {unknown[0]!r}; "
            + (f"its options are {allowed}" if allowed else "it has none")
        )
    return reader.options(**options)


def fetch(name: str, *, session: str | None = None, progress: bool = True) -> dict[str, Path]:
    """Local, verified files of the data set ``name``, by their path in it.

    Parameters
    ----------
    session
        Only what is needed for this recording session.
    progress
        Show a bar while downloading, if there is a terminal.

    Raises
    ------
    ValueError
        If there is no such data set or session, or a file has a wrong digest.
    DataUnavailableError
        If neither mirror, cache nor network has a file.
    """
    return fetch_files(info(name), session=session, progress=progress)


def verify(name: str) -> tuple[FileStatus, ...]:
    """Where each file of the data set ``name`` is, and whether its digest is the manifest's.

    Nothing is downloaded. :attr:`FileStatus.digest_agrees` is None for a file that is not here.

    Raises
    ------
    ValueError
        If there is no such data set.
    """
    return file_statuses(info(name), digests=True)
