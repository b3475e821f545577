"""From a manifest to verified local files: in mirror folders, then the cache, then the network."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from neurorec._checks import sha256_of
from neurorec.datasets.download import DataUnavailableError, download_files
from neurorec.datasets.manifest import Manifest, ManifestFile

MIRROR_VARIABLE: Final = "NEUROREC_MIRROR"
CACHE_VARIABLE: Final = "NEUROREC_CACHE"


@final
@dataclass(frozen=True, kw_only=True)
class FileStatus:
    """Where one file is, and whether it is the file that the manifest means.

    ``place`` is ``"mirror"``, ``"cache"`` or ``"not here"``; ``digest_agrees`` is None where the
    digest was not computed.
    """

    file: ManifestFile
    path: Path | None
    place: str
    digest_agrees: bool | None = None


def mirrors() -> list[Path]:
    """Folders named in ``NEUROREC_MIRROR``, in order."""
    entries = os.environ.get(MIRROR_VARIABLE, "").split(os.pathsep)
    return [Path(entry).expanduser() for entry in entries if entry.strip()]


def cache_folder() -> Path:
    """Folder of downloaded files: ``NEUROREC_CACHE``, or else the user's cache folder."""
    from platformdirs import user_cache_path

    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else user_cache_path("neurorec")


def where() -> list[Path]:
    """Folders that are searched, in order: the mirrors, then the cache.

    In each, a file lies at ``<data set>/<path in the source repository>``.
    """
    return [*mirrors(), cache_folder()]


def locate(manifest: Manifest, file: ManifestFile) -> Path | None:
    """The first copy of ``file`` in the folders of :func:`where`; its contents are not checked."""
    candidates = (folder / manifest.name / file.path for folder in where())
    return next((path for path in candidates if path.is_file()), None)


def verified(path: Path, manifest: Manifest, file: ManifestFile) -> Path:
    """Return ``path`` if its contents have the digest of the manifest.

    Raises
    ------
    ValueError
        Otherwise; the message holds both digests. The file is left as it is.
    """
    digest = sha256_of(path)
    if digest != file.sha256:
        size = path.stat().st_size
        lengths = "" if size == file.size else f" ({size} bytes instead of {file.size})"
        raise ValueError(
            f"{path} is not the file of {manifest.name}{lengths}: expected sha256 {file.sha256}, "
            f"got {digest}; delete {path} and fetch it again"
        )
    return path


def fetch_files(
    manifest: Manifest, *, session: str | None = None, progress: bool = True
) -> dict[str, Path]:
    """Local, verified copies of the files of ``manifest``, by their path in the data set.

    What is in no mirror and not in the cache is downloaded into the cache. Files appear there
    whole or not at all, so a run that was interrupted goes on where it stopped.

    Parameters
    ----------
    session
        Only the files of this recording session and those that all sessions share.
    progress
        Show a bar while downloading, if there is a terminal.

    Raises
    ------
    ValueError
        If a file has another digest than the manifest says, or the session does not exist.
    DataUnavailableError
        If neither mirror, cache nor network has a file.
    OSError
        If a download cannot be written.
    """
    files = manifest.select(session)
    found: dict[str, Path] = {}
    missing: list[ManifestFile] = []
    for file in files:
        path = locate(manifest, file)
        if path is None:
            missing.append(file)
        else:
            found[file.path] = verified(path, manifest, file)
    if missing:
        _check_public(manifest, missing)
        folder = cache_folder() / manifest.name
        found |= download_files(manifest, missing, folder=folder, progress=progress)
    return {file.path: found[file.path] for file in files}


def _check_public(manifest: Manifest, files: Sequence[ManifestFile]) -> None:
    """Raise if one of ``files`` has no address to download it from."""
    for file in files:
        if manifest.url_of(file) is None:
            searched = ", ".join(str(folder) for folder in where())
            raise DataUnavailableError(
                f"{manifest.name} has no public address for {file.path} and it is in none of the "
                f"folders {searched}; set {MIRROR_VARIABLE} to a folder that holds "
                f"{manifest.name}/{file.path}"
            )


def file_statuses(manifest: Manifest, *, digests: bool = False) -> tuple[FileStatus, ...]:
    """Where each file of ``manifest`` is, without touching the network.

    Parameters
    ----------
    digests
        Compute and compare the digests of the files that are here.
    """
    return tuple(_status(manifest, file, digests=digests) for file in manifest.files)


def _status(manifest: Manifest, file: ManifestFile, *, digests: bool) -> FileStatus:
    path = locate(manifest, file)
    if path is None:
        return FileStatus(file=file, path=None, place="not here")
    place = "cache" if path.is_relative_to(cache_folder()) else "mirror"
    agrees = sha256_of(path) == file.sha256 if digests else None
    return FileStatus(file=file, path=path, place=place, digest_agrees=agrees)
