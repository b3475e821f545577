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
        report = copy.parent / "report.xml"
        command = _command(copy, copy / "models" / package, report)
        done = subprocess.run(
            command, env=environment, cwd=copy.parent, capture_output=True, text=True
        )
        if report.is_file():
            yield from _outcomes(report)
        else:
            last = _last_line(done.stderr or done.stdout) or f"exit status {done.returncode}"
            yield Outcome(name="pytest runs", generic=False, failure=last)


def _command(copy: Path, plugin: Path, report: Path) -> list[str]:
    """One process for both, because it takes seconds to import Brain-Score."""
    configuration = copy.parent / "pytest.ini"
    configuration.write_text(_CONFIGURATION)
    return [
        *(sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider"),
        *("--continue-on-collection-errors", f"--rootdir={copy.parent}"),
        *("-c", str(configuration), f"--junitxml={report}"),
        *(
            str(copy / "model_helpers" / "generic_plugin_tests.py"),
            "--plugin_directory",
            str(plugin),
        ),
        *(str(path) for path in sorted(plugin.glob("test*.py"))),
    ]


def _outcomes(report: Path) -> Iterator[Outcome]:
    for case in ElementTree.parse(report).iter("testcase"):
        failed = [child for child in case if child.tag in ("failure", "error")]
        yield Outcome(
            name=str(case.get("name")).rsplit("models.", 1)[-1],
            generic="generic_plugin_tests" in str(case.get("classname")),
            failure=_first_line(failed[0]) if failed else None,
        )


def _first_line(failure: ElementTree.Element) -> str:
    message = str(failure.get("message") or "").strip()
    if message in ("", "collection failure"):  # a file that cannot be imported
        return _last_line(failure.text) or "it failed"
    return " ".join(message.splitlines()[0].split())


def _last_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return " ".join(lines[-1].split()) if lines else ""
