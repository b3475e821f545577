"""Facts that stand in several files of the repository agree."""

import ast
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import neurorec
from neurorec import datasets
from neurorec._checks import sha256_of

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
STACKS = ("brainscore", "current")


def pins(stack: str) -> dict[str, str]:
    """Version of every package in a lock file, by canonical name."""
    lines = (REPOSITORY / "requirements" / f"{stack}.lock").read_text().splitlines()
    entries = [line.partition("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, _, version in entries}


def required(stack: str) -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]
    lines = PROJECT["dependencies"] + extras["dev"]
    lines = lines + (extras["brainscore"] if stack == "brainscore" else [])
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("stack", STACKS)
def test_every_line_of_a_lock_is_an_exact_pin(stack):
    lines = (REPOSITORY / "requirements" / f"{stack}.lock").read_text().splitlines()
    assert lines[0].startswith("# Written by 'make lock'")
    for line in lines[1:]:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", line), line  # no local version
    assert lines[1:] == sorted(lines[1:], key=str.upper)


@pytest.mark.parametrize("stack", STACKS)
def test_lock_meets_the_requirements(stack):
    versions = pins(stack)
    for requirement in required(stack):
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} against {version}"


def test_stacks_are_what_they_are_called():
    brainscore, current = pins("brainscore"), pins("current")
    assert brainscore["torch"] == current["torch"] == "2.13.0"
    assert brainscore["torchvision"] == "0.28.0"
    assert "torchvision" not in current
    assert "brainscore-vision" not in current
    assert int(current["numpy"].split(".")[0]) >= 2
    assert not {name for name in (*brainscore, *current) if name.startswith(("nvidia", "neurorec"))}


def test_conda_environment_equals_the_lock():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    *packages, pip = environment["dependencies"]
    assert packages == ["python=3.11", "pip"]
    lines = (REPOSITORY / "requirements" / "brainscore.lock").read_text().splitlines()
    assert pip == {"pip": lines[1:]}


def test_versions_agree():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert PROJECT["version"] == neurorec.__version__ == citation["version"]
    assert citation["license"] == "BSD-3-Clause"


def test_changelog_knows_the_version_or_what_comes():
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    assert f"## [{neurorec.__version__}]" in changelog or "## [Unreleased]" in changelog


@pytest.mark.parametrize(
    "path",
    sorted((REPOSITORY / "neurorec").rglob("*.py")),
    ids=lambda path: str(path.relative_to(REPOSITORY)),
)
def test_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text())), "the module has no docstring"


def tracked() -> list[Path]:
    """Files that git knows, or would add."""
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [p for line in listed.stdout.splitlines() if (p := REPOSITORY / line).is_file()]


def test_no_recording_is_committed():
    """Manifests say where recordings are had; their licences differ, and no copy belongs here."""
    manifests = [datasets.info(name) for name in datasets.names()]
    digests = {file.sha256 for manifest in manifests for file in manifest.files}
    assert len(digests) > 100  # the 132 files of one data set alone
    for path in tracked():
        assert path.stat().st_size < 2_000_000, f"{path} is large"
        assert sha256_of(path) not in digests, path


def test_no_package_host_is_named():
    """Where packages come from is a matter of the machine's own configuration."""
    hosts = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"))]
    options = ["--" + name for name in ("find-links", "index-url", "extra-index-url")]
    for path in tracked():
        if path.suffix in {".png", ".pdf", ".svg", ".npz", ".gif"}:
            continue
        # One of the wrong wirings is no UTF-8.
        text = path.read_text(encoding="utf-8", errors="replace")
        for word in (*hosts, *options):
            assert word not in text, f"{path} names {word}"
