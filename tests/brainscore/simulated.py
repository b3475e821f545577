"""Responses that are known to be a linear readout of one area of a model at one timestep."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from neurorec import assemblies
from neurorec.datasets import NeuralData
from neurorec.models.adapters import per_timestep
from neurorec.recording import record
from neurorec.stimuli import StimulusSet

N_STIMULI, N_NEURONS, TIMESTEPS = 48, 6, 3
AREAS = ("a1", "a2", "a3")
#: Time bin of the responses, in ms.
BIN = (70, 90)


class Area(nn.Module):
    """Units that look at all pixels, at each timestep with weights of their own."""

    def __init__(self, seed):
        super().__init__()
        drawn = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(TIMESTEPS, 8 * 8 * 3, 4, generator=drawn))

    def forward(self, x, timestep):
        return x.flatten(1) @ self.weight[timestep]


class Independent(nn.Module):
    """Areas that know nothing of one another, nor of what they were a timestep before."""

    def __init__(self):
        super().__init__()
        self.areas = nn.ModuleDict({name: Area(seed) for seed, name in enumerate(AREAS)})

    def forward(self, x):
        for timestep in range(TIMESTEPS):
            shown = [area(x, timestep) for area in self.areas.values()]
        return shown[-1]


def network():
    """With timesteps of 10 ms."""
    areas = {name: f"areas.{name}" for name in AREAS}
    return per_timestep(Independent().eval(), areas, input_size=8)


def images(n=N_STIMULI, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 3)).astype(np.uint8)
    table = pd.DataFrame({"stimulus_id": [f"s{i}" for i in range(n)]})
    return StimulusSet(identifier="noise", pixels=pixels, table=table, visual_degrees=8)


def activity(stimuli, folder):
    """(stimulus, unit, timestep) of each area, by the recorder."""
    recording = record(network(), stimuli, out=folder / "r.h5", device="cpu")
    return {area: recording.area(area).load().values for area in recording.areas}


def readout(patterns, rng, n_neurons=N_NEURONS):
    """Responses to one timestep, a tenth of whose variance is noise."""
    deviations = patterns - patterns.mean(axis=0)
    signal = deviations @ rng.normal(size=(deviations.shape[1], n_neurons))
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
