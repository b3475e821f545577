"""Models on benchmarks, through Brain-Score's own call of a benchmark."""

import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, final

from neurorec import __version__
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.benchmark_facts import BenchmarkFacts, facts_of, fingerprint
from neurorec.brainscore.brain_model import NeurorecBrainModel
from neurorec.brainscore.expectations import expecting
from neurorec.brainscore.forecasts import forecast
from neurorec.brainscore.opening import open_benchmark
from neurorec.brainscore.score_rows import score_rows
from neurorec.brainscore.score_table import PairScore, Scores
from neurorec.brainscore.subjects import subject

import_brainscore()

from brainscore_vision.model_interface import BrainModel  # noqa: E402

#: Called with the pairs that are done, those there are, and the pair that comes next.
Progress = Callable[[int, int, str], Any]
#: Packages on which a score may depend.
_PACKAGES: Final = ("brainscore-vision", "brainscore-core", "numpy", "scipy", "scikit-learn",
                    "torch", "xarray")  # fmt: skip


@final
@dataclass(frozen=True, kw_only=True)
class _Subject:
    """A model, what it was called by whoever asked for it, and what it is once and for all.

    Every question for its identifier makes a digest of its weights.
    """

    model: BrainModel
    given: str
    identifier: str

    @property
    def is_known(self) -> bool:
        """Whether its identifier holds all that determines its answers."""
        return isinstance(self.model, NeurorecBrainModel)


def score(
    models: Any,
    benchmarks: Any,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress = lambda done, total, pair: None,
) -> Scores:
    """Score models on benchmarks: ``benchmark(model)`` of Brain-Score for each pair.

    What benchmarks ask of the same stimuli, all regions and time bins, is recorded in one pass of
    each model. A pair that is done is written to ``out`` before the next begins.

    Parameters
    ----------
    models
        One or a list: whatever :func:`neurorec.brainscore.subject` takes, or what it gives.
    benchmarks
        One or a list: benchmark objects, or names for :func:`neurorec.brainscore.open_benchmark`.
    out
        JSON file of the scores.
    resume
        Keep the scores that ``out`` has and score what is missing. A pair is known by digests of
        weights, settings, stimuli and responses, so that nothing out of date is kept. A model of
        Brain-Score that is not neurorec's has no such digest, and is scored again.
    force
        Start although the forecast exceeds the memory or disk that is free.
    progress
        Called with the number of pairs that are done, of all pairs, and the next one's names.

    Raises
    ------
    ValueError
        If there is no such model or benchmark, a model has no area for a region or no timestep in
        a time bin, two models of Brain-Score have one identifier, or ``out`` exists and is not to
        be resumed.
    OSError
        If data cannot be reached, or memory or disk do not suffice.
    """
    kept = _begun(None if out is None else Path(out), resume)
    opened = [_opened(one) for one in _listed(benchmarks)]
    subjects = [_subject(one) for one in _listed(models)]
    _check_names(subjects)
    every = [facts_of(one) for one in opened]
    keys = {
        (i, j): fingerprint(one.identifier, call)
        for i, one in enumerate(subjects)
        for j, call in enumerate(opened)
    }
    todo = [
        (i, j) for (i, j), key in keys.items() if key not in kept.keys() or not subjects[i].is_known
    ]
    for i, j in todo:
        _check_asked(subjects[i].model, every[j])
    if todo and not force:
        _check_free(subjects, opened, todo)
    done, total = len(keys) - len(todo), len(keys)
    for i, j in todo:
        progress(done, total, f"{subjects[i].given} → {every[j].identifier}")
        pair = _scored(subjects[i], opened[j], every[j], every, key=keys[i, j])
        kept = _joined(kept, pair, subjects[i].model, every[j])
        if out is not None:
            kept.to_json(out)
        done += 1
    progress(done, total, "")
    chosen = {pair.key: pair for pair in kept.pairs}
    asked = tuple(dict.fromkeys(keys.values()))
    return Scores(pairs=tuple(chosen[key] for key in asked), provenance=kept.provenance)


def _begun(out: Path | None, resume: bool) -> Scores:
    nothing = Scores(pairs=(), provenance={"models": {}, "benchmarks": {}})
    if out is None or not out.exists():
        return nothing
    if not resume:
        raise ValueError(f"{out} exists; name another file, or continue it with resume (--resume)")
    return Scores.from_json(out)


def _listed(given: Any) -> list[Any]:
    listed = list(given) if isinstance(given, list | tuple) else [given]
    if not listed:
        raise ValueError("give at least one model and one benchmark to score")
    return listed


def _opened(given: Any) -> Any:
    if isinstance(given, str):
        return open_benchmark(given)
    if not (hasattr(given, "identifier") and callable(given)):
        raise ValueError(
            "a benchmark is an object of Brain-Score or the name of one, got "
            f"{type(given).__name__}"
        )
    return given


def _subject(given: Any) -> _Subject:
    model = given if isinstance(given, BrainModel) else subject(given)
    return _Subject(model=model, given=_called(given), identifier=str(model.identifier))


def _called(given: Any) -> str:
    if isinstance(given, str | Path):
        return str(given)
    return str(getattr(given, "name", None) or getattr(given, "identifier", type(given).__name__))


def _check_names(subjects: Sequence[_Subject]) -> None:
    """Scores are told apart by identifiers; two models of one name would have one score."""
    others = {id(one.model): one.identifier for one in subjects if not one.is_known}
    names = list(others.values())
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"several models are called {twice}; give each an identifier of its own")


def _check_asked(model: BrainModel, facts: BenchmarkFacts) -> None:
    """Errors of a pair that can be known come before all work, also before that of others."""
    if isinstance(model, NeurorecBrainModel) and facts.region and facts.time_bins:
        model.start_recording(facts.region, list(facts.time_bins))


def _check_free(
    subjects: Sequence[_Subject], opened: Sequence[Any], todo: Sequence[tuple[int, int]]
) -> None:
    models = [subjects[i].model for i in dict.fromkeys(i for i, _ in todo)]
    forecast(models, [opened[j] for j in dict.fromkeys(j for _, j in todo)]).check()


def _scored(
    asked: _Subject,
    benchmark: Any,
    facts: BenchmarkFacts,
    every: Sequence[BenchmarkFacts],
    *,
    key: str,
) -> PairScore:
    start = time.perf_counter()
    with expecting(asked.model, facts, every):
        found = benchmark(asked.model)
    return PairScore(
        key=key,
        model=asked.identifier,
        benchmark=facts.identifier,
        given=asked.given,
        rows=score_rows(found, facts),
        seconds=time.perf_counter() - start,
        versions=_versions(),
    )


def _joined(kept: Scores, pair: PairScore, model: BrainModel, facts: BenchmarkFacts) -> Scores:
    provenance = dict(kept.provenance)
    of_model = model.facts() if isinstance(model, NeurorecBrainModel) else _described(model)
    provenance["models"] = {**provenance["models"], pair.model: of_model}
    provenance["benchmarks"] = {**provenance["benchmarks"], pair.benchmark: _plain(facts)}
    # As it is read again from a file: lists for tuples.
    others = (one for one in kept.pairs if one.key != pair.key)
    return Scores(pairs=(*others, pair), provenance=json.loads(json.dumps(provenance)))


def _described(model: BrainModel) -> dict[str, Any]:
    return {"class": f"{type(model).__module__}.{type(model).__qualname__}"}


def _plain(facts: BenchmarkFacts) -> dict[str, Any]:
    """With their hashes in them, identifiers of local stimuli say what they show."""
    return {
        "region": facts.region,
        "metric": facts.metric,
        "ceiling": facts.ceiling,
        "time_bins_ms": facts.time_bins,
        "stimuli": sorted(facts.stimuli),
        "n_stimuli": facts.n_stimuli,
        "n_neuroids": facts.n_neuroids,
        "number_of_trials": facts.trials,
        "visual_degrees": facts.visual_degrees,
    }


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in _PACKAGES}
    return {"neurorec": __version__, "python": platform.python_version(), **packages}
