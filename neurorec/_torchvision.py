"""torchvision beside a torch that its binary was not built for.

torchvision's wheels are CUDA builds. Beside a CPU build of torch its own library cannot load, and
``import torchvision`` ends with ``operator torchvision::nms does not exist``. Models and transforms
need none of those operators: with their schemas declared, the import succeeds.
"""

import sys
import warnings
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def _declared_operators() -> Any:
    """The declarations, which last as long as the library object is referenced."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    return library


def make_torchvision_importable() -> bool:
    """Import torchvision where it is installed, declaring its operators only if they are missing.

    Call this before importing a package that imports torchvision (lightning, brainscore_vision).

    Returns
    -------
    bool
        Whether torchvision is installed.
    """
    if "torchvision" in sys.modules:
        return True
    if find_spec("torchvision") is None:
        return False
    with warnings.catch_warnings():
        # torchvision warns that its image reader is missing; nothing here reads images with it.
        warnings.simplefilter("ignore")
        try:
            import_module("torchvision")
        except RuntimeError as error:
            if "torchvision::nms" not in str(error):
                raise
            for name in [m for m in sys.modules if m.split(".")[0] == "torchvision"]:
                del sys.modules[name]
            _declared_operators()
            import_module("torchvision")
    return True
