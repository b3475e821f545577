"""Models by what a user types: files, names, and places in code."""

import importlib
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
from neurorec.brainscore.of_torchvision import (
    WEIGHT_SUFFIXES,
    has_torchvision,
    torchvision_model,
)
from neurorec.brainscore.pixels import AREA, PIXELS, pixel_model
from neurorec.brainscore.plugin import open_plugin
from neurorec.brainscore.region_maps import REGIONS
from neurorec.models.abstract_adapter import Viewing

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
        return Source(model=open_plugin(path))
    if path.suffix in (".yaml", ".yml"):
        network = models.build(path, seed=seed)
        return Source(model=network, name=f"{network.name}-untrained")
    if path.suffix == ".safetensors":
        return _checkpoint(path)
    if path.suffix in WEIGHT_SUFFIXES:
        raise ValueError(
            f"{text} may hold weights, but not the model that they belong to; give "
            f"torchvision:NAME:{text}, or package.module:function that makes the model"
        )
    return _made(kind, rest, seed) if colon else _preset(text, seed)


def _preset(name: str, seed: int) -> Source:
    try:
        return Source(model=models.build(name, seed=seed), name=f"{name}-untrained")
    except ValueError as error:
        meant = f"; did you mean torchvision:{name}?" if has_torchvision(name) else ""
        raise ValueError(f"no model {name!r}: it must be {KINDS}; {error}{meant}") from None


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
    with _here_importable(), torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        found = _attribute(module_name, attribute)
        torch.manual_seed(seed)  # what is drawn must not depend on whether it was imported before
        is_made = isinstance(found, nn.Module) or not callable(found)
        return Source(model=found if is_made else found(), name=attribute)


def _attribute(module_name: str, attribute: str) -> Any:
    try:
        place = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # One that the user's module lacks is a fault of that module, and keeps its traceback.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ValueError(
            f"no module {module_name!r} for {module_name}:{attribute}; it is looked for where "
            f"Python finds modules and in {Path.cwd()}. A model must be {KINDS}"
        ) from None
    if not hasattr(place, attribute):
        raise ValueError(f"module {module_name!r} has no {attribute!r} that makes a model")
    return getattr(place, attribute)


@contextmanager
def _here_importable() -> Iterator[None]:
    """Modules of the folder that a command is typed in, as for ``python -m``."""
    before = list(sys.path)
    sys.path.insert(0, os.getcwd())
    try:
        yield
    finally:
        sys.path[:] = before
