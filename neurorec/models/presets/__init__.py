"""Wirings that come with the package, by name."""

from collections.abc import Callable, Mapping
from importlib.resources import as_file, files
from types import MappingProxyType
from typing import Final

from neurorec._checks import check_option
from neurorec._yaml import read_yaml
from neurorec.models.wiring import Wiring

#: File of each preset and what is taken away from it.
PRESETS: Final[Mapping[str, tuple[str, Callable[[Wiring], Wiring]]]] = MappingProxyType(
    {
        "greco2025-fb-dropout": ("greco2025-fb-dropout", lambda wiring: wiring),
        "greco2025-fb": ("greco2025-fb-dropout", lambda w: w.without("noise")),
        "greco2025-ff-dropout": ("greco2025-fb-dropout", lambda w: w.without("feedback")),
        "greco2025-ff": (
            "greco2025-fb-dropout",
            lambda w: w.without("feedback").without("noise"),
        ),
    }
)


def preset(name: str) -> Wiring:
    """The wiring called ``name``.

    Raises
    ------
    ValueError
        If there is none; the message lists those that exist.
    """
    stem, change = PRESETS[check_option("preset", name, PRESETS)]
    with as_file(files(__name__) / f"{stem}.yaml") as path:
        wiring = change(read_yaml(path, Wiring))
    return wiring.model_copy(update={"name": name})
