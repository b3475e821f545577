"""The figures of the demo, each with the table behind it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure

from neurorec import figures
from neurorec.demo.analysis import Results

Plot = Callable[[Results], tuple[Figure, pd.DataFrame]]


def _overview(r: Results) -> tuple[Figure, pd.DataFrame]:
    parts = (r.encoding, r.brain_across, r.rsa)
    return figures.overview(*parts), figures.overview_table(*parts)


def _speed_accuracy(r: Results) -> tuple[Figure, pd.DataFrame]:
    parts = (r.accuracy, r.thresholds)
    return figures.speed_accuracy(*parts), figures.speed_accuracy_table(*parts)


def _encoding(r: Results) -> tuple[Figure, pd.DataFrame]:
    return figures.encoding_over_time(r.encoding), figures.encoding_over_time_table(r.encoding)


def _rsa(r: Results) -> tuple[Figure, pd.DataFrame]:
    return figures.rsa_over_time(r.rsa), figures.rsa_over_time_table(r.rsa)


def _decoding(r: Results) -> tuple[Figure, pd.DataFrame]:
    parts = (r.brain_course, r.model_course)
    return figures.decoding_over_time(*parts), figures.decoding_over_time_table(*parts)


def _generalization(r: Results) -> tuple[Figure, pd.DataFrame]:
    parts = (r.brain_across, r.model_across)
    return figures.temporal_generalization(*parts), figures.temporal_generalization_table(*parts)


def _geometry(r: Results) -> tuple[Figure, pd.DataFrame]:
    return figures.geometry_of_models(r.geometry), figures.geometry_of_models_table(r.geometry)


#: Every figure, by the name of its files, in the order of the report.
FIGURES: Final[Mapping[str, Plot]] = MappingProxyType(
    {
        "overview": _overview,
        "speed_accuracy": _speed_accuracy,
        "v4_encoding": _encoding,
        "it_rsa": _rsa,
        "decoding_over_time": _decoding,
        "temporal_generalization": _generalization,
        "geometry": _geometry,
    }
)


def draw_all(
    results: Results, folder: Path, provenance: Mapping[str, Any], tick: Callable[[int], Any]
) -> dict[str, Path]:
    """Write every figure as PDF, PNG and CSV; return the PNGs by name."""
    pngs = {}
    for name, plot in FIGURES.items():
        figure, table = plot(results)
        figures.save(figure, folder / name, table=table, provenance={**provenance, "figure": name})
        pngs[name] = folder / f"{name}.png"
        tick(1)
    return pngs
