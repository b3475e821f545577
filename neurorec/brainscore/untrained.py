"""Models that another should beat: its copy without training, and the pixels of the images."""

import copy
from typing import Any, cast

import torch
from torch import nn

from neurorec.brainscore.brain_model import NeurorecBrainModel
from neurorec.brainscore.subjects import subject
from neurorec.models import RecurrentModel, RecurrentNetwork


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
    pixels = subject("pixels", {region: "pixels" for region in model.regions})
    fresh = model.with_model(untrained(model.model, seed=seed), f"{model.name}-untrained")
    assert isinstance(pixels, NeurorecBrainModel)
    return (pixels,) if fresh.facts() == model.facts() else (pixels, fresh)


def untrained(model: RecurrentModel, *, seed: int = 0) -> RecurrentModel:
    """A copy with first weights: a network of its wiring, or a torch module that is reset.

    Statistics of batch normalisation are reset too.

    Raises
    ------
    ValueError
        If a module has weights and no way to reset them.
    """
    if isinstance(model, RecurrentNetwork):
        return RecurrentNetwork(model.wiring, seed=seed).to(model.device)
    module = copy.deepcopy(cast(nn.Module, model))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, part in module.named_modules():
            _reset(name, part)
    return cast(RecurrentModel, module)


def _reset(name: str, part: nn.Module) -> None:
    reset: Any = getattr(part, "reset_parameters", None)
    if reset is not None:
        reset()
    elif next(part.parameters(recurse=False), None) is not None:
        raise ValueError(
            f"{name or 'the model'} ({type(part).__name__}) has weights and no reset_parameters, "
            "so that no untrained copy can be made; give one as a model of its own"
        )
