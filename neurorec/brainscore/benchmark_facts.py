"""What a benchmark shows, asks and compares, as far as it can be told without running it."""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, Final, final

import numpy as np

from neurorec.assemblies import NEUROID
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.time_bins import TimeBins, as_time_bins

import_brainscore()


#: Where Brain-Score's benchmark classes, and ours after them, keep what they compare with.
_ASSEMBLIES: Final = ("_assembly", "assembly", "train_assembly", "test_assembly")
#: The content hash at the end of an identifier.
_HASH: Final = re.compile(r"-[0-9a-f]{12}$")
#: How far the settings of a metric are followed into the objects it is made of.
_DEEPEST: Final = 6


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class BenchmarkFacts:
    """Of one benchmark; what it does not tell is empty or None.

    Parameters
    ----------
    stimuli
        Stimulus sets by their identifiers.
    visual_degrees
        Width of the stimuli.
    trials
        Of each stimulus.
    ceiling
        Name of what scores are divided by, of benchmarks of local data.
    """

    identifier: str
    region: str
    metric: str
    time_bins: TimeBins
    stimuli: Mapping[str, Any]
    n_neuroids: int | None
    trials: int
    visual_degrees: float | None
    ceiling: str = ""

    @property
    def n_stimuli(self) -> int | None:
        """Stimuli of all sets."""
        return sum(len(shown) for shown in self.stimuli.values()) if self.stimuli else None


def facts_of(benchmark: Any) -> BenchmarkFacts:
    """What is known of ``benchmark`` before it is called."""
    assemblies: list[Any] = [getattr(benchmark, name, None) for name in _ASSEMBLIES]
    found = [assembly for assembly in assemblies if hasattr(assembly, "dims")]
    region = str(getattr(benchmark, "region", "") or "")
    shown = [one.attrs.get("stimulus_set", None) for one in found]
    degrees = getattr(benchmark, "_visual_degrees", None)
    return BenchmarkFacts(
        identifier=str(benchmark.identifier),
        region=region,
        metric=metric_name(str(benchmark.identifier), region),
        time_bins=_time_bins(benchmark),
        stimuli={str(one.identifier): one for one in shown if one is not None},
        n_neuroids=max((a.sizes.get(NEUROID, 0) for a in found), default=0) or None,
        trials=int(getattr(benchmark, "_number_of_trials", None) or 1),
        visual_degrees=None if degrees is None else float(degrees),
        ceiling=str(getattr(getattr(benchmark, "_ceiling_func", None), "name", "")),
    )


def metric_name(identifier: str, region: str) -> str:
    """The metric that Brain-Score's identifiers, ``DATA.REGION-METRIC`` or ``DATA-METRIC``, name.

    Of ours the content hash at the end is no part of it.
    """
    _data, found, rest = identifier.rpartition(f".{region}")
    named = rest if region and found else identifier
    return without_hash(named.partition("-")[2])


def without_hash(identifier: str) -> str:
    """What an identifier of ours says in words, or that of another as it is."""
    return _HASH.sub("", identifier)


def fingerprint(model_identifier: str, benchmark: Any) -> str:
    """Key of a model's score on a benchmark: a digest of all that is known to determine it.

    A model's identifier has one of its weights and settings, and that of a benchmark of local data
    one of its responses and stimuli; to these come what the benchmark shows, its metric with its
    settings, and the version of Brain-Score.
    """
    facts = facts_of(benchmark)
    known = {
        "model": model_identifier,
        "benchmark": facts.identifier,
        "version": str(benchmark.version),
        "brainscore_vision": version("brainscore-vision"),
        "stimuli": sorted(facts.stimuli),
        "time_bins": facts.time_bins,
        "trials": facts.trials,
        "visual_degrees": facts.visual_degrees,
        "metric": settings_of(getattr(benchmark, "_similarity_metric", None)),
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def _time_bins(benchmark: Any) -> TimeBins:
    asked = getattr(benchmark, "timebins", None)
    try:
        return () if asked is None else as_time_bins(asked)
    except ValueError:
        return ()


def settings_of(value: Any, depth: int = 0) -> Any:
    """Settings of an object as JSON can hold them; its class where it is known by nothing else."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, logging.Logger):
        # Brain-Score's objects hold one, and through it all others of the process.
        return name
    if isinstance(value, np.ndarray | np.generic):
        return hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    if depth == _DEEPEST:
        return name
    if isinstance(value, list | tuple):
        return [settings_of(one, depth + 1) for one in value]
    if isinstance(value, Mapping):
        return {str(key): settings_of(one, depth + 1) for key, one in value.items()}
    if isinstance(value, partial):
        return [name, settings_of([value.func, value.args, value.keywords], depth + 1)]
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    settings = getattr(value, "__dict__", {})
    if is_dataclass(value):
        settings = {field.name: getattr(value, field.name) for field in fields(value)}
    return [name, {key: settings_of(one, depth + 1) for key, one in settings.items()}]
