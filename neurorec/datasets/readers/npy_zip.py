"""Responses in ``.npy`` arrays and images as JPEG files in a zip archive (``cowley-2023``).

Raw responses are (neuroid, image, repetition) spike counts with NaN where a repetition is
missing; repeat means are (neuroid, image). The number of repetitions, the animal and the kind of
images of a session stand in a table at the end of the source's ``readme.txt``.
"""

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, final

import numpy as np
import pandas as pd
import xarray as xr

from neurorec import assemblies
from neurorec.datasets.fetch import fetch_files
from neurorec.datasets.manifest import Manifest
from neurorec.datasets.neural_data import NeuralData, provenance, source_attrs
from neurorec.datasets.readers._reading import decode_jpeg, reading
from neurorec.stimuli import StimulusSet

NAME: Final = "npy_zip"
VERSION: Final = 1
BIN_WIDTH_MS: Final = 100.0
WINDOW_NOTE: Final = (
    "the source says 'one 100 ms bin' and not when it begins; 0 to 100 ms is a label, "
    "not a statement about the time from image onset"
)


@final
@dataclass(frozen=True, kw_only=True)
class Options:
    """Which recording session; only 210325 has single trials."""

    session: str = "210325"


@final
@dataclass(frozen=True, kw_only=True)
class Session:
    """A row of the table in ``readme.txt``."""

    session: str
    animal: str
    n_neuroids: int
    n_repetitions: int
    n_stimuli: int
    image_types: str


def read(manifest: Manifest, options: Options) -> NeuralData:
    """Responses and images of one session.

    Raises
    ------
    ValueError
        If the session does not exist, a file is damaged, or the files contradict each other.
    """
    files = fetch_files(manifest, session=options.session)
    by_folder = {str(PurePosixPath(path).parent.name): local for path, local in files.items()}
    readme = next(path for path in files.values() if path.name == "readme.txt")
    session = read_session(readme, options.session)
    identifier = f"{manifest.name}/{session.session}"
    stimuli = read_images(by_folder["images"], session=session.session, identifier=identifier)
    raw = by_folder.get("responses_raw")
    if raw is not None:
        activity, presentation = single_trials(read_array(raw, n_dims=3))
    else:
        averaged = by_folder["responses_repeat_averaged"]
        activity, presentation = repeat_means(read_array(averaged, n_dims=2), session)
    assembly = _assembly(activity, presentation, stimuli, session)
    assembly.attrs.update(source_attrs(manifest) | {"window_note": WINDOW_NOTE})
    return NeuralData(
        identifier=identifier,
        assembly=assembly,
        stimuli=stimuli,
        provenance=provenance(manifest, files, options=options, reader_version=VERSION),
    )


def read_session(path: Path, session: str) -> Session:
    """The row of ``session`` in the table of ``readme.txt``.

    Raises
    ------
    ValueError
        If the table has no such row.
    """
    with reading(path, NAME):
        text = path.read_text(encoding="utf-8")
    row = re.search(rf"^{session}\s+(\w+)\s+\w+\s+(\d+)\s+(\d+)\s+(\d+)\s+(.+)$", text, re.M)
    if row is None:
        raise ValueError(f"{path} has no row for session {session}; fetch it again from its source")
    return Session(
        session=session,
        animal=row[1],
        n_neuroids=int(row[2]),
        n_repetitions=int(row[3]),
        n_stimuli=int(row[4]),
        image_types=row[5].strip(),
    )


def read_array(path: Path, *, n_dims: int) -> np.ndarray:
    """A numeric array of ``n_dims`` dimensions; nothing is unpickled.

    Raises
    ------
    ValueError
        If the file is damaged or holds something else.
    """
    with reading(path, NAME):
        values = np.load(path, allow_pickle=False)
        if not isinstance(values, np.ndarray) or values.ndim != n_dims:
            raise ValueError(f"expected one array of {n_dims} dimensions")
    return values


def read_images(path: Path, *, session: str, identifier: str) -> StimulusSet:
    """The JPEG files of an archive in order of name; folders in it are passed over.

    Raises
    ------
    ValueError
        If the archive or an image is damaged, or it holds no JPEG file.
    """
    with reading(path, NAME), zipfile.ZipFile(path) as archive:
        members = sorted(name for name in archive.namelist() if name.lower().endswith(".jpg"))
        if not members:
            raise ValueError("the archive holds no .jpg file")
        pixels = np.stack([decode_jpeg(archive.read(name)) for name in members])
    identifiers = [f"{session}_{PurePosixPath(name).stem}" for name in members]
    return StimulusSet(
        identifier=identifier,
        pixels=pixels,
        table=pd.DataFrame({"stimulus_id": identifiers, "image_file": members}),
    )


def single_trials(responses: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Counts (presentation, neuroid) of the repetitions that took place, and their coordinates.

    Parameters
    ----------
    responses
        Spike counts (neuroid, image, repetition), NaN where a repetition is missing.

    Raises
    ------
    ValueError
        If a repetition is missing for some neuroids only, or a count is no whole number.
    """
    missing = np.isnan(responses)
    if np.any(missing != missing[:1]):
        raise ValueError("a repetition is missing for some neuroids only; expected all or none")
    stimulus, repetition = np.nonzero(~missing[0])
    rates = responses[:, stimulus, repetition].T
    # Signed, so that the difference of two counts is what one expects.
    counts = rates.astype(np.int16)
    if np.any(counts != rates):
        raise ValueError("spike counts must be whole numbers; the file holds other values")
    return counts, {"stimulus_index": stimulus, "repetition": repetition}


def repeat_means(responses: np.ndarray, session: Session) -> tuple[np.ndarray, dict[str, Any]]:
    """Means (presentation, neuroid) over repetitions, and their coordinates.

    Parameters
    ----------
    responses
        Mean spike counts (neuroid, image).
    """
    stimulus = np.arange(responses.shape[1])
    return responses.T, {
        "stimulus_index": stimulus,
        "repetition": np.zeros_like(stimulus),
        "n_repetitions": np.full_like(stimulus, session.n_repetitions),
    }


def _assembly(
    activity: np.ndarray, presentation: Mapping[str, Any], stimuli: StimulusSet, session: Session
) -> xr.DataArray:
    n_neuroids, n_stimuli = activity.shape[1], int(presentation["stimulus_index"].max()) + 1
    if (n_neuroids, n_stimuli, len(stimuli)) != (session.n_neuroids, *[session.n_stimuli] * 2):
        raise ValueError(
            f"session {session.session} should have {session.n_neuroids} neuroids and "
            f"{session.n_stimuli} images, got responses of {n_neuroids} neuroids to {n_stimuli} "
            f"images and {len(stimuli)} image files; fetch the files of this session again"
        )
    identifiers = np.asarray(stimuli.stimulus_ids)[presentation["stimulus_index"]]
    prefix = f"{session.animal}_{session.session}"
    assembly = assemblies.build(
        activity[:, :, None],
        presentation={"stimulus_id": identifiers, **presentation},
        neuroid={
            "neuroid_id": [f"{prefix}_{i:03d}" for i in range(n_neuroids)],
            "region": np.full(n_neuroids, "V4"),
            "animal": np.full(n_neuroids, session.animal),
            "session_id": np.full(n_neuroids, int(session.session)),
        },
        time_bin_start=[0.0],
        time_bin_end=[BIN_WIDTH_MS],
        attrs={
            "session": session.session,
            "image_types": session.image_types,
            "units": "spikes per 100 ms",
            "n_repetitions": session.n_repetitions,
            "n_repetitions_note": "per image, as the source's table states it for the session",
        },
    )
    width = (assemblies.TIME_BIN, np.full(1, BIN_WIDTH_MS), {"units": "ms"})
    return assembly.assign_coords(time_bin_width_ms=width)
