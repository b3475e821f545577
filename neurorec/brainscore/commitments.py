"""Which areas of a model a benchmark's regions and answers are read from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

import numpy as np

from neurorec._checks import check_option
from neurorec.brainscore.behaviour import IMAGENET, Behaviour
from neurorec.models import RecurrentModel

Regions = Mapping[str, str | Sequence[str]]


def checked_regions(model: RecurrentModel, regions: Regions) -> dict[str, tuple[str, ...]]:
    """Areas of each region.

    Raises
    ------
    ValueError
        If there is no region, or an area does not exist or is named twice in a region.
    """
    if not regions:
        last = list(model.area_shapes)[-1]
        raise ValueError(
            f"no region is committed to an area; give regions such as {{'IT': {last!r}}}"
        )
    listed = listed_areas(regions)
    for region, areas in listed.items():
        if not areas or len(set(areas)) < len(areas):
            raise ValueError(f"region {region!r} needs one area or several distinct, got {areas}")
        _check_areas(model, areas, f"region {region!r} is committed to")
    return listed


def listed_areas(regions: Regions) -> dict[str, tuple[str, ...]]:
    """Areas of each region, also where it is one alone."""
    return {k: (v,) if isinstance(v, str) else tuple(v) for k, v in regions.items()}


def checked_areas(model: RecurrentModel, areas: str | Sequence[str] | None) -> tuple[str, ...]:
    """Areas by name; all of them for None.

    Raises
    ------
    ValueError
        If there is none, or an area does not exist or is named twice.
    """
    if areas is None:
        return tuple(model.area_shapes)
    named = (areas,) if isinstance(areas, str) else tuple(areas)
    if not named or len(set(named)) < len(named):
        raise ValueError(f"areas must be one area or several distinct ones, got {named}")
    _check_areas(model, named, "areas name")
    return named


def checked_behaviour(model: RecurrentModel, behaviour: Behaviour) -> Behaviour:
    """``behaviour`` with its areas spelt out.

    Raises
    ------
    ValueError
        If an area does not exist, or there are not as many labels as classes.
    """
    areas = tuple(behaviour.areas or (list(model.area_shapes)[-1],))
    _check_areas(model, areas, "behaviour is committed to")
    labels = behaviour.labels
    if isinstance(labels, str):
        check_option("labels", labels, (IMAGENET,))
    elif labels is not None:
        labels = tuple(str(label) for label in labels)
    n_labels = 1000 if labels == IMAGENET else len(labels or ())
    if labels is not None and tuple(model.logits_shape) != (n_labels,):
        raise ValueError(
            f"labels name {n_labels} classes, but the logits of {model.name!r} have the shape "
            f"{tuple(model.logits_shape)}"
        )
    return replace(behaviour, areas=areas, labels=labels)


def check_degrees(visual_degrees: float | int) -> None:
    """Refuse a width that nothing has.

    Raises
    ------
    ValueError
        If it is not above 0.
    """
    if not (visual_degrees > 0 and isfinite(visual_degrees)):
        raise ValueError(f"visual degrees must be above 0, got {visual_degrees:g}")


def check_trials(number_of_trials: Any) -> None:
    """Refuse what is no number of trials.

    Raises
    ------
    ValueError
        If it is not a whole number from 1 on.
    """
    if not isinstance(number_of_trials, int | np.integer) or number_of_trials < 1:
        raise ValueError(f"number_of_trials must be at least 1, got {number_of_trials!r}")


def _check_areas(model: RecurrentModel, areas: Sequence[str], what: str) -> None:
    for area in areas:
        if area.split(".", 1)[0] not in model.area_shapes:
            raise ValueError(
                f"{what} {area!r}, which is no area of {model.name!r}; it has "
                f"{list(model.area_shapes)}"
            )
