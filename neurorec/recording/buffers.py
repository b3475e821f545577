"""Memory that is used again as soon as nobody looks at it.

New memory is slow: the system clears every page of it when it is first written.
"""

import math
import weakref
from typing import final

import numpy as np


@final
class Buffers:
    """Arrays of float32 that share memory with earlier ones that are gone."""

    def __init__(self) -> None:
        self._lent: list[tuple[np.ndarray, weakref.ref[np.ndarray]]] = []

    def array(self, shape: tuple[int, ...]) -> np.ndarray:
        """An array of any numbers; its memory is its own as long as it, or a view of it, exists."""
        size = math.prod(shape)
        memory = self._free(size)
        if memory is None:
            memory = np.empty(size, dtype=np.float32)
        # Views refer to the first array over a foreign buffer, so that this one outlives them.
        owner = np.frombuffer(memory.data, dtype=np.float32, count=size).reshape(shape)
        self._lent.append((memory, weakref.ref(_owner(owner))))
        return owner

    def _free(self, size: int) -> np.ndarray | None:
        """Memory of an array that is gone; what is too small is given back to the system."""
        gone = [memory for memory, owner in self._lent if owner() is None]
        self._lent = [lent for lent in self._lent if lent[1]() is not None]
        return next((memory for memory in gone if memory.size >= size), None)


def _owner(array: np.ndarray) -> np.ndarray:
    """The array to which views of ``array`` refer."""
    return array.base if isinstance(array.base, np.ndarray) else array
