"""A recording in some lines, for a person."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from neurorec._words import size_in_words
from neurorec.recording.parts import parts_of, variables_in


def summarise(path: Path, provenance: Mapping[str, Any], progress: tuple[int, int]) -> str:
    """What is in the recording at ``path``, how large it is, and whether it is finished."""
    (done, total), options = progress, provenance["options"]
    once = provenance["stored_once"] == provenance["populations"]
    n_repetitions = 1 if once else options["repetitions"]
    noise = f"on, seed {options['seed']}" if options["noise"] else "off"
    lines = [
        f"{path}: {'complete' if done == total else f'{done} of {total} batches'}",
        f"stimuli {provenance['stimulus_set']}, {n_repetitions} repetitions, "
        f"{options['timesteps']} timesteps of {options['dt_ms']:g} ms, noise {noise}",
    ]
    with h5py.File(path, "r") as file:
        for variable in variables_in(file).values():
            sizes = " × ".join(
                f"{n} {d}" for n, d in zip(variable.shape, variable.dims, strict=True)
            )
            lines.append(f"  {_name(variable.path)}: {sizes}, {variable.dtype}")
    n_bytes = sum(p.path.stat().st_size for p in parts_of(path) if p.path.exists())
    return "\n".join([*lines, f"{size_in_words(n_bytes)} on disk"])


def _name(path: str) -> str:
    """``V4.h``, ``logits`` or ``images``."""
    parts = [part for part in path.split("/") if part]
    return ".".join(parts[1:3]) if parts[0] == "areas" else parts[-1]
