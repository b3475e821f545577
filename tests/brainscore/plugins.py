"""Small models that are exported, and the benchmark that the live and the exported are scored on.

As a program it runs where Brain-Score has the plugins: it prints, as JSON, what they are and score.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from neurorec import datasets
from neurorec.models import Area, RecurrentNetwork, blt, build
from neurorec.models.parts import Conv, Dropout


def lateral_and_feedback(*, noisy=False, **changes):
    """Areas of Brain-Score's names, which hear themselves and the area above."""
    noise = Dropout(p=0.2) if noisy else None
    areas = [
        Area(name="V1", channels=4, stride=2, noise=noise),
        Area(name="V4_in", region="V4", channels=3),
        Area(name="V4_out", region="V4", channels=4),
        Area(name="IT", channels=6, stride=2),
    ]
    wiring = blt(
        areas,
        lateral=["V1", "V4_out", "IT"],
        top_down={"V1": Conv(kernel=3)},
        **{
            "name": "small",
            "input_size": 16,
            "timesteps": 6,
            "readout": {"area": "IT"},
            "classes": 3,
            **changes,
        },
    )
    return RecurrentNetwork(wiring, seed=1)


#: From what is exported to the regions and settings that it is exported with.
EXPORTED = {
    "deterministic": ({"V4": "a2"}, {"dt_ms": 25, "visual_degrees": 10.5}),
    "dropout": ({"V4": "a2", "IT": ["a3", "integration"]}, {"dt_ms": 20, "seed": 3}),
    "lateral-and-feedback": (None, {"dt_ms": 15, "onset_ms": 5}),
}


def network(name):
    if name == "lateral-and-feedback":
        return lateral_and_feedback()
    preset = {"deterministic": "greco2025-fb", "dropout": "greco2025-fb-dropout"}[name]
    return build(preset, input_size=24, timesteps=4, seed=2)


def v4_benchmark(folder):
    """Macaque V4, 40 images of session 210325, through Brain-Score's own call."""
    from neurorec.brainscore import benchmark

    data = datasets.load("cowley-2023", session="210325")
    shown = data.stimuli.select(slice(0, 40))
    known = np.isin(data.assembly["stimulus_id"].values, shown.stimulus_ids)
    few = replace(data, stimuli=shown, assembly=data.assembly.isel(presentation=known))
    return benchmark(few, metric="ridge", visual_degrees=8, number_of_trials=2, folder=folder)


def scored(model, call):
    """What a model is, and its score, as JSON knows it."""
    score = call(model)
    return {
        "identifier": model.identifier,
        "visual_degrees": model.visual_degrees(),
        "score": score.values.tolist(),
        "raw": score.attrs["raw"].values.tolist(),
        "of_neuroids": score.attrs["raw"].attrs["raw"].values.ravel().tolist(),
    }


if __name__ == "__main__":
    import brainscore_vision  # isort: skip

    call = v4_benchmark(Path(sys.argv[1]))
    found = {name: scored(brainscore_vision.load_model(name), call) for name in sys.argv[2:]}
    found["bibtex"] = {name: brainscore_vision.load_model_bibtex(name) for name in sys.argv[2:]}
    found["of"] = brainscore_vision.__file__
    print(json.dumps(found))
