"""What the demo computes: each function turns recordings into one labelled Dataset.

Every model is seen through the same images and the same measures. Repetitions of a stochastic
model are averaged where a brain's are averaged; where single trials are decoded, the first is used.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurorec import assemblies, dimensionality, dynamics, encoding, geometry
from neurorec.datasets import NeuralData
from neurorec.demo.results import over_timesteps, stack
from neurorec.recording import Recording
from neurorec.stats import bootstrap_interval

Recordings = Mapping[str, Recording]
Tick = Callable[[], Any]

#: Width and step of the windows in which IT is decoded, in ms: over time, and across times.
COURSE_MS = (50, 10)
CROSS_MS = (100, 20)
BRAIN_SPAN_MS = (-200, 500)


def _areas(recordings: Recordings) -> list[tuple[str, str, Recording]]:
    return [(model, area, r) for model, r in recordings.items() for area in r.areas]


def v4_encoding(
    recordings: Recordings, v4: NeuralData, *, n_draws: int, seed: int, device: str, tick: Tick
) -> xr.Dataset:
    """Median noise-corrected r of ridge from each model, area and timestep to macaque V4.

    With it ``noise_corrected`` of every neuroid, and the same measure of the images' pixels as
    ``reference_score``.
    """
    assembly = _given(v4.assembly)
    options: dict[str, Any] = {
        "splits": encoding.KFold(5, seed=seed),
        "bootstrap": encoding.Bootstrap(n_draws=n_draws, seed=seed),
        "device": device,
    }
    scores, summaries = {}, {}
    for model, area, recording in _areas(recordings):
        fitted = encoding.fit(recording.load(area), assembly, **options)
        short = encoding.summary(fitted)
        n = fitted.sizes["model_time"]
        per_neuroid = fitted["noise_corrected"].isel(time_bin=0, drop=True)
        summaries[model, area] = over_timesteps(short.isel(time_bin=0, drop=True), "model_time", n)
        scores[model, area] = over_timesteps(per_neuroid, "model_time", n)
        tick()
    result = stack(summaries)
    result["noise_corrected"] = stack({k: s.to_dataset(name="x") for k, s in scores.items()})["x"]
    pixels = encoding.fit(encoding.pixels(_given(v4.stimuli)), assembly, **options)
    reference = float(encoding.summary(pixels)["median"].squeeze())
    result["reference_score"] = ("reference", [reference])
    result = result.assign_coords(reference=["pixels"])
    tick()
    result.attrs = {
        "quantity": "noise_corrected",
        "population": "macaque V4",
        "n_neuroids": assembly.sizes["neuroid"],
        "n_stimuli": int(fitted.attrs["n_stimuli"]),
        "ceiling_median": float(fitted["ceiling"].median()),
        "reliability_median": float(fitted["reliability"].median()),
        "dataset": v4.identifier,
        "session": str(assembly.attrs.get("session", "")),
        "monkey": str(np.unique(assembly["animal"].values)[0]),
        "splits": "5-fold cross-validation over images",
        "interval": f"95 % bootstrap over neuroids and images ({n_draws} draws)",
        "convention": "ridge, penalty per neuroid by leave-one-out; r over the square root of the "
        "Spearman-Brown corrected split-half reliabilities of responses and, with dropout, of "
        "predictions",
        "ridge": str(fitted.attrs["provenance"]),
    }
    return result


def late_minus_early(scores: xr.Dataset, *, n_draws: int, seed: int) -> xr.Dataset:
    """Last minus first timestep, and trained minus untrained at the last, paired by neuroid.

    ``gain`` and ``over_untrained`` (model, area) are medians over neuroids of the differences,
    with bootstrap intervals over neuroids.
    """
    x = scores["noise_corrected"].transpose("model", "area", "timestep", "neuroid")
    last = x.isel(timestep=-1)
    differences = {
        "gain": last - x.isel(timestep=0),
        "over_untrained": last - last.sel(model="untrained", drop=True),
    }
    result = xr.Dataset()
    for name, difference in differences.items():
        low, high = bootstrap_interval(
            difference.values, statistic=np.median, axis=-1, n_draws=n_draws, seed=seed
        )
        result[name] = difference.median("neuroid")
        result[f"{name}_low"] = (("model", "area"), low)
        result[f"{name}_high"] = (("model", "area"), high)
    return result


def it_geometry(
    recordings: Recordings, it: NeuralData, *, n_draws: int, seed: int, tick: Tick
) -> xr.Dataset:
    """Spearman correlation of every area's and timestep's RDM with monkey and human IT."""
    rdms = _given(it.rdms)
    kind, species = rdms["rdm_kind"].values, rdms["species"].values
    monkey = rdms.isel(rdm=int(np.flatnonzero((kind == "neural") & (species == "macaque"))[0]))
    subjects = _session_means(rdms.isel(rdm=np.flatnonzero(kind == "neural_subject")))
    targets = {
        "monkey IT": _stacked([monkey], "subject", ["monkeys, pooled"]),
        "human IT": subjects,
    }
    options: dict[str, Any] = {"method": "spearman", "undefined": "nan"}
    per_area: dict[tuple[str, str], xr.Dataset] = {}
    for model, area, recording in _areas(recordings):
        model_rdms = geometry.rdm(recording.load(area), method="correlation", undefined="nan")
        compared = [
            geometry.compare_with_interval(
                model_rdms, rdms_of, n_draws=n_draws, seed=seed, average="subject", **options
            )
            for rdms_of in targets.values()
        ]
        n = model_rdms.sizes["time_bin"]
        per_area[model, area] = xr.Dataset(
            {
                name: (("timestep", "target"), np.stack([c[name].values for c in compared], 1))
                for name in ("score", "ci_low", "ci_high")
            },
            coords={"timestep": np.arange(n), "target": list(targets)},
        )
        tick()
    result = stack(per_area)
    ceiling = geometry.noise_ceiling(subjects, method="spearman")
    # One RDM of two monkeys pooled leaves no subjects from which to estimate a ceiling.
    result["ceiling_lower"] = ("target", [np.nan, float(ceiling["lower"])])
    result["ceiling_upper"] = ("target", [np.nan, float(ceiling["upper"])])
    names = [n for n in ("model_V1", "model_animacy") if n in rdms["rdm_name"].values]
    levels = [
        [
            float(geometry.compare(_named(rdms, name), rdms_of, method="spearman").mean())
            for rdms_of in targets.values()
        ]
        for name in names
    ]
    if names:
        result["reference_score"] = (("reference", "target"), levels)
        result = result.assign_coords(reference=[n.replace("model_", "") + " model" for n in names])
    result.attrs = {
        "score_label": "RDM correlation (Spearman)",
        "n_stimuli": rdms.sizes["condition"],
        "n_subjects": subjects.sizes["subject"],
        "dataset": it.identifier,
        "dissimilarity": "1 − Pearson r over units",
        "comparison": "Spearman",
        "interval": f"95 % bootstrap over images ({n_draws} draws)",
        "convention": "ceiling: each subject against the mean of the others (lower) and of all "
        "(upper); human scores are means over subjects",
    }
    return result


def _named(rdms: xr.DataArray, name: str) -> xr.DataArray:
    """The first RDM of that name, without the coordinates that say which one it was."""
    found = rdms.isel(rdm=int(np.flatnonzero(rdms["rdm_name"].values == name)[0]))
    return found.drop_vars([str(n) for n, c in found.coords.items() if c.dims == ()])


def _session_means(rdms: xr.DataArray) -> xr.DataArray:
    """One RDM per subject, the mean of the sessions."""
    names = rdms["subject"].values
    order = list(dict.fromkeys(names.tolist()))
    means = [rdms.isel(rdm=np.flatnonzero(names == name)).mean("rdm") for name in order]
    return _stacked(means, "subject", order)


def _stacked(rdms: Sequence[xr.DataArray], dim: str, names: Sequence[str]) -> xr.DataArray:
    """RDMs of the same conditions along a new dimension."""
    first = rdms[0]
    coords = {name: c for name, c in first.coords.items() if "condition" in c.dims}
    values = np.stack([rdm.transpose("condition", "condition_b").values for rdm in rdms])
    stacked = xr.DataArray(values, dims=(dim, "condition", "condition_b"), coords=coords)
    return stacked.assign_coords({dim: list(names)})


def brain_course(it: NeuralData) -> xr.Dataset:
    """Object decoding from macaque IT over time, with its latencies."""
    decoded = dynamics.decoding_over_time(_windows(it, *COURSE_MS))
    for name, measure in (
        ("onset_ms", dynamics.onset_latency),
        ("half_height_ms", dynamics.half_height_latency),
    ):
        decoded.attrs[name] = float(measure(decoded)["latency"])
    return decoded.assign_attrs(_brain_labels(it, *COURSE_MS))


def brain_across(it: NeuralData) -> xr.Dataset:
    """Object decoding from macaque IT, trained at one time and tested at another."""
    decoded = dynamics.temporal_generalization(_windows(it, *CROSS_MS))
    return decoded.assign_attrs(_brain_labels(it, *CROSS_MS))


def _windows(it: NeuralData, width_ms: float | int, step_ms: float | int) -> xr.DataArray:
    start, stop = BRAIN_SPAN_MS
    return assemblies.window(
        _given(it.assembly), start_ms=start, stop_ms=stop, width_ms=width_ms, step_ms=step_ms
    )


def _brain_labels(it: NeuralData, width_ms: float | int, step_ms: float | int) -> dict[str, Any]:
    return {
        "population": "macaque IT",
        "dataset": it.identifier,
        "stimulus_off_ms": 500.0,
        "convention": f"{width_ms:g} ms windows every {step_ms:g} ms; units of different sessions "
        "were not recorded together",
    }


def model_course(recordings: Recordings, *, dataset: str, seed: int, tick: Tick) -> xr.Dataset:
    """Class decoding from every area over timesteps."""
    decoded = {}
    for model, area, recording in _areas(recordings):
        one = dynamics.decoding_over_time(first_trial(recording.load(area)), **_folds(seed))
        one = one[["accuracy", "ci_low", "ci_high"]]
        decoded[model, area] = over_timesteps(one, "time_bin", one.sizes["time_bin"])
        tick()
    return stack(decoded).assign_attrs(dataset=dataset, population="models")


def model_across(
    recordings: Recordings, *, area: str, dataset: str, seed: int, tick: Tick
) -> xr.Dataset:
    """Class decoding from ``area``, trained at one timestep and tested at another."""
    decoded = {}
    for model, recording in recordings.items():
        activity = first_trial(recording.load(area))
        decoded[model, area] = dynamics.temporal_generalization(activity, **_folds(seed))
        tick()
    result = stack(decoded).isel(area=0, drop=True)[["accuracy"]]
    return result.assign_attrs(dataset=dataset, population="models", label=f"area {area}")


def _folds(seed: int) -> dict[str, Any]:
    return {"label": "label", "fold": "stratified", "n_folds": 10, "seed": seed}


def geometry_over_time(recordings: Recordings, *, dataset: str, tick: Tick) -> xr.Dataset:
    """Participation ratio of every area and timestep, and linear CKA between timesteps."""
    per_area = {}
    n_repetitions = 1
    for model, area, recording in _areas(recordings):
        activity = assemblies.average_repetitions(recording.load(area))
        n_repetitions = max(n_repetitions, int(activity["n_repetitions"].max()))
        curve = dimensionality.size_curve(activity, n_draws=20, undefined="nan")
        n = curve.sizes["time_bin"]
        curve = over_timesteps(curve, "time_bin", n)
        cka = geometry.linear_cka(activity, undefined="nan").values
        per_area[model, area] = xr.Dataset(
            {
                "participation_ratio": curve["participation_ratio"].isel(n_stimuli=-1, drop=True),
                "participation_ratio_half": curve["participation_ratio"].isel(
                    n_stimuli=0, drop=True
                ),
                "linear_cka": (("timestep", "timestep_b"), cka),
            }
        )
        tick()
    result = stack(per_area).assign_coords(timestep_b=np.arange(n))
    result.attrs = {
        "n_stimuli": activity.sizes["presentation"],
        "n_repetitions": n_repetitions,
        "dataset": dataset,
        "convention": "covariance over images of the mean response (with noise, of "
        f"{n_repetitions} passes); biased linear CKA",
    }
    return result


def speed_and_accuracy(
    recordings: Recordings, *, dataset: str, first_timestep: int
) -> tuple[xr.Dataset, xr.Dataset]:
    """Accuracy of the readout over timesteps, and of answers given at a confidence."""
    curves, thresholds = {}, {}
    for model, recording in recordings.items():
        measured = dynamics.speed_accuracy(
            first_trial(recording.logits()), "label", first_timestep=first_timestep
        )
        curve = measured[["accuracy", "ci_low", "ci_high", "area_under_curve"]]
        curves[model, "readout"] = over_timesteps(curve, "time_bin", measured.sizes["time_bin"])
        answers = measured[["mean_timesteps", "accuracy_at_threshold", "fraction_undecided"]]
        thresholds[model, "readout"] = answers
    curve, threshold = (stack(results).isel(area=0, drop=True) for results in (curves, thresholds))
    curve.attrs |= {"dataset": dataset}
    return curve, threshold


def first_trial(activity: xr.DataArray) -> xr.DataArray:
    """Repetition 0 of every stimulus."""
    return activity.isel(presentation=np.flatnonzero(activity["repetition"].values == 0))


def _given(x: Any) -> Any:
    if x is None:
        raise ValueError("the data set lacks the part that the demo compares with")
    return x
