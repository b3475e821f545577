"""Recurrent vision models held against primate visual cortex.

The names here are a script's table of contents; each is imported when first used, so that
``import neurorec`` costs nothing.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULES = (
    "assemblies",
    "datasets",
    "dimensionality",
    "dynamics",
    "encoding",
    "figures",
    "geometry",
    "models",
    "stats",
    "stimuli",
    "tasks",
    "variability",
)
#: Rooms that need more than neurorec does: named by ``dir`` where they can be imported, and not in
#: ``__all__``, since ``from neurorec import *`` has to work without them.
_OPTIONAL = {"brainscore": "brainscore_vision"}
_FUNCTIONS = {
    "StimulusSet": "neurorec.stimuli",
    "open_recording": "neurorec.recording",
    "record": "neurorec.recording",
    "train": "neurorec.training",
}

__all__ = [*_MODULES, *_FUNCTIONS, "__version__"]

if TYPE_CHECKING:
    from neurorec import assemblies as assemblies
    from neurorec import brainscore as brainscore
    from neurorec import datasets as datasets
    from neurorec import dimensionality as dimensionality
    from neurorec import dynamics as dynamics
    from neurorec import encoding as encoding
    from neurorec import figures as figures
    from neurorec import geometry as geometry
    from neurorec import models as models
    from neurorec import stats as stats
    from neurorec import stimuli as stimuli
    from neurorec import tasks as tasks
    from neurorec import variability as variability
    from neurorec.recording import open_recording as open_recording
    from neurorec.recording import record as record
    from neurorec.stimuli import StimulusSet as StimulusSet
    from neurorec.training import train as train


def __getattr__(name: str) -> Any:
    if name in _MODULES or name in _OPTIONAL:
        return import_module(f"neurorec.{name}")
    if name in _FUNCTIONS:
        return getattr(import_module(_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'neurorec' has no attribute {name!r}; it has {__dir__()}")


def __dir__() -> list[str]:
    return sorted([*__all__, *(n for n, needed in _OPTIONAL.items() if find_spec(needed))])
