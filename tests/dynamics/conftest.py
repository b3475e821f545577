"""Populations and real data for the tests of dynamics."""

import numpy as np
import pytest

from neurorec import assemblies


def make_population(
    rng, *, n_classes=3, per_class=4, n_repetitions=6, p=12, n_bins=3, onset=1, noise=1.0
):
    """Single presentations; classes differ from time bin ``onset`` on, by a constant code."""
    n_stimuli = n_classes * per_class
    stimulus = np.tile(np.arange(n_stimuli), n_repetitions)
    label = stimulus // per_class
    code = 2 * rng.normal(size=(n_classes, p))
    values = noise * rng.normal(size=(len(stimulus), p, n_bins)) + 5
    values[:, :, onset:] += code[label][:, :, None]
    return assemblies.build(
        values,
        presentation={
            "stimulus_id": np.array([f"s{i:02d}" for i in stimulus]),
            "repetition": np.repeat(np.arange(n_repetitions), n_stimuli),
            "object_name": np.array(["car", "face", "hand", "kiwi"])[label],
        },
        neuroid={"neuroid_id": np.arange(p).astype(str), "region": np.full(p, "IT")},
        time_bin_start=50.0 * np.arange(-onset, n_bins - onset),
        time_bin_end=50.0 * np.arange(1 - onset, n_bins - onset + 1),
    )


@pytest.fixture(scope="session")
def population_of():
    return make_population


@pytest.fixture(scope="session")
def windows_of(zhang):
    """Its counts in sliding windows."""

    def windows(width_ms, step_ms, start_ms=-500.0, stop_ms=500.0):
        return assemblies.window(
            zhang,
            start_ms=float(start_ms),
            stop_ms=float(stop_ms),
            width_ms=float(width_ms),
            step_ms=float(step_ms),
            statistic="sum",
        )

    return windows
