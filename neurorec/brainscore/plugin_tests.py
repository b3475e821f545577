"""Brain-Score's generic tests of models and a plugin's own, run as Brain-Score runs them."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final
from xml.etree import ElementTree

from neurorec.brainscore.overlay import overlay

#: Markers that Brain-Score's tests carry, whose absence would be remarked on.
_CONFIGURATION = """\
[pytest]
markers =
    slow: takes long
    memory_intense: takes memory
    private_access: needs an account
    requires_gpu: needs a GPU
    travis_slow: takes long
"""


@final
@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a test ended.

    Parameters
    ----------
    name
        Of the test, with its parameters.
    generic
        Whether it is Brain-Score's, and not the plugin's.
    failure
        First line of what went wrong; None if nothing did.
    """

    name: str
    generic: bool
    failure: str | None


def run_tests(plugin: str | Path) -> Iterator[Outcome]:
    """Yield how each test ended, in a process where ``plugin`` is one of Brain-Score's.

    Raises
    ------
    ImportError
        If pytest is not installed.
    """
    if importlib.util.find_spec("pytest") is None:
        raise ImportError("the tests of a plugin need pytest; type pip install pytest")
    plugin = Path(plugin).resolve()
    package = plugin.name.replace(".", "_")
    with overlay({package: plugin}) as (copy, environment):
        configuration, report = copy.parent / "pytest.ini", copy.parent / "report.xml"
        configuration.write_text(_CONFIGURATION)
        within = copy / "models" / package
        generic = copy / "model_helpers" / "generic_plugin_tests.py"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
        command += ["-c", str(configuration), f"--rootdir={copy.parent}", f"--junitxml={report}"]
        command += [str(generic), "--plugin_directory", str(within)]
        command += [str(path) for path in sorted(within.glob("test*.py"))]
        done = subprocess.run(
            command, env=environment, cwd=copy.parent, capture_output=True, text=True
        )
        if not report.is_file():
            lines = (done.stderr or done.stdout).strip().splitlines()
            last = lines[-1] if lines else f"exit status {done.returncode}"
            yield Outcome(name="pytest runs", generic=False, failure=last)
            return
        yield from _outcomes(report)


def _outcomes(report: Path) -> Iterator[Outcome]:
    for case in ElementTree.parse(report).iter("testcase"):
        failed = [child for child in case if child.tag in ("failure", "error")]
        yield Outcome(
            name=str(case.get("name")),
            generic="generic_plugin_tests" in str(case.get("classname")),
            failure=_first_line(failed[0]) if failed else None,
        )


def _first_line(failure: ElementTree.Element) -> str:
    lines = str(failure.get("message") or failure.text or "failed").strip().splitlines()
    return " ".join(lines[0].split())
