"""A torch module as a model with areas, which are found where they are not named."""

import re
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from neurorec.brainscore.commitments import Regions, listed_areas
from neurorec.brainscore.region_maps import REGIONS
from neurorec.models import RecurrentModel, adapters
from neurorec.models.abstract_adapter import Viewing
from neurorec.models.watching import Seen, check_areas, without_trace
from neurorec.recording.probe import evaluating

#: What Brain-Score's own preprocessing does to an image, and most modules are trained with: the
#: whole image at this size, normed by ImageNet's moments.
IMAGENET_VIEWING: Final = Viewing(
    input_size=224, input_mean=(0.485, 0.456, 0.406), input_std=(0.229, 0.224, 0.225)
)
_NUMBERED: Final = re.compile(r"(.*?)(\d+[a-z]?)")


def adapted(
    module: nn.Module,
    *,
    areas: Mapping[str, str] | None,
    regions: Regions | None,
    viewing: Viewing,
    mode: str,
) -> tuple[RecurrentModel, Regions | None]:
    """A model of ``module``, and the regions in names of its areas.

    Parameters
    ----------
    areas
        As in :func:`neurorec.models.adapters.feedforward`; found by :func:`found_areas` if None.
    regions
        Where these name submodules that are no areas, those become areas too.

    Raises
    ------
    ValueError
        If no areas are named and none are found, or one does not exist, or the module cannot see
        such an image.
    """
    with evaluating(module):
        n_calls, maps = _called(module, viewing.input_size)
        known = found_areas(module, n_calls, maps) if areas is None else dict(areas)
        regions, further = _with_submodules(module, known, regions)
        known |= further
        if not known:
            raise ValueError(
                f"found no areas in {type(module).__name__}, which has neither submodules called "
                f"{', '.join(REGIONS)} nor numbered stages; name some, as areas={{'V4': 'layer2'}} "
                f"(--areas V4=layer2); it has {[n for n, _ in module.named_modules() if n][:10]}"
            )
        check_areas(module, known)
        settings: dict[str, Any] = vars(viewing)
        if any(n_calls.get(path, 0) > 1 for path in known.values()):
            return adapters.per_timestep(module, known, **settings), regions
        return adapters.feedforward(module, known, mode=mode, **settings), regions


def found_areas(
    module: nn.Module, n_calls: Mapping[str, int], maps: frozenset[str]
) -> dict[str, str]:
    """Submodules that are stages: those called by regions, else the largest numbered family.

    Submodules whose last name is ``V1``, ``V2``, ``V4`` or ``IT`` are these areas, wherever they
    are. Otherwise the areas are the siblings with one name and a number behind it (``layer1`` to
    ``layer4``, ``features.0`` on, ``encoder_layer_0`` on) that give maps and are called equally
    often: the largest such family among the shallowest. The rule is ours.

    Parameters
    ----------
    n_calls
        How often each submodule is called in one forward pass.
    maps
        Submodules whose outputs are maps or tokens, not vectors.
    """
    by_region = {
        region: path
        for region in reversed(REGIONS)
        for path in sorted(n_calls, key=_depth, reverse=True)
        if path.rpartition(".")[2] == region
    }
    if by_region:
        return {region: by_region[region] for region in REGIONS if region in by_region}
    families: dict[tuple[str, str, int], list[str]] = {}
    for path, _ in module.named_modules():
        parent, _, name = path.rpartition(".")
        numbered = _NUMBERED.fullmatch(name)
        if numbered and path in maps:
            families.setdefault((parent, numbered[1], n_calls[path]), []).append(path)
    several = [family for family in families.values() if len(family) > 1]
    if not several:
        return {}
    best = min(several, key=lambda family: (_depth(family[0]), -len(family)))
    return {_short(path): path for path in best}


def _depth(path: str) -> int:
    return len(path.split(".")) if path else 0


def _short(path: str) -> str:
    """``layer1``, or ``features_0`` where the last name is a number."""
    last = path.rpartition(".")[2]
    return last if last.isidentifier() else _whole(".".join(path.split(".")[-2:]))


def _whole(path: str) -> str:
    """``layer2_0_conv1``; ``module_0`` where it would begin with a number."""
    name = path.replace(".", "_")
    return name if name.isidentifier() else f"module_{name}"


def _with_submodules(
    module: nn.Module, known: Mapping[str, str], regions: Regions | None
) -> tuple[Regions | None, dict[str, str]]:
    """``regions`` in names of areas, and areas of the submodules that they name."""
    if regions is None:
        return None, {}
    submodules = {path for path, _ in module.named_modules() if path}
    names = {path: area for area, path in known.items()}
    further: dict[str, str] = {}

    def area_of(name: str) -> str:
        if name in known or name not in submodules:
            return name
        if name not in names:
            names[name] = _whole(name)
            further[names[name]] = name
        return names[name]

    listed = listed_areas(regions).items()
    return {k: tuple(area_of(name) for name in v) for k, v in listed}, further


def _called(module: nn.Module, input_size: int) -> tuple[dict[str, int], frozenset[str]]:
    """How often each submodule is called in a forward pass, and which of them give maps."""

    def look(watched: nn.Module, image: Tensor) -> Seen:
        calls: dict[str, list[Tensor]] = {}
        handles = [
            part.register_forward_hook(_counter(calls, path))
            for path, part in watched.named_modules()
            if path
        ]
        try:
            watched(image)
        finally:
            for handle in handles:
                handle.remove()
        return Seen(calls, [])

    try:
        seen = without_trace(module, look, (3, input_size, input_size)).areas
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"{type(module).__name__} cannot look at images of {input_size} × {input_size} pixels: "
            f"{error}; say what it takes with viewing=Viewing(input_size=...)"
        ) from None
    maps = frozenset(path for path, outputs in seen.items() if outputs[0].ndim > 2)
    return {path: len(outputs) for path, outputs in seen.items()}, maps


def _counter(calls: dict[str, list[Tensor]], path: str) -> Any:
    def count(_module: nn.Module, _inputs: Any, output: Any) -> None:
        first = output[0] if isinstance(output, list | tuple) and output else output
        # What is no tensor counts as called, and is no map.
        shape = first.shape if isinstance(first, Tensor) else ()
        calls.setdefault(path, []).append(torch.empty(shape, device="meta"))

    return count
