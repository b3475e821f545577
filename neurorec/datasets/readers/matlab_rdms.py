"""Images and dissimilarities in MATLAB files (``kriegeskorte-2008``)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, final

import numpy as np
import pandas as pd

from neurorec.datasets.fetch import fetch_files
from neurorec.datasets.manifest import Manifest
from neurorec.datasets.neural_data import NeuralData, provenance, source_attrs
from neurorec.datasets.rdms import Rdm, label_rdms
from neurorec.datasets.readers._reading import reading
from neurorec.datasets.readers.matlab import load_mat
from neurorec.stimuli import StimulusSet

NAME: Final = "matlab_rdms"
VERSION: Final = 1
#: Species and name in the source of the RDMs of figure 1 of the paper.
FIGURE_1: Final = (("macaque", "mIT_674neurons"), ("human", "hITvisStim_316vx"))


@final
@dataclass(frozen=True, kw_only=True)
class Options:
    """There is nothing to choose."""


def read(manifest: Manifest, options: Options) -> NeuralData:
    """The 92 images and the RDMs of brains, behaviour and models.

    Raises
    ------
    ValueError
        If a file is damaged or does not hold what it should.
    """
    files = fetch_files(manifest)
    local = {PurePosixPath(path).name: path_here for path, path_here in files.items()}
    main = local["Kriegeskorte_Neuron2008_supplementalData.mat"]
    with reading(main, NAME):
        stimuli = _stimuli(load_mat(main))
    rdms = label_rdms(list(_rdms(local)), stimuli.table)
    rdms.attrs.update(source_attrs(manifest))
    return NeuralData(
        identifier=manifest.name,
        stimuli=stimuli,
        rdms=rdms,
        provenance=provenance(manifest, files, options=options, reader_version=VERSION),
    )


def _stimuli(content: Mapping[str, Any]) -> StimulusSet:
    entries = content["stimuli_92objs"]
    columns: dict[str, Any] = {
        "stimulus_id": [f"im{i:02d}" for i in range(1, len(entries) + 1)],
        "object_name": [entry["category"] for entry in entries],
    }
    for name in ("human", "face", "animal", "natural"):
        columns[name] = [bool(entry[name]) for entry in entries]
    members = content["categoryVectors"].astype(bool)
    for label, column in zip(content["categoryLabels"], members.T, strict=True):
        columns[f"category_{label}"] = column
    return StimulusSet(
        identifier="kriegeskorte-2008",
        pixels=np.stack([entry["image"] for entry in entries]),
        table=pd.DataFrame(columns),
    )


def _rdms(local: Mapping[str, Path]) -> Iterator[Rdm]:
    """Every RDM once, in the order brains, behaviour, models."""
    main = local["Kriegeskorte_Neuron2008_supplementalData.mat"]
    with reading(main, NAME):
        entries = {e["name"]: e["RDM"] for e in load_mat(main)["RDMs_mIT_hIT_fig1"]}
        for species, name in FIGURE_1:
            yield Rdm(name, "neural", "", 0, species, entries[name])
    with reading(local["92_brainRDMs.mat"], NAME):
        for entry in load_mat(local["92_brainRDMs.mat"])["RDMs"].ravel():
            region, subject, session = (part.strip() for part in entry["name"].split("|"))
            number = int(session.removeprefix("Session: "))
            name = f"{region}_{subject}_session{number}"
            yield Rdm(name, "neural_subject", subject, number, "human", entry["RDM"])
    with reading(local["92_behavRDMs.mat"], NAME):
        for entry in load_mat(local["92_behavRDMs.mat"])["rdms_behav_92"]:
            task, subject = (part.strip() for part in entry["name"].split("|"))
            yield Rdm(f"{task}_{subject}", "behaviour", subject, 0, "human", entry["RDM"])
    with reading(local["92_modelRDMs.mat"], NAME):
        for entry in load_mat(local["92_modelRDMs.mat"])["Models"]:
            if entry["name"] != "monkeyIT":  # that is mIT_674neurons once more
                yield Rdm(f"model_{entry['name']}", "model", "", 0, "", entry["RDM"])
    with reading(local["rdm92_HMAXnatImPatch.mat"], NAME):
        values = load_mat(local["rdm92_HMAXnatImPatch.mat"])["rdm92_HMAXnatImPatch"]
        yield Rdm("model_HMAX_natImPatch", "model", "", 0, "", values)
