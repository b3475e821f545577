"""Benchmarks by name: of data on this machine, and Brain-Score's own where theirs can be had."""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from neurorec import datasets
from neurorec.brainscore._fetching import explained
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.benchmarks import METRICS, USUAL_DEGREES, benchmark, degrees_of
from neurorec.brainscore.local_data import loaded, name_and_session
from neurorec.brainscore.plugin_registries import installed_names, near
from neurorec.brainscore.region_file import read_training_stimuli
from neurorec.brainscore.training_stimuli import check_unseen, left_to_score
from neurorec.datasets import DataUnavailableError

brainscore_vision = import_brainscore()

#: What local benchmarks are called.
PATTERN: Final = "DATASET[@SESSION][/REGION]:METRIC"
#: Readers of data sets that have both stimuli and the responses to them.
_WHOLE_READERS: Final = ("npy_zip",)
#: Packages that metrics of Brain-Score import and do not declare.
_UNDECLARED: Final[Mapping[str, str]] = MappingProxyType({"ost": "tensorflow"})
_LOCAL: Final = re.compile(r"(?P<data>[^/:]+)(/(?P<region>[^:]+))?:(?P<m>.+)")


def open_benchmark(
    name: str,
    *,
    visual_degrees: float | int | None = None,
    usual_degrees: float | int = USUAL_DEGREES,
    number_of_trials: int = 1,
    ceiling: float | int | str | None = None,
    folder: str | Path | None = None,
    held_out: str | Path | None = None,
) -> Any:
    """The benchmark of this name; nothing is installed for it.

    Parameters
    ----------
    name
        ``DATASET[@SESSION][/REGION]:METRIC`` of a data set that neurorec knows, such as
        ``cowley-2023@210325:pls``, or an identifier of Brain-Score, such as
        ``MajajHong2015public.IT-pls``.
    visual_degrees, number_of_trials, ceiling, folder
        Of local data, as in :func:`neurorec.brainscore.benchmark`.
    usual_degrees
        Width of local stimuli where neither ``visual_degrees`` nor the data set tell it.
    held_out
        File of :meth:`RegionFit.to_json`. Of local data the stimuli on which that choice rests are
        left out; data without any are whole.

    Raises
    ------
    ValueError
        If there is no such benchmark, with those of a similar name; or a choice of regions rests on
        all its stimuli, or on some of a benchmark of Brain-Score.
    DataUnavailableError
        If Brain-Score's data cannot be reached, or are private.
    ImportError
        If the benchmark needs a package that is not installed.
    """
    training = None if held_out is None else read_training_stimuli(held_out)
    local = _LOCAL.fullmatch(name)
    if local is None:
        found = _of_brainscore(name)
        if training is not None:
            check_unseen(found, training)
        return found
    known, session = name_and_session(local["data"])
    if known not in datasets.names():
        raise ValueError(
            f"there is no data set {known!r} for the benchmark {name!r}{_near(name)}; "
            f"neurorec knows {', '.join(datasets.names())}"
        )
    data = loaded(known, session)
    if training is not None:
        data = left_to_score(data, training)
    return benchmark(
        data,
        metric=local["m"],
        region=local["region"],
        visual_degrees=degrees_of(data, visual_degrees, usual_degrees),
        number_of_trials=number_of_trials,
        ceiling=ceiling,
        folder=folder,
    )


def local_benchmarks() -> tuple[str, ...]:
    """Names of the benchmarks whose data lie on this machine, for each session and metric."""
    return tuple(
        f"{name}{session}:{metric}"
        for name in datasets.names()
        for session in _sessions_here(name)
        for metric in METRICS
    )


def brainscore_identifiers() -> tuple[str, ...]:
    """Identifiers of the benchmarks that the installed Brain-Score knows, sorted.

    They are read, as Brain-Score does it, from the text of its plugins. Those whose data are there
    for all have ``public`` in their name.
    """
    return installed_names("benchmark")


def _sessions_here(name: str) -> list[str]:
    """``@SESSION`` of those whose files are here, or nothing where there are no sessions."""
    from neurorec.datasets.fetch import locate

    manifest = datasets.info(name)
    if manifest.reader not in _WHOLE_READERS:
        return []
    common = [file for file in manifest.files if file.session is None]
    sessions = sorted({file.session for file in manifest.files if file.session is not None})
    found = []
    for session in sessions or [None]:
        needed = [*common, *(f for f in manifest.files if session and f.session == session)]
        if all(locate(manifest, file) is not None for file in needed):
            found.append("" if session is None else f"@{session}")
    return found


def _of_brainscore(name: str) -> Any:
    known = brainscore_identifiers()
    if name not in known:
        raise ValueError(
            f"there is no benchmark {name!r}{_near(name)}; local data are named {PATTERN}, and "
            "'neurorec score --list' shows what there is"
        )
    _check_packages(name)
    try:
        with explained(name, known):
            return brainscore_vision.load_benchmark(name)
    except ImportError as error:
        raise ImportError(_lacking(name, str(error.name or error))) from error
    except DataUnavailableError as error:
        raise DataUnavailableError(f"{error}; {_instead()}") from error


def _instead() -> str:
    here = ", ".join(sorted({one.partition(":")[0] for one in local_benchmarks()})) or "none here"
    return f"benchmarks of local data ({here}) need no network"


def _check_packages(name: str) -> None:
    for metric, package in _UNDECLARED.items():
        if name.endswith(f"-{metric}") and find_spec(package) is None:
            raise ImportError(_lacking(name, package))


def _lacking(name: str, package: str) -> str:
    ours = "; neurorec has the metric without it, DATASET:ost" if name.endswith("-ost") else ""
    return (
        f"the benchmark {name} needs {package}, which is not installed and which neurorec does not "
        f"install by itself{ours}"
    )


def _near(name: str) -> str:
    meant = near(name, [*local_benchmarks(), *brainscore_identifiers()])
    return f", but {' and '.join(meant)}" if meant else ""
