"""A copy of brainscore_vision, made of links, that has a few plugins more."""

import importlib.util
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

import neurorec
from neurorec.brainscore.plugin_registries import plugins_folder

#: The images that Brain-Score's generic tests of models show, and that its wheel leaves out.
_SHOWN: Final = {"rgb1.jpg": (200, 300), "rgb2.jpg": (256, 256), "rgb3.png": (120, 80)}
_RESOURCES: Final = "generic_plugin_tests_resources"
#: What Brain-Score's helper of tests imports, without declaring or using it there.
_UNDECLARED: Final = "pytest_check"


@contextmanager
def overlay(plugins: Mapping[str, str | Path]) -> Iterator[tuple[Path, dict[str, str]]]:
    """The copy, in a temporary folder, and the environment of processes that import it.

    Brain-Score finds plugins in its own folder alone. In the copy each of ``plugins`` is
    ``brainscore_vision.models.<its name here>``; the installation is left as it is.
    """
    with tempfile.TemporaryDirectory(prefix="neurorec-plugin-") as folder:
        root, installed = Path(folder), plugins_folder().parent
        copy = root / installed.name
        _link_all(installed, copy, but=("models", "model_helpers"))
        _link_all(installed / "models", copy / "models", but=tuple(plugins))
        for name, plugin in plugins.items():
            _link_all(Path(plugin), copy / "models" / name)
        _link_all(installed / "model_helpers", copy / "model_helpers")
        _add_missing(root, copy)
        yield copy, _environment(root)


def _link_all(source: Path, target: Path, but: tuple[str, ...] = ()) -> None:
    """A folder of links to what is in ``source``."""
    target.mkdir()
    for path in source.iterdir():
        if path.name not in (*but, "__pycache__"):
            (target / path.name).symlink_to(path.resolve())


def _add_missing(root: Path, copy: Path) -> None:
    resources = copy / "model_helpers" / _RESOURCES
    if not resources.exists():
        resources.mkdir()
        rng = np.random.default_rng(0)
        for name, size in _SHOWN.items():
            pixels = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(resources / name)
    if importlib.util.find_spec(_UNDECLARED) is None:
        (root / f"{_UNDECLARED}.py").touch()


def _environment(root: Path) -> dict[str, str]:
    ours = Path(neurorec.__file__).parents[1]
    paths = [str(root), str(ours), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return kept | {
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "BS_INSTALL_DEPENDENCIES": "no",
        "RESULTCACHING_DISABLE": "1",
        "BRAINSCORE_HOME": str(root / "home"),
    }
