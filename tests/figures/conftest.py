"""Results of the right shape to draw; made up, and for tests of drawing alone."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text

from neurorec import figures

from .fits import fitted, partition

MODELS = ["ff", "ff-dropout", "fb", "fb-dropout", "untrained"]
AREAS = ["a1", "integration", "a2", "a3"]
TIMESTEPS = np.arange(8)
GAIN = np.array([0.82, 0.88, 0.93, 1.0, 0.55])
RISE = np.array([1.2, 1.3, 2.0, 2.4, 1.0])
PER_AREA = np.array([0.55, 0.72, 0.66, 0.5])


def _approach(rng: np.random.Generator, top: float) -> np.ndarray:
    """(model, area, timestep), rising towards ``top`` or less."""
    shape = 1 - np.exp(-(TIMESTEPS + 0.6) / RISE[:, None])
    values = top * GAIN[:, None, None] * PER_AREA[:, None] / PER_AREA.max() * shape[:, None, :]
    return values + rng.normal(0, 0.008, values.shape)


def _with_interval(name: str, values: np.ndarray, half: float, **coords) -> xr.Dataset:
    dims = tuple(coords)
    pairs = {name: values, "ci_low": values - half, "ci_high": values + half * 0.9}
    return xr.Dataset({k: (dims, v) for k, v in pairs.items()}, coords=coords)


def encoding() -> xr.Dataset:
    rng = np.random.default_rng(1)
    scores = _with_interval(
        "median", _approach(rng, 0.66), 0.045, model=MODELS, area=AREAS, timestep=TIMESTEPS
    )
    scores = scores.assign_coords(reference=["pixels", "Gabor energy"])
    scores["reference_score"] = ("reference", np.array([0.31, 0.53]))
    scores.attrs |= {
        "n_neuroids": 50,
        "n_stimuli": 640,
        "dataset": "cowley-2023",
        "population": "macaque V4",
        "session": "210325",
        "monkey": "PE",
        "ceiling_median": 0.872,
        "splits": "ridge, 5-fold over images",
        "level": 0.95,
        "interval": "percentile bootstrap over neuroids, 1000 draws",
        "training": "Models trained on 8 × 8 digits",
        "dt_ms": 10.0,
    }
    return scores


def rsa() -> xr.Dataset:
    rng = np.random.default_rng(2)
    values = np.stack([_approach(rng, 0.32), _approach(rng, 0.27) - 0.03], axis=-1)
    scores = _with_interval(
        "score",
        values,
        0.035,
        model=MODELS,
        area=AREAS,
        timestep=TIMESTEPS,
        target=["monkey IT", "human IT"],
    ).assign_coords(reference=["V1 model", "animacy"])
    scores["ceiling_lower"] = ("target", np.array([np.nan, 0.372]))
    scores["ceiling_upper"] = ("target", np.array([np.nan, 0.666]))
    levels = np.array([[0.074, 0.039], [0.453, 0.588]])
    scores["reference_score"] = (("reference", "target"), levels)
    scores.attrs |= {
        "n_stimuli": 92,
        "dataset": "kriegeskorte-2008",
        "dissimilarity": "1 − Pearson r",
        "comparison": "Spearman rank correlation",
        "score_label": "RDM correlation",
        "interval": "95 % bootstrap over images",
        "dt_ms": 10.0,
    }
    return scores


def decoding_brain() -> xr.Dataset:
    start = np.arange(-200, 401, 20.0)
    middle = start + 50
    rise = 1 / (1 + np.exp(-(middle - 125) / 14)) * np.exp(-np.maximum(middle - 180, 0) / 900)
    values = 1 / 7 + 0.7 * rise + np.random.default_rng(3).normal(0, 0.01, len(start))
    brain = xr.Dataset(
        {
            "accuracy": ("time_bin", values),
            "ci_low": ("time_bin", values - 0.04),
            "ci_high": ("time_bin", values + 0.04),
        },
        coords={
            "time_bin_start": ("time_bin", start),
            "time_bin_end": ("time_bin", start + 100),
        },
    )
    brain.attrs |= BRAIN_ATTRS
    return brain


BRAIN_ATTRS = {
    "population": "macaque IT",
    "dataset": "zhang-desimone-2011",
    "chance": 1 / 7,
    "n_classes": 7,
    "n_presentations": 419,
    "n_neuroids": 132,
    "stimulus_off_ms": 500.0,
    "classifier": "max_correlation",
    "n_splits": 10,
    "level": 0.95,
    "interval": "Wilson, over presentations",
}
MODEL_ATTRS = {
    "population": "models",
    "chance": 0.1,
    "n_classes": 10,
    "n_presentations": 360,
    "interval": "95 % bootstrap over images",
    "dt_ms": 10.0,
}


def decoding_models() -> xr.Dataset:
    values = 0.1 + _approach(np.random.default_rng(4), 0.84)
    models = _with_interval("accuracy", values, 0.03, model=MODELS, area=AREAS, timestep=TIMESTEPS)
    models.attrs |= MODEL_ATTRS | {"classifier": "max_correlation"}
    return models


def generalization_brain() -> xr.Dataset:
    start = np.arange(-100, 401, 25.0)
    middle = start + 50
    strength = 1 / (1 + np.exp(-(middle - 120) / 12))
    distance = np.abs(middle[:, None] - middle[None])
    values = 1 / 7 + 0.7 * np.sqrt(np.outer(strength, strength)) * np.exp(-distance / 260)
    values -= 0.02 * (middle[:, None] > middle)  # no matrix of decoding is quite symmetric
    coords = {}
    for kind in ("train_time", "test_time"):
        coords |= {f"{kind}_start": (kind, start), f"{kind}_end": (kind, start + 100)}
    brain = xr.Dataset({"accuracy": (("train_time", "test_time"), values)}, coords=coords)
    brain.attrs |= BRAIN_ATTRS
    return brain


def generalization_models() -> xr.Dataset:
    distance = np.abs(TIMESTEPS[:, None] - TIMESTEPS[None])
    strength = 1 - np.exp(-(TIMESTEPS + 0.7) / RISE[:, None])
    values = 0.1 + 0.85 * GAIN[:, None, None] * np.exp(-distance / (3 * RISE[:, None, None]))
    values = values * np.sqrt(strength[:, :, None] * strength[:, None, :])
    values = values * np.where(TIMESTEPS[:, None] > TIMESTEPS, 0.95, 1.0)
    models = xr.Dataset(
        {"accuracy": (("model", "train_time", "test_time"), values)},
        coords={
            "model": MODELS,
            "train_timestep": ("train_time", TIMESTEPS),
            "test_timestep": ("test_time", TIMESTEPS),
        },
    )
    models.attrs |= MODEL_ATTRS | {"population": "models, area a3"}
    return models


def geometry() -> xr.Dataset:
    rng = np.random.default_rng(5)
    size = np.array([38.0, 24.0, 15.0, 7.0])
    decay = 1 + 0.8 * np.exp(-TIMESTEPS / RISE[:, None])
    values = size[:, None] * GAIN[:, None, None] * decay[:, None, :]
    results = _with_interval(
        "participation_ratio", values, 1.2, model=MODELS, area=AREAS, timestep=TIMESTEPS
    )
    distance = np.abs(TIMESTEPS[:, None] - TIMESTEPS[None])
    cka = np.exp(
        -distance / (8 * RISE[:, None, None, None] * np.array([3, 2, 1.5, 1])[:, None, None])
    )
    cka = cka * (1 - 0.002 * rng.random(cka.shape))
    results = results.assign_coords(timestep_b=TIMESTEPS)
    results["linear_cka"] = (("model", "area", "timestep", "timestep_b"), cka)
    results.attrs |= {
        "n_stimuli": 640,
        "dataset": "cowley-2023 images",
        "participation_ratio_max": 639,
        "interval": "95 % bootstrap over images",
        "dt_ms": 10.0,
    }
    return results


def curves() -> xr.Dataset:
    values = 0.1 + _approach(np.random.default_rng(6), 0.86)[:, 1]
    by_step = _with_interval("accuracy", values, 0.025, model=MODELS, timestep=TIMESTEPS)
    by_step.attrs |= MODEL_ATTRS | {"dataset": "8 × 8 digits, held-out"}
    return by_step


def thresholds() -> xr.Dataset:
    levels = np.array([0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99])
    steps = 7 * levels ** (3 / RISE[:, None] + 1)
    top = curves()["accuracy"].values.max(axis=1)
    values = 0.1 + (top[:, None] - 0.1) * (1 - np.exp(-(steps + 0.8) / RISE[:, None]))
    dims = ("model", "threshold")
    undecided = np.clip(levels**3 * (1.4 - GAIN[:, None]) * 1.4, 0, 1)
    return xr.Dataset(
        {
            "mean_timesteps": (dims, steps),
            "accuracy_at_threshold": (dims, values),
            "fraction_undecided": (dims, undecided),
        },
        coords={"model": MODELS, "threshold": levels},
    )


def layers() -> xr.Dataset:
    shape = 1 - np.exp(-(TIMESTEPS + 0.6) / 2.0)
    values = 0.5 * PER_AREA[:, None, None] / PER_AREA.max() * shape[:, None] * np.ones(2)
    values = values + np.random.default_rng(7).normal(0, 0.01, values.shape)
    scores = xr.Dataset(
        {"score": (("area", "timestep", "time_bin"), values)},
        coords={
            "area": AREAS,
            "timestep": TIMESTEPS,
            "model_time_start": ("timestep", 10.0 * TIMESTEPS),
            "model_time_end": ("timestep", 10.0 * TIMESTEPS + 10),
            "time_bin_start": ("time_bin", [70.0, 120.0]),
            "time_bin_end": ("time_bin", [120.0, 170.0]),
        },
    )
    scores.attrs |= {
        "benchmark": "cowley-2023/210325.V4-pls-6d61c0306040",
        "model": "fb-dropout-01e0d9146362",
        "metric": "PLS(n_components=25), 10 splits, in sample space",
        "dt_ms": 10.0,
    }
    return scores


@dataclass(kw_only=True)
class Plot:
    """A plot, its table, and what they are given."""

    draw: Callable[..., Figure]
    table: Callable[..., pd.DataFrame]
    results: tuple[xr.Dataset, ...]

    @cached_property
    def drawn(self) -> Figure:
        """The figure of these results, drawn once for all tests that only look at it."""
        return self.draw(*self.results)


def plots() -> dict[str, Plot]:
    """Every plot of the room, by name."""
    named = {
        "encoding_over_time": (encoding(),),
        "rsa_over_time": (rsa(),),
        "decoding_over_time": (decoding_brain(), decoding_models()),
        "temporal_generalization": (generalization_brain(), generalization_models()),
        "geometry_of_models": (geometry(),),
        "speed_accuracy": (curves(), thresholds()),
        "overview": (encoding(), generalization_brain(), rsa()),
        "time_grid": (fitted(),),
        "variance_partition": (partition(),),
        "layer_scores": (layers(),),
    }
    given = {name: (name, results) for name, results in named.items()}
    given["encoding of a fit"] = ("encoding_over_time", (fitted(),))
    return {
        name: Plot(
            draw=getattr(figures, function),
            table=getattr(figures, f"{function}_table"),
            results=results,
        )
        for name, (function, results) in given.items()
    }


PLOTS = plots()


@pytest.fixture(params=sorted(PLOTS), scope="session")
def plot(request) -> Plot:
    return PLOTS[request.param]


@pytest.fixture(scope="session")
def by_name() -> dict[str, Plot]:
    return PLOTS


def texts_of(figure: Figure) -> list[Text]:
    """Every text that is seen: tick labels outside the limits and the watermark are not."""
    unseen: set[int] = set()
    for axes in figure.findobj(Axes):
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * (high - low)
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not (axes.axison and low - slack <= tick.get_loc() <= high + slack):
                    unseen |= {id(tick.label1), id(tick.label2)}
            if not axes.axison:
                unseen |= {id(axis.label), id(axis.offsetText)}
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible()
        and text.get_text().strip()
        and id(text) not in unseen
        and text.get_gid() != "neurorec-simulated"
    ]


def layout_faults(figure: Figure) -> list[str]:
    """What is cut off or lies on something else, in words."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    boxes = [(t.get_text(), t.get_window_extent(renderer).padded(-0.5)) for t in texts_of(figure)]
    canvas = figure.bbox.padded(0.5)
    faults = [
        f"{text!r} is cut off"
        for text, box in boxes
        if not (canvas.contains(*box.min) and canvas.contains(*box.max))
    ]
    faults += [
        f"{one!r} lies on {other!r}"
        for (one, first), (other, second) in itertools.combinations(boxes, 2)
        if first.overlaps(second)
    ]
    for legend in figure.findobj(Legend):
        box = legend.get_window_extent(renderer).padded(-0.5)
        inside = [*legend.get_texts(), legend.get_title()]
        own = {text.get_text() for text in inside}
        if not (canvas.contains(*box.min) and canvas.contains(*box.max)):
            faults.append(f"the legend of {sorted(own)} is cut off")
        faults += [
            f"the legend of {sorted(own)} lies on axes titled {axes.get_title()!r}"
            for axes in figure.findobj(Axes)
            if axes.axison and axes.bbox.overlaps(box)
        ]
        faults += [
            f"the legend of {sorted(own)} lies on {text!r}"
            for text, other in boxes
            if text not in own and other.overlaps(box)
        ]
    return faults


@pytest.fixture(scope="session")
def faults() -> Callable[[Figure], list[str]]:
    return layout_faults
