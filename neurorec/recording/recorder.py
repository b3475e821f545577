"""The pass: a model over stimuli, batch by batch, into the file."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from neurorec import __version__
from neurorec._checks import atomic_path
from neurorec.gram import resolve_device
from neurorec.models import RecurrentModel, to_images
from neurorec.recording.plan import Plan, check_space, plan, trial_seed
from neurorec.recording.store import Recording, create, open_recording, reserve
from neurorec.stimuli import StimulusSet


def record(
    model: RecurrentModel,
    stimuli: StimulusSet,
    *,
    out: str | Path,
    areas: Sequence[str] | None = None,
    timesteps: int | None = None,
    repetitions: int = 1,
    noise: bool = False,
    seed: int = 0,
    dtype: str = "float32",
    batch_size: int = 64,
    device: str = "auto",
    progress: Callable[[int], Any] = lambda n_presentations: None,
) -> Recording:
    """Record every unit of ``areas`` at every timestep, for every stimulus and repetition.

    The same call after an interruption finishes what is missing; the file is then the same, byte
    for byte, as that of an uninterrupted run. A finished recording is opened, not made again.

    Parameters
    ----------
    out
        Path of the HDF5 file.
    areas
        Names; all areas if left out.
    timesteps
        As many as in training if left out.
    repetitions
        Stochastic passes over every stimulus.
    noise
        Whether noise acts. The noise of repetition ``k`` of a stimulus follows from ``seed``, the
        stimulus and ``k`` alone: batches, order and interruptions do not change it.
    dtype
        Of the file; computation is in float32.
    progress
        Called with the number of presentations after each batch.

    Raises
    ------
    ValueError
        If ``out`` holds another recording, or the arguments do not fit the model.
    OSError
        If the disk has no space for it.
    """
    out = Path(out)
    chosen = plan(
        model,
        stimuli,
        areas=areas,
        timesteps=timesteps,
        repetitions=repetitions,
        noise=noise,
        seed=seed,
        dtype=dtype,
        batch_size=batch_size,
    )
    provenance = json.loads(json.dumps(_provenance(model, stimuli, chosen)))
    if not out.exists():
        check_space(chosen, out)
        with atomic_path(out) as partial:
            create(partial, chosen, stimuli, dt_ms=model.dt_ms, provenance=provenance)
            reserve(partial)
    recording = open_recording(out)
    if recording.provenance != provenance:
        raise ValueError(
            f"{out} holds a recording of another model, stimulus set or setting "
            f"({', '.join(_differences(recording.provenance, provenance))} differ); "
            "give another name or delete it"
        )
    _write_missing(model, stimuli, chosen, out, resolve_device(device), progress)
    return recording


def _differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    return sorted(k for k in found.keys() | wanted.keys() if found.get(k) != wanted.get(k))


def _provenance(model: RecurrentModel, stimuli: StimulusSet, plan: Plan) -> dict[str, Any]:
    weights = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        weights.update(name.encode())
        weights.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return {
        "model": model.description(),
        "weights_sha256": weights.hexdigest(),
        "stimulus_set": stimuli.identifier,
        "stimuli_sha256": stimuli.sha256(),
        "areas": list(plan.areas),
        "repetitions": plan.n_repetitions,
        "timesteps": plan.n_timesteps,
        "noise": plan.noise,
        "seed": plan.seed,
        "dtype": plan.dtype,
        "batch_size": plan.batch_size,
        "neurorec": __version__,
    }


@torch.inference_mode()
def _write_missing(
    model: RecurrentModel,
    stimuli: StimulusSet,
    plan: Plan,
    out: Path,
    device: torch.device,
    progress: Callable[[int], Any],
) -> None:
    """Fill the batches that the journal does not list, each marked only when it is on disk."""
    with h5py.File(out, "r") as file:
        done = file["journal"][()]  # type: ignore[index]
        if file.attrs["complete"]:
            progress(plan.n_stimuli * plan.n_repetitions)
            return
    home, training = model.device, {part: part.training for part in model.modules()}
    # Batch norms use the statistics of training, and a trial does not depend on its batch.
    model.to(device)
    model.train(False)
    try:
        with h5py.File(out, "r+") as file:
            journal: Any = file["journal"]
            # Held open: HDF5 writes a data set's last chunks when its handle is closed, and an
            # error there would be lost.
            handles: dict[str, Any] = {a: file[f"areas/{a}/activity"] for a in plan.areas}
            handles["logits"] = file["logits/logits"]
            for number, (repetition, chosen) in enumerate(plan.batches()):
                if not done[number]:  # type: ignore[index]
                    for name, slab in _batch(model, stimuli, plan, repetition, chosen).items():
                        handles[name][_rows(plan, repetition, chosen)] = slab
                    file.flush()
                    journal[number] = 1
                    file.flush()
                progress(chosen.stop - chosen.start)
            file.attrs["complete"] = 1
    finally:
        model.to(home)
        for part, mode in training.items():
            part.training = mode


def _rows(plan: Plan, repetition: int, chosen: slice) -> slice:
    offset = repetition * plan.n_stimuli
    return slice(offset + chosen.start, offset + chosen.stop)


def _batch(
    model: RecurrentModel, stimuli: StimulusSet, plan: Plan, repetition: int, chosen: slice
) -> Mapping[str, np.ndarray]:
    """Activity (presentation, unit, timestep) of one batch, by area, and ``logits``."""
    images = to_images(stimuli.pixels[chosen], model.input_size, model.device)
    seeds = None
    if plan.noise:
        names = stimuli.stimulus_ids[chosen]
        seeds = torch.tensor([trial_seed(plan.seed, name, repetition) for name in names])
    areas = [a for a in plan.areas if repetition < plan.repetitions_of(a)]
    dtype = getattr(torch, plan.dtype)
    n = len(images)
    slabs = {
        a: torch.empty((n, plan.n_units(a), plan.n_timesteps), dtype=dtype, device=model.device)
        for a in areas
    }
    logits = torch.empty((n, plan.n_classes, plan.n_timesteps), device=model.device)
    start = model.init_state(n, trial_seeds=seeds)
    for timestep, state in model.unroll(images, plan.n_timesteps, start):
        for area in areas:
            slabs[area][:, :, timestep] = state[area]["h"].flatten(1)
        logits[:, :, timestep] = model.readout(state)
    for name, x in {**slabs, "logits": logits}.items():
        if not torch.isfinite(x).all():
            raise ValueError(
                f"the activity of {name} is not finite as {x.dtype}: it diverges, or is too large "
                "for that type; record fewer timesteps, or use dtype='float32'"
            )
    return {name: x.cpu().numpy() for name, x in {**slabs, "logits": logits}.items()}
