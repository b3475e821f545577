"""What the options of ``neurorec geometry`` name: populations, measures, brains."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurorec._checks import check_option

if TYPE_CHECKING:
    import xarray as xr


def the_measures(
    names: Sequence[str],
    *,
    dissimilarity: str,
    label: str | None,
    components: int | None,
    movie: Path | None,
) -> dict[str, Any]:
    """Options of each measure that ``--measure`` names."""
    from neurorec.geometry import MEASURES, RDM_METHODS
    from neurorec.geometry.over_time import DEFAULT

    check_option("--dissimilarity", dissimilarity, RDM_METHODS)
    chosen = [check_option("--measure", name, MEASURES) for name in names or DEFAULT]
    if movie is not None:
        if "rdm" not in chosen:
            raise ValueError(f"--movie {movie} shows RDMs; add --measure rdm")
        if movie.suffix not in (".gif", ".mp4"):
            raise ValueError(f"--movie {movie}: a film ends in .gif or .mp4")
    given = {"label": label, "n_components": components}
    flags = {"label": "--label COLUMN", "n_components": "--components NUMBER"}
    needed = {name: MEASURES[name].needs for name in chosen}
    for name, options in needed.items():
        for option in options:
            if given[option] is None:
                raise ValueError(f"--measure {name} needs {flags[option]}")
    own = {name: {option: given[option] for option in needed[name]} for name in chosen}
    return {n: {"method": dissimilarity} if n == "rdm" else own[n] for n in chosen}


def source_of(name: str, *, brain: str | None, session: str | None) -> tuple[Any, str]:
    """A recording or the neurons of a data set, and what to call it."""
    from neurorec import datasets
    from neurorec.cli._comparing import measured

    if Path(name).exists() or name not in datasets.names():
        if session is not None and brain is None:
            raise ValueError(f"--session {session}: {name} is a recording and has no sessions")
        return _recorded(Path(name)), Path(name).name
    if brain is not None:
        raise ValueError(
            f"--brain {brain} is compared with a recording, and {name} is a data set; give the "
            "recording of a model"
        )
    return measured(_loaded(name, session), None), name


def _recorded(path: Path) -> Any:
    from neurorec.recording import open_recording

    recording = open_recording(path, partial=True)
    done, total = recording.progress
    if done < total:
        raise ValueError(
            f"{path} is not finished: {done} of {total} batches are whole; finish it with "
            "'neurorec record ... --resume'"
        )
    return recording


def _loaded(name: str, session: str | None) -> Any:
    from neurorec import datasets

    datasets.info(name)  # an unknown name before anything is read
    return datasets.load(name, **({} if session is None else {"session": session}))


def brain_rdms(
    name: str, *, session: str | None, region: str | None, dissimilarity: str
) -> "xr.DataArray":
    """RDMs of a data set: those it comes with, or those of its neurons over time."""
    from neurorec import geometry
    from neurorec.cli._comparing import measured

    data = _loaded(name, session)
    if data.rdms is not None:
        if region is not None:
            raise ValueError(f"--region {region}: {name} has RDMs, and no neurons to choose from")
        return _of_brains(data.rdms)
    responses = measured(data, region)
    rdms = geometry.rdm(responses, method=dissimilarity, undefined="nan")
    return rdms.assign_attrs(data_set=data.identifier)


def _of_brains(rdms: "xr.DataArray") -> "xr.DataArray":
    """RDMs of whole brains, by their species, without those of models and of single subjects."""
    import numpy as np

    kept = rdms.isel(rdm=np.flatnonzero(rdms["rdm_kind"].values == "neural"))
    species = [str(one) for one in kept["species"].values]
    on_conditions = [c for c, array in kept.coords.items() if array.dims == ("condition",)]
    others = [c for c in kept.coords if c not in on_conditions]
    return kept.drop_vars(others).rename(rdm="brain").assign_coords(brain=species)


def require_same_stimuli(source: Any, brain: "xr.DataArray", *, names: tuple[str, str]) -> None:
    """Refuse stimuli that do not match, in words of the command."""
    area = source.area(source.areas[0])
    recorded = set(area.labels()["stimulus_id"].values.tolist())
    shown = set(brain["stimulus_id"].values.tolist())
    if recorded != shown:
        raise ValueError(
            f"{names[0]} and {names[1]} must show the same stimuli: {len(recorded)} and "
            f"{len(shown)}, {len(recorded & shown)} in both; record the images of the data set"
        )
