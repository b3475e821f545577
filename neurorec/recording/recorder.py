"""Record a model: what is asked for is planned, laid out, run, and resumed if interrupted."""

import glob
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from neurorec import __version__
from neurorec.gram import resolve_device
from neurorec.models import RecurrentModel
from neurorec.recording import compression
from neurorec.recording.merging import merge
from neurorec.recording.opening import open_recording
from neurorec.recording.options import Options
from neurorec.recording.parts import create
from neurorec.recording.plan import Plan, check_space
from neurorec.recording.planning import make_plan
from neurorec.recording.running import Work, run
from neurorec.recording.store import Recording
from neurorec.stimuli import as_stimulus_set


def plan(model: RecurrentModel, stimuli: Any, *, device: str = "auto", **options: Any) -> Plan:
    """What :func:`record` would do with these arguments: sizes, time, and what would save most.

    ``print(plan)`` says it; a few trials are run to see the model's states and how long it takes.

    Raises
    ------
    ValueError
        As :func:`record`.
    """
    chosen, shown = Options(**options), as_stimulus_set(stimuli)
    with _placed(model, device):
        return make_plan(model, shown, chosen)


def record(
    model: RecurrentModel,
    stimuli: Any,
    *,
    out: str | Path,
    device: str = "auto",
    progress: Callable[[int], Any] = lambda n_presentations: None,
    **options: Any,
) -> Recording:
    """Record what a model does at every timestep, for every stimulus and repetition.

    The same call after an interruption finishes what is missing; the file is then the same, byte
    for byte, as that of an uninterrupted run. A finished recording is opened, not made again.
    Started by ``torchrun``, every process records a share; the file shows all shares as one.

    Parameters
    ----------
    stimuli
        A :class:`~neurorec.stimuli.StimulusSet`, or what
        :func:`~neurorec.stimuli.as_stimulus_set` makes one of: a folder of images or films, an
        array file, a Brain-Score stimulus set.
    out
        Path of the HDF5 file.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    progress
        Called with the number of presentations after each batch.
    areas
        ``"all"``, or names; ``"V4.c"`` names one state of one area, ``"halting.p"`` the halting
        probability.
    states
        Which states of each area: ``h``, what the area sends; others such as ``c``, or gates, as
        the model has them. Asked for all areas, a state is kept where it exists.
    timesteps
        As many as in training if left out.
    repetitions
        Trials of every stimulus. An area that noise does not reach is stored once.
    noise
        Whether noise acts; if left out, when there are several repetitions. The noise of
        repetition ``k`` of a stimulus follows from ``seed``, the stimulus and ``k`` alone:
        batches, order, processes and interruptions do not change it.
    seed
        Of the noise.
    units
        ``"all"``, or ``Sample(n)``, ``Centre(r)``, ``SpatialMean()``, ``Project(k)`` of
        :mod:`neurorec.recording`; chosen on the device, before anything is copied.
    dtype
        ``"float32"`` or ``"float16"``, of the file; computation is in float32.
    batch_size
        Presentations run at once; ``"auto"`` fits the model.
    compression
        None, ``"gzip"``, which every reader of HDF5 knows, or ``"zstd"``, which needs a plugin.
    dt_ms
        What a timestep stands for; the model's if left out.
    on
        For how many timesteps the stimulus is shown before the background, or a list that says
        it of each timestep; always if left out.
    field_of_view
        Width of the model's input in degrees of visual angle. Stimuli that know their size are
        shown at it, in the middle; units get the centres of their receptive fields, ``rf_x`` and
        ``rf_y``.
    background
        Brightness in [0, 1] of what surrounds a small stimulus and follows it.
    images
        Whether the images are kept as the model sees them (bytes, at its resolution).

    Raises
    ------
    ValueError
        If ``out`` holds another recording, or the arguments do not fit the model.
    OSError
        If the disk has no space for it.
    """
    out, chosen = Path(out), Options(**options)
    compression.require(chosen.compression)
    shown = as_stimulus_set(stimuli)
    with _placed(model, device):
        chosen = _as_before(out, chosen)
        planned = make_plan(model, shown, chosen)
        provenance = _provenance(model, shown, planned)
        rank, n_processes = _process()
        if n_processes == 1:
            _clear(out)
        if not out.exists():
            check_space(planned, out)
            attrs = {
                "provenance": json.dumps(provenance, sort_keys=True),
                "environment": json.dumps(_environment(model.device), sort_keys=True),
                "dt_ms": float(planned.dt_ms),
            }
            create(out, planned, shown, attrs, n_processes)
        recording = open_recording(out, partial=True)
        _check_same(recording, provenance)
        if recording.complete:
            progress(planned.n_presentations)
        else:
            work = Work(
                model=model,
                stimuli=shown,
                plan=planned,
                out=out,
                rank=rank,
                n_processes=n_processes,
            )
            run(work, progress)
    if n_processes == 1 and planned.options.compression is not None:
        merge(out)
    return open_recording(out, partial=n_processes > 1)


def resume(
    model: RecurrentModel,
    stimuli: Any,
    *,
    out: str | Path,
    device: str = "auto",
    progress: Callable[[int], Any] = lambda n_presentations: None,
) -> Recording:
    """Finish the recording ``out`` of ``model``; what it shall hold is read from the file.

    Raises
    ------
    ValueError
        If there is none, or it is one of another model or other stimuli.
    """
    options = Options.of(open_recording(out, partial=True).provenance["options"])
    arguments = {name: getattr(options, name) for name in options.__dataclass_fields__}
    return record(model, stimuli, out=out, device=device, progress=progress, **arguments)


def _clear(out: Path) -> None:
    """Delete what a process that was killed had begun to lay out; it may be as large as ``out``."""
    for left in out.parent.glob(f".{glob.escape(out.name)}.*.tmp"):
        left.unlink(missing_ok=True)


@contextmanager
def _placed(model: RecurrentModel, device: str) -> Iterator[None]:
    """The model where it shall run; afterwards where it was."""
    home = model.device
    model.to(_device(device))
    try:
        yield
    finally:
        model.to(home)


def _device(device: str) -> torch.device:
    """Where the model runs; of several GPUs each process on a machine takes its own."""
    found = resolve_device(device)
    local = os.environ.get("LOCAL_RANK")
    if found.type == "cuda" and found.index is None and local is not None:
        return torch.device("cuda", int(local) % torch.cuda.device_count())
    return found


def _as_before(out: Path, options: Options) -> Options:
    """``options`` with the batch size of the file that is to be resumed, if it may be any."""
    if options.batch_size != "auto" or not out.exists():
        return options
    before = open_recording(out, partial=True).provenance["options"]["batch_size"]
    return replace(options, batch_size=before)


def _process() -> tuple[int, int]:
    """Number of this process and how many there are, as torchrun says."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def _check_same(recording: Recording, provenance: dict[str, Any]) -> None:
    found = recording.provenance
    if found != provenance:
        had, wanted = ({**p, **p["options"], "options": None} for p in (found, provenance))
        other = sorted(k for k in had.keys() | wanted.keys() if had.get(k) != wanted.get(k))
        raise ValueError(
            f"{recording.path} holds a recording of another model, stimulus set or setting "
            f"({', '.join(other)} differ); give another name or delete it"
        )


def _environment(device: torch.device) -> dict[str, str]:
    return {"torch": torch.__version__, "device": device.type}


def weights_sha256(model: RecurrentModel) -> str:
    """Digest of the weights of ``model`` and their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _provenance(model: RecurrentModel, stimuli: Any, plan: Plan) -> dict[str, Any]:
    """What determines every number of the recording, but for rounding."""
    resolved = replace(
        plan.options,
        timesteps=plan.n_timesteps,
        batch_size=plan.batch_size,
        noise=plan.noise,
        dt_ms=plan.dt_ms,
    )
    provenance = {
        "model": model.description(),
        "weights_sha256": weights_sha256(model),
        "stimulus_set": stimuli.identifier,
        "stimuli_sha256": stimuli.sha256(),
        # Only then does it say how large stimuli are shown.
        "visual_degrees": None if plan.options.field_of_view is None else stimuli.visual_degrees,
        "populations": [p.address for p in plan.populations],
        "stored_once": [p.address for p in plan.populations if not p.repeated],
        "options": resolved.plain(),
        "neurorec": __version__,
    }
    return json.loads(json.dumps(provenance))
