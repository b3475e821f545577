"""The installation that README.md documents, resolved by pip and not downloaded or installed.

Each command is taken from the text. Where pip finds no registry of packages, tests say so and skip.
"""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("brainscore_vision") is None,
        reason="this is the stack without Brain-Score; the other one resolves both",
    ),
]

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SECTION = (
    (REPOSITORY / "README.md").read_text(encoding="utf-8").partition("\n## Installation\n")[2]
).partition("\n## ")[0]
#: Commands of each block of the section, in order.
BLOCKS = [
    [
        shlex.split(part)
        for line in block.splitlines()
        for part in line.partition("#")[0].split("&&")
        if part.strip()
    ]
    for block in re.findall(r"(?:^    .+\n)+", SECTION, re.MULTILINE)
]
#: Seconds within which a registry that is near answers all that pip asks.
PATIENCE_S = 300


def pip(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pip", *arguments, "--disable-pip-version-check"]
    try:
        return subprocess.run(
            command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"pip did not answer within {PATIENCE_S} s: the registry is slow or far")


@pytest.fixture(scope="module")
def registry() -> None:
    """What a build of neurorec takes from it comes, so that a later failure is a fault of ours."""
    asked = "--dry-run --ignore-installed --no-deps -qq --retries 0 --timeout 10 hatchling"
    if pip("install", *asked.split()).returncode:
        pytest.skip("no registry of packages can be reached from this machine")


def resolved(command: list[str], folder: Path, *further: str) -> list[dict]:
    """Metadata of each package that a documented command would install."""
    assert command[:2] == ["pip", "install"], command
    report = folder / "report.json"
    done = pip("install", "--dry-run", "-qq", "--report", str(report), *further, *command[2:])
    assert done.returncode == 0, done.stderr[-3000:]
    return [found["metadata"] for found in json.loads(report.read_text())["install"]]


def requirements(*extras: str) -> list[Requirement]:
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    return [Requirement(line) for line in lines]


def test_what_is_documented():
    plain, without_gpu, locked = BLOCKS
    assert plain == [["pip", "install", "."], ["pip", "install", ".[brainscore]"]]
    pins = [line for line in EXTRAS["brainscore"] if line.startswith("torch==")]
    assert without_gpu == [["pip", "install", *pins], ["pip", "install", ".[brainscore]"]]
    assert locked[0] == ["pip", "install", "-r", "requirements/brainscore.lock"]


@pytest.mark.usefixtures("registry")
def test_a_plain_machine(tmp_path):
    """All that an environment with nothing in it would get."""
    found = resolved(BLOCKS[0][1], tmp_path, "--ignore-installed")
    names = Counter(canonicalize_name(package["name"]) for package in found)
    assert set(names.values()) == {1}
    versions = {canonicalize_name(package["name"]): package["version"] for package in found}
    for requirement in requirements("brainscore"):
        chosen = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(chosen), f"{requirement} against {chosen}"
    assert Version(versions["numpy"]) < Version("2")
    # The torch that this torchvision was compiled for, or else its operators are not found.
    (torchvision,) = (package for package in found if package["name"] == "torchvision")
    wanted = [Requirement(line) for line in torchvision["requires_dist"]]
    (torch,) = (one for one in wanted if one.name == "torch" and one.marker is None)
    assert str(torch.specifier).startswith("==")
    assert torch.specifier.contains(versions["torch"])


@pytest.mark.usefixtures("registry")
def test_a_machine_that_has_torch(tmp_path):
    """Whatever build of torch is here, such as the one for the CPU, pip leaves it alone."""
    for command in BLOCKS[1]:
        names = {canonicalize_name(package["name"]) for package in resolved(command, tmp_path)}
        assert names <= {"neurorec"}, f"{command} would install {names}"


@pytest.mark.usefixtures("registry")
def test_the_lock(tmp_path):
    for command in BLOCKS[2]:
        assert {p["name"] for p in resolved(command, tmp_path)} <= {"neurorec"}


def test_this_environment_is_what_is_asked_for():
    for requirement in requirements("brainscore", "dev"):
        there = version(requirement.name)
        assert requirement.specifier.contains(there), f"{requirement} against {there}"
    done = pip("check")
    assert done.returncode == 0, done.stdout
