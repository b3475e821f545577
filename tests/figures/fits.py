"""Made-up results of ``encoding.fit`` and of ``encoding.unique_variance``, of the right shape."""

import numpy as np
import xarray as xr

QUANTITIES = ("score", "r_squared", "determination", "noise_corrected")
RESAMPLED = ("neuroids", "stimuli", "both")
N_SPLITS = 3
N_NEUROIDS = 7


def fitted(
    n_steps: int = 6,
    n_bins: int = 9,
    *,
    time: str = "grid",
    gain: float = 1.0,
    trials: bool = True,
    static: bool = True,
    holes: bool = False,
    draws: bool = True,
) -> xr.Dataset:
    """Scores that differ in every dimension; ``holes`` puts NaN into some."""
    rng = np.random.default_rng(n_steps + 100 * n_bins)
    n_steps = n_steps if time in ("grid", "cumulative") else 1
    start = (40.0 if n_bins > 1 else 120.0) + 20.0 * np.arange(n_bins)
    middle = start + 10
    step_ms = 10.0 * np.arange(n_steps)
    height = np.exp(-((middle - 130) ** 2) / 8000) * (middle > 60)
    match = np.exp(-((step_ms[:, None] + 70 - middle) ** 2) / 9000)
    course = (
        gain * 0.7 * height * (0.45 + 0.55 * match) if n_steps > 1 else gain * 0.6 * height[None]
    )
    own = 0.7 + 0.6 * rng.random(N_NEUROIDS)
    noise = rng.normal(0, 0.02, (N_SPLITS, N_NEUROIDS, n_steps, n_bins))
    score = gain * own[:, None, None] * course + noise
    dims = ("split", "neuroid", "model_time", "time_bin")
    values = {"score": score, "r_squared": score**2, "determination": score**2 - 0.05}
    medians = {name: np.median(v.mean(axis=0), axis=0) for name, v in values.items()}
    data = {name: (dims, v) for name, v in values.items()}
    attrs = {
        "time": time,
        "splits": "KFold(n_splits=5, seed=0)",
        "n_stimuli": 640,
        "n_neuroids": N_NEUROIDS,
        "n_features": 1024,
        "level": 0.95,
        "dt_ms": 10.0,
        "stimulus_off_ms": 140.0,
    }
    if trials:
        reliability = np.clip(0.3 + 0.5 * height + 0.1 * rng.random((N_NEUROIDS, n_bins)), 0.1, 1)
        ceiling = np.sqrt(reliability)
        corrected = score.mean(axis=0) / ceiling[:, None]
        data["ceiling"] = (("neuroid", "time_bin"), ceiling)
        data["reliability"] = (("neuroid", "time_bin"), reliability)
        data["reliable"] = (("neuroid", "time_bin"), reliability > 0.35)
        data["noise_corrected"] = (dims[1:], corrected)
        medians["noise_corrected"] = np.median(corrected, axis=0)
        attrs |= {
            "n_repetitions": 10,
            "n_unreliable": 2,
            "convention": "r over the square root of the Spearman-Brown corrected split-half "
            "reliability",
        }
    names = [name for name in QUANTITIES if name in medians]
    median = np.stack([medians[name] for name in names])
    half = np.array([0.04, 0.05, 0.08])[:, None, None] * (1 + 0.1 * np.arange(n_bins))
    if holes:
        median[:, :2, 3] = np.nan
        median[:, :, 0] = np.nan
    grid = ("model_time", "time_bin")
    data["median"] = (("quantity", *grid), median)
    if draws:
        data["ci_low"] = (("quantity", "resampled", *grid), median[:, None] - half)
        data["ci_high"] = (("quantity", "resampled", *grid), median[:, None] + 0.9 * half)
    kinds = {"static": 0.85 * median[:, -1]} if static and n_bins > 1 else {}
    if kinds and time == "grid" and n_steps > 1:
        kinds["dynamic"] = 0.95 * np.where(np.isnan(median), -1, median).max(axis=1)
    for kind, values in kinds.items():
        data[f"{kind}_median"] = (("quantity", "time_bin"), values)
        if draws:
            own = ("quantity", "resampled", "time_bin")
            data[f"{kind}_ci_low"] = (own, values[:, None] - half[:, 0] / 2)
            data[f"{kind}_ci_high"] = (own, values[:, None] + half[:, 0] / 3)
    ms = {"units": "ms"}
    coords = {
        "quantity": names,
        "resampled": list(RESAMPLED),
        "split": np.arange(N_SPLITS),
        "neuroid_id": ("neuroid", [f"n{i}" for i in range(N_NEUROIDS)]),
        "region": ("neuroid", ["IT"] * N_NEUROIDS),
        "time_bin_start": ("time_bin", start, ms),
        "time_bin_end": ("time_bin", start + 20, ms),
        "timestep": ("model_time", np.arange(n_steps)),
        "model_time_start": ("model_time", step_ms, ms),
        "model_time_end": ("model_time", step_ms + 10, ms),
    }
    if time not in ("grid", "cumulative"):
        del coords["timestep"]
    if not draws:
        del coords["resampled"]
    return xr.Dataset(data, coords=coords, attrs=attrs)


def partition(n_bins: int = 9) -> xr.Dataset:
    """Six parts, each of another height, of which ``shared`` falls below 0."""
    middle = (50.0 if n_bins > 1 else 150.0) + 20.0 * np.arange(n_bins)
    height = np.exp(-((middle - 130) ** 2) / 8000)
    late = 0.06 / (1 + np.exp(-(middle - 150) / 20))
    early = 0.01 * height + 0.005
    shared = 0.22 * height - 0.03
    parts = {
        "unique_late": late,
        "early": early + shared,
        "late": late + shared,
        "both": early + late + shared,
        "unique_early": early,
        "shared": shared,
    }
    median = np.stack(list(parts.values()))
    dims = ("part", "time_bin")
    return xr.Dataset(
        {
            "median": (dims, median),
            "ci_low": (dims, median - 0.012),
            "ci_high": (dims, median + 0.01),
        },
        coords={
            "part": list(parts),
            "time_bin_start": ("time_bin", middle - 10, {"units": "ms"}),
            "time_bin_end": ("time_bin", middle + 10, {"units": "ms"}),
        },
        attrs={
            "quantity": "noise_corrected_determination",
            "boundary_ms": 30.0,
            "n_early": 3,
            "n_late": 5,
            "n_neuroids": 132,
            "n_stimuli": 640,
            "splits": "KFold(n_splits=5, seed=0)",
            "level": 0.95,
            "resampled": "both",
            "interval": "both, 1000 draws",
            "stimulus_off_ms": 140.0,
        },
    )
