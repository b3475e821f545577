"""A plugin of Brain-Score, opened where it lies."""

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.plugin_registries import registered

import_brainscore()

from brainscore_vision import model_registry  # noqa: E402
from brainscore_vision.model_interface import BrainModel  # noqa: E402


def open_plugin(folder: str | Path, name: str | None = None) -> Any:
    """The model of a plugin's folder, by its own code and without Brain-Score's list of plugins.

    The folder is imported as a package of its own, and what it registers is called, as Brain-Score
    does with the plugins of its installation. The registry is left as it was, and nothing is
    written to the folder.

    Parameters
    ----------
    name
        Of the model; needed where the plugin registers several.

    Raises
    ------
    ValueError
        If the folder is no plugin, registers several models and none was named, or makes
        something that is no ``BrainModel``.
    """
    folder = Path(folder)
    names = registered(folder)
    if not names or not (folder / "model.py").is_file():
        raise ValueError(
            f"{folder} is no plugin of Brain-Score: it needs an __init__.py that registers a model "
            "and a model.py with get_model"
        )
    if name is None and len(names) > 1:
        raise ValueError(f"{folder} registers {names}; say which")
    if name is not None and name not in names:
        raise ValueError(f"{folder} registers {names}, and not {name!r}")
    with _importing(folder.resolve()) as makers:
        made = makers[names[0] if name is None else name]()
    if not isinstance(made, BrainModel):
        raise ValueError(
            f"{folder} makes a {type(made).__name__}, which commits no areas to regions; let it "
            "register a BrainModel, such as a ModelCommitment"
        )
    return made


@contextmanager
def _importing(folder: Path) -> Iterator[dict[str, Callable[[], Any]]]:
    """What the package ``folder`` registers; afterwards the registry is as it was."""
    before, writes = dict(model_registry), sys.dont_write_bytecode
    # Nothing is left in a folder that may be submitted, and nothing found that is out of date.
    sys.dont_write_bytecode = True
    try:
        _import(folder)
        yield dict(model_registry)
    finally:
        sys.dont_write_bytecode = writes
        model_registry.clear()
        model_registry.update(before)


def _import(folder: Path) -> None:
    """As a package, so that its files may import each other; they are read again each time."""
    name = f"neurorec_plugin_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    _forget(name)
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    try:
        spec.loader.exec_module(package)
    except BaseException:
        _forget(name)
        raise


def _forget(name: str) -> None:
    """As if the package and what is in it had not been imported."""
    for known in [m for m in sys.modules if m.split(".")[0] == name]:
        del sys.modules[known]
