"""torchvision is mended as it is imported, and only then."""

import subprocess
import sys
from pathlib import Path

import pytest

import neurorec

MEND = "import sys; from neurorec._torchvision import make_torchvision_importable as mend; "


def python(code: str, folder: Path) -> subprocess.CompletedProcess:
    """``code`` where a module in ``folder`` is found before an installed one of its name."""
    root = Path(neurorec.__file__).parents[1]
    start = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(root)!r}]; {MEND}"
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True)


@pytest.fixture
def package(tmp_path):
    """Makes a package that is called torchvision and runs this code."""

    def make(code):
        (tmp_path / "torchvision").mkdir()
        (tmp_path / "torchvision" / "__init__.py").write_text(code)
        return tmp_path

    return make


def test_nothing_is_imported_before_it_is_needed(package):
    folder = package("")
    done = python("mend(); mend(); print(mend(), 'torchvision' in sys.modules)", folder)
    assert done.stdout == "True False\n", done.stderr
    done = python("mend(); print(len([f for f in sys.meta_path if 'neurorec' in str(f)]))", folder)
    assert done.stdout == "1\n", done.stderr


def test_another_failure_stays_as_it_is(package):
    done = python("mend(); import torchvision", package("raise RuntimeError('of its own')"))
    assert done.returncode == 1
    assert done.stderr.endswith("RuntimeError: of its own\n")


@pytest.mark.slow
def test_missing_operators_are_declared(package):
    """As beside a CPU torch: what was imported before the failure is imported again."""
    folder = package(
        "import torch\n"
        "from . import part\n"
        "torch.library.register_fake('torchvision::nms', lambda dets, scores, iou: dets)\n"
    )
    (folder / "torchvision" / "part.py").write_text("print('read')")
    done = python("mend(); import torchvision; print(torchvision.part.__name__)", folder)
    assert done.stdout.split() == ["read", "read", "torchvision.part"], done.stderr
