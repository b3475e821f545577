"""Names of models among Brain-Score's plugins: what is allowed, and what is taken."""

import re
from pathlib import Path
from typing import Final

from neurorec.brainscore.plugin_registries import installed, registered

#: Of the metadata that goes with a model.
MAX_LENGTH: Final = 200
#: A name becomes one of files, of keys in stores, and a word in lists that are split at spaces.
_ALLOWED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def checked_name(name: str) -> str:
    """``name``, if it is allowed and no model of the installed Brain-Score has it.

    Raises
    ------
    ValueError
        Otherwise.
    """
    folder = taken(allowed_name(name))
    if folder is not None:
        raise ValueError(
            f"Brain-Score has a model {name!r} already, in {folder}; give another name"
        )
    return name


def allowed_name(name: str) -> str:
    """``name``, if a model of Brain-Score may have it.

    Brain-Score has no rule of its own, but cuts lists of names at spaces, writes names into paths
    and text between quotes, and takes names that differ in case alone for the same. We allow
    letters, digits and ``. _ -``, of which all but a few names in its list consist.

    Raises
    ------
    ValueError
        Otherwise.
    """
    if not _ALLOWED.fullmatch(name) or len(name) > MAX_LENGTH:
        raise ValueError(
            f"a model of Brain-Score is named by letters, digits and '.', '_', '-', begins with a "
            f"letter or digit and has at most {MAX_LENGTH} of them, got {name!r}; give another name"
        )
    return name


def taken(name: str, *, but: Path | None = None) -> Path | None:
    """The plugin that holds ``name``, whatever its case, among those that are installed."""
    for plugin in installed():
        found = name.lower() in (other.lower() for other in registered(plugin))
        if found and (but is None or plugin.resolve() != but.resolve()):
            return plugin
    return None
