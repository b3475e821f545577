"""What several benchmarks ask of the same stimuli, announced so that one pass records it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.benchmark_facts import BenchmarkFacts
from neurorec.brainscore.brain_model import NeurorecBrainModel
from neurorec.brainscore.time_bins import TimeBins

import_brainscore()

from brainscore_vision.model_interface import BrainModel  # noqa: E402


def asked_together(facts: BenchmarkFacts, every: Sequence[BenchmarkFacts]) -> dict[str, TimeBins]:
    """Time bins of each region that benchmarks with a stimulus set of ``facts`` ask for."""
    bins: dict[str, TimeBins] = {}
    for other in every:
        shares = set(other.stimuli) & set(facts.stimuli)
        if shares and other.time_bins and other.region:
            bins[other.region] = bins.get(other.region, ()) + other.time_bins
    return {region: tuple(sorted(set(several))) for region, several in bins.items()}


@contextmanager
def expecting(
    model: BrainModel, facts: BenchmarkFacts, every: Sequence[BenchmarkFacts]
) -> Iterator[None]:
    """The model with all that is asked of the stimuli of ``facts`` in mind, then without.

    Models of Brain-Score record what they are asked for.
    """
    if not isinstance(model, NeurorecBrainModel):
        yield
        return
    model.expect(asked_together(facts, every))
    try:
        yield
    finally:
        model.expect({})
