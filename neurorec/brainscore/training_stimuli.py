"""Stimuli on which a choice rests, and those that are left to be scored."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from neurorec.brainscore.benchmark_facts import facts_of
from neurorec.brainscore.stimuli import BrainIOStimulusSet
from neurorec.datasets.neural_data import NeuralData
from neurorec.stimuli import IMAGE_SUFFIXES, StimulusSet
from neurorec.stimuli.images import read_image

#: At the end of the name of data of which some stimuli are left out.
HELD_OUT: Final = "held-out"
#: Stimuli to choose on: metrics hold out a tenth, in which two are the fewest with a correlation.
_FEWEST: Final = 11


def chosen_stimuli(data: NeuralData, fraction: float | int, seed: int) -> NeuralData:
    """A random share of the stimuli that have responses, with the responses to them.

    Raises
    ------
    ValueError
        If there are no stimuli or responses, the share is none of (0, 1] or of too few, or the
        seed is below 0.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"train_fraction must be above 0 and at most 1, got {fraction}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    names = _with_responses(data)
    n = round(fraction * len(names))
    if n < _FEWEST:
        raise ValueError(
            f"train_fraction={fraction:g} of the {len(names)} stimuli of {data.identifier} are "
            f"{n}, and a choice of areas needs {_FEWEST} or more; give a larger share"
        )
    drawn = np.random.default_rng(seed).permutation(len(names))[:n]
    return restricted(data, [names[i] for i in sorted(drawn.tolist())])


def left_to_score(data: NeuralData, training: Mapping[str, str]) -> NeuralData:
    """``data`` without the stimuli that look the same as one in ``training``.

    What is left is named so, with :data:`HELD_OUT`; data without any such stimulus are as before.

    Raises
    ------
    ValueError
        If there are no stimuli or responses, or none is left.
    """
    known = set(training.values())
    names = _with_responses(data)
    found = digests(restricted(data, names))
    # By what they show alone: other data may call other pictures the same.
    left = [name for name in names if found[name] not in known]
    if not left:
        raise ValueError(
            f"all {len(names)} stimuli of {data.identifier} were used to choose regions, so that "
            "none is left to score; choose with a smaller train_fraction, or score other data"
        )
    if len(left) == len(names):
        return data
    return replace(restricted(data, left), identifier=f"{data.identifier}-{HELD_OUT}")


def digests(data: NeuralData) -> dict[str, str]:
    """SHA-256 of the pixels of each stimulus, by its identifier."""
    stimuli = _stimuli(data)
    images = (image for block in stimuli.blocks() for image in block)
    return {name: _digest(image) for name, image in zip(stimuli.stimulus_ids, images, strict=True)}


def check_unseen(benchmark: Any, training: Mapping[str, str]) -> None:
    """Refuse a benchmark of Brain-Score, which is scored whole, that shows some of ``training``.

    Raises
    ------
    ValueError
        If it does, or does not say what it shows.
    """
    facts = facts_of(benchmark)
    if not facts.stimuli:
        raise ValueError(
            f"{facts.identifier} does not say which stimuli it shows, so that it cannot be told "
            "whether regions were chosen on them; leave this benchmark out"
        )
    if n := sum(n_in_training(shown, training) for shown in facts.stimuli.values()):
        raise ValueError(
            f"regions were chosen on {n} of the {facts.n_stimuli} stimuli of {facts.identifier}, "
            "and benchmarks of Brain-Score are scored whole; choose regions on other data, or "
            "leave this benchmark out"
        )


def n_in_training(shown: BrainIOStimulusSet, training: Mapping[str, str]) -> int:
    """How many images of a benchmark look the same as one in ``training``."""
    known = set(training.values())
    paths = [Path(shown.get_stimulus(name)) for name in shown["stimulus_id"]]
    images = (read_image(path) for path in paths if path.suffix.lower() in IMAGE_SUFFIXES)
    return sum(_digest(image) in known for image in images)


def _digest(image: np.ndarray) -> str:
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def restricted(data: NeuralData, names: list[str]) -> NeuralData:
    """Stimuli of these names, and the responses to them."""
    stimuli, assembly = _stimuli(data), data.assembly
    wanted = set(names)
    taken = [i for i, name in enumerate(stimuli.stimulus_ids) if name in wanted]
    assert assembly is not None
    shown = np.isin(assembly["stimulus_id"].values, names)
    return replace(
        data,
        stimuli=stimuli.select(np.array(taken)),
        assembly=assembly.isel(presentation=np.flatnonzero(shown)),
    )


def _with_responses(data: NeuralData) -> list[str]:
    """Names of the stimuli that have responses, in the order of the stimulus set."""
    stimuli: Any = _stimuli(data)
    if data.assembly is None:
        raise ValueError(f"{data.identifier} has no responses, by which areas could be chosen")
    known = set(data.assembly["stimulus_id"].values.tolist())
    return [name for name in stimuli.stimulus_ids if name in known]


def _stimuli(data: NeuralData) -> StimulusSet:
    if data.stimuli is None:
        raise ValueError(f"{data.identifier} has no stimuli that a model could be shown")
    return data.stimuli
