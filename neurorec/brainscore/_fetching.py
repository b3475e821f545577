"""What goes wrong when Brain-Score fetches its files, in one sentence that says what to do."""

import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final

from neurorec.brainscore._import import import_brainscore
from neurorec.datasets.download import DamagedError, DataUnavailableError

import_brainscore()

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: E402
from brainscore_core.supported_data_standards.brainio.fetch import (  # noqa: E402
    get_local_data_path,
)

#: Answers of the storage to whoever may not read a file.
REFUSALS: Final = ("403", "AccessDenied", "Forbidden")
#: Its answers where it has no such file.
_ABSENT: Final = ("404", "NoSuchKey", "NoSuchBucket", "NoSuchVersion")


@contextmanager
def explained(identifier: str, known: Collection[str] = ()) -> Iterator[None]:
    """Turn what Brain-Score's download for ``identifier`` raises into one sentence.

    Parameters
    ----------
    known
        Identifiers among which a public one may be, where this one is private.

    Raises
    ------
    DataUnavailableError
        If the storage cannot be reached, refuses or lacks a file.
    DamagedError
        If a file here is not the one that is meant, or images are missing.
    """
    try:
        yield
    except Exception as error:
        clear = _clear(error, identifier, known)
        if clear is None:
            raise
        raise clear from error


def _clear(error: Exception, identifier: str, known: Collection[str]) -> Exception | None:
    """The error that a user needs; None where this one is about something else."""
    local = _locals(error.__traceback__)
    if "fetcher" in local and isinstance(error.args[0] if error.args else None, list):
        # Brain-Score raises both failures together: with the user's credentials, and without.
        return _unavailable(error.args[0][-1], local["fetcher"], identifier, known)
    if "SHA1 mismatch" in str(error):
        return DamagedError(
            f"{identifier}: {local.get('file_path')} is not the file that Brain-Score means "
            f"({error}); delete it and run again"
        )
    if isinstance(error, AssertionError) and "stimuli_directory" in local:
        folder = local["stimuli_directory"]
        return DamagedError(
            f"{identifier}: the stimuli in {folder} are not those of its table, as after an "
            "interrupted run; delete this folder and run again"
        )
    return None


def _locals(trace: TracebackType | None) -> dict[str, Any]:
    """What Brain-Score's functions were working on, which their errors do not say."""
    found: dict[str, Any] = {}
    for frame, _ in traceback.walk_tb(trace):
        for name in ("file_path", "stimuli_directory"):
            if name in frame.f_locals:
                found[name] = frame.f_locals[name]
        if hasattr(frame.f_locals.get("self"), "download_boto"):
            found["fetcher"] = frame.f_locals["self"]
    return found


def _unavailable(
    error: Exception, fetcher: Any, identifier: str, known: Collection[str]
) -> DataUnavailableError:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    if code in REFUSALS or "private" in identifier:
        return DataUnavailableError(
            f"{identifier} is private: Brain-Score's storage gives {fetcher.location} to holders "
            "of its credentials only, and scores submitted models on it; "
            f"{_public(identifier, known)}"
        )
    if isinstance(error, ConnectionError | HTTPClientError):
        return DataUnavailableError(
            f"{identifier}: {fetcher.output_filename} is not here, and {fetcher.location} cannot "
            "be reached; connect to the network and run again, or run this where there is one and "
            f"copy its folder ~/.brainio to {get_local_data_path()} (BRAINIO_HOME names another)"
        )
    if code in _ABSENT:
        return DataUnavailableError(
            f"{identifier}: {fetcher.location} is not where this version of Brain-Score looks for "
            "it; install a newer brainscore-vision"
        )
    return DataUnavailableError(
        f"{identifier}: {fetcher.location} could not be fetched into {fetcher.output_filename} "
        f"({' '.join(str(error).split())}); try again later"
    )


def _public(identifier: str, known: Collection[str]) -> str:
    stem = identifier.partition(".")[0]
    public = sorted(name for name in known if name.startswith(stem) and "public" in name)
    return f"public: {', '.join(public)}" if public else "take data that are public"
