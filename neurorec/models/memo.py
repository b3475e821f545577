"""What an unroll need not compute twice."""

from collections.abc import Callable
from typing import Any, final


@final
class Memo:
    """Results of an unroll that hold as long as their inputs are the same tensors.

    A connection whose source did not change since the last timestep (the image, an area that hears
    nothing else, an area that has stopped) is not computed again.
    """

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[tuple[Any, ...], Any]] = {}

    def __call__(self, key: Any, function: Callable[..., Any], *inputs: Any) -> Any:
        """``function(*inputs)``, or what it gave last time if no input is another object."""
        kept = self._kept.get(key)
        if kept is not None and all(a is b for a, b in zip(kept[0], inputs, strict=True)):
            return kept[1]
        result = function(*inputs)
        self._kept[key] = inputs, result
        return result
