"""Responses that are known to be a linear readout of one area of a model at one timestep."""

import numpy as np
import pandas as pd

from neurorec import assemblies
from neurorec.datasets import NeuralData
from neurorec.models import build
from neurorec.recording import record
from neurorec.stimuli import StimulusSet

N_STIMULI, N_NEURONS, TIMESTEPS = 48, 6, 3
#: Time bin of the responses, in ms. The model's third timestep lies in the first of two.
BIN = (70, 90)


def network(name="fb"):
    return build(f"greco2025-{name}", input_size=8, timesteps=TIMESTEPS).eval()


def images(n=N_STIMULI, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 3)).astype(np.uint8)
    table = pd.DataFrame({"stimulus_id": [f"s{i}" for i in range(n)]})
    return StimulusSet(identifier="noise", pixels=pixels, table=table, visual_degrees=8)


def activity(stimuli, folder):
    """(stimulus, unit, timestep) of each area, by the recorder."""
    recording = record(network(), stimuli, out=folder / "r.h5", device="cpu")
    return {area: recording.area(area).load().values for area in recording.areas}


def components(patterns, n):
    """The largest, over stimuli."""
    return np.linalg.svd(patterns - patterns.mean(axis=0), full_matrices=False)[0][:, :n]


def readout(patterns, rng, *, n_neurons=N_NEURONS, beyond=None):
    """Responses to the three largest components of one timestep; a tenth of them is noise.

    Of what the ten largest of ``beyond`` do not hold, where it is given.
    """
    if beyond is not None:
        known = components(beyond, 10)
        patterns = patterns - known @ (known.T @ patterns)
    signal = components(patterns, 3) @ rng.normal(size=(3, n_neurons))
    return signal / signal.std(axis=0) + 0.33 * rng.normal(size=signal.shape)


def recorded(stimuli, responses, *, regions=None, starts=(BIN[0],), width=BIN[1] - BIN[0]):
    """Means (stimulus, neuron, time bin) as a data set; a stimulus has one presentation."""
    n, p, _ = responses.shape
    assembly = assemblies.build(
        responses,
        presentation={
            "stimulus_id": stimuli.stimulus_ids,
            "repetition": np.zeros(n, dtype=np.int64),
        },
        neuroid={"neuroid_id": [f"n{j}" for j in range(p)], "region": regions or ["IT"] * p},
        time_bin_start=np.array(starts, dtype=float),
        time_bin_end=np.array(starts, dtype=float) + width,
    )
    return NeuralData(identifier="simulated", assembly=assembly, stimuli=stimuli, provenance={})
