"""torchvision beside a torch that its binary was not built for.

torchvision's wheels are CUDA builds. Beside a CPU build of torch its own library cannot load, and
``import torchvision`` ends with ``operator torchvision::nms does not exist``. Models and transforms
need none of those operators: with their schemas declared, the import succeeds.
"""

import sys
import warnings
from collections.abc import Iterable
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def make_torchvision_importable() -> bool:
    """See that the import of torchvision, whenever it comes, declares operators that are missing.

    Nothing is imported now: torchvision brings torch and its compiler with it, which take seconds.
    Call this before importing a package that imports torchvision (lightning, brainscore_vision).

    Returns
    -------
    bool
        Whether torchvision is installed.
    """
    if "torchvision" in sys.modules:
        return True
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    return find_spec("torchvision") is not None


class _Finder(MetaPathFinder):
    """Finds torchvision where Python does, with a loader that mends its import."""

    def find_spec(
        self, fullname: str, path: Iterable[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = PathFinder.find_spec(fullname) if fullname == "torchvision" else None
        if found is not None and isinstance(found.loader, SourceFileLoader):
            found.loader = _Loader(found.loader.name, found.loader.path)
        return found


class _Loader(SourceFileLoader):
    """Declares the operators only where torchvision cannot do without."""

    def exec_module(self, module: ModuleType) -> None:
        with warnings.catch_warnings():
            # torchvision warns that its image reader is missing; nothing here reads images with it.
            warnings.simplefilter("ignore")
            try:
                super().exec_module(module)
            except RuntimeError as error:
                if "torchvision::nms" not in str(error):
                    raise
                _forget_parts(module)
                _declared_operators()
                super().exec_module(module)


def _forget_parts(package: ModuleType) -> None:
    """As if nothing that is in the package had been imported."""
    for name in [m for m in sys.modules if m.startswith(f"{package.__name__}.")]:
        del sys.modules[name]
        vars(package).pop(name.rpartition(".")[2], None)


@cache
def _declared_operators() -> Any:
    """The declarations, which last as long as the library object is referenced."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    return library
