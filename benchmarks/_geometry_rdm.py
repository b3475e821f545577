"""RDMs and their comparison: jobs of ``benchmarks/geometry.py``."""

import statistics
import warnings

import numpy as np
import xarray as xr

from benchmarks._compare import seconds
from benchmarks._geometry_rows import Row, in_turn
from neurorec import assemblies, geometry

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from rsatoolbox.data import Dataset
    from rsatoolbox.rdm import RDMs, calc_rdm
    from rsatoolbox.rdm import compare as rsatoolbox_compare


def correlation_rdm(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """RDM of 500 stimuli and 5000 units, in float64 and with products in float32."""
    n, p = (100, 500) if quick else (500, 5000)
    values = rng.normal(size=(n, p))
    assembly = assemblies.build(
        values[:, :, None],
        presentation={"stimulus_id": np.arange(n).astype(str), "repetition": np.zeros(n, int)},
        neuroid={"neuroid_id": np.arange(p).astype(str), "region": np.full(p, "IT")},
        time_bin_start=[0.0],
        time_bin_end=[10.0],
    )
    dataset = Dataset(values)
    return [
        in_turn(
            f"correlation RDM, {n} x {p}, products in {precision}",
            "rsatoolbox calc_rdm",
            lambda: calc_rdm(dataset, method="correlation").get_matrices()[0],
            lambda precision=precision: geometry.rdm(assembly, precision=precision).values[0],
            tolerance=tolerance,
            n_runs=n_runs,
        )
        for precision, tolerance in (("float64", 1e-12), ("float32", 1e-5))
    ]


def random_rdms(rng: np.random.Generator, n_rdms: int, n: int) -> np.ndarray:
    """Symmetric positive matrices with zero diagonal."""
    upper = np.triu(rng.random((n_rdms, n, n)), 1)
    return upper + upper.transpose(0, 2, 1)


def labelled(values: np.ndarray, dim: str) -> xr.DataArray:
    """RDMs with stimulus identifiers."""
    ids = np.arange(values.shape[1]).astype(str)
    dims = (dim, "condition", "condition_b")
    return xr.DataArray(values, dims=dims, coords={"stimulus_id": ("condition", ids)})


def kendall(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """Tau-a of 20 with 20 RDMs of 200 conditions."""
    n_rdms, n = (5, 50) if quick else (20, 200)
    a, b = random_rdms(rng, n_rdms, n), random_rdms(rng, n_rdms, n)
    theirs, ours = (RDMs(a), RDMs(b)), (labelled(a, "model"), labelled(b, "brain"))
    return [
        in_turn(
            f"Kendall tau-a, {n_rdms} x {n_rdms} RDMs of {n}",
            "rsatoolbox compare",
            lambda: rsatoolbox_compare(*theirs, method="tau-a"),
            lambda: geometry.compare(*ours, method="kendall").values,
            tolerance=1e-12,
            n_runs=n_runs,
        )
    ]


def bootstrap(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """1000 draws of 92 conditions, 32 RDMs with 2: no peer does it in comparable time."""
    n_draws, n_rdms = (50, 4) if quick else (1000, 32)
    a, b = (
        labelled(random_rdms(rng, n_rdms, 92), "time_bin"),
        labelled(random_rdms(rng, 2, 92), "rdm"),
    )
    rows = []
    for method in ("pearson", "spearman", "kendall"):
        times = [
            seconds(
                lambda method=method: geometry.compare_with_interval(
                    a, b, method=method, n_draws=n_draws, seed=0
                )
            )
            for _ in range(max(1, n_runs // 3))
        ]
        rows.append(
            Row(
                job=f"bootstrap over stimuli, {method}, {n_draws} draws, {n_rdms} x 2 RDMs of 92",
                peer="none",
                largest_difference=0.0,
                tolerance=0.0,
                peer_s=None,
                ours_s=statistics.median(times),
            )
        )
    return rows
