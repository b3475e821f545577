"""What a submission to Brain-Score meets, before it is submitted."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, final

from neurorec import __version__
from neurorec.brainscore.plugin_names import allowed_name, taken
from neurorec.brainscore.plugin_registries import registered
from neurorec.brainscore.plugin_tests import Outcome, run_tests
from neurorec.brainscore.region_maps import REGIONS

#: Of a file that a pull request can hold.
MAX_FILE_BYTES: Final = 100 * 10**6


@final
@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that a submission meets.

    Parameters
    ----------
    what
        In few words.
    problem
        What is wrong, and what to do; None if nothing is.
    """

    what: str
    problem: str | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem is None


def check_plugin(folder: str | Path) -> Iterator[Check]:
    """Yield the checks of a plugin's folder, one after the other.

    Structure, registration, names, metadata and sizes are looked at; then the model is loaded by
    Brain-Score's machinery in a process of its own, where Brain-Score's generic tests of models and
    the plugin's tests run. Nothing is installed and nothing is sent.

    Raises
    ------
    ValueError
        If there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}; write one with neurorec brainscore export")
    sound = True
    for what, find in CHECKS.items():
        check = Check(what=what, problem=find(folder))
        sound &= check.passed or what not in _NEEDED
        yield check
    if not sound:
        remedy = "not run; mend what is above and check again"
        yield Check(what="Brain-Score loads it and its tests pass", problem=remedy)
        return
    for outcome in run_tests(folder):
        yield _explained(outcome)


def _structure(folder: Path) -> str | None:
    missing = [name for name in ("__init__.py", "model.py") if not (folder / name).is_file()]
    if not any(re.match(r"test.*\.py", path.name) for path in folder.iterdir()):
        missing.append("test.py")
    return f"add {', '.join(missing)}" if missing else None


def _registration(folder: Path) -> str | None:
    if registered(folder):
        return None
    return (
        "Brain-Score looks for this text: write model_registry['NAME'] = lambda: get_model('NAME') "
        "on a line of __init__.py"
    )


def _names(folder: Path) -> str | None:
    for name in registered(folder):
        try:
            allowed_name(name)
        except ValueError as error:
            return str(error)
        other = taken(name, but=folder)
        if other is not None:
            return f"{name!r} is the name of a model in {other}; export with another --name"
    return None


def _metadata(folder: Path) -> str | None:
    from brainscore_core.metadata import load

    found = [name for name in ("metadata.yaml", "metadata.yml") if (folder / name).is_file()]
    if len(found) != 1:
        lacks = "add metadata.yaml, which Brain-Score can make of modules of torch alone"
        return "keep one of metadata.yaml and metadata.yml" if found else lacks
    try:
        models = load((folder / found[0]).read_text(encoding="utf-8"), "vision")["models"]
    except ValueError as error:
        return f"{found[0]}: {error}; see those of Brain-Score's other models"
    if set(models) != set(registered(folder)):
        return f"{found[0]} is of {sorted(models)}, and {registered(folder)} are registered"
    return None


def _region_map(folder: Path) -> str | None:
    """Of the plugins that have one; Brain-Score does not ask for it."""
    for path in sorted((folder / "region_layer_map").glob("*.json")):
        try:
            regions = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            return f"{path.name} is no JSON ({error}); export again"
        if not isinstance(regions, dict) or not set(regions) & set(REGIONS):
            return f"{path.name} has none of {', '.join(REGIONS)}, which benchmarks record"
    return None


def _requirements(folder: Path) -> str | None:
    path = folder / "requirements.txt"
    if not path.is_file():
        others = ("setup.py", "environment.yml")
        named = any((folder / name).is_file() for name in others)
        return None if named else "add requirements.txt with neurorec[brainscore]==VERSION"
    pinned = re.search(r"^neurorec\S*==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    if pinned is not None and pinned[1] != __version__:
        return (
            f"it is for neurorec {pinned[1]}, and this is {__version__}, whose models have other "
            "identifiers; export again"
        )
    return None


def _bibtex(folder: Path) -> str | None:
    path = folder / "model.py"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return None if "def get_bibtex(" in text else "add get_bibtex(identifier) to model.py"


def _sizes(folder: Path) -> str | None:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size > MAX_FILE_BYTES:
            return (
                f"{path.name} has {path.stat().st_size / 1e6:.0f} MB, and a pull request holds "
                f"files of at most {MAX_FILE_BYTES // 10**6}; export with --weights-url"
            )
    return None


#: Every check that reads files alone: from the folder to what is wrong, if anything is.
CHECKS: Final[Mapping[str, Callable[[Path], str | None]]] = MappingProxyType(
    {
        "the files are there": _structure,
        "the registration can be found as text": _registration,
        "the name is allowed and free": _names,
        "metadata are of schema 2.0": _metadata,
        "regions are committed to areas": _region_map,
        "requirements are named": _requirements,
        "there is BibTeX": _bibtex,
        "no file is too large": _sizes,
    }
)
#: Without which nothing is loaded.
_NEEDED: Final = tuple(CHECKS)[:3]

#: What Brain-Score's generic tests ask, and what to do where the answer is no.
GENERIC: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "test_identifier": ("Brain-Score loads it", "run get_model in model.py"),
        "test_visual_degrees": (
            "visual degrees are between 0 and 9000",
            "export with another --visual-degrees",
        ),
        "test_start_task_or_recording": (
            "it can be asked for a task or a recording",
            "commit a region to an area",
        ),
        "test_look_at_neural_V1": (
            "V1, if it is recorded, is at 50 to 100 ms too",
            "Brain-Score asks a model that can record V1 at 100 to 200 ms for 50 to 100 ms too: "
            "export with --onset-ms and --timesteps that reach both, or without V1",
        ),
        "test_look_at_behavior_probabilities": (
            "it gives probabilities of labels",
            "look at the behaviour that model.py makes",
        ),
    }
)


def _explained(outcome: Outcome) -> Check:
    what, remedy = outcome.name, "see the plugin's tests"
    if outcome.generic:
        what, remedy = GENERIC.get(outcome.name.split("[", 1)[0], (outcome.name, "see the test"))
        what = f"{what} (generic test)"
    if outcome.failure is None:
        return Check(what=what)
    return Check(what=what, problem=f"{outcome.failure}; {remedy}")
