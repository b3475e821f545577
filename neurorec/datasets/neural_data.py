"""What a data set gives: recordings, stimuli or dissimilarities, with where they came from."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, final

import xarray as xr

import neurorec
from neurorec import assemblies
from neurorec.datasets.manifest import Manifest
from neurorec.stimuli import StimulusSet


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class NeuralData:
    """One data set in memory.

    Parameters
    ----------
    identifier
        Name of the data set, with the part of it that was chosen.
    assembly
        Responses (presentation, neuroid, time_bin), where the data set has them.
    stimuli
        Images, where the data set has them.
    rdms
        Dissimilarities (rdm, condition, condition_b), where the data set has them.
    provenance
        Source, licence, digests of the files and options; made of what JSON can hold.

    Raises
    ------
    ValueError
        If the assembly is faulty or shows stimuli that ``stimuli`` lacks.
    """

    identifier: str
    assembly: xr.DataArray | None = None
    stimuli: StimulusSet | None = None
    rdms: xr.DataArray | None = None
    provenance: dict[str, Any]

    def __post_init__(self) -> None:
        if self.assembly is None:
            return
        assemblies.check(self.assembly)
        if self.stimuli is not None:
            shown = set(self.assembly["stimulus_id"].values.tolist())
            missing = sorted(shown - set(self.stimuli.stimulus_ids))
            if missing:
                raise ValueError(
                    f"{len(missing)} stimuli of the assembly are not in the stimulus set, "
                    f"the first is {missing[0]!r}; give the set that was shown"
                )


def provenance(
    manifest: Manifest, paths: Collection[str], *, options: Any, reader_version: int
) -> dict[str, Any]:
    """Record of what was read from which files, by which version of the reader.

    Parameters
    ----------
    paths
        Files that were read, by their path in the data set.
    options
        The reader's options, a dataclass.
    """
    return {
        "data_set": manifest.name,
        "title": manifest.title,
        "licence": manifest.licence,
        "citation": manifest.citation,
        "source_repository": manifest.repository,
        "source_commit": manifest.commit,
        "sha256": {file.path: file.sha256 for file in manifest.files if file.path in paths},
        "options": asdict(options),
        "reader": manifest.reader,
        "reader_version": reader_version,
        "neurorec": neurorec.__version__,
        "simulated": False,
    }


def source_attrs(manifest: Manifest) -> dict[str, str]:
    """Attributes that go with every assembly read from ``manifest``; netCDF can hold them."""
    return {
        "data_set": manifest.name,
        "title": manifest.title,
        "source_repository": manifest.repository,
        "source_commit": manifest.commit,
        "licence": manifest.licence,
        "citation": manifest.citation,
    }
