"""Simulated twins of the neural data sets: the same shape and labels, activity of our making.

They stand in for recordings that cannot be reached. Signal-to-noise ratios are set such that split
halves agree about as well as in the recordings; nothing else is fitted to them.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from neurorec import assemblies
from neurorec._checks import check_option
from neurorec.datasets.access import read_options
from neurorec.datasets.manifest import info
from neurorec.datasets.neural_data import NeuralData
from neurorec.datasets.population import Population
from neurorec.datasets.rdms import Rdm, label_rdms
from neurorec.datasets.readers import matlab_rdms, npy_zip, r_rasters
from neurorec.datasets.simulate import SIMULATED, simulate_population
from neurorec.datasets.simulate_images import image_features, synthetic_images, whiten
from neurorec.datasets.simulate_rdms import noisy_rdm
from neurorec.stimuli import StimulusSet

#: Category, number of images, and whether it is human, a face, an animal, natural.
CATEGORIES: Final = (
    ("human bodypart", 12, True, False, True, True),
    ("human face", 12, True, True, True, True),
    ("nonhuman bodypart", 12, False, False, True, True),
    ("nonhuman face", 12, False, True, True, True),
    ("natural inanimate", 23, False, False, False, True),
    ("artificial inanimate", 21, False, False, False, False),
)
OBJECTS: Final = ("car", "couch", "face", "flower", "guitar", "hand", "kiwi")


def simulated(name: str, *, seed: int = 0, **options: Any) -> NeuralData:
    """The simulated twin of the data set ``name``, for use where the recordings cannot be reached.

    Takes the options of :func:`neurorec.datasets.load`.

    Parameters
    ----------
    seed
        The same seed gives the same values.

    Raises
    ------
    ValueError
        If the data set has no twin, or not with these options.
    """
    make = TWINS[check_option("simulated data set", name, TWINS)]
    manifest = info(name)
    chosen = read_options(manifest, options)
    parts = make(chosen, np.random.default_rng(seed))
    labels = {"simulated": 1, "title": f"{SIMULATED} twin of {name}: {manifest.title}"}
    for part in (parts.get("assembly"), parts.get("rdms")):
        if part is not None:
            part.attrs.update(labels)
    provenance = {
        "data_set": name,
        "title": labels["title"],
        "source": f"{SIMULATED} by neurorec.datasets.simulated",
        "options": asdict(chosen),
        "seed": seed,
        "simulated": True,
    }
    return NeuralData(identifier=f"simulated-{name}", provenance=provenance, **parts)


def _cowley(options: npy_zip.Options, rng: np.random.Generator) -> dict[str, Any]:
    """640 images, 50 neuroids, 6 to 10 repetitions, one bin of 100 ms."""
    check_option("session of the simulated twin", options.session, ("210325",))
    images = _renamed(synthetic_images(np.arange(640), size=112, seed=rng), "simulated_image")
    population = Population(
        n_neuroids=50,
        n_repetitions=(6, 10),
        dimension=14,
        # Split halves of the recordings: 0.76 for the median unit (7.6 repetitions), 0.53 to 0.93.
        signal_to_noise=tuple((0.42 * rng.lognormal(sigma=0.6, size=50)).tolist()),
        latency_ms=50,
        baseline=0,
        stop_ms=npy_zip.BIN_WIDTH_MS,
        bin_width_ms=npy_zip.BIN_WIDTH_MS,
        region="V4",
    )
    assembly = simulate_population(images, population, seed=rng).data.assembly
    assert assembly is not None
    position = {identifier: i for i, identifier in enumerate(images.stimulus_ids)}
    index = np.array([position[s] for s in assembly["stimulus_id"].values.tolist()])
    width = (assemblies.TIME_BIN, np.full(1, npy_zip.BIN_WIDTH_MS), {"units": "ms"})
    assembly = assembly.assign_coords(
        stimulus_index=(assemblies.PRESENTATION, index),
        session_id=(assemblies.NEUROID, np.full(50, int(options.session))),
        time_bin_width_ms=width,
    )
    return {"assembly": assembly, "stimuli": images}


def _zhang_desimone(options: r_rasters.Options, rng: np.random.Generator) -> dict[str, Any]:
    """7 objects at 3 positions, 20 repetitions but one, 132 neuroids of 21 sessions."""
    pairs = [(name, position) for name in OBJECTS for position in r_rasters.POSITIONS]
    identifiers = [f"{name}_{position}" for name, position in pairs]
    of_object = rng.normal(size=(len(OBJECTS), 5)).repeat(len(r_rasters.POSITIONS), axis=0)
    of_position = np.tile(rng.normal(size=(len(r_rasters.POSITIONS), 2)), (len(OBJECTS), 1))
    population = Population(
        n_neuroids=132,
        n_repetitions=20,
        # Split halves of the recordings: 0.78 for the median unit in 200 ms (20 repetitions).
        signal_to_noise=8.9e-4 * options.bin_width_ms,
        latency_ms=tuple(rng.normal(100, 12, size=132).tolist()),
        start_ms=-500,
        stop_ms=500,
        bin_width_ms=options.bin_width_ms,
    )
    features = np.concatenate([of_object, of_position], axis=1)
    result = simulate_population(identifiers, population, features=features, seed=rng)
    assembly = result.data.assembly
    assert assembly is not None
    assembly = _as_sessions(assembly, identifiers, rng)
    if options.session is not None:
        sessions = info("zhang-desimone-2011").sessions
        session = int(check_option("session", options.session, sessions))
        assembly = assembly.isel(neuroid=np.flatnonzero(assembly["session_id"].values == session))
    return {"assembly": assembly}


def _as_sessions(
    assembly: xr.DataArray, identifiers: list[str], rng: np.random.Generator
) -> xr.DataArray:
    """Order, gap and coordinates of the recordings; trials are shuffled within each session."""
    ids, repetition = assembly["stimulus_id"].values, assembly["repetition"].values
    rank = np.array([identifiers.index(s) for s in ids.tolist()])
    order = np.lexsort((rank, repetition))
    order = order[~((ids[order] == "flower_middle") & (repetition[order] == 19))]
    assembly = assembly.isel(presentation=order)
    ids, repetition = assembly["stimulus_id"].values, assembly["repetition"].values
    session = 1001 + np.arange(assembly.sizes["neuroid"]) * 21 // assembly.sizes["neuroid"]
    orders = {number: _trial_order(ids, repetition, rng) for number in np.unique(session).tolist()}
    trial_order = np.stack([orders[number] for number in session.tolist()], axis=1)
    words = [s.split("_") for s in ids.tolist()]
    return assembly.assign_coords(
        object_name=(assemblies.PRESENTATION, np.array([word[0] for word in words])),
        position=(assemblies.PRESENTATION, np.array([word[1] for word in words])),
        session_id=(assemblies.NEUROID, session),
        channel=(assemblies.NEUROID, np.arange(len(session)) % 4 + 1),
        unit=(assemblies.NEUROID, np.full(len(session), "A")),
        trial_order=((assemblies.PRESENTATION, assemblies.NEUROID), trial_order),
    )


def _trial_order(ids: np.ndarray, repetition: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    orders = r_rasters.trial_orders(rng.permutation(ids).tolist())
    keys = zip(ids.tolist(), repetition.tolist(), strict=True)
    return np.array([orders[key] for key in keys])


def _kriegeskorte(_: matlab_rdms.Options, rng: np.random.Generator) -> dict[str, Any]:
    """92 images in 6 categories; RDMs of one monkey population, 4 humans and animacy."""
    counts = [count for _, count, *_ in CATEGORIES]
    group = np.repeat(np.arange(len(CATEGORIES)), counts)
    names = ("object_name", "n_images", "human", "face", "animal", "natural")
    table = pd.DataFrame.from_records(list(CATEGORIES), columns=list(names)).drop(
        columns="n_images"
    )
    columns = {name: table[name].to_numpy()[group] for name in table}
    images = _renamed(synthetic_images(group, size=175, seed=rng), "im", columns)
    features = whiten(image_features(images, dimension=12, seed=rng))
    stack = [Rdm("mIT_simulated", "neural", "", 0, "macaque", _rdm(features, 674, 1.0, rng))]
    subjects = []
    for subject in ("S1", "S2", "S3", "S4"):
        weights = rng.normal(size=(features.shape[1], 150)) / np.sqrt(features.shape[1])
        for session in (1, 2):
            values = noisy_rdm(features @ weights, signal_to_noise=0.3, seed=rng)
            name = f"hIT_{subject}_session{session}"
            subjects.append(Rdm(name, "neural_subject", subject, session, "human", values))
    mean = np.mean([rdm.values for rdm in subjects], axis=0)
    animal = images.table["animal"].to_numpy()
    animacy = (animal[:, None] != animal).astype(float)
    stack += [Rdm("hIT_simulated", "neural", "", 0, "human", mean), *subjects]
    stack.append(Rdm("model_animacy", "model", "", 0, "", animacy))
    return {"stimuli": images, "rdms": label_rdms(stack, images.table)}


def _rdm(
    features: np.ndarray, n_neuroids: int, signal_to_noise: float, rng: np.random.Generator
) -> np.ndarray:
    weights = rng.normal(size=(features.shape[1], n_neuroids)) / np.sqrt(features.shape[1])
    return noisy_rdm(features @ weights, signal_to_noise=signal_to_noise, seed=rng)


def _renamed(
    images: StimulusSet, prefix: str, columns: Mapping[str, Any] | None = None
) -> StimulusSet:
    """The same images under the names ``<prefix>01`` and so on, with further columns."""
    digits = 4 if len(images) > 99 else 2
    names = [f"{prefix}{i:0{digits}d}" for i in range(1, len(images) + 1)]
    table = pd.DataFrame({"stimulus_id": names, **(columns or {})})
    return StimulusSet(
        identifier="simulated", pixels=images.pixels, table=table, attrs={"simulated": 1}
    )


#: Makers of the twins, by the name of the data set.
TWINS: Final[Mapping[str, Callable[[Any, np.random.Generator], dict[str, Any]]]] = MappingProxyType(
    {
        "cowley-2023": _cowley,
        "kriegeskorte-2008": _kriegeskorte,
        "zhang-desimone-2011": _zhang_desimone,
    }
)
