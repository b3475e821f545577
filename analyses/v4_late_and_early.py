"""Late against early timesteps as predictors of macaque V4, in the first area of the demo's models.

Run after ``neurorec demo``, whose recordings it reads; it writes a figure into the same folder:

    python analyses/v4_late_and_early.py neurorec-demo
"""

# %% Configuration
import sys
from pathlib import Path

import numpy as np
import xarray as xr

import neurorec as nr

DEMO = Path(sys.argv[1] if len(sys.argv) > 1 else "neurorec-demo")
AREA = "a1"
MODELS = ("ff", "ff-dropout", "fb", "fb-dropout", "untrained")

# %% Every neuron, predicted from each timestep of each model
v4 = nr.datasets.load("cowley-2023", session="210325").assembly
scores = {
    model: nr.encoding.fit(nr.open_recording(DEMO / f"recordings/{model}-v4.h5").load(AREA), v4)
    for model in MODELS
}

# %% The last minus the first timestep, neuron by neuron
for model, result in scores.items():
    corrected = result["noise_corrected"].isel(time_bin=0)
    gain = (corrected.isel(model_time=-1) - corrected.isel(model_time=0)).values
    low, high = nr.stats.bootstrap_interval(gain, seed=0)
    print(
        f"{model:>12}: median gain {np.median(gain):+.3f} [{low:+.3f}, {high:+.3f}], n {len(gain)}"
    )

# %% Figure
summaries = [nr.encoding.summary(result).isel(time_bin=0) for result in scores.values()]
curves = xr.Dataset(
    {
        name: (("model", "area", "timestep"), np.stack([[s[name].values] for s in summaries]))
        for name in ("median", "ci_low", "ci_high")
    },
    coords={"model": list(MODELS), "area": [AREA], "timestep": summaries[0]["timestep"].values},
    attrs={**summaries[0].attrs, "dataset": "cowley-2023, session 210325"},
)
nr.figures.save(
    nr.figures.encoding_over_time(curves),
    DEMO / "v4_late_and_early",
    table=nr.figures.encoding_over_time_table(curves),
    provenance={"analysis": Path(__file__).name, "area": AREA},
)
