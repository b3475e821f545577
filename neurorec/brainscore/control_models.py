"""Models that another should beat: the same without training, and the pixels of the images."""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn

from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.brain_model import NeurorecBrainModel
from neurorec.brainscore.commitments import Regions
from neurorec.brainscore.pixels import AREA
from neurorec.brainscore.sources import Source, named
from neurorec.brainscore.subjects import of_source, subject
from neurorec.models import RecurrentNetwork, build, saved_wiring

import_brainscore()

from brainscore_vision.model_interface import BrainModel  # noqa: E402


def untrained(
    given: Any, regions: Regions | None = None, *, seed: int = 0, **settings: Any
) -> BrainModel:
    """What :func:`subject` makes of ``given``, with first weights instead of those it has.

    Wirings and models of torchvision are built again, as before their training. Every layer of
    another torch module draws its weights as torch's layers do when they are made
    (``reset_parameters``), which may not be how that model was started.

    Parameters
    ----------
    given, regions, **settings
        As in :func:`subject`; a :class:`NeurorecBrainModel` keeps its own regions and settings.
    seed
        Of the weights, and of the noise.

    Raises
    ------
    ValueError
        If there are no weights, or some that nothing says how to draw.
    """
    source = Source(model=given) if isinstance(given, NeurorecBrainModel) else _source(given, seed)
    if not isinstance(source.model, NeurorecBrainModel):
        return of_source(source, regions, seed=seed, **settings)
    made = source.model
    if regions is not None or settings.keys() - {"progress"}:
        raise ValueError(f"{made.identifier} keeps its regions and settings; give it alone")
    name = f"{made.name.removesuffix('-untrained')}-untrained"
    return made.with_model(fresh(made.model, seed=seed), name)


def controls(model: Any, *, seed: int = 0) -> tuple[NeurorecBrainModel, ...]:
    """The pixel model and an untrained copy, as subjects with the regions of ``model``.

    Of a model that is untrained itself there is no copy.

    Parameters
    ----------
    model
        A :class:`NeurorecBrainModel`.
    seed
        Of the weights of the copy.

    Raises
    ------
    ValueError
        If ``model`` is another, or cannot be made anew.
    """
    if not isinstance(model, NeurorecBrainModel):
        raise ValueError(
            f"controls are made of neurorec's subjects, {model.identifier} is a "
            f"{type(model).__name__}; give the model itself, or score without controls"
        )
    regions, degrees = dict.fromkeys(model.regions, AREA), model.visual_degrees()
    pixels = subject("pixels", regions, visual_degrees=degrees)
    fresh_copy = untrained(model, seed=seed)
    assert isinstance(pixels, NeurorecBrainModel)
    assert isinstance(fresh_copy, NeurorecBrainModel)
    return (pixels,) if fresh_copy.facts() == model.facts() else (pixels, fresh_copy)


def _source(given: Any, seed: int) -> Source:
    text = str(given) if isinstance(given, str | Path) else ""
    if text.startswith("torchvision:"):
        return named(":".join(text.split(":")[:2]), seed=seed)
    if text.endswith(".safetensors"):
        network = build(saved_wiring(text), seed=seed)
        return Source(model=network, name=f"{Path(text).stem}-untrained")
    source = named(text, seed=seed) if text else Source(model=given)
    if isinstance(source.model, NeurorecBrainModel):  # of a plugin
        return source
    model = fresh(source.model, seed=seed)
    name = source.name or getattr(model, "name", type(model).__name__)
    return Source(model=model, name=f"{str(name).removesuffix('-untrained')}-untrained")


def fresh(model: Any, *, seed: int) -> Any:
    """A copy whose weights are drawn anew; of a wiring as :func:`neurorec.models.build` does."""
    if isinstance(model, RecurrentNetwork):
        return RecurrentNetwork(model.wiring, seed=seed).to(model.device)
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"a {type(model).__name__} is no torch module, whose weights could be drawn anew; make "
            "it untrained and score that"
        )
    if not any(True for _ in model.parameters()):
        raise ValueError(f"{type(model).__name__} has no weights that could be drawn anew")
    return _redrawn(copy.deepcopy(model), seed)


def _redrawn(model: nn.Module, seed: int) -> nn.Module:
    fixed = []
    with torch.random.fork_rng(devices=()), torch.no_grad():
        torch.manual_seed(seed)
        for path, part in model.named_modules():
            reset = getattr(part, "reset_parameters", getattr(part, "_reset_parameters", None))
            if reset is not None:
                reset()
            else:
                fixed += [f"{path}.{n}".lstrip(".") for n, _ in part.named_parameters("", False)]
    if fixed:
        raise ValueError(
            f"nothing says how to draw the weights {fixed[:5]} of {type(model).__name__} anew: "
            "their module has no reset_parameters; make the model untrained and score that"
        )
    return model
