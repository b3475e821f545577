"""Models of Brain-Score's plugins that lie in a folder, outside its installation."""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from neurorec.brainscore._import import import_brainscore

import_brainscore()

from brainscore_vision import model_registry  # noqa: E402
from brainscore_vision.model_interface import BrainModel  # noqa: E402


def plugin_model(folder: Path) -> BrainModel:
    """The model of a plugin: the one that it registers, or else what ``get_model`` makes.

    The folder is imported as a package, which runs its code, as Brain-Score does with those of
    its installation. Its registry is left as it was.

    Raises
    ------
    ValueError
        If it is no such folder, registers several models, or its model is no ``BrainModel``.
    """
    if not (folder / "model.py").is_file():
        raise ValueError(
            f"{folder} is no folder of a plugin, which has a file model.py; 'neurorec brainscore "
            "export' writes one"
        )
    package, registered = _imported(folder.resolve())
    if len(registered) > 1:
        raise ValueError(f"{folder} registers several models, {sorted(registered)}; leave one")
    made = next(iter(registered.values()))() if registered else _got(package, folder)
    if not isinstance(made, BrainModel):
        raise ValueError(
            f"{folder} makes a {type(made).__name__}, which commits no areas to regions; let it "
            "register a BrainModel, such as a ModelCommitment"
        )
    return made


def _imported(folder: Path) -> tuple[ModuleType, dict[str, Callable[[], Any]]]:
    """The package, and what it registered."""
    before, writes = dict(model_registry), sys.dont_write_bytecode
    # Nothing is left in a folder that may be submitted, and nothing found that is out of date.
    sys.dont_write_bytecode = True
    try:
        package = _package(folder)
        return package, {k: v for k, v in model_registry.items() if before.get(k) is not v}
    finally:
        sys.dont_write_bytecode = writes
        model_registry.clear()
        model_registry.update(before)


def _package(folder: Path) -> ModuleType:
    """The folder as a package of its own, so that its files may import each other."""
    first = folder / "__init__.py"
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    name = f"_brainscore_plugin_{digest}"
    _forget(name)  # its files may have changed
    spec = importlib.util.spec_from_file_location(
        name,
        first if first.is_file() else folder / "model.py",
        submodule_search_locations=[str(folder)],
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} cannot be imported")
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    try:
        spec.loader.exec_module(package)
    except BaseException:
        _forget(name)
        raise
    return package


def _forget(name: str) -> None:
    """As if the package and what is in it had not been imported."""
    for known in [m for m in sys.modules if m.split(".")[0] == name]:
        del sys.modules[known]


def _got(package: ModuleType, folder: Path) -> Any:
    """What ``get_model`` of its ``model.py`` makes, under the folder's name."""
    module = package
    if not hasattr(package, "get_model"):
        module = importlib.import_module(f"{package.__name__}.model")
    if not hasattr(module, "get_model"):
        raise ValueError(f"{folder} registers no model, and its model.py has no get_model")
    return module.get_model(folder.resolve().name)
