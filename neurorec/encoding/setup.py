"""What a fit needs before it starts: shared stimuli, folds, features to read, and a judge."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import torch
import xarray as xr

import neurorec
from neurorec.assemblies import NEUROID, check
from neurorec.encoding.alignment import Alignment, align
from neurorec.encoding.ceilings import Ceiling, noise_ceiling, reliability_draws
from neurorec.encoding.engine import Entry, Job, Predicted, predictions
from neurorec.encoding.evaluation import Evaluator, Reliability
from neurorec.encoding.intervals import Bootstrap
from neurorec.encoding.predictors import needs_features, predictor
from neurorec.encoding.readout import BandedReadout
from neurorec.encoding.ridge import Ridge
from neurorec.encoding.sheets import Reader
from neurorec.encoding.splits import KFold, Splits
from neurorec.encoding.targets import Targets, as_columns, elsewhere, targets_of
from neurorec.encoding.times import Axes, Design, axes_of
from neurorec.gram import resolve_device
from neurorec.populations.reading import Population, as_assembly, as_populations
from neurorec.populations.rows import Rows, rows_of

# Of fewer stimuli no halves are correlated: then there is no ceiling unless one is asked for.
_FEWEST_REPEATED: Final = 3

#: Called with how many designs are fitted, and how many there are.
Progress = Callable[[int, int], Any]


@final
@dataclass(frozen=True, kw_only=True)
class Controls:
    """What a time-resolved result is held against.

    Parameters
    ----------
    static
        Whether to score, beside a model that changes over time, the same model frozen: of its
        timesteps one for each neuroid, chosen on training stimuli and repeated over all bins.
        It is left out where the model has one timestep or the responses one bin.
    n_shuffles
        Fits to responses whose stimuli are permuted.
    seed
        Seed of the permutations.

    Raises
    ------
    ValueError
        If a number is negative.
    """

    static: bool = True
    n_shuffles: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_shuffles < 0:
            raise ValueError(f"n_shuffles must be at least 0, got {self.n_shuffles}")


@final
@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything about a fit but its data and its time."""

    readout: Any
    splits: Splits
    ceiling: Ceiling | None
    bootstrap: Bootstrap
    controls: Controls
    model_trials: int | str | None
    device: str
    on_mismatch: str


def options_of(
    *,
    readout: Any = None,
    splits: Any = None,
    ceiling: Ceiling | None = None,
    bootstrap: Bootstrap | None = None,
    controls: Controls | None = None,
    model_trials: int | str | None = None,
    device: str = "auto",
    on_mismatch: str = "error",
) -> Options:
    """Options with what was left out filled in.

    Raises
    ------
    TypeError
        If ``splits`` does not split.
    """
    if splits is not None and not isinstance(splits, Splits):
        raise TypeError(
            f"splits must have a method split, as encoding.KFold(5) has, got {splits!r}"
        )
    return Options(
        readout=Ridge() if readout is None else readout,
        splits=KFold() if splits is None else splits,
        ceiling=ceiling,
        bootstrap=bootstrap or Bootstrap(),
        controls=controls or Controls(),
        model_trials=model_trials,
        device=device,
        on_mismatch=on_mismatch,
    )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Setup:
    """A fit about to start: to ``copies`` of the responses, judged by ``targets``.

    ``stated`` is what responses, and those that judge, say of where they come from.
    """

    options: Options
    populations: Mapping[str, Population]
    alignment: Alignment
    targets: Targets
    copies: np.ndarray
    stated: Mapping[str, Any]
    rows: Rows
    reader: Reader
    evaluator: Evaluator
    axes: Axes
    limits: xr.Dataset | None

    def predictions(
        self,
        designs: Sequence[Design],
        *,
        choosing: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> Iterator[tuple[Entry, Predicted]]:
        """Every entry of the designs, and the errors of those kinds of which one is chosen."""
        job = Job(
            predict=predictor(self.options.readout, self.populations),
            columns=as_columns(self.copies, self.reader.device),
            n_copies=self.copies.shape[2],
            folds=self.targets.folds,
            rows=self.rows,
            choosing=frozenset(choosing),
        )
        sheets = self.reader.grams if self._in_sample_space(designs) else self.reader.features
        return predictions(job, designs, sheets(designs), progress)

    @property
    def model(self) -> xr.DataArray:
        """Assembly with the model's time bins."""
        return next(iter(self.populations.values())).labels

    def attrs(self, **more: Any) -> dict[str, Any]:
        """Attributes that netCDF can hold; ``provenance`` is JSON."""
        options = self.options
        stated = {
            "readout": options.readout,
            "splits": options.splits,
            "bootstrap": options.bootstrap,
            "controls": options.controls,
            "ceiling": None if self.limits is None else options.ceiling or Ceiling(),
            "model_trials": options.model_trials,
            **more,
        }
        features = {name: _stated(one.labels) for name, one in self.populations.items()}
        provenance = {
            "neurorec": neurorec.__version__,
            **{name: " ".join(repr(option).split()) for name, option in stated.items()},
            "features": features,
            **self.stated,
        }
        return {
            "splits": re.sub(r", \w+=None", "", str(provenance["splits"])),
            "readout": provenance["readout"],
            "areas": ", ".join(self.populations),
            "n_stimuli": len(self.alignment.stimulus_ids),
            "n_stimuli_only_features": self.alignment.n_only_features,
            "n_stimuli_only_responses": self.alignment.n_only_responses,
            "n_features": self.reader.n_features,
            "n_neuroids": self.targets.presentations.sizes[NEUROID],
            "n_repetitions": self.targets.n_repetitions,
            "n_model_trials": self.rows.n_trials[0],
            **self._known(),
            "level": options.bootstrap.level,
            "n_draws": options.bootstrap.n_draws,
            "provenance": json.dumps(provenance),
        }

    def _known(self) -> dict[str, Any]:
        """The model's timestep, and whether anything is simulated, where that is known."""
        widths = np.diff(self.axes.model, axis=0)
        known: dict[str, Any] = {}
        if self.axes.in_ms and np.allclose(widths, widths[0, 0]):
            known["dt_ms"] = float(widths[0, 0])
        sources = (self.targets.presentations, *(one.labels for one in self.populations.values()))
        if any(source.attrs.get("simulated") for source in sources):
            known["simulated"] = 1
        return known

    def _in_sample_space(self, designs: Sequence[Design]) -> bool:
        """Inner products where they are smaller than the features, or bands need them."""
        if needs_features(self.options.readout):
            return False
        if isinstance(self.options.readout, BandedReadout):
            return True
        widest = max(sum(len(band) for band in design.bands) for design in designs)
        return self.reader.n_features * widest >= len(self.targets.folds[0][0])


def setup(features: Any, responses: Any, options: Options, *, tested_on: Any = None) -> Setup:
    """Match features and responses, and make folds, rows and ceilings.

    Parameters
    ----------
    tested_on
        Responses of the same neuroids in another session, by which predictions are judged; the
        same responses if left out.

    Raises
    ------
    ValueError
        If the two do not match or cannot be fitted; the message says what to do.
    """
    device = resolve_device(options.device)
    populations = as_populations(features)
    measured, plain = _measured(responses)
    in_ms = not plain and all(one.in_ms for one in populations.values())
    _require_same_kind(populations, plain)
    labels = {name: one.labels for name, one in populations.items()}
    alignment = align(labels, measured, on_mismatch=options.on_mismatch)
    targets = targets_of(measured, alignment, options.splits)
    rows = _rows(labels, alignment, targets, options)
    stated = {"responses": _stated(measured)}
    shuffles = options.controls.n_shuffles, options.controls.seed
    copies = targets.copies(*shuffles)
    judged, judged_copies = targets, copies
    if tested_on is not None:
        other, _ = _measured(tested_on)
        judged, stated = elsewhere(targets, other), stated | {"tested_on": _stated(other)}
        judged_copies = judged.copies(*shuffles)
    limits, reliability, weights = _ceilings(judged, options, device)
    first = next(iter(rows.values()))
    return Setup(
        options=options,
        populations=populations,
        alignment=alignment,
        targets=judged,
        stated=stated,
        rows=first,
        reader=Reader(
            populations=populations,
            rows=rows,
            banded=isinstance(options.readout, BandedReadout),
            device=device,
        ),
        copies=copies,
        evaluator=Evaluator(
            copies=judged_copies,
            folds=targets.folds,
            weights=weights,
            reliability=reliability,
            min_reliability=(options.ceiling or Ceiling()).min_reliability,
            lengthening=_lengthening(rows.values()),
        ),
        axes=axes_of(next(iter(labels.values())), targets.presentations, in_ms=in_ms),
        limits=limits,
    )


def _measured(responses: Any) -> tuple[xr.DataArray, bool]:
    """Responses as an assembly, and whether they are an array."""
    plain = isinstance(responses, np.ndarray | torch.Tensor)
    if not plain and not isinstance(responses, xr.DataArray):
        raise ValueError(
            "expected responses as an assembly or an array (stimulus, neuroid, time bin), got "
            f"{type(responses).__name__}"
        )
    measured = as_assembly(responses, "neuroid") if plain else check(responses)
    if not all(measured.shape):
        raise ValueError(
            f"responses need presentations, neuroids and time bins, got the shape {measured.shape}"
        )
    return measured, plain


def _require_same_kind(populations: Mapping[str, Population], plain: bool) -> None:
    """Rows of arrays are matched with rows of arrays, and identifiers with identifiers."""
    arrays = [not one.in_ms for one in populations.values()]
    if any(one != plain for one in arrays):
        given, other = ("responses", "features") if plain else ("features", "responses")
        raise ValueError(
            f"{given} are an array, whose rows have no stimulus_id, and {other} are not; give both "
            "as arrays with the same stimulus in the same row, or both as assemblies"
        )


def _rows(
    labels: Mapping[str, xr.DataArray], alignment: Alignment, targets: Targets, options: Options
) -> dict[str, Rows]:
    """Rows of every area; of all or of none there are halves of trials."""
    n_trials = options.model_trials
    if n_trials == "matched":
        n_trials = int(np.median(targets.counts))
    elif isinstance(n_trials, str):
        raise ValueError(f'model_trials must be a number, "matched" or None, got {n_trials!r}')
    found: dict[str, Rows] = {}
    for halves in (True, False):
        found = {
            name: rows_of(
                one["stimulus_id"].values,
                one["repetition"].values,
                alignment.stimulus_ids,
                n_trials=n_trials,
                halves=halves,
            )
            for name, one in labels.items()
        }
        if len({rows.has_halves for rows in found.values()}) == 1:
            break
    return found


def _lengthening(areas: Iterable[Rows]) -> float | None:
    """Of predictions from all areas, the mean of theirs; None where there are no halves."""
    found = [rows.lengthening for rows in areas if rows.has_halves]
    return float(np.mean(found)) if found else None


def _ceilings(
    targets: Targets, options: Options, device: torch.device
) -> tuple[xr.Dataset | None, Reliability | None, torch.Tensor]:
    """Noise ceiling, reliability with its draws, and how often each draw holds each stimulus."""
    n_stimuli = len(targets.means)
    weights = options.bootstrap.stimulus_weights(n_stimuli)
    on_device = torch.from_numpy(weights).to(device)
    if targets.n_repeated < _FEWEST_REPEATED and options.ceiling is None:
        return None, None, on_device
    ceiling = options.ceiling or Ceiling()
    limits = noise_ceiling(targets.presentations, ceiling=ceiling)
    draws = None
    if len(weights):
        drawn = reliability_draws(targets.presentations, weights, ceiling=ceiling)
        draws = torch.from_numpy(drawn.astype(np.float32)).to(device)
    value = torch.from_numpy(limits["reliability"].values).to(device)
    return limits, Reliability(value, draws), on_device


def _stated(assembly: xr.DataArray) -> Any:
    """What an assembly says of where it comes from."""
    names = ("provenance", "recording", "identifier")
    stated = next((assembly.attrs[name] for name in names if name in assembly.attrs), None)
    return json.loads(json.dumps(stated, default=str))
