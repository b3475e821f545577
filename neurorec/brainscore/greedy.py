"""Areas that join one by one, as long as each improves a cross-validated prediction."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float64

from neurorec.assemblies import TIME_BIN
from neurorec.brainscore.area_products import products_over_time
from neurorec.brainscore.benchmark_parts import places, responses_of, stimuli_on_screen
from neurorec.brainscore.brain_model import NeurorecBrainModel
from neurorec.brainscore.kept import Kept
from neurorec.brainscore.products import Products
from neurorec.brainscore.sample_space import Form, form_of
from neurorec.brainscore.time_bins import TimeBins, Timeline

#: Median over neuroids of each split, mean over time bins.
Splits = Float64[np.ndarray, " split"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Added:
    """One step: the scores of each candidate together with the areas before, and the best.

    Parameters
    ----------
    joins
        Whether the best is worth adding.
    """

    area: str
    joins: bool
    scores: dict[str, float]
    errors: dict[str, float]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """What was recorded of all areas, and how products of a time bin are scored."""

    kept: Kept
    order: np.ndarray
    forms: Sequence[Form]

    def products(self, area: str) -> Iterator[Products]:
        return products_over_time(self.kept, area, self.order, centred=True)

    def splits(self, products: Iterator[Products]) -> Splits:
        each = [_splits(form, one) for form, one in zip(self.forms, products, strict=True)]
        return np.mean(each, axis=0)


def added_one_by_one(
    subject: NeurorecBrainModel,
    benchmark: Any,
    areas: Sequence[str],
    *,
    max_areas: int,
    progress: Callable[[], Any],
) -> list[Added]:
    """Steps until ``max_areas`` or the first area that is not worth adding, which is the last.

    ``progress`` is called after each candidate.

    Raises
    ------
    ValueError
        If the model has no timestep in any time bin, or no area predicts anything.
    """
    seen = _seen(subject, benchmark, areas)
    train, test = next(benchmark._similarity_metric.splits.split(responses_of(benchmark)))
    held_out = len(test) / (len(train) + len(test))
    steps: list[Added] = []
    base: list[Products] | None = None
    before: Splits | None = None
    while len(steps) < max_areas:
        chosen = {step.area for step in steps}
        splits: dict[str, Splits] = {}
        for area in (area for area in areas if area not in chosen):
            splits[area] = seen.splits(_joined(base, seen.products(area)))
            progress()
        best = _best(splits, str(benchmark.region))
        joins = before is None or _improves(splits[best], before, held_out)
        steps.append(_added(best, joins, splits))
        if not joins or len(steps) == max_areas:
            break
        base, before = list(_joined(base, seen.products(best))), splits[best]
    return steps


def _seen(subject: NeurorecBrainModel, benchmark: Any, areas: Sequence[str]) -> _Seen:
    responses = responses_of(benchmark)
    limits = [responses[name].values.tolist() for name in ("time_bin_start", "time_bin_end")]
    every = tuple(zip(*limits, strict=True))
    numbers = _within(subject.timeline, every)
    bins = tuple(every[number] for number in numbers)
    stimuli = stimuli_on_screen(benchmark, subject.visual_degrees())
    return _Seen(
        kept=subject.activity(stimuli, areas, bins, benchmark._number_of_trials),
        order=places(stimuli, responses),
        forms=[
            _form(benchmark._similarity_metric, responses.isel({TIME_BIN: [n]})) for n in numbers
        ],
    )


def _within(timeline: Timeline, time_bins: TimeBins) -> list[int]:
    """Time bins in which the model has timesteps; there is nothing to compare in the others."""
    numbers = np.flatnonzero(timeline.coverage(time_bins) > 0).tolist()
    if not numbers:
        timeline.weights(time_bins)  # raises, with the limits of the timesteps
    return numbers


def _form(metric: Any, responses: Any) -> Form:
    form = form_of(metric, responses)
    assert form is not None  # of every metric in METRICS
    return form


def _splits(form: Form, products: Products) -> Splits:
    raw = form.score(products).attrs["raw"]
    return raw.median("neuroid").values.astype(np.float64)


def _joined(base: Sequence[Products] | None, products: Iterator[Products]) -> Iterator[Products]:
    """With the areas chosen before, whose units are added to those of the candidate."""
    if base is None:
        return products
    return (one + before for one, before in zip(products, base, strict=True))


def _best(splits: dict[str, Splits], region: str) -> str:
    best = max(splits, key=lambda area: splits[area].mean())
    if not splits[best].mean() > 0:
        raise ValueError(
            f"no area of {list(splits)} predicts region {region!r} on training stimuli, r of the "
            f"best is {splits[best].mean():.3f}; give more stimuli, or look at the model, its "
            "onset_ms and its timesteps"
        )
    return best


def _improves(after: Splits, before: Splits, test_fraction: float) -> bool:
    r"""By more than a standard error of the mean over splits that share stimuli.

    .. math:: \sigma^2 \left(\frac{1}{J} + \frac{f}{1 - f}\right)

    of J splits, each of which holds out the share f: Nadeau and Bengio (2003), Machine Learning 52,
    239-281. Without the second term areas join by chance.
    """
    gain = after - before
    variance = gain.var(ddof=1) * (1 / len(gain) + test_fraction / (1 - test_fraction))
    return bool(gain.mean() > np.sqrt(variance))


def _added(best: str, joins: bool, splits: dict[str, Splits]) -> Added:
    return Added(
        area=best,
        joins=joins,
        scores={area: float(values.mean()) for area, values in splits.items()},
        errors={area: float(v.std() / np.sqrt(len(v))) for area, v in splits.items()},
    )
