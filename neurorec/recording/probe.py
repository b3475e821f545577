"""A few trials of a model, to see what states it has and how long a trial takes."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from neurorec.models import RecurrentModel
from neurorec.recording.plan import LOGITS
from neurorec.recording.shown import Viewing
from neurorec.stimuli import StimulusSet


@contextmanager
def evaluating(model: RecurrentModel | nn.Module) -> Iterator[None]:
    """The model in evaluation mode, where a trial does not depend on its batch; then as before."""
    modes = {part: part.training for part in model.modules()}
    model.train(False)
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@torch.inference_mode()
def probed(
    model: RecurrentModel, stimuli: StimulusSet, viewed: Viewing
) -> tuple[dict[str, tuple[int, ...]], float]:
    """Shapes of every state for one trial, and the seconds that a trial takes."""
    shapes: dict[str, tuple[int, ...]] = {}
    seconds = 0.0
    with evaluating(model):
        for n_trials in (1, min(4, len(stimuli))):
            images = viewed.images(stimuli.pixels[:n_trials], model.input_size, model.device)
            start = time.perf_counter()
            for _, state in viewed.unroll(model, images, model.init_state(n_trials)):
                for area, tensors in state.items():
                    if area not in ("trial", LOGITS):
                        for name, x in tensors.items():
                            shapes[f"{area}.{name}"] = tuple(x.shape[1:])
                model.readout(state)
            if model.device.type == "cuda":
                torch.cuda.synchronize(model.device)
            seconds = (time.perf_counter() - start) / n_trials
            if seconds > 1:
                break
    order = list(model.area_shapes)
    return dict(sorted(shapes.items(), key=lambda item: _place(item[0], order))), seconds


def _place(address: str, order: Sequence[str]) -> int:
    area = address.split(".")[0]
    return order.index(area) if area in order else len(order)
