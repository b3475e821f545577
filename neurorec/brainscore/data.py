"""Brain-Score's own recordings, with the stimuli they are to, as ours."""

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import neurorec
from neurorec.assemblies import NEUROID, PRESENTATION, TIME_BIN
from neurorec.brainscore._fetching import explained
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.assemblies import Limits, from_brainio
from neurorec.brainscore.plugin_registries import installed_names, near
from neurorec.brainscore.stimuli import stimulus_set_from_brainio
from neurorec.datasets.neural_data import NeuralData
from neurorec.stimuli import StimulusSet

import_brainscore()

import brainscore_vision  # noqa: E402
from brainscore_core.supported_data_standards.brainio.assemblies import DataAssembly  # noqa: E402


def load_data(
    identifier: str,
    *,
    time_bin_ms: Limits | None = None,
    visual_degrees: float | int | None = None,
) -> NeuralData:
    """Recordings and stimuli that Brain-Score calls ``identifier``, such as MajajHong2015.public.

    Brain-Score downloads them from its public storage, once: they are kept in ``~/.brainio``, or
    the folder that ``BRAINIO_HOME`` names. Nothing is installed.

    Parameters
    ----------
    time_bin_ms
        Start and end, in ms from stimulus onset, of data that do not say when they were recorded.
    visual_degrees
        Width of the stimuli as the animal saw them, which Brain-Score's benchmarks know and its
        data do not.

    Raises
    ------
    ValueError
        If there are no such data, they are no recordings of neuroids, or a file is damaged.
    DataUnavailableError
        If the data are private, or the storage cannot be reached and the files are not here.
    """
    load = _loader(identifier)
    with explained(identifier, data_names()):
        found = load()
    data = neural_data(
        found, identifier=identifier, time_bin_ms=time_bin_ms, visual_degrees=visual_degrees
    )
    citation = getattr(load, "__globals__", {}).get("BIBTEX")
    return replace(data, provenance={**data.provenance, "citation": citation})


def data_names() -> tuple[str, ...]:
    """What :func:`load_data` knows: the identifiers under which Brain-Score finds its data.

    As it does, by the text of its plugins; those that this process has registered come along.
    """
    return tuple(sorted({*installed_names("data"), *brainscore_vision.data_registry}))


def neural_data(
    assembly: Any,
    *,
    identifier: str | None = None,
    time_bin_ms: Limits | None = None,
    visual_degrees: float | int | None = None,
) -> NeuralData:
    """A BrainIO assembly of neuroids, with the stimulus set that hangs on it.

    Identifiers of stimuli become text, as everywhere in neurorec.

    Parameters
    ----------
    identifier
        Name of the data; the assembly's own if left out.
    time_bin_ms, visual_degrees
        As in :func:`load_data`.

    Raises
    ------
    ValueError
        If it holds something else, or lacks a label that every assembly needs.
    """
    name = str(identifier or getattr(assembly, "attrs", {}).get("identifier", "assembly"))
    plain = from_brainio(_recording(assembly, name), time_bin_ms=time_bin_ms).rename(None).load()
    ids = [str(stimulus) for stimulus in plain["stimulus_id"].values.tolist()]
    return NeuralData(
        identifier=name,
        assembly=plain.assign_coords(stimulus_id=(PRESENTATION, ids)),
        stimuli=_stimuli(assembly, visual_degrees),
        provenance={
            "data_set": name,
            "source": f"brainscore-vision {version('brainscore-vision')}",
            "neurorec": neurorec.__version__,
            "simulated": False,
        },
    )


def _recording(assembly: Any, name: str) -> DataAssembly:
    dims = tuple(getattr(assembly, "dims", ()))
    if not isinstance(assembly, DataAssembly) or set(dims) - {TIME_BIN} != {PRESENTATION, NEUROID}:
        kind = type(assembly).__name__ + (f" of dimensions {dims}" if dims else "")
        raise ValueError(
            f"{name} is a {kind}, and recordings of ({PRESENTATION}, {NEUROID}) with or without "
            f"{TIME_BIN} are needed; take it as it is from brainscore_vision.load_dataset"
        )
    return assembly


def _stimuli(assembly: DataAssembly, visual_degrees: float | int | None) -> StimulusSet | None:
    theirs = assembly.attrs.get("stimulus_set")
    if theirs is None:
        return None
    stimuli = stimulus_set_from_brainio(theirs)
    return stimuli if visual_degrees is None else replace(stimuli, visual_degrees=visual_degrees)


def _loader(identifier: str) -> Callable[[], Any]:
    """What loads the data, after import of the plugin that registers it."""
    names = data_names()
    if identifier not in names:
        raise ValueError(f"Brain-Score has no data {identifier!r}; {_near(identifier, names)}")
    if identifier not in brainscore_vision.data_registry:
        importer = brainscore_vision.import_plugin
        importer("brainscore_vision", "data", identifier)
    return brainscore_vision.data_registry[identifier]


def _near(identifier: str, names: tuple[str, ...]) -> str:
    meant = near(identifier, names)
    listed = f"nr.brainscore.data_names() lists all {len(names)}"
    return f"did you mean one of {meant}? {listed}" if meant else listed
