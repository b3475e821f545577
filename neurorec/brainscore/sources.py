"""Models by what a user types: files, names, and places in code."""

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, final

import torch
from torch import nn

from neurorec import models
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.of_torchvision import WEIGHT_SUFFIXES, torchvision_model
from neurorec.brainscore.pixels import AREA, PIXELS, pixel_model
from neurorec.brainscore.region_maps import REGIONS
from neurorec.models import PRESETS
from neurorec.models.abstract_adapter import Viewing

import_brainscore()

from brainscore_vision.model_interface import BrainModel  # noqa: E402

#: What the text of a model may be.
KINDS: Final = (
    "a checkpoint (.safetensors), a preset, a wiring file (.yaml), torchvision:NAME[:WEIGHTS], "
    "pixels[:SIZE], package.module:function, or the folder of a plugin"
)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """What was found, and what is known of it besides.

    Parameters
    ----------
    model
        A ``RecurrentModel``, a torch module, or a ``BrainModel``.
    name
        What to call it; its own name if None.
    regions
        Areas that it says are regions.
    viewing
        How a torch module sees images.
    labels
        Names of its classes.
    """

    model: Any
    name: str | None = None
    regions: Mapping[str, str] | None = None
    viewing: Viewing | None = None
    labels: tuple[str, ...] | None = None


def named(text: str, *, seed: int) -> Source:
    """What ``text`` names.

    ``pixels`` and ``torchvision:`` come first, then what exists on disk, then presets.

    Parameters
    ----------
    seed
        Of the weights of what is untrained.

    Raises
    ------
    ValueError
        If there is nothing of that name.
    """
    kind, colon, rest = text.partition(":")
    if kind in PREFIXES:
        return PREFIXES[kind](rest, seed)
    path = Path(text).expanduser()
    if path.is_dir():
        return _plugin(path)
    if path.suffix in (".yaml", ".yml"):
        return Source(model=models.build(path, seed=seed))
    if path.suffix == ".safetensors":
        return _checkpoint(path)
    if path.suffix in WEIGHT_SUFFIXES:
        raise ValueError(
            f"{text} may hold weights, but not the model that they belong to; give "
            f"torchvision:NAME:{text}, or package.module:function that makes the model"
        )
    if text in PRESETS:
        return Source(model=models.build(text, seed=seed), name=f"{text}-untrained")
    if colon:
        return _made(kind, rest, seed)
    try:
        models.preset(text)
    except ValueError as error:
        raise ValueError(f"no model {text!r}: it must be {KINDS}; {error}") from None
    raise AssertionError(text)


def _pixels(size: str, _: int) -> Source:
    if size and not size.isdecimal():
        raise ValueError(f"pixels:{size}: the size must be a number of pixels, such as pixels:32")
    model = pixel_model(int(size) if size else PIXELS)
    regions = dict.fromkeys(REGIONS, AREA)
    return Source(model=model, name=f"pixels-{model.input_size}", regions=regions)


def _torchvision(rest: str, seed: int) -> Source:
    name, _, weights = rest.partition(":")
    module, viewing = torchvision_model(name, weights, seed=seed)
    return Source(model=module, viewing=viewing, name=name if weights else f"{name}-untrained")


#: Words before a colon that have a meaning of their own: from what follows, and a seed.
PREFIXES: Final[Mapping[str, Callable[[str, int], Source]]] = MappingProxyType(
    {"pixels": _pixels, "torchvision": _torchvision}
)


def _checkpoint(path: Path) -> Source:
    """A network and, where training has kept them, the names of its classes."""
    network = models.load(path)
    classes = json.loads(models.metadata(path).get("classes", "null"))
    return Source(model=network, name=path.stem, labels=None if classes is None else tuple(classes))


def _made(module_name: str, attribute: str, seed: int) -> Source:
    """What a function of the user's makes; its randomness follows from ``seed``."""
    with _here_importable():
        try:
            place = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise
            raise ValueError(
                f"no module {module_name!r} for {module_name}:{attribute}; it is looked for where "
                f"Python finds modules and in {Path.cwd()}. A model must be {KINDS}"
            ) from None
        found = getattr(place, attribute, None)
        if found is None:
            raise ValueError(f"module {module_name!r} has no {attribute!r} that makes a model")
        if isinstance(found, nn.Module) or not callable(found):
            return Source(model=found, name=attribute)
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            return Source(model=found(), name=attribute)


@contextmanager
def _here_importable() -> Iterator[None]:
    """Modules of the folder that a command is typed in, as for ``python -m``."""
    before = list(sys.path)
    sys.path.insert(0, os.getcwd())
    try:
        yield
    finally:
        sys.path[:] = before


def _plugin(folder: Path) -> Source:
    """The model of a Brain-Score plugin's folder: what its registry makes, or ``get_model``.

    Raises
    ------
    ValueError
        If it is no such folder, or holds several models.
    """
    if not (folder / "model.py").is_file():
        raise ValueError(
            f"{folder} is no plugin of Brain-Score, which has a file model.py; 'neurorec "
            f"brainscore export' writes one. A model must be {KINDS}"
        )
    from brainscore_vision import model_registry

    before = dict(model_registry)
    package = _package(folder)
    registered = {k: v for k, v in model_registry.items() if before.get(k) is not v}
    for identifier in registered:
        model_registry.pop(identifier)
    model_registry.update(before)
    if len(registered) > 1:
        raise ValueError(f"{folder} has several models, {sorted(registered)}; leave one in it")
    if registered:
        identifier, make = next(iter(registered.items()))
        made = make()
    else:
        identifier, make = folder.resolve().name, getattr(_model_of(package), "get_model", None)
        if make is None:
            raise ValueError(f"{folder} registers no model, and its model.py has no get_model")
        made = make(identifier)
    if not isinstance(made, BrainModel):
        raise ValueError(
            f"{folder} makes a {type(made).__name__} of {identifier!r}, which commits no areas to "
            "regions; let it register a BrainModel, such as a ModelCommitment"
        )
    return Source(model=made)


def _package(folder: Path) -> Any:
    """The folder as a package of its own, so that its files may import each other."""
    first = folder / "__init__.py"
    name = f"_neurorec_plugin_{abs(hash(folder.resolve()))}"
    spec = importlib.util.spec_from_file_location(
        name,
        first if first.is_file() else folder / "model.py",
        submodule_search_locations=[str(folder.resolve())],
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    return package


def _model_of(package: Any) -> Any:
    has_init = Path(package.__file__).name == "__init__.py"
    return importlib.import_module(f"{package.__name__}.model") if has_init else package
