"""What Brain-Score's plugins register, by the text of their files, as Brain-Score looks for it."""

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from neurorec.brainscore._import import import_brainscore

#: Brain-Score looks for this text, with nothing between bracket and quote; in comments too, of
#: which it can load nothing.
_REGISTERED = r"""^[^#\n]*\b{kind}_registry\[(['"])([^'"<>\n]+)\1\]"""


def registered(plugin: str | Path, kind: str = "model") -> list[str]:
    """Names that a plugin registers, in the order of its file; none where there is no file.

    Parameters
    ----------
    kind
        ``"model"``, ``"benchmark"``, ``"metric"`` or ``"data"``.
    """
    init = Path(plugin) / "__init__.py"
    text = init.read_text(encoding="utf-8") if init.is_file() else ""
    found = re.finditer(_REGISTERED.format(kind=kind), text, re.MULTILINE)
    return list(dict.fromkeys(match[2] for match in found))


def installed(kind: str = "model") -> Iterator[Path]:
    """Folders of the plugins of the installed Brain-Score, in the order of their names."""
    for plugin in sorted(plugins_folder(kind).iterdir()):
        if plugin.is_dir() and not plugin.name.startswith((".", "_")):
            yield plugin


def installed_names(kind: str) -> tuple[str, ...]:
    """All that the plugins of the installed Brain-Score register, sorted."""
    return tuple(sorted({name for plugin in installed(kind) for name in registered(plugin, kind)}))


def plugins_folder(kind: str = "model") -> Path:
    """Where the plugins of the installed Brain-Score are."""
    found = import_brainscore().__file__
    assert found is not None
    return Path(found).parent / (kind if kind == "data" else f"{kind}s")


def near(name: str, known: Iterable[str]) -> list[str]:
    """Up to five of ``known`` that hold ``name``, whatever its case, or else resemble it."""
    names = list(known)
    within = [one for one in names if name.lower() in one.lower()]
    return within[:5] or difflib.get_close_matches(name, names, n=5, cutoff=0.55)
