"""Every comparison of the demo, each kept on disk as soon as it is finished."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import xarray as xr

from neurorec.demo import comparisons
from neurorec.demo.brains import Brains
from neurorec.demo.models import Trained
from neurorec.demo.results import kept, key_of
from neurorec.demo.settings import DemoSettings
from neurorec.recording import Recording


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """What the figures are drawn from."""

    encoding: xr.Dataset
    gains: xr.Dataset
    rsa: xr.Dataset
    brain_course: xr.Dataset
    brain_across: xr.Dataset
    model_course: xr.Dataset
    model_across: xr.Dataset
    geometry: xr.Dataset
    accuracy: xr.Dataset
    thresholds: xr.Dataset


def n_ticks(recordings: Mapping[tuple[str, str], Recording]) -> int:
    """How often :func:`analyse` calls ``tick``."""
    n_pairs = sum(len(r.areas) for (_, shown), r in recordings.items() if shown == "v4")
    n_models = sum(shown == "test" for _, shown in recordings)
    return 4 * n_pairs + n_models + 3


def analyse(
    settings: DemoSettings,
    brains: Brains,
    trained: Mapping[str, Trained],
    recordings: Mapping[tuple[str, str], Recording],
    *,
    training: str,
    tick: Callable[[int], Any],
) -> Results:
    """Compare recordings with brains.

    Parameters
    ----------
    training
        What the models were trained on, for the figures to say.
    tick
        Called with the number of steps that were finished.
    """
    by_set = {
        shown: {model: r for (model, s), r in recordings.items() if s == shown}
        for shown in ("v4", "it", "test")
    }
    n_pairs = sum(len(r.areas) for r in by_set["v4"].values())
    common = [
        {name: one.sha256 for name, one in trained.items()},
        {f"{m} {s}": r.provenance["stimuli_sha256"] for (m, s), r in recordings.items()},
        brains.provenance,
        [settings.seed, settings.n_draws, settings.repetitions, training],
    ]
    readout = trained["ff"].model.wiring.readout.area
    options: dict[str, Any] = {"n_draws": settings.n_draws, "seed": settings.seed}
    test = f"test images of {training}"

    def stage(name: str, n: int, compute: Callable[[Callable[[], Any]], xr.Dataset]) -> xr.Dataset:
        ticks = 0

        def one() -> None:
            nonlocal ticks
            ticks += 1
            tick(1)

        path = settings.out / "results" / f"{name}.nc"
        result = kept(path, key_of(name, common), lambda: compute(one))
        tick(n - ticks)
        return _labelled(result, trained, training, simulated=brains.simulated)

    encoding = stage(
        "v4_encoding",
        n_pairs + 1,
        lambda t: comparisons.v4_encoding(
            by_set["v4"], brains.v4, device=settings.device, tick=t, **options
        ),
    )
    rsa = stage(
        "it_geometry",
        n_pairs,
        lambda t: comparisons.it_geometry(by_set["it"], brains.it_rdms, tick=t, **options),
    )
    brain_course = stage("brain_course", 1, lambda t: comparisons.brain_course(brains.it_time))
    brain_across = stage("brain_across", 1, lambda t: comparisons.brain_across(brains.it_time))
    decoding: dict[str, Any] = {"dataset": test, "seed": settings.seed}
    model_course = stage(
        "model_course",
        n_pairs,
        lambda t: comparisons.model_course(by_set["test"], tick=t, **decoding),
    )
    model_across = stage(
        "model_across",
        len(trained),
        lambda t: comparisons.model_across(by_set["test"], area=readout, tick=t, **decoding),
    )
    geometry = stage(
        "geometry",
        n_pairs,
        lambda t: comparisons.geometry_over_time(
            by_set["v4"], dataset=f"images of {brains.v4.identifier}", tick=t
        ),
    )
    accuracy, thresholds = comparisons.speed_and_accuracy(
        by_set["test"], dataset=test, first_timestep=0
    )
    accuracy, thresholds = (
        _labelled(r, trained, training, simulated=False) for r in (accuracy, thresholds)
    )
    return Results(
        encoding=encoding,
        gains=comparisons.late_minus_early(encoding, **options),
        rsa=rsa,
        brain_course=brain_course,
        brain_across=brain_across,
        model_course=model_course,
        model_across=model_across,
        geometry=geometry,
        accuracy=accuracy,
        thresholds=thresholds,
    )


def _labelled(
    result: xr.Dataset, trained: Mapping[str, Trained], training: str, *, simulated: bool
) -> xr.Dataset:
    """``result`` that says what the models were trained on and whether the brain is simulated."""
    labels = {
        "dt_ms": trained["ff"].model.wiring.dt_ms,
        "training": f"Models trained on {training}",
        "simulated": int(simulated),
    }
    return result.assign_attrs(labels)
