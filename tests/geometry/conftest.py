"""Populations and real data for the tests of representational geometry."""

import numpy as np
import pytest
import xarray as xr

from neurorec import assemblies, datasets


def make_assembly(values, *, stimulus_ids=None, repetition=None, prefix="unit", **columns):
    """Assembly of ``values`` (presentation, neuroid) or (presentation, neuroid, time_bin)."""
    values = np.asarray(values)
    values = values[:, :, None] if values.ndim == 2 else values
    n, p, n_bins = values.shape
    ids = [f"s{i:03d}" for i in range(n)] if stimulus_ids is None else stimulus_ids
    return assemblies.build(
        values,
        presentation={
            "stimulus_id": np.asarray(ids),
            "repetition": np.zeros(n, dtype=np.int64) if repetition is None else repetition,
        }
        | columns,
        neuroid={
            "neuroid_id": np.array([f"{prefix}{j}" for j in range(p)]),
            "region": np.full(p, "IT"),
        },
        time_bin_start=10.0 * np.arange(n_bins),
        time_bin_end=10.0 * np.arange(1, n_bins + 1),
    )


def make_rdms(values, *, stimulus_ids=None, dim="rdm", coords=None):
    """RDMs (rdm, condition, condition_b), or one without a leading dimension."""
    values = np.asarray(values, dtype=float)
    n = values.shape[-1]
    ids = [f"s{i:03d}" for i in range(n)] if stimulus_ids is None else stimulus_ids
    leading = (dim,) if values.ndim == 3 else ()
    return xr.DataArray(
        values,
        dims=(*leading, "condition", "condition_b"),
        coords={"stimulus_id": ("condition", np.asarray(ids))} | (coords or {}),
    )


def random_rdms(rng, n_rdms, n_conditions, *, rounding=None):
    """Symmetric positive matrices with zero diagonal; rounding makes ties."""
    upper = np.triu(rng.random((n_rdms, n_conditions, n_conditions)) + 0.1, 1)
    upper = upper if rounding is None else np.round(upper, rounding)
    return upper + upper.transpose(0, 2, 1)


@pytest.fixture(scope="session")
def objects_92(shared_data):
    """RDMs of the 92 objects: monkey and human IT, behaviour, models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
        return datasets.load("kriegeskorte-2008").rdms


@pytest.fixture(scope="session")
def zhang_windows(zhang):
    """Counts of macaque IT in ten windows of 50 ms from stimulus onset."""
    windows = [assemblies.window(zhang, start_ms=t, stop_ms=t + 50) for t in range(0, 500, 50)]
    return assemblies.build(
        np.concatenate([one.values for one in windows], axis=2),
        presentation=assemblies.columns_of(zhang, "presentation"),
        neuroid=assemblies.columns_of(zhang, "neuroid"),
        time_bin_start=np.arange(0, 500, 50.0),
        time_bin_end=np.arange(50, 550, 50.0),
    )


@pytest.fixture(scope="session")
def assembly_of():
    return make_assembly


@pytest.fixture(scope="session")
def rdms_of():
    return make_rdms


@pytest.fixture(scope="session")
def random_rdms_of():
    return random_rdms
