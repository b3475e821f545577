"""Download of the files of a data set: each appears whole and verified, or not at all."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from neurorec._checks import atomic_path, sha256_of
from neurorec.datasets.manifest import Manifest, ManifestFile

#: Seconds within which a server has to answer before anything is downloaded. Addresses are tried
#: one after the other, and looking up a name has no limit of its own: hence a limit for it all.
ANSWER_S: Final = 6.0
#: Seconds without a connection, and without a byte, after which a transfer is given up.
TIMEOUT_S: Final = (4.0, 10.0)
#: How often a transfer is begun that broke off or arrived damaged.
ATTEMPTS: Final = 2


class DataUnavailableError(OSError):
    """Neither a mirror, the cache nor the network has a file of a data set."""


class DamagedError(ValueError):
    """A transfer ended, and what arrived is not the file that the manifest means."""


def download_files(
    manifest: Manifest, files: Sequence[ManifestFile], *, folder: Path, progress: bool = True
) -> dict[str, Path]:
    """Download ``files`` one by one into ``folder``; returns where they are, by path.

    Raises
    ------
    DataUnavailableError
        If the server does not answer or does not have a file.
    DamagedError
        If what arrives has another digest than the manifest says.
    OSError
        If a file cannot be written. Files that were finished stay.
    """
    if not _answers(str(manifest.url_of(files[0]))):
        raise _unavailable(manifest, files[0], "does not answer")
    paths: dict[str, Path] = {}
    with _bar(manifest, files, shown=progress) as bar:
        for file in files:
            bar.begin(file)
            paths[file.path] = _download(manifest, file, path=folder / file.path, bar=bar)
    return paths


def _download(manifest: Manifest, file: ManifestFile, *, path: Path, bar: "_Bar") -> Path:
    from requests.exceptions import ChunkedEncodingError, ConnectionError, Timeout

    with _explained(manifest, file, path=path):
        for _ in range(ATTEMPTS - 1):
            with suppress(ChunkedEncodingError, ConnectionError, Timeout, DamagedError):
                return _transfer(manifest, file, path=path, bar=bar)
        return _transfer(manifest, file, path=path, bar=bar)


@contextmanager
def _explained(manifest: Manifest, file: ManifestFile, *, path: Path) -> Iterator[None]:
    """Turn what goes wrong in a transfer into one sentence that says what to do."""
    from requests.exceptions import RequestException

    try:
        yield
    except RequestException as error:
        response = error.response
        reason = "broke off" if response is None else f"answers {response.status_code}"
        raise _unavailable(manifest, file, reason) from error
    except OSError as error:
        raise OSError(
            error.errno,
            f"{path} could not be written ({error.strerror}); what was finished is kept: make "
            "space, or set NEUROREC_CACHE to another folder, and run again",
        ) from error


def _transfer(manifest: Manifest, file: ManifestFile, *, path: Path, bar: "_Bar") -> Path:
    """One attempt."""
    from pooch import HTTPDownloader

    url = str(manifest.url_of(file))
    with atomic_path(path) as temporary:
        # pooch takes a bar of the caller's, though it says bool.
        fetch = HTTPDownloader(progressbar=bar, timeout=TIMEOUT_S)  # pyright: ignore[reportArgumentType]
        fetch(url, str(temporary), None)
        digest = sha256_of(temporary)
        if digest != file.sha256:
            raise DamagedError(
                f"{manifest.name}: {url} gave another file than {file.path}: expected sha256 "
                f"{file.sha256}, got {digest}; it was not kept, so there is nothing to delete: try "
                "again later, or take the file from a mirror (NEUROREC_MIRROR)"
            )
    return path


def _unavailable(manifest: Manifest, file: ManifestFile, reason: str) -> DataUnavailableError:
    return DataUnavailableError(
        f"{manifest.name}: {file.path} is in no mirror and not in the cache, and "
        f"{manifest.url_of(file)} {reason}; connect to the network, or set NEUROREC_MIRROR to a "
        f"folder that holds {manifest.name}/{file.path}"
    )


def _answers(url: str) -> bool:
    """Whether the server of ``url`` answers at all, be it with an error, within ``ANSWER_S``."""
    import requests

    answered = threading.Event()

    def ask() -> None:
        try:
            with requests.head(url, timeout=ANSWER_S):
                answered.set()
        except requests.RequestException:
            pass

    # A name server that is silent blocks for longer than anyone wants to wait; a daemon thread
    # is left behind without harm.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_S)
    return answered.is_set()


class _Bar:
    """What pooch expects of a progress bar, over several files of known size."""

    def __init__(self, advance: Any) -> None:
        self._advance = advance
        self._limit = 0
        self._done = 0
        self.total = 0  # set by pooch, from the answer of the server

    def begin(self, file: ManifestFile) -> None:
        self._limit, self._done = file.size, 0

    def update(self, n_bytes: int) -> None:
        # pooch counts whole chunks, so the last of a file overshoots.
        n_bytes = min(n_bytes, self._limit - self._done)
        self._done += n_bytes
        self._advance(n_bytes)

    def reset(self) -> None:
        self._advance(-self._done)
        self._done = 0

    def close(self) -> None:
        """One file is done, whether or not the server said how long it is."""
        self.update(self._limit)


@contextmanager
def _bar(manifest: Manifest, files: Sequence[ManifestFile], *, shown: bool) -> Iterator[_Bar]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    hidden = not (shown and console.is_terminal)
    with Progress(*columns, TransferSpeedColumn(), console=console, disable=hidden) as progress:
        task = progress.add_task(manifest.name, total=sum(file.size for file in files))
        yield _Bar(lambda n_bytes: progress.advance(task, n_bytes))
