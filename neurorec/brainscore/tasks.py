"""Tasks of Brain-Score, answered from what a model shows at the time of its answer."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pandas as pd

from neurorec._checks import check_option
from neurorec.brainscore.behaviour import (
    AGGREGATIONS,
    IMAGENET,
    SIMILARITIES,
    Behaviour,
    Features,
    LogisticReadout,
    chosen_labels,
    imagenet_synsets,
    members_of,
    odd_ones_out,
)
from neurorec.brainscore.kept import Kept
from neurorec.brainscore.packaging import BehavioralAssembly, behavioral_assembly
from neurorec.brainscore.passes import LOGITS
from neurorec.brainscore.shown import as_brainio

#: From stimuli, populations, number of trials and whether each is kept, to activity at the time of
#: the answer.
Seen = Callable[[Any, tuple[str, ...], int, bool], Kept]
#: From stimuli, number of trials and whether each is answered, to what ``look_at`` gives.
Look = Callable[[Any, int, bool], Any]


def label(
    seen: Seen, behaviour: Behaviour, choices: Any, trials: int, each: bool, aggregation: str
) -> Look:
    """The label of the highest probability, among ``choices``; nothing is fitted.

    Raises
    ------
    ValueError
        If the model's classes have no names, or there is none for a label.
    """
    aggregate = AGGREGATIONS[check_option("aggregation", aggregation, AGGREGATIONS)]
    labels = behaviour.labels
    if labels is None:
        raise ValueError(
            "labels were asked of a model whose classes have no names; give it "
            "behaviour=Behaviour(labels=[...]), or 'imagenet'"
        )
    if choices is None:
        raise ValueError("a label task needs the labels to choose among, or 'imagenet'")
    synsets: dict[str, int] = {}
    if isinstance(choices, str):
        check_option("the domain of labels", choices, (IMAGENET,))
        synsets = {name: number for number, name in enumerate(imagenet_synsets())}
        choices, labels = list(synsets), list(synsets) if labels == IMAGENET else labels
    members = members_of([str(choice) for choice in choices], labels)

    def look(stimuli: Any, trials: int, each: bool) -> BehavioralAssembly:
        logits = _features(seen, stimuli, (LOGITS,), trials, each)
        found = chosen_labels(logits, members, aggregate)
        coords: dict[str, Any] = {"label": ("presentation", found)}
        if synsets:
            coords["synset"] = ("presentation", found)
            coords["logit"] = ("presentation", [synsets[name] for name in found])
        return behavioral_assembly([found], ("choice", "presentation"), stimuli, coords)

    return look


def probabilities(
    seen: Seen, behaviour: Behaviour, fitting_stimuli: Any, trials: int, each: bool, _: str
) -> Look:
    """Probabilities of the labels of ``fitting_stimuli``, by a readout that is fitted to them.

    Raises
    ------
    ValueError
        If there are none, or they have no labels.
    """
    fitting = None if fitting_stimuli is None else as_brainio(fitting_stimuli)
    if fitting is None or "image_label" not in fitting:
        raise ValueError(
            "a probabilities task needs fitting_stimuli with a column 'image_label', got "
            f"{'none' if fitting is None else f'the columns {list(fitting)}'}"
        )
    areas = tuple(behaviour.areas or ())
    features = _features(seen, fitting, areas, trials, each)
    labels = np.tile(fitting["image_label"].to_numpy(), len(features) // len(fitting)).tolist()
    readout = LogisticReadout(features, labels, strength=behaviour.strength)

    def look(stimuli: Any, trials: int, each: bool) -> BehavioralAssembly:
        found = readout.probabilities(_features(seen, stimuli, areas, trials, each))
        coords = {"choice": ("choice", readout.labels)}
        return behavioral_assembly(found, ("presentation", "choice"), stimuli, coords)

    return look


def odd_one_out(
    seen: Seen, behaviour: Behaviour, _fitting: Any, _trials: int, _each: bool, _: str
) -> Look:
    """The odd one of every three consecutive stimuli, always of the average over trials."""

    def look(stimuli: Any, trials: int, each: bool) -> BehavioralAssembly:
        names = stimuli["stimulus_id"].to_numpy()
        if len(names) % 3:
            raise ValueError(
                f"an odd-one-out task takes triplets, three stimuli each, got {len(names)} stimuli"
            )
        distinct = stimuli.drop_duplicates(subset=["stimulus_id"])
        features = _features(seen, distinct, tuple(behaviour.areas or ()), trials, False)
        number = {name: i for i, name in enumerate(distinct["stimulus_id"])}
        triplets = np.array([number[name] for name in names]).reshape(-1, 3)
        odd = odd_ones_out(SIMILARITIES[behaviour.similarity](features), triplets)
        chosen = distinct["stimulus_id"].to_numpy()[odd].tolist()
        joined = ["|".join(map(str, names[n : n + 3])) for n in range(0, len(names), 3)]
        shown = pd.DataFrame({"stimulus_id": joined})
        return behavioral_assembly([chosen], ("choice", "presentation"), shown, {})

    return look


#: Every task with an answer, by its name in ``BrainModel.Task``: from how a model is seen, its
#: behaviour, the fitting stimuli or labels, their trials, whether each counts, and the aggregation.
TASKS: Final[Mapping[str, Callable[..., Look]]] = MappingProxyType(
    {"label": label, "probabilities": probabilities, "odd_one_out": odd_one_out}
)


def _features(
    seen: Seen, stimuli: Any, populations: tuple[str, ...], trials: int, each: bool
) -> Features:
    """Activity of all ``populations``, one after the other, at the time of the answer."""
    kept = seen(stimuli, populations, trials, each)
    return np.concatenate([kept.values(p)[:, :, 0] for p in populations], axis=1).astype(float)
