"""One forward pass of a module, seen at its submodules."""

import copy
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from neurorec.models.wiring import RESERVED

# Trials of the pass that finds shapes: more than one, for batch norms that are being trained.
_N_TRIALS: Final = 3


class Seen(NamedTuple):
    """What one forward pass showed, call by call: outputs of the areas, and logits."""

    areas: dict[str, list[Tensor]]
    logits: list[Tensor]


def check_areas(module: nn.Module, areas: Mapping[str, str]) -> None:
    """Refuse areas without a submodule, and names that mean something else in a state."""
    if not areas:
        raise ValueError('no areas were named; give at least one, such as {"V1": "layer1"}')
    for area, path in areas.items():
        if not area.isidentifier() or area in RESERVED:
            raise ValueError(
                f"an area may not be called {area!r}; use letters, digits and _, and none of "
                f"{list(RESERVED)}"
            )
        check_submodule(module, path, f"area {area!r}")


def check_submodule(module: nn.Module, path: str, user: str) -> None:
    """Refuse a submodule that does not exist, which ``user`` asks for."""
    known = dict(module.named_modules())
    if path not in known:
        close = difflib.get_close_matches(path, known, n=5)
        there = f"did you mean {close}?" if close else f"it has {[n for n in known if n][:10]}"
        raise ValueError(f"{type(module).__name__} has no submodule {path!r} for {user}; {there}")


def watch(
    module: nn.Module, submodules: Mapping[str, str], image: Tensor
) -> tuple[dict[str, list[Tensor]], Any]:
    """Outputs of every call of the submodules in one forward pass, and what it returned."""
    calls: dict[str, list[Tensor]] = {}

    def keeper(area: str, path: str) -> Callable[..., None]:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            value = tensor_of(output, f"submodule {path!r} (area {area!r})", len(image))
            # A copy: the next layer may work in place.
            calls.setdefault(area, []).append(value.clone())

        return keep

    handles = []
    try:
        for area, path in submodules.items():
            submodule = module.get_submodule(path)
            handles.append(submodule.register_forward_hook(keeper(area, path)))
        returned = module(image)
    finally:
        for handle in handles:
            handle.remove()
    idle = {area: submodules[area] for area in submodules if area not in calls}
    if idle:
        raise ValueError(
            f"{type(module).__name__} never calls the submodules of {idle} in a forward pass; "
            "name others"
        )
    return calls, returned


def tensor_of(output: Any, origin: str, n_trials: int) -> Tensor:
    """``output`` or, of several, the first."""
    value = output[0] if isinstance(output, list | tuple) and output else output
    if not isinstance(value, Tensor):
        raise ValueError(
            f"{origin} must give a tensor, or several of which the first is one, got "
            f"{type(value).__name__}; name or wrap a module that does"
        )
    if value.ndim < 2 or len(value) != n_trials:
        raise ValueError(
            f"{origin} must give (trial, ...), here with {n_trials} trials, got "
            f"{tuple(value.shape)}; name or wrap a module whose first axis is the trial"
        )
    return value


def map_shape(output: Tensor) -> tuple[int, ...]:
    """Channels, rows and columns; what is missing is 1."""
    if output.ndim > 4:
        raise ValueError(
            f"an area is (trial, channel, row, col) or less, got {tuple(output.shape)}; name a "
            "submodule whose output has at most 4 axes"
        )
    return (*output.shape[1:], *[1] * (4 - output.ndim))


def as_map(output: Tensor) -> Tensor:
    """``output`` with the shape that :func:`map_shape` says."""
    return output if output.ndim == 4 else output.reshape(len(output), *map_shape(output))


def without_trace(
    module: nn.Module, look: Callable[[nn.Module, Tensor], Seen], image_shape: Sequence[int]
) -> Seen:
    """What ``look`` sees of a black image, the module left as it was."""
    shape = (_N_TRIALS, *image_shape)
    try:
        with torch.device("meta"), torch.no_grad():
            return look(copy.deepcopy(module).to("meta"), torch.zeros(shape))
    except Exception:  # many modules cannot run without values, or not be copied
        pass
    like = next(module.parameters(), torch.zeros(()))
    with _restored(module, like.device), torch.no_grad():
        return look(module, like.new_zeros(shape))


@contextmanager
def _restored(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Buffers, such as running statistics, and the generators are afterwards what they were."""
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else ()):
        try:
            yield
        finally:
            for name, buffer in module.named_buffers():
                if name in buffers:
                    buffer.copy_(buffers[name])
