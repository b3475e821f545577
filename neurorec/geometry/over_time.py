"""Several measures of one or several populations over time, from one pass over their units."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import xarray as xr
from torch import Tensor

import neurorec
from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN
from neurorec.geometry._joining import in_one_order, joined, require_defined
from neurorec.geometry._sources import areas_of, provenance_of
from neurorec.geometry.interval import compare_with_interval
from neurorec.geometry.measures import MEASURES
from neurorec.populations import Patterns, StreamedArea, patterns_of
from neurorec.populations.labels import UNDEFINED

AREA: Final = "area"
MODEL: Final = "model"
#: Names of the variables of a comparison with a brain.
RSA: Final = "rsa"
#: What is computed unless something else is asked for.
DEFAULT: Final = ("rdm", "linear_cka", "participation_ratio", "n_components")

#: Called with the numbers of steps that are done and that there are.
Progress = Callable[[int, int], Any]
Options = Mapping[str, Any]


@final
@dataclass(frozen=True, kw_only=True)
class BrainComparison:
    """How model RDMs are compared with those of a brain.

    Parameters
    ----------
    method
        A key of ``COMPARISONS``.
    n_draws, level, seed
        Of the bootstrap over stimuli, see :func:`compare_with_interval`.
    """

    method: str = "spearman"
    n_draws: int = 1000
    level: float = 0.95
    seed: int = 0


def over_time(
    source: Any,
    area: str | Sequence[str] | None = None,
    *,
    measures: Sequence[str] | Mapping[str, Options] = DEFAULT,
    brain: Any = None,
    comparison: BrainComparison | None = None,
    undefined: str = "nan",
    precision: str | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> xr.Dataset:
    """Representational geometry of populations over time.

    Each population is read once, some units at a time, into the inner products of its responses
    to all stimuli; measures are computed from them, at a cost that does not depend on the number
    of units. Only a measure that needs the units themselves reads them once more.

    Parameters
    ----------
    source
        A recording, an assembly, ``recording.area("IT")``, an array (stimulus, unit, timestep) or
        what :func:`patterns_of` gave; or a mapping of such by the name of the model.
    area
        Area of the recording, or region of the assembly. Several give the leading dimension
        ``area``. If left out, all areas of a recording and all units of anything else.
    measures
        Keys of ``MEASURES``; a mapping gives each its options,
        ``{"rdm": {"method": "cosine"}, "participation_ratio": {}}``.
    brain
        RDMs of the same stimuli to compare the RDM of every time bin with. Leading dimensions,
        such as subjects, are kept; those that are called as those of the panel are called
        ``brain_time_bin``, ``brain_area`` and ``brain_model``.
    comparison
        How they are compared.
    undefined
        ``"nan"`` leaves NaN in time bins in which a measure is undefined, as in areas that the
        stimulus has not reached; ``"raise"`` raises there.
    precision
        Of the products inside a block of units, see :func:`patterns_of`. If left out,
        ``"float32"`` for areas that are read from a file, and ``"float64"`` for all else.
    progress
        Called with the numbers of steps that are done and that there are: reading, measures and
        comparison of each population.

    Returns
    -------
    xr.Dataset
        One variable for each measure, under its name, with the dimensions (model, area, time_bin)
        as they apply and then its own: ``rdm`` has (condition, condition_b) and ``linear_cka``
        has time_bin_b. Measures of several quantities give ``<measure>_<quantity>``, such as
        ``<measure>_ci_low``. With ``brain``, ``rsa``, ``rsa_ci_low`` and ``rsa_ci_high``.
        ``n_neuroids`` is a coordinate; ``attrs["provenance"]`` is JSON, and netCDF can hold
        everything.

    Raises
    ------
    ValueError
        If a measure, an option or an area is unknown, a measure is undefined in all time bins,
        populations differ in their stimuli or time bins, stimuli of the brain are others, or as
        the measures do.
    """
    check_option("undefined", undefined, UNDEFINED)
    options = _options(measures)
    how = comparison or BrainComparison()
    measured = None if brain is None else _of_brain(brain)
    sources = dict(source) if isinstance(source, Mapping) else {None: source}
    if not sources:
        raise ValueError("expected at least one model, got an empty mapping")
    populations = {name: areas_of(one, area) for name, one in sources.items()}
    n_populations = sum(len(areas) for areas in populations.values())
    step = _Steps(progress, n_populations * (1 + len(options) + (brain is not None)))

    def panel(population: Any) -> xr.Dataset:
        patterns = _read(population, options, precision, device)
        step()
        found = _measured(population, patterns, options, undefined, device, step)
        if measured is not None:
            rdms = found.get("rdm")
            if rdms is None:
                rdms = _of(patterns, "rdm", {}, undefined, device)["rdm"]
            found |= _compared(rdms, measured, how, undefined)
            step()
        return _labelled(found, patterns, counted=isinstance(population, np.ndarray | Tensor))

    per_model = {
        name: joined({one: panel(population) for one, population in areas.items()}, AREA)
        for name, areas in populations.items()
    }
    if isinstance(area, str):
        per_model = {name: one.isel({AREA: 0}) for name, one in per_model.items()}
    result = joined(in_one_order(per_model), MODEL)
    require_defined(result, [*options, *([] if brain is None else [RSA])])
    provenance = {
        "neurorec": neurorec.__version__,
        "measures": {name: dict(given) for name, given in options.items()},
        "of": {str(name): provenance_of(one, populations[name]) for name, one in sources.items()}
        if isinstance(source, Mapping)
        else provenance_of(source, populations[None]),
    }
    if brain is not None:
        provenance |= {"brain": _stated(brain), "comparison": repr(how)}
    return result.assign_attrs(
        measures=", ".join(options), provenance=json.dumps(provenance, default=str)
    )


@final
class _Steps:
    """Counts the steps that are done."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


def _options(measures: Sequence[str] | Mapping[str, Options]) -> dict[str, Options]:
    """Options of each measure, by its name."""
    if isinstance(measures, str):
        raise ValueError(
            f"measures is a sequence of names or a mapping to options, got {measures!r}; "
            f'give ["{measures}"]'
        )
    given = measures if isinstance(measures, Mapping) else {name: {} for name in measures}
    if not given:
        raise ValueError(f"name at least one measure of {sorted(MEASURES)}, got none")
    for name, own in given.items():
        check_option("measures", name, MEASURES)
        missing = [option for option in MEASURES[name].needs if option not in own]
        if missing:
            raise ValueError(
                f"measure {name!r} needs the option {missing[0]!r}: give "
                f"measures={{{name!r}: {{{missing[0]!r}: ...}}}}"
            )
    return dict(given)


def _read(
    population: Any, options: Mapping[str, Options], precision: str | None, device: str
) -> Patterns:
    """The one pass over the units."""
    single = any(MEASURES[name].presentations for name in options)
    chosen = precision or ("float32" if isinstance(population, StreamedArea) else "float64")
    return patterns_of(population, averaged=not single, precision=chosen, device=device)


def _measured(
    population: Any,
    patterns: Patterns,
    options: Mapping[str, Options],
    undefined: str,
    device: str,
    step: _Steps,
) -> dict[str, xr.DataArray]:
    found = {}
    for name, own in options.items():
        given = population if MEASURES[name].reads_units(own) else patterns
        found |= _of(given, name, own, undefined, device)
        step()
    return found


def _of(
    source: Any, name: str, own: Options, undefined: str, device: str
) -> dict[str, xr.DataArray]:
    """The variables of one measure."""
    measure = MEASURES[name]
    shared = {"undefined": undefined, "device": device}
    taken = {option: shared[option] for option in measure.takes}
    try:
        result = measure.function(source, **taken, **own)
    except TypeError as error:
        raise ValueError(f"measure {name!r} does not take {dict(own)}: {error}") from None
    return _variables(name, result)


def _variables(name: str, result: xr.DataArray | xr.Dataset) -> dict[str, xr.DataArray]:
    """Variables by the name of the measure; that of a Dataset's others begins with it."""
    if isinstance(result, xr.DataArray):
        return {name: result}
    return {
        name if variable in (name, "score") else f"{name}_{variable}": array.assign_attrs(
            {k: v for k, v in result.attrs.items() if k not in array.attrs}
        )
        for variable, array in result.data_vars.items()
    }


def _compared(
    rdms: xr.DataArray, brain: xr.DataArray, how: BrainComparison, undefined: str
) -> dict[str, xr.DataArray]:
    scores = compare_with_interval(
        rdms,
        brain,
        method=how.method,
        n_draws=how.n_draws,
        level=how.level,
        seed=how.seed,
        undefined=undefined,
    )
    return _variables(RSA, scores)


def _of_brain(brain: Any) -> xr.DataArray:
    """With names of its own for dimensions that a panel has too."""
    if not isinstance(brain, xr.DataArray):
        raise ValueError(
            "brain must be RDMs, such as neurorec.geometry.rdm(assembly), got "
            f"{type(brain).__name__}"
        )
    # One time bin or area that was selected is known by a coordinate without a dimension.
    brain = brain.drop_vars([name for name, array in brain.coords.items() if not array.dims])
    shared = {AREA, MODEL, TIME_BIN}
    own = {str(n) for n, array in brain.coords.items() if shared & set(array.dims)}
    names = {*own, *(str(dim) for dim in brain.dims if dim in shared)}
    return brain.rename({name: f"brain_{name}" for name in names})


def _labelled(
    found: Mapping[str, xr.DataArray], patterns: Patterns, *, counted: bool
) -> xr.Dataset:
    """One Dataset, with what is the same for all measures of a population."""
    # The number of units differs between areas and is a coordinate, not an attribute.
    own = {
        name: array.drop_vars(["n_neuroids"], errors="ignore").assign_attrs(_plain(array.attrs))
        for name, array in found.items()
    }
    for array in own.values():
        for name in [n for n in array.attrs if n.startswith(("n_neuroids", "provenance"))]:
            del array.attrs[name]
    panel = xr.Dataset(own, attrs=_known(patterns.labels))
    if counted:
        panel = panel.assign_coords(timestep=(TIME_BIN, np.arange(panel.sizes[TIME_BIN])))
    return panel.assign_coords(n_neuroids=patterns.n_neuroids)


def _plain(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes that netCDF can hold."""
    return {
        str(name): value.item()
        if isinstance(value, np.generic)
        else int(value)
        if isinstance(value, bool)
        else value
        if isinstance(value, str | int | float | np.ndarray)
        else json.dumps(value, default=str)
        for name, value in attrs.items()
    }


def _known(labels: xr.DataArray) -> dict[str, Any]:
    """What the labels of a population say of all its measures."""
    known: dict[str, Any] = {"n_stimuli": len(set(labels["stimulus_id"].values.tolist()))}
    known |= {
        name: labels.attrs[name]
        for name in ("identifier", "data_set", "recording", "stimulus_off_ms")
        if name in labels.attrs
    }
    if labels.attrs.get("simulated"):
        known["simulated"] = 1
    widths = labels["time_bin_end"].values - labels["time_bin_start"].values
    if "timestep" in labels.coords and np.allclose(widths, widths[0]):
        known["dt_ms"] = float(widths[0])
    return _plain(known)


def _stated(brain: xr.DataArray) -> dict[str, Any]:
    return {
        name: brain.attrs[name]
        for name in ("identifier", "data_set", "provenance", "method")
        if name in brain.attrs
    }
