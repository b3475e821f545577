"""An exported plugin, opened where it lies."""

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from neurorec.brainscore.plugin_names import registered


def open_plugin(folder: str | Path, name: str | None = None) -> Any:
    """The model of a plugin's folder, by its own code and without Brain-Score's list of plugins.

    Parameters
    ----------
    name
        Of the model; needed where the plugin registers several.

    Raises
    ------
    ValueError
        If the folder is no plugin, or registers several models and none was named.
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
    return _module(folder / "model.py").get_model(names[0] if name is None else name)


def _module(path: Path) -> Any:
    # Not kept among the modules of this process, so that a changed file is read again.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"neurorec_plugin_{digest}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
