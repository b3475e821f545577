"""What a model is, in the file that Brain-Score's website shows."""

from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from neurorec import __version__
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.brain_model import NeurorecBrainModel
from neurorec.models import IMAGE, Wiring, summarise

import_brainscore()

from brainscore_core.metadata import dump, validate  # noqa: E402

#: What follows from the checkpoint, and is therefore certain.
_FACTS: Final = (
    "/model/architecture",
    "/model/input_resolution",
    "/model/parameter_count",
    "/model/recurrent",
    "/model/visual_degrees",
    "/io/interface",
)


def metadata_text(
    name: str, subject: NeurorecBrainModel, wiring: Wiring, sha256: str, url: str | None
) -> str:
    """The YAML of ``metadata.yaml``, of schema 2.0: what follows from the checkpoint.

    What does not (training, data, people, licence) is left to the user, because a wrong fact is
    worse than none.
    """
    entry = {
        "sources": {
            "neurorec": {"kind": "other", "citation": f"neurorec {__version__}, of {sha256}"}
        },
        "assertions": [
            {"path": path, "status": "verified", "sources": ["neurorec"]} for path in _FACTS
        ],
        "model": _model(name, subject, wiring),
        "io": {"modality": "image", "interface": _interface(subject)},
        "provenance": {"checkpoint": f"sha256:{sha256}"} | ({"source_url": url} if url else {}),
    }
    return dump(validate({"schema_version": "2.0", "domain": "vision", "models": {name: entry}}))


def is_recurrent(wiring: Wiring) -> bool:
    """Whether activity depends on earlier activity: signals return to an area, or it remembers."""
    if any(area.cell.kind != "none" or area.pc_update is not None for area in wiring.areas):
        return True
    heard: dict[str, set[str]] = {}
    for connection in wiring.connections:
        if connection.source != IMAGE and not connection.silenced:
            heard.setdefault(connection.target, set()).add(connection.source)
    try:
        TopologicalSorter(heard).prepare()
    except CycleError:
        return True
    return False


def _model(name: str, subject: NeurorecBrainModel, wiring: Wiring) -> dict[str, Any]:
    recurrent = is_recurrent(wiring)
    family = (
        "recurrent_convolutional_neural_network" if recurrent else "convolutional_neural_network"
    )
    return {
        "display_name": name,
        "architecture": {"family": family, "description": _description(wiring)},
        "parameter_count": summarise(wiring).n_parameters,
        "parameter_count_exact": True,
        "recurrent": recurrent,
        "input_resolution": {
            "channels": wiring.input_channels,
            "height": wiring.input_size,
            "width": wiring.input_size,
        },
        "visual_degrees": subject.visual_degrees(),
    }


def _description(wiring: Wiring) -> str:
    kinds = [connection.kind for connection in wiring.connections if not connection.silenced]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    areas = ", ".join(area.name for area in wiring.areas)
    return f"Areas {areas}; connections: {counted}; wiring {wiring.name!r}"


def _interface(subject: NeurorecBrainModel) -> str:
    time = subject.timeline
    return (
        f"BrainModel with {time.n_timesteps} timesteps of {time.dt_ms:g} ms from {time.onset_ms:g} "
        "ms after stimulus onset, averaged into the time bins that are asked for"
    )
