"""himalaya's backend is a global variable: here it is set for one call only."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_backend(device: torch.device) -> Iterator[None]:
    """Inside the block himalaya computes with torch on the device; after it, as before."""
    from himalaya.backend import get_backend, set_backend

    before = get_backend().name
    set_backend("torch_cuda" if device.type == "cuda" else "torch")
    try:
        with warnings.catch_warnings():
            # On a GPU it advises against float64, which is meant here.
            warnings.filterwarnings("ignore", "GPU backend", category=UserWarning)
            yield
    finally:
        set_backend(before)
