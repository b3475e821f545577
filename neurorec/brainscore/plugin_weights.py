"""Weights of a plugin: a file beside it, or one that is downloaded once, resumed and verified."""

from pathlib import Path
from typing import Any, Final

from neurorec._checks import sha256_of
from neurorec.datasets.fetch import cache_folder

#: Seconds without a connection, and without a byte, after which a download is given up.
TIMEOUT_S: Final = (10.0, 30.0)
#: Of what is lost where a connection breaks.
_CHUNK_BYTES: Final = 2**16


def weights(path: str | Path, *, sha256: str, url: str | None = None) -> Path:
    """The file at ``path`` or, where there is none, a copy of ``url`` in the cache; verified.

    What a broken download left is gone on with where the server can.

    Parameters
    ----------
    path
        Beside the plugin's code.
    sha256
        Of the file's bytes.
    url
        Where it can be had; None if it is part of the plugin.

    Raises
    ------
    ValueError
        If there is another file at ``path``, or ``url`` gives one.
    OSError
        If there is none and no ``url``, or it cannot be reached.
    """
    path = Path(path)
    if path.is_file():
        found = sha256_of(path)
        if found != sha256:
            raise ValueError(
                f"{path} is not the file that was exported: expected sha256 {sha256}, got {found}; "
                "export the model again"
            )
        return path
    if url is None:
        raise OSError(f"the weights {path} are missing; export the model again")
    return _downloaded(path.name, sha256, url)


def _downloaded(name: str, sha256: str, url: str) -> Path:
    """A copy in the cache, under its digest."""
    from filelock import FileLock

    path = cache_folder() / "weights" / sha256 / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{name}.lock")):
        if not path.is_file() or sha256_of(path) != sha256:
            _complete(path.with_name(f"{name}.part"), sha256, url).replace(path)
    return path


def _complete(part: Path, sha256: str, url: str) -> Path:
    """``part`` with all its bytes; one that was damaged before is begun anew."""
    resumed = part.exists()
    _fetch(url, part)
    found = sha256_of(part)
    if found == sha256:
        return part
    part.unlink()
    if resumed:
        return _complete(part, sha256, url)
    raise ValueError(
        f"{url} gave another file than was exported: expected sha256 {sha256}, got {found}; put "
        "the checkpoint there, or export the model with another --weights-url"
    )


def _fetch(url: str, part: Path) -> None:
    """Add to ``part`` what it lacks."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    try:
        asked = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=asked, stream=True, timeout=TIMEOUT_S) as response:
            if have and response.status_code == 416:  # there is no more of it
                return
            response.raise_for_status()
            # A server that knows no ranges sends all of it.
            goes_on = response.status_code == 206
            _write(response, part, "ab" if goes_on else "wb", have if goes_on else 0)
    except requests.RequestException as error:
        raise OSError(
            f"the weights cannot be had: {url} {_reason(error)}; what has come is kept: connect to "
            "the network and run again"
        ) from error


def _reason(error: Any) -> str:
    from requests.exceptions import ChunkedEncodingError

    if error.response is not None:
        return f"answers {error.response.status_code}"
    return "broke off" if isinstance(error, ChunkedEncodingError) else "does not answer"


def _write(response: Any, part: Path, mode: str, have: int) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    length = response.headers.get("Content-Length")
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as bar,
        part.open(mode) as file,
    ):
        total = None if length is None else have + int(length)
        task = bar.add_task("weights", total=total, completed=have)
        for chunk in response.iter_content(_CHUNK_BYTES):
            file.write(chunk)
            bar.advance(task, len(chunk))
