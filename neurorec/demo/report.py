"""The page that says what was compared with what, and what came out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurorec.demo.analysis import Results
from neurorec.figures import MODELS, Section, write_report

ONE_SEED = (
    "One network of each kind was trained, from one seed. Intervals say how well neurons, images "
    "or presentations determine a number; they say nothing about other networks of the same kind, "
    "so no difference between the four designs is claimed here."
)


def write(
    path: Path,
    results: Results,
    pngs: Mapping[str, Path],
    *,
    training: str,
    reason: str,
    provenance: Mapping[str, Any],
) -> Path:
    """Write the report.

    Parameters
    ----------
    training
        What the models were trained on.
    reason
        Why the recordings are simulated; empty for real ones.
    """
    brains = "simulated recordings" if reason else "macaque visual cortex"
    simulated = f" The recordings are SIMULATED: {reason}." if reason else ""
    return write_report(
        path,
        title=f"Recurrent models trained on {training}, held against {brains}",
        lead="Four small convolutional networks, the 2 × 2 design of feedback and dropout, were "
        f"trained on {training}. They and an untrained control were recorded at every timestep and "
        f"compared with V4 and IT. {ONE_SEED}{simulated}",
        sections=[make(results, pngs, training) for make in _SECTIONS],
        provenance=provenance,
        simulated=bool(reason),
    )


def _overview(r: Results, pngs: Mapping[str, Path], training: str) -> Section:
    return Section(
        identifier="overview",
        title="At a glance",
        text=(
            "The design after Greco et al. (2025), whose paper states no architecture: areas, "
            "channels, feedback, timesteps and dropout rate are this project's choice. The four "
            "designs have the same parameters; without feedback the connection carries zeros.",
        ),
        figure=pngs["overview"],
        alt="Scheme of the models, V4 encoding, IT temporal generalization, IT geometry",
        facts={
            "Models": ", ".join(style.label for style in MODELS.values()),
            "Trained on": training,
            "Dropout": "single units of the integration area, p = 0.5, anew at each timestep, on "
            "in training and in every recording",
        },
    )


def _speed_accuracy(r: Results, pngs: Mapping[str, Path], training: str) -> Section:
    last = r.accuracy.isel(timestep=-1)
    table = pd.DataFrame(
        {
            "model": _labels(r.accuracy),
            "accuracy, first timestep": _two(r.accuracy["accuracy"].isel(timestep=0)),
            "accuracy, last timestep": _with_interval(last, "accuracy"),
            "area under the curve": _two(r.accuracy["area_under_curve"]),
        }
    )
    attrs = r.accuracy.attrs
    return Section(
        identifier="speed-accuracy",
        title=f"Speed and accuracy on {training}",
        text=(
            "Accuracy of the networks' own readout at each timestep, and of answers given as soon "
            "as the readout is confident. With dropout, one noisy pass per image.",
        ),
        figure=pngs["speed_accuracy"],
        table=table,
        facts={
            "Images": f"{attrs.get('n_presentations', '?')} held out from training, "
            f"{attrs.get('n_classes', '?')} classes",
            "Chance": _number(attrs.get("chance")),
            "Interval": "95 % Wilson, over images",
            "Undecided": "images that never reach a threshold are left out of its accuracy and "
            "counted in the table behind the figure",
        },
    )


def _encoding(r: Results, pngs: Mapping[str, Path], training: str) -> Section:
    attrs = r.encoding.attrs
    last = r.encoding.isel(timestep=-1)
    rows = []
    for model in r.encoding["model"].values:
        for area in r.encoding["area"].values:
            here, gain = last.sel(model=model, area=area), r.gains.sel(model=model, area=area)
            rows.append(
                {
                    "model": MODELS[model].label,
                    "area": area,
                    "last timestep": _with_interval(here, "median"),
                    "last − first": _with_interval(gain, "gain"),
                    "trained − untrained": "–"
                    if model == "untrained"
                    else _with_interval(gain, "over_untrained"),
                }
            )
    return Section(
        identifier="v4-encoding",
        title="Predicting V4 neurons from each timestep",
        text=(
            "Ridge regression from all units of an area at one timestep to the mean response of "
            "each neuron. The recordings have one time bin, so the curves are the model's time, "
            "not the brain's.",
        ),
        figure=pngs["v4_encoding"],
        table=pd.DataFrame(rows),
        facts={
            "Compared": f"all units of an area with {attrs['n_neuroids']} V4 neurons of monkey "
            f"{attrs['monkey']} ({attrs['dataset']}), {attrs['n_stimuli']} natural images",
            "Score": f"{attrs['convention']}; median over neurons",
            "Ceiling": f"1 after correction; median ceiling r = {attrs['ceiling_median']:.3f} "
            f"(reliability {attrs['reliability_median']:.3f})",
            "Interval": f"{attrs['interval']}; differences are paired by neuron",
            "Untrained": "one control for all: the first weights, with feedback, without dropout; "
            "for the other designs the difference holds architecture and noise as well",
            "Cross-validation": attrs["splits"],
            "Reference": "pixels: ridge from every pixel of the images",
        },
    )


def _rsa(r: Results, pngs: Mapping[str, Path], training: str) -> Section:
    attrs, last = r.rsa.attrs, r.rsa.isel(timestep=-1)
    rows = [
        {
            "model": MODELS[model].label,
            "area": area,
            **{
                str(target): _with_interval(
                    last.sel(model=model, area=area, target=target), "score"
                )
                for target in r.rsa["target"].values
            },
        }
        for model in r.rsa["model"].values
        for area in r.rsa["area"].values
    ]
    lower, upper = (float(r.rsa[f"ceiling_{n}"].isel(target=1)) for n in ("lower", "upper"))
    return Section(
        identifier="it-geometry",
        title="Representational geometry against monkey and human IT",
        text=("The table gives the last timestep.",),
        figure=pngs["it_rsa"],
        table=pd.DataFrame(rows),
        facts={
            "Compared": f"RDMs of {attrs['n_stimuli']} object images ({attrs['dataset']}): every "
            "area and timestep with the neurons of monkey IT and the voxels of human IT",
            "Measure": f"{attrs['dissimilarity']}; RDMs compared by {attrs['comparison']} "
            "correlation",
            "Ceiling": f"human IT {lower:.3f} to {upper:.3f} ({attrs['n_subjects']} subjects); "
            "monkey IT: no subjects, no ceiling",
            "Interval": attrs["interval"],
        },
    )


def _decoding(r: Results, pngs: Mapping[str, Path], training: str) -> Section:
    brain, models = r.brain_course.attrs, r.model_course.attrs
    peak = r.brain_course.isel(time_bin=int(np.argmax(r.brain_course["accuracy"].values)))
    return Section(
        identifier="decoding",
        title="Decoding over time: the brain's time course and the models'",
        text=(
            "Objects from macaque IT over milliseconds; classes from each model area over "
            "timesteps, with the same classifier. Brain and models saw different images: the "
            "shapes of the curves can be compared, their heights cannot.",
        ),
        figure=pngs["decoding_over_time"],
        facts={
            "Brain": f"{brain['n_classes']} objects, {brain['n_presentations']} presentations, "
            f"{brain['n_neuroids']} units ({brain['dataset']}); {brain['convention']}",
            "Peak": f"{float(peak['accuracy']):.3f} [{float(peak['ci_low']):.3f}, "
            f"{float(peak['ci_high']):.3f}] at {float(peak['time_bin_start']):g}–"
            f"{float(peak['time_bin_end']):g} ms; chance {brain['chance']:.3f}",
            "Latency": f"onset {brain['onset_ms']:g} ms (baseline + 5 SD, three windows in a row), "
            f"half height {brain['half_height_ms']:g} ms (ends of windows)",
            "Models": f"{models['n_classes']} classes, {models['n_presentations']} "
            f"{models['dataset']}; chance {models['chance']:.3f}",
            "Classifier": "maximum correlation with class means, 10 folds",
            "Interval": "95 % Wilson, over presentations",
        },
    )


def _generalization(r: Results, pngs: Mapping[str, Path], training: str) -> Section:
    brain = r.brain_across.attrs
    return Section(
        identifier="temporal-generalization",
        title="Trained at one time, tested at another",
        text=(
            "A square block means a code that stays; a diagonal means a code that moves on. "
            "Colours of brain and models have scales of their own.",
        ),
        figure=pngs["temporal_generalization"],
        facts={
            "Brain": f"{brain['n_classes']} objects, {brain['n_presentations']} presentations, "
            f"{brain['n_neuroids']} units; {brain['convention']}; chance {brain['chance']:.3f}",
            "Models": f"{r.model_across.attrs['label']}, {r.model_across.attrs['dataset']}; chance "
            f"{_number(r.model_across.attrs.get('chance'))}",
        },
    )


def _geometry(r: Results, pngs: Mapping[str, Path], training: str) -> Section:
    pr = r.geometry
    rows = [
        {
            "model": MODELS[model].label,
            "area": area,
            **{
                name: f"{float(pr[variable].sel(model=model, area=area).isel(timestep=t)):.1f}"
                for name, variable, t in (
                    ("first timestep", "participation_ratio", 0),
                    ("last timestep", "participation_ratio", -1),
                    ("last, half the images", "participation_ratio_half", -1),
                )
            },
        }
        for model in pr["model"].values
        for area in pr["area"].values
    ]
    return Section(
        identifier="geometry",
        title="Dimensionality and geometry over time",
        text=(
            "The participation ratio grows with the number of images; the last column shows by how "
            "much. It also grows with the noise that is left in a mean: with dropout, areas from "
            f"integration on are the mean of {pr.attrs['n_repetitions']} noisy passes, so compare "
            "them with one another and not with the other designs. CKA says how similar an area's "
            "geometry is between two timesteps.",
        ),
        figure=pngs["geometry"],
        table=pd.DataFrame(rows),
        facts={
            "Images": f"{pr.attrs['n_stimuli']}, {pr.attrs['dataset']}",
            "Measures": pr.attrs["convention"],
        },
    )


_SECTIONS = (
    _overview,
    _speed_accuracy,
    _encoding,
    _rsa,
    _decoding,
    _generalization,
    _geometry,
)


def _labels(results: xr.Dataset) -> list[str]:
    return [MODELS[name].label for name in results["model"].values]


def _two(values: xr.DataArray) -> list[str]:
    return [f"{v:.2f}" for v in values.values.ravel()]


def _number(value: Any) -> str:
    return "not stated" if value is None else f"{float(value):.3f}"


def _with_interval(results: xr.Dataset, name: str) -> Any:
    """``0.31 [0.28, 0.35]``, one text or a list of them."""
    low, high = (
        (results["ci_low"], results["ci_high"])
        if "ci_low" in results
        else (results[f"{name}_low"], results[f"{name}_high"])
    )
    triples = zip(
        results[name].values.ravel(), low.values.ravel(), high.values.ravel(), strict=True
    )
    texts = [f"{v:.2f} [{lo:.2f}, {hi:.2f}]" for v, lo, hi in triples]
    return texts if results[name].ndim else texts[0]
