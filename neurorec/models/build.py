"""From a name, a file or a wiring to a network with fresh weights."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from neurorec._yaml import explain, read_yaml
from neurorec.models.network import RecurrentNetwork
from neurorec.models.presets import preset
from neurorec.models.wiring import Wiring


def wiring(source: str | Path | Wiring, **changes: Any) -> Wiring:
    """The wiring of a preset's name or a YAML file, with top-level fields changed.

    Raises
    ------
    ValueError
        If the preset or file does not exist or a change does not fit.
    """
    if isinstance(source, Wiring):
        found = source
    elif Path(source).suffix in (".yaml", ".yml"):
        if not Path(source).is_file():
            raise ValueError(f"there is no wiring file {source}")
        found = read_yaml(Path(source), Wiring)
    else:
        found = preset(str(source))
    try:
        return Wiring.model_validate({**found.model_dump(), **changes})
    except ValidationError as error:
        raise ValueError(f"wiring {found.name!r}: {explain(error)}") from None


def build(source: str | Path | Wiring, *, seed: int = 0, **changes: Any) -> RecurrentNetwork:
    """A network with fresh weights.

    Parameters
    ----------
    source
        Name of a preset, path of a YAML file, or a wiring.
    seed
        Of the weights.
    **changes
        Top-level fields of the wiring, for example ``timesteps=16`` or ``input_size=64``.

    Raises
    ------
    ValueError
        If the preset or file does not exist or a change does not fit.
    """
    return RecurrentNetwork(wiring(source, **changes), seed=seed)
