"""Presentations of a population and the stimuli they show."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from neurorec.populations import Patterns, patterns_of


def presentations_of(
    source: Any, *, at_least: int = 3, repetitions: int = 2, device: str = "cpu", **options: Any
) -> tuple[Patterns, Int64[Tensor, " presentation"]]:
    """Single presentations and the number of the stimulus each one shows.

    Raises
    ------
    ValueError
        If a stimulus was shown fewer than ``repetitions`` times.
    """
    patterns = patterns_of(source, at_least=at_least, averaged=False, device=device, **options)
    stimulus = require_repetitions(patterns, repetitions)
    return patterns, torch.from_numpy(stimulus).to(patterns.products.device)


def require_repetitions(patterns: Patterns, repetitions: int) -> Int64[np.ndarray, " presentation"]:
    """Number of the stimulus of each presentation.

    Raises
    ------
    ValueError
        If a stimulus was shown fewer than ``repetitions`` times.
    """
    names, stimulus = np.unique(patterns.stimulus_ids, return_inverse=True)
    counts = np.bincount(stimulus)
    if counts.min() < repetitions:
        few = np.flatnonzero(counts < repetitions)
        raise ValueError(
            f"noise is removed by comparing repetitions and at least {repetitions} of every "
            f"stimulus are needed; {len(few)} of {len(counts)} stimuli have fewer, the first is "
            f"{str(names[few[0]])!r} with {counts[few[0]]}; leave those stimuli out"
        )
    return stimulus.ravel().astype(np.int64)
