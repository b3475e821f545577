"""Importing neurorec is light, its names resolve, and imports point down."""

import ast
import importlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import neurorec

REPOSITORY = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "xarray", "matplotlib", "pandas", "sklearn", "lightning")

#: Names that scripts are promised, as they are written in the documentation.
PROMISED = (
    "datasets.load",
    "models.as_yaml",
    "models.build",
    "models.diagram",
    "models.differences",
    "models.load",
    "models.verdict",
    "train",
    "record",
    "open_recording",
    "encoding.fit",
    "geometry.rdm",
    "dimensionality.participation_ratio",
    "dynamics.temporal_generalization",
    "variability.fano_factor",
    "figures.save",
)


def python(code: str) -> str:
    """What ``code`` prints in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def measured(statement: str, repetitions: int = 3) -> tuple[float, list[str]]:
    """Fastest time of ``statement`` in seconds, and the heavy modules it imports.

    The fastest of several, since a busy machine can only make it slower.
    """
    code = (
        f"import json, sys, time; start = time.perf_counter(); {statement}; "
        "seconds = time.perf_counter() - start; "
        f"print(json.dumps([seconds, [m for m in {HEAVY} if m in sys.modules]]))"
    )
    runs = [json.loads(python(code)) for _ in range(repetitions)]
    return min(seconds for seconds, _ in runs), runs[0][1]


def test_import_is_light():
    seconds, heavy = measured("import neurorec")
    assert heavy == []
    assert seconds <= 0.5


def test_command_line_is_light():
    seconds, heavy = measured("import neurorec.cli")
    assert heavy == []
    assert seconds <= 1.0


def test_names_at_the_top_are_lazy():
    """A name that imports nothing would be no proof that laziness works."""
    _, heavy = measured("import neurorec as nr; nr.assemblies.build", repetitions=1)
    assert "xarray" in heavy
    assert "matplotlib" not in heavy


@pytest.mark.parametrize("name", neurorec.__all__)
def test_name_at_the_top_resolves(name):
    assert getattr(neurorec, name) is not None


@pytest.mark.parametrize("path", PROMISED)
def test_promised_name_resolves(path):
    thing = neurorec
    for name in path.split("."):
        thing = getattr(thing, name)
    assert callable(thing)


def test_unknown_name():
    with pytest.raises(AttributeError, match=r"has no attribute 'reccord'; it has .*'record'"):
        neurorec.reccord  # noqa: B018


def test_module_and_function_do_not_shadow_each_other():
    """`nr.record` stays the function after its room, or the command of that name, is imported."""
    importlib.import_module("neurorec.recording")
    importlib.import_module("neurorec.cli.record")
    assert callable(neurorec.record)
    assert callable(neurorec.train)


def lint_imports(folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_imports_point_down():
    done = lint_imports(REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kept, 0 broken" in done.stdout


def test_every_room_has_its_place_in_the_layers():
    """import-linter says nothing about a module that its layers do not name."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    placed = {name.strip() for layer in layers for name in layer.replace("|", ":").split(":")}
    rooms = {
        path.stem
        for path in (REPOSITORY / "neurorec").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms - {"__init__"} == placed


def imported(node: ast.AST) -> Iterator[str]:
    """Modules that code imports, be it in a function; what only type checkers read is no import."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.If) and ast.unparse(part.test) == "TYPE_CHECKING":
            continue
        if isinstance(part, ast.Import):
            yield from (alias.name for alias in part.names)
        elif isinstance(part, ast.ImportFrom):
            yield part.module or ""
        else:
            yield from imported(part)


def test_brainscore_is_imported_at_its_border_only():
    border = REPOSITORY / "neurorec" / "brainscore"
    inside = imported(ast.parse((border / "data.py").read_text()))
    assert "brainscore_vision" in inside  # so that nothing is found elsewhere for a reason
    for path in (REPOSITORY / "neurorec").rglob("*.py"):
        if border not in path.parents:
            found = list(imported(ast.parse(path.read_text())))
            assert not [name for name in found if name.startswith("brainscore_")], path


def test_one_import_points_up():
    """And no other: see pyproject.toml for why."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    ignored = [line for contract in contracts for line in contract.get("ignore_imports", [])]
    assert ignored == ["neurorec.datasets.brainscore_data -> neurorec.brainscore.data"]


@pytest.mark.slow
def test_brainscore_is_a_lazy_name_where_it_is_installed():
    """And `dir`, from which help and completion read, names nothing that cannot be imported."""
    listed, brainscore = "brainscore" in dir(neurorec), find_spec("brainscore_vision")
    assert listed == (brainscore is not None)
    assert "brainscore" not in neurorec.__all__  # `from neurorec import *` works without it
    if not listed:
        with pytest.raises(ImportError, match=r"pip install 'neurorec\[brainscore\]'"):
            neurorec.brainscore  # noqa: B018
        with pytest.raises(ImportError, match=r"pip install 'neurorec\[brainscore\]'"):
            neurorec.datasets.from_brainscore("MajajHong2015.public")
        return
    done = python("import neurorec as nr, sys; print('brainscore_vision' in sys.modules)")
    assert done == "False\n"
    assert neurorec.brainscore.load_data
