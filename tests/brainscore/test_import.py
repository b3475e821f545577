"""Brain-Score is imported without surprises, and its absence is said plainly."""

import ast
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import neurorec

HAS_BRAINSCORE = find_spec("brainscore_vision") is not None
ROOM = Path(neurorec.__file__).parent / "brainscore"
#: What takes long to import, and models, metrics or files of weights alone need.
HEAVY = ("torch", "torch._dynamo", "torchvision", "sklearn", "scipy.stats", "safetensors",
         "lightning", "matplotlib", "statsmodels")  # fmt: skip


def python(code: str, **environment: str) -> subprocess.CompletedProcess:
    inherited = {k: v for k, v in os.environ.items() if k != "BS_INSTALL_DEPENDENCIES"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=Path(neurorec.__file__).parents[1],
        env=inherited | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.skipif(HAS_BRAINSCORE, reason="brainscore-vision is installed here")
def test_absence_says_what_to_type():
    with pytest.raises(ImportError, match=r"pip install 'neurorec\[brainscore\]'"):
        import neurorec.brainscore  # noqa: F401


def test_names_for_type_checkers_are_those_that_are_imported():
    """The only two lists of names that the package has."""
    tree = ast.parse((ROOM / "__init__.py").read_text())
    (checked,) = (part for part in tree.body if isinstance(part, ast.If))
    (table,) = (
        ast.literal_eval(part.value.args[0])
        for part in tree.body
        if isinstance(part, ast.AnnAssign) and isinstance(part.value, ast.Call)
    )
    said = {
        part.names[0].name: part.module for part in checked.body if isinstance(part, ast.ImportFrom)
    }
    assert said == table
    assert not set(table) & {file.stem for file in ROOM.glob("*.py")}, "a file hides a name"


def imported(statement: str, modules: tuple[str, ...] = HEAVY) -> list[str]:
    """Which of ``modules`` a process has after ``statement``."""
    done = python(f"import json, sys; {statement}; print(json.dumps(list(sys.modules)))")
    assert done.returncode == 0, done.stderr
    return [name for name in json.loads(done.stdout) if name in modules]


@pytest.mark.slow
@pytest.mark.skipif(not HAS_BRAINSCORE, reason="brainscore-vision is not part of this stack")
class TestNames:
    def test_nothing_is_imported_but_brainscore(self):
        """And what it imports itself, which is none of this."""
        assert imported("import neurorec.brainscore") == []
        assert imported("import neurorec.brainscore as b; b.Scores, b.open_plugin") == []

    def test_a_name_imports_its_file(self):
        code = "import neurorec.brainscore as b; b.subject"
        theirs = ("torch", "torch._dynamo", "torchvision", "neurorec.brainscore.metrics")
        assert imported(code, theirs) == ["torch"]

    def test_every_name_is_there(self):
        from neurorec import brainscore

        assert {"benchmark", "score", "subject", "untrained"} < set(dir(brainscore))
        for name in brainscore.__all__:
            assert getattr(brainscore, name) is not None

    def test_a_name_that_is_not(self):
        from neurorec import brainscore

        with pytest.raises(AttributeError, match=r"has no attribute 'scor'; dir\(\) of it"):
            brainscore.scor  # noqa: B018


@pytest.mark.slow
@pytest.mark.skipif(not HAS_BRAINSCORE, reason="brainscore-vision is not part of this stack")
class TestImport:
    """In a process of its own, since an import happens once."""

    CODE = "import os, neurorec.brainscore; print(os.environ['BS_INSTALL_DEPENDENCIES'])"

    def test_nothing_is_installed_at_run_time(self):
        done = python(self.CODE)
        assert (done.returncode, done.stdout) == (0, "no\n"), done.stderr

    def test_an_explicit_choice_is_respected(self):
        assert python(self.CODE, BS_INSTALL_DEPENDENCIES="newenv").stdout == "newenv\n"

    def test_torchvision_works_afterwards(self):
        done = python(
            "import neurorec.brainscore, torch, torchvision\n"
            "net = torchvision.models.squeezenet1_1(num_classes=3).eval()\n"
            "print(tuple(net(torch.zeros(1, 3, 32, 32)).shape))"
        )
        assert (done.returncode, done.stdout) == (0, "(1, 3)\n"), done.stderr
