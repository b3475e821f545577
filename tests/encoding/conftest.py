"""Assemblies that the tests of encoding share."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from neurorec.assemblies import build

Make = Callable[..., xr.DataArray]


@pytest.fixture
def make() -> Make:
    """Function of values (presentation, neuroid, time_bin) that labels them."""

    def make(values, stimulus_id=None, repetition=None, name="n", **presentation) -> xr.DataArray:
        values = np.asarray(values)
        n_presentations, n_neuroids, n_time_bins = values.shape
        if stimulus_id is None:
            stimulus_id = [f"s{i:04d}" for i in range(n_presentations)]
        if repetition is None:
            seen: dict = {}
            repetition = [seen.setdefault(s, []).append(0) or len(seen[s]) - 1 for s in stimulus_id]
        return build(
            values,
            presentation={"stimulus_id": stimulus_id, "repetition": repetition} | presentation,
            neuroid={
                "neuroid_id": [f"{name}{i}" for i in range(n_neuroids)],
                "region": ["V4"] * n_neuroids,
            },
            time_bin_start=10.0 * np.arange(n_time_bins),
            time_bin_end=10.0 * np.arange(1, n_time_bins + 1),
        )

    return make


@pytest.fixture
def power_law(rng) -> Callable[[int, int], np.ndarray]:
    """Features whose covariance has eigenvalues that fall as 1/k, as those of real images do."""

    def power_law(n: int, p: int) -> np.ndarray:
        mixing, _ = np.linalg.qr(rng.normal(size=(p, p)))
        return rng.normal(size=(n, p)) * np.arange(1, p + 1) ** -0.5 @ mixing + rng.normal(size=p)

    return power_law
