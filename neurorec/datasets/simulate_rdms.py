r"""Simulated dissimilarities of several subjects that share one known feature space.

A subject's patterns are :math:`F w + \varepsilon` with weights :math:`w \sim N(0, 1/D)` of its own
and noise of variance :math:`\nu` (the inverse of the signal-to-noise ratio). With
:math:`K = F F^T / D`, the correlation distance of stimuli i and j tends, as neuroids are added, to

.. math:: 1 - K_{ij} / \sqrt{(K_{ii} + \nu)(K_{jj} + \nu)}.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import xarray as xr
from jaxtyping import Float

from neurorec.datasets.rdms import Rdm, label_rdms
from neurorec.datasets.simulate_images import image_features, whiten
from neurorec.stimuli import StimulusSet


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedRdms:
    """RDMs of simulated subjects and sessions, with the RDM that each tends to."""

    rdms: xr.DataArray
    expected: Float[np.ndarray, "condition condition"]
    features: Float[np.ndarray, "condition dimension"]


def simulate_rdms(
    stimuli: StimulusSet,
    *,
    features: np.ndarray | None = None,
    dimension: int = 10,
    n_subjects: int = 4,
    n_sessions: int = 2,
    n_neuroids: int = 100,
    signal_to_noise: float = 1.0,
    seed: int | np.random.Generator = 0,
) -> SimulatedRdms:
    """Correlation-distance RDMs; sessions of a subject share its weights and differ in noise.

    Parameters
    ----------
    features
        What all subjects encode (stimulus, feature); whitened. If left out, ``dimension`` random
        projections of the Gabor energy and colour of the images.
    signal_to_noise
        Variance over stimuli by variance of the noise, in each neuroid.

    Raises
    ------
    ValueError
        If a number is not positive or the features are linearly dependent.
    """
    if min(n_subjects, n_sessions, n_neuroids - 1, signal_to_noise) <= 0:
        raise ValueError(
            "subjects, sessions and signal_to_noise must be positive and neuroids at least 2, got "
            f"{n_subjects}, {n_sessions}, {signal_to_noise} and {n_neuroids}"
        )
    rng = np.random.default_rng(seed)
    if features is None:
        features = image_features(stimuli, dimension=dimension, seed=rng)
    white = whiten(features)
    stack = []
    for subject in range(1, n_subjects + 1):
        weights = _weights(white.shape[1], n_neuroids, rng)
        for session in range(1, n_sessions + 1):
            values = noisy_rdm(white @ weights, signal_to_noise=signal_to_noise, seed=rng)
            name = f"simulated_S{subject}_session{session}"
            stack.append(Rdm(name, "neural_subject", f"S{subject}", session, "simulated", values))
    rdms = label_rdms(stack, stimuli.table)
    rdms.attrs["simulated"] = 1  # netCDF has no booleans
    return SimulatedRdms(
        rdms=rdms, expected=expected_rdm(white, signal_to_noise=signal_to_noise), features=white
    )


def _weights(dimension: int, n_neuroids: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(dimension, n_neuroids)) / np.sqrt(dimension)


def expected_rdm(
    features: Float[np.ndarray, "condition dimension"], *, signal_to_noise: float
) -> Float[np.ndarray, "condition condition"]:
    """Correlation distance that populations of growing size tend to."""
    inner = features @ features.T / features.shape[1]
    length = np.sqrt(np.diagonal(inner) + 1 / signal_to_noise)
    expected = 1 - inner / length[:, None] / length
    np.fill_diagonal(expected, 0)
    return expected


def noisy_rdm(
    patterns: Float[np.ndarray, "condition neuroid"],
    *,
    signal_to_noise: float,
    seed: int | np.random.Generator = 0,
) -> Float[np.ndarray, " pair"]:
    """Upper triangle of the correlation distances of patterns with noise added.

    Parameters
    ----------
    patterns
        Of variance 1 over conditions, on average over neuroids.
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(scale=1 / np.sqrt(signal_to_noise), size=patterns.shape)
    correlation = np.corrcoef(patterns + noise)
    return 1 - correlation[np.triu_indices(len(patterns), k=1)]
