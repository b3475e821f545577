"""Brain-Score is imported without surprises, and its absence is said plainly."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import neurorec

pytestmark = pytest.mark.slow

HAS_BRAINSCORE = find_spec("brainscore_vision") is not None


def python(code: str, **environment: str) -> subprocess.CompletedProcess:
    inherited = {k: v for k, v in os.environ.items() if k != "BS_INSTALL_DEPENDENCIES"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=Path(neurorec.__file__).parents[1],
        env=inherited | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.skipif(HAS_BRAINSCORE, reason="brainscore-vision is installed here")
def test_absence_says_what_to_type():
    with pytest.raises(ImportError, match=r"pip install 'neurorec\[brainscore\]'"):
        import neurorec.brainscore  # noqa: F401


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
