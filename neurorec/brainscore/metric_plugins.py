"""Our metrics where ``brainscore_vision.load_metric`` finds them.

Brain-Score looks for plugins only inside its own package. One folder there, written when a user
asks for it, holds one line for each metric and nothing that would be installed.
"""

import importlib.util
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from neurorec import __version__
from neurorec._checks import atomic_path, check_option
from neurorec.brainscore.ceiling_metric import InternalConsistency
from neurorec.brainscore.metrics import METRICS, SPLIT_METRICS

#: Name of the folder, and what our metrics' names begin with.
PREFIX: Final = "neurorec"
_MARK: Final = "Written by `neurorec brainscore metrics --install`"

#: Every metric that is offered, by its name in Brain-Score. Tests run over this table.
OFFERED: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        **METRICS,
        **{f"{name}_cv": METRICS[name] for name in METRICS if f"{name}_split" in SPLIT_METRICS},
        **SPLIT_METRICS,
        "internal_consistency": InternalConsistency,
        "internal_consistency_temporal": InternalConsistency,
    }
)


@dataclass(frozen=True)
class InstalledMetrics:
    """Our metrics in an installed Brain-Score.

    Parameters
    ----------
    folder
        The plugin's folder, whether it is there or not.
    names
        Names that ``load_metric`` takes; none where the plugin is not installed.
    current
        Whether it is what this version of neurorec would write.
    """

    folder: Path
    names: tuple[str, ...]
    current: bool


def plugin_metric(name: str) -> Callable[..., Any]:
    """What the plugin registers for a metric: called as Brain-Score's metric of that name is."""
    return OFFERED[check_option("metric", name, OFFERED)]


def install_metrics(into: Path | None = None) -> InstalledMetrics:
    """Write the plugin, so that ``brainscore_vision.load_metric("neurorec-pls")`` and others work.

    Parameters
    ----------
    into
        Folder ``metrics`` of an installed brainscore_vision; that of this environment if left out.

    Raises
    ------
    ValueError
        If there is no such folder, or a plugin of that name that is not ours.
    OSError
        If it cannot be written.
    """
    folder = _ours(into)
    with atomic_path(folder / "__init__.py") as temporary:
        temporary.write_text(_text(), encoding="utf-8")
    return installed_metrics(into)


def remove_metrics(into: Path | None = None) -> InstalledMetrics:
    """Take the plugin out again; nothing happens where it is not there.

    Parameters
    ----------
    into
        As in :func:`install_metrics`.

    Raises
    ------
    ValueError
        If there is no such folder, or a plugin of that name that is not ours.
    OSError
        If it cannot be removed.
    """
    folder = _ours(into)
    # First what makes it a plugin: what is left behind by a killed process is none.
    (folder / "__init__.py").unlink(missing_ok=True)
    if folder.is_dir():
        shutil.rmtree(folder)
    return installed_metrics(into)


def installed_metrics(into: Path | None = None) -> InstalledMetrics:
    """What of our metrics is installed.

    Parameters
    ----------
    into
        As in :func:`install_metrics`.

    Raises
    ------
    ValueError
        If there is no such folder, or a plugin of that name that is not ours.
    """
    folder = _ours(into)
    file = folder / "__init__.py"
    if not file.is_file():
        return InstalledMetrics(folder, (), current=False)
    text = file.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("metric_registry['")]
    names = tuple(line.split("'")[1] for line in lines)
    return InstalledMetrics(folder, names, current=text == _text())


def _ours(into: Path | None) -> Path:
    """The plugin's folder; if there is one, it is ours."""
    metrics = _metrics_folder() if into is None else Path(into)
    if not (metrics / "__init__.py").is_file():
        raise ValueError(
            f"{metrics} is not the folder of Brain-Score's metrics; give that of an installed "
            "brainscore_vision, or none for that of this environment"
        )
    folder = metrics / PREFIX
    file = folder / "__init__.py"
    inside = {path.name for path in folder.glob("[!.]*")} - {"__pycache__"}
    if inside and not (file.is_file() and _MARK in file.read_text(encoding="utf-8")):
        raise ValueError(
            f"{folder} is a plugin that neurorec did not write; move it away and try again"
        )
    return folder


def _metrics_folder() -> Path:
    found = importlib.util.find_spec("brainscore_vision")
    assert found is not None  # or this package could not be imported
    assert found.origin is not None
    return Path(found.origin).parent / "metrics"


def _text() -> str:
    """The plugin; Brain-Score reads it as text and looks for ``metric_registry['name']``."""
    head = (
        f'"""Metrics of neurorec {__version__} in sample space.\n\n'
        f"{_MARK}; `--remove` takes this folder away.\n"
        '"""\n\n'
        "from brainscore_vision import metric_registry\n\n"
        "from neurorec.brainscore.metric_plugins import plugin_metric\n\n"
    )
    lines = [f"metric_registry['{PREFIX}-{n}'] = plugin_metric('{n}')\n" for n in sorted(OFFERED)]
    return head + "".join(lines)
