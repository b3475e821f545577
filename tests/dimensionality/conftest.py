"""Populations and real data for the tests of dimensionality."""

import numpy as np
import pytest

from neurorec import assemblies, datasets


def make_assembly(values, *, stimulus_ids=None, repetition=None):
    """Assembly of ``values`` (presentation, neuroid) or (presentation, neuroid, time_bin)."""
    values = np.asarray(values)
    values = values[:, :, None] if values.ndim == 2 else values
    n, p, n_bins = values.shape
    ids = [f"s{i:04d}" for i in range(n)] if stimulus_ids is None else stimulus_ids
    return assemblies.build(
        values,
        presentation={
            "stimulus_id": np.asarray(ids),
            "repetition": np.zeros(n, dtype=np.int64) if repetition is None else repetition,
        },
        neuroid={"neuroid_id": np.arange(p).astype(str), "region": np.full(p, "IT")},
        time_bin_start=10.0 * np.arange(n_bins),
        time_bin_end=10.0 * np.arange(1, n_bins + 1),
    )


@pytest.fixture(scope="session")
def assembly_of():
    return make_assembly


@pytest.fixture(scope="session")
def cowley(shared_data):
    """Macaque V4, by session."""

    def load(session):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
            return datasets.load("cowley-2023", session=session).assembly

    return load
