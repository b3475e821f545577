"""Models on disk: safetensors files that carry their wiring."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from neurorec._checks import atomic_path
from neurorec._yaml import explain
from neurorec.models.network import RecurrentNetwork
from neurorec.models.wiring import Wiring

#: Entry of the file's metadata that holds, as JSON, the wiring and what else is known.
HEADER: Final = "neurorec"


def save(
    model: RecurrentNetwork, path: str | Path, *, metadata: Mapping[str, str] | None = None
) -> Path:
    """Write weights, wiring and ``metadata`` to ``path``, whole or not at all."""
    path = Path(path)
    tensors = {name: x.detach().cpu().contiguous() for name, x in model.state_dict().items()}
    content = {**(metadata or {}), "wiring": model.wiring.model_dump_json()}
    with atomic_path(path) as temporary:
        # One entry: safetensors writes several in no fixed order, and the same model would not be
        # the same bytes.
        save_file(tensors, temporary, {HEADER: json.dumps(content, sort_keys=True)})
    return path


def load(path: str | Path) -> RecurrentNetwork:
    """Read a model that :func:`save` wrote.

    Raises
    ------
    ValueError
        If the file is no safetensors file, is truncated, carries no valid wiring, or weights that
        do not fit it.
    """
    path = Path(path)
    tensors, header = _read(path)
    if "wiring" not in header:
        raise ValueError(f"{path} carries no wiring; it was not written by neurorec.models.save")
    try:
        model = RecurrentNetwork(Wiring.model_validate_json(header["wiring"]), seed=None)
        model.load_state_dict(tensors)
    except ValidationError as error:
        raise ValueError(f"the wiring that {path} carries is not valid: {explain(error)}") from None
    except RuntimeError as error:
        problem = " ".join(str(error).split())
        raise ValueError(f"the weights of {path} do not fit its wiring: {problem}") from None
    return model


def metadata(path: str | Path) -> dict[str, str]:
    """Everything a checkpoint says about itself except its wiring."""
    header = _read(Path(path))[1]
    return {name: value for name, value in header.items() if name != "wiring"}


def _read(path: Path) -> tuple[dict, dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            header = (file.metadata() or {}).get(HEADER, "{}")
    except FileNotFoundError:
        raise ValueError(
            f"there is no checkpoint {path}; train one with 'neurorec train'"
        ) from None
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from None
    return tensors, json.loads(header)
