"""Rasters of single units in R data files, one file per unit (``zhang-desimone-2011``).

The format is NeuroDecodeR's: a data frame with a row per trial; columns ``site_info.*`` and
``labels.*`` and one column ``time.<start>_<end>`` per ms, 1 where there was a spike.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final, final

import numpy as np
import pandas as pd
import xarray as xr

from neurorec import assemblies
from neurorec.datasets.conversion import kept
from neurorec.datasets.fetch import fetch_files
from neurorec.datasets.manifest import Manifest
from neurorec.datasets.neural_data import NeuralData, provenance, source_attrs
from neurorec.datasets.readers._reading import reading

NAME: Final = "r_rasters"
VERSION: Final = 1
#: In the order of the visual field, not of the alphabet.
POSITIONS: Final = ("upper", "middle", "lower")
LABELS: Final = ("combined_ID_position", "stimulus_ID", "stimulus_position")
SPAN_MS: Final = 1000
NOTE: Final = (
    "Units of one session were recorded together and share trials (trial_order); units of "
    "different sessions were not, so the population is pseudo-simultaneous across sessions."
)


@final
@dataclass(frozen=True, kw_only=True)
class Options:
    """Width of the time bins, and one session if not the whole pseudo-population.

    Raises
    ------
    ValueError
        If the width does not divide the rasters into whole bins.
    """

    bin_width_ms: int = 10
    session: str | None = None

    def __post_init__(self) -> None:
        if self.bin_width_ms < 1 or SPAN_MS % self.bin_width_ms:
            widths = [width for width in range(1, SPAN_MS + 1) if SPAN_MS % width == 0]
            raise ValueError(
                f"bin_width_ms must divide the {SPAN_MS} ms of a raster into whole bins, "
                f"got {self.bin_width_ms}; use one of {widths}"
            )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Raster:
    """Spikes of one unit.

    ``spikes`` is (trial, ms), 0 or 1; ``start_ms`` is the time of its first column from stimulus
    onset. ``labels`` has a row per trial and the columns of ``LABELS``.
    """

    neuroid_id: str
    session: int
    channel: int
    unit: str
    spikes: np.ndarray
    start_ms: int
    labels: pd.DataFrame


def read(manifest: Manifest, options: Options) -> NeuralData:
    """Binned spike counts of all units, or of those of one session.

    Raises
    ------
    ValueError
        If the session does not exist, a file is damaged, or units of a session differ in trials.
    """
    chosen = manifest.select(options.session)
    key = {
        "sha256": [file.sha256 for file in chosen],
        "bin_width_ms": options.bin_width_ms,
        "reader": [NAME, VERSION],
    }

    def convert() -> xr.DataArray:
        files = fetch_files(manifest, session=options.session)
        rasters = list(_read_all(files.values(), title=f"Converting {manifest.name}"))
        assembly = pseudo_population(rasters, bin_width_ms=options.bin_width_ms)
        assembly.attrs.update(source_attrs(manifest))
        return assembly

    identifier = manifest.name if options.session is None else f"{manifest.name}/{options.session}"
    return NeuralData(
        identifier=identifier,
        assembly=kept(manifest.name, key, convert),
        provenance=provenance(
            manifest,
            [file.path for file in chosen],
            options=options,
            reader_version=VERSION,
        ),
    )


def _read_all(paths: Iterable[Path], *, title: str) -> Iterator[Raster]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    for path in track(
        list(paths), description=title, console=console, disable=not console.is_terminal
    ):
        yield read_raster(path)


def read_raster(path: Path) -> Raster:
    """One unit.

    Raises
    ------
    ValueError
        If the file is damaged or holds no raster.
    """
    import rdata
    from rdata.conversion import DEFAULT_CLASS_MAP, dataframe_constructor

    constructors = {**DEFAULT_CLASS_MAP, "raster_data": dataframe_constructor}
    with reading(path, NAME):
        content = rdata.read_rda(path, constructor_dict=constructors)
        if "raster_data" not in content:
            raise ValueError(f"it holds {sorted(content)} and no 'raster_data'")
        return _raster(path.stem.removesuffix("_raster_data"), content["raster_data"])


def _raster(neuroid_id: str, table: pd.DataFrame) -> Raster:
    columns = [str(column) for column in table.columns]
    times = [name for name in columns if name.startswith("time.")]
    starts = np.array([_start_ms(name) for name in times])
    if len(starts) != SPAN_MS or np.any(np.diff(starts) != 1):
        raise ValueError(f"expected {SPAN_MS} successive columns of 1 ms, got {len(starts)}")
    spikes = table[times].to_numpy()
    if not np.isin(spikes, (0, 1)).all():
        raise ValueError("a bin of 1 ms must hold 0 or 1 spike")
    labels = pd.DataFrame({name: table[f"labels.{name}"].astype(str) for name in LABELS})
    unknown = set(labels["stimulus_position"]) - set(POSITIONS)
    if unknown:
        raise ValueError(f"positions are {POSITIONS}, got {sorted(unknown)}")
    site = table.iloc[0]
    return Raster(
        neuroid_id=neuroid_id,
        session=int(site["site_info.session_ID"]),
        channel=int(site["site_info.recording_channel"]),
        unit=str(site["site_info.unit"]),
        spikes=spikes.astype(np.uint8),
        start_ms=int(starts[0]),
        labels=labels,
    )


def _start_ms(column: str) -> int:
    match = re.fullmatch(r"time\.(-?\d+)_(-?\d+)", column)
    if match is None or int(match[2]) - int(match[1]) != 1:
        raise ValueError(f"the column {column!r} is not 1 ms wide")
    return int(match[1])


def bin_spikes(spikes: np.ndarray, width_ms: int) -> np.ndarray:
    """Counts (trial, time_bin) of spikes (trial, ms) in bins of ``width_ms``."""
    n_trials, span_ms = spikes.shape
    bins = spikes.reshape(n_trials, span_ms // width_ms, width_ms)
    # Signed, so that the difference of two counts is what one expects.
    return bins.sum(axis=2, dtype=np.int16)


def trial_orders(stimulus_ids: Sequence[str]) -> dict[tuple[str, int], int]:
    """Position of each (stimulus, repetition) among the trials of a session.

    The k-th showing of a stimulus in a session is its repetition k.
    """
    seen: dict[str, int] = {}
    orders: dict[tuple[str, int], int] = {}
    for position, stimulus_id in enumerate(stimulus_ids):
        repetition = seen.get(stimulus_id, 0)
        orders[stimulus_id, repetition] = position
        seen[stimulus_id] = repetition + 1
    return orders


def pseudo_population(rasters: Sequence[Raster], *, bin_width_ms: int) -> xr.DataArray:
    """Units side by side, over the presentations that every session has.

    Presentations are sorted by repetition, object and position. ``trial_order``
    (presentation, neuroid) says when in its session a presentation took place.

    Raises
    ------
    ValueError
        If units of one session differ in their trials.
    """
    orders = _orders_by_session(rasters)
    shared = set.intersection(*(set(order) for order in orders.values()))
    presentation = _presentations(rasters[0].labels, shared)
    keys = list(
        zip(presentation["stimulus_id"].tolist(), presentation["repetition"].tolist(), strict=True)
    )
    positions = {
        session: np.array([order[key] for key in keys]) for session, order in orders.items()
    }
    trials = [positions[raster.session] for raster in rasters]
    counts = [
        bin_spikes(raster.spikes[order], bin_width_ms)
        for raster, order in zip(rasters, trials, strict=True)
    ]
    starts = np.arange(
        rasters[0].start_ms, rasters[0].start_ms + SPAN_MS, bin_width_ms, dtype=float
    )
    assembly = assemblies.build(
        np.stack(counts, axis=1),
        presentation=presentation,
        neuroid=_neuroids(rasters),
        time_bin_start=starts,
        time_bin_end=starts + bin_width_ms,
        attrs={"units": "spikes per bin", "bin_width_ms": bin_width_ms, "note": NOTE},
    )
    dims = (assemblies.PRESENTATION, assemblies.NEUROID)
    return assembly.assign_coords(trial_order=(dims, np.stack(trials, axis=1)))


def _orders_by_session(rasters: Sequence[Raster]) -> dict[int, dict[tuple[str, int], int]]:
    orders: dict[int, dict[tuple[str, int], int]] = {}
    for raster in rasters:
        order = trial_orders(raster.labels["combined_ID_position"].tolist())
        if orders.setdefault(raster.session, order) != order:
            raise ValueError(
                f"{raster.neuroid_id} has other trials than the units before it in session "
                f"{raster.session}; units of one session must share their trials"
            )
    return orders


def _presentations(labels: pd.DataFrame, keys: Iterable[tuple[str, int]]) -> dict[str, np.ndarray]:
    """Columns of the presentations, sorted by repetition, object and position."""
    parts: Mapping[str, tuple[str, str]] = {
        stimulus: (name, position)
        for stimulus, name, position in labels.drop_duplicates().to_numpy().tolist()
    }
    objects = sorted({name for name, _ in parts.values()})
    rank = {pair: i for i, pair in enumerate(product(objects, POSITIONS))}
    ordered = sorted(keys, key=lambda key: (key[1], rank[parts[key[0]]]))
    return {
        "stimulus_id": np.array([stimulus for stimulus, _ in ordered]),
        "object_name": np.array([parts[stimulus][0] for stimulus, _ in ordered]),
        "position": np.array([parts[stimulus][1] for stimulus, _ in ordered]),
        "repetition": np.array([repetition for _, repetition in ordered]),
    }


def _neuroids(rasters: Sequence[Raster]) -> dict[str, np.ndarray]:
    identifiers = [raster.neuroid_id for raster in rasters]
    return {
        "neuroid_id": np.array(identifiers),
        "region": np.full(len(rasters), "IT"),
        # The letters before the session number are all that the source says about the animal.
        "animal": np.array([f"macaque_{re.split(r'[0-9]', name)[0]}" for name in identifiers]),
        "session_id": np.array([raster.session for raster in rasters]),
        "channel": np.array([raster.channel for raster in rasters]),
        "unit": np.array([raster.unit for raster in rasters]),
    }
