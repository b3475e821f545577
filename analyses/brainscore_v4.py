"""The 2 x 2 models of the demo on Brain-Score benchmarks of macaque V4, beside three controls.

The area that stands for V4 is chosen on a third session, whose images and neurons are not scored.
Session 210325 has single trials, and so a ceiling. Session 210224, on which nothing was developed,
has means, whose scores are not corrected. Run after ``neurorec demo``, whose checkpoints it reads;
it writes scores and a figure into the same folder, and continues after an interruption:

    python analyses/brainscore_v4.py neurorec-demo
"""

# %% Configuration
import sys
from pathlib import Path

import neurorec as nr
from neurorec import brainscore

DEMO = Path(sys.argv[1] if len(sys.argv) > 1 else "neurorec-demo")
MODELS = ("ff", "ff-dropout", "fb", "fb-dropout")
DEGREES = 8  # of the screen and of the images, of which no width is published
N_TRIALS = 4  # of each image that a model with dropout sees

# %% Benchmarks: one with a ceiling, one held back
session = {"visual_degrees": DEGREES, "number_of_trials": N_TRIALS}
benchmarks = [
    brainscore.open_benchmark("cowley-2023@210325:pls", **session),
    brainscore.open_benchmark("cowley-2023@210224:pls", ceiling=1.0, **session),
]

# %% Subjects: the area of each is chosen on another session
subjects = {}
for name in MODELS:
    checkpoint = DEMO / "checkpoints" / f"{name}.safetensors"
    network = brainscore.subject(checkpoint, {"V4": "a1"}, device="cpu", identifier=name)
    fitted = brainscore.fit_regions(
        network, "cowley-2023", session="190923", train_fraction=1, visual_degrees=DEGREES
    )
    fitted.to_json(DEMO / f"brainscore-regions-{name}.json")
    subjects[name] = brainscore.subject(
        checkpoint, fitted.regions, device="cpu", identifier=name, visual_degrees=DEGREES
    )
    print(f"{name:>12}: V4 is {fitted.regions['V4']}")
pixels, untrained = brainscore.controls(subjects["fb"], seed=0)

# %% Scores, through Brain-Score's own call of each benchmark
scores = brainscore.score(
    [*subjects.values(), untrained, pixels],
    benchmarks,
    out=DEMO / "brainscore.json",
    resume=True,
    progress=lambda done, total, pair: print(f"{done} of {total}  {pair}"),
)
print(scores)
scores.table.to_csv(DEMO / "brainscore.csv", index=False)

# %% Every area at every timestep of one model
layers = brainscore.layer_scores(subjects["fb-dropout"], benchmarks[0])
nr.figures.save(
    nr.figures.layer_scores(layers),
    DEMO / "brainscore_layers",
    table=nr.figures.layer_scores_table(layers),
    provenance={"analysis": Path(__file__).name, "scores": layers.attrs["provenance"]},
)
