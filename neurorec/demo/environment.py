"""What the demo ran on."""

import platform
from importlib.metadata import version
from typing import Any

import torch

from neurorec import __version__

_PACKAGES = ("torch", "lightning", "numpy", "scipy", "scikit-learn", "xarray", "h5py", "matplotlib")


def versions() -> dict[str, str]:
    """Versions of neurorec and of the packages that do its arithmetic."""
    return {"neurorec": __version__, **{name: version(name) for name in _PACKAGES}}


def machine() -> dict[str, Any]:
    """Processor, threads and device."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }
