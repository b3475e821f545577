"""How Brain-Score is imported without surprises (facts about brainscore-vision 2.4.2)."""

import importlib
import importlib.util
import os
import warnings
from types import ModuleType

from neurorec._torchvision import make_torchvision_importable


def import_brainscore() -> ModuleType:
    """Import ``brainscore_vision``, kept from installing anything.

    Left alone, its ``load_metric`` and the like run ``pip install`` with the first pip on the PATH.
    An explicit ``BS_INSTALL_DEPENDENCIES`` of the user is respected.

    Raises
    ------
    ImportError
        If brainscore-vision is not installed.
    """
    os.environ.setdefault("BS_INSTALL_DEPENDENCIES", "no")
    if importlib.util.find_spec("brainscore_vision") is None:
        raise ImportError(
            "neurorec.brainscore needs brainscore-vision, which is not installed here; type "
            "pip install 'neurorec[brainscore]' in an environment of Python 3.11, or "
            "pip install -r requirements/brainscore.lock in the checkout"
        )
    # Its import needs no torchvision, but its models and its loading of images do.
    make_torchvision_importable()
    with warnings.catch_warnings():
        # A class of its core defines no __slots__, which xarray remarks on at every import.
        warnings.filterwarnings("ignore", "xarray subclass Score", FutureWarning)
        return importlib.import_module("brainscore_vision")
