"""Representational geometry: public toolboxes and neurorec in turn, on the same inputs.

``python benchmarks/geometry.py`` from the repository root; ``--quick`` takes small inputs. Every
row first compares the numbers, then times the two in turn, and gives medians. What counts is the
ratio: both run in the same process on the same machine at the same time.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import xarray as xr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import _geometry_crossnobis as noisy
from benchmarks import _geometry_decoding as decoding
from benchmarks import _geometry_pass
from benchmarks import _geometry_similarity as similarity
from benchmarks._compare import processor, seconds
from benchmarks._geometry_rsa import dual_bootstrap
from neurorec import assemblies, geometry
from neurorec._checks import atomic_path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from rsatoolbox.data import Dataset
    from rsatoolbox.rdm import RDMs, calc_rdm
    from rsatoolbox.rdm import compare as rsatoolbox_compare

RESULTS = Path(__file__).with_name("results") / "geometry.json"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One job: what was computed, how far the numbers are apart, and how long both took."""

    job: str
    peer: str
    largest_difference: float
    tolerance: float
    peer_s: float | None
    ours_s: float

    @property
    def ratio(self) -> float | None:
        """Time of the peer over ours."""
        return None if self.peer_s is None else self.peer_s / self.ours_s


def in_turn(
    job: str,
    peer: str,
    theirs: Callable[[], np.ndarray],
    ours: Callable[[], np.ndarray],
    *,
    tolerance: float,
    n_runs: int,
) -> Row:
    """Compare the numbers, then time both alternately."""
    difference = float(np.abs(theirs() - ours()).max())
    if not difference <= tolerance:
        raise SystemExit(f"{job}: the numbers differ by {difference:.2g}, allowed {tolerance:.2g}")
    times = np.array([[seconds(theirs), seconds(ours)] for _ in range(n_runs)])
    peer_s, ours_s = np.median(times, axis=0)
    return Row(
        job=job,
        peer=peer,
        largest_difference=difference,
        tolerance=tolerance,
        peer_s=float(peer_s),
        ours_s=float(ours_s),
    )


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


def generalization(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """Classifiers from every to every time bin."""
    return decoding.generalization(rng, quick=quick, n_runs=n_runs, in_turn=in_turn)


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


def inference(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """Dual bootstrap of 10 models, 10 subjects, 100 conditions, 1000 draws."""
    return [Row(**asdict(row)) for row in dual_bootstrap(rng, quick=quick, n_runs=n_runs)]


def one_pass(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """RDMs, CKA and participation ratio of a recording together, against reading it twice."""
    found = _geometry_pass.measured(quick=quick)
    sizes = f"{found['n_units']} x {found['n_stimuli']} x {found['n_timesteps']}"
    return [
        Row(
            job=f"RDMs, CKA, PR of a file, {sizes}, {found['peak_mb']:.0f} MB of memory",
            peer=f"reading the file of {found['file_mb']:.0f} MB twice, from the page cache",
            largest_difference=found["largest_difference"],
            tolerance=1e-5,
            peer_s=statistics.median(found["peer_s"]),
            ours_s=statistics.median(found["ours_s"]),
        )
    ]


def crossnobis(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """Cross-validated distances of many units, and their memory."""
    return noisy.crossnobis(rng, quick=quick, n_runs=n_runs, in_turn=in_turn)


def noise_normalised(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """Distances with a shrinkage noise covariance."""
    return noisy.noise_normalised(rng, quick=quick, n_runs=n_runs, in_turn=in_turn)


def procrustes(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """Procrustes distance without a matrix of units x units."""
    return similarity.procrustes(rng, quick=quick, n_runs=n_runs, row=Row)


def cka_over_time(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """Linear CKA of all pairs of timesteps."""
    return similarity.cka_over_time(rng, quick=quick, n_runs=n_runs, row=Row)


def machine() -> dict[str, object]:
    """What the numbers were measured on."""
    packages = ("numpy", "scipy", "torch", "xarray", "scikit-learn", "rsatoolbox")
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average": list(os.getloadavg()),
        "versions": {name: version(name) for name in packages},
    }


def print_table(rows: list[Row]) -> None:
    """One line per row."""
    print(f"{'job':78} {'peer (s)':>9} {'ours (s)':>9} {'ratio':>6} {'difference':>11}")
    for row in rows:
        peer = "-" if row.peer_s is None else f"{row.peer_s:.4f}"
        ratio = "-" if row.ratio is None else f"{row.ratio:.1f}"
        difference = "-" if row.peer_s is None else f"{row.largest_difference:.1e}"
        print(f"{row.job:78} {peer:>9} {row.ours_s:>9.4f} {ratio:>6} {difference:>11}")


def main() -> None:
    """Run all rows, print them, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small inputs; nothing is written")
    quick = parser.parse_args().quick
    n_runs = 2 if quick else 7
    rng = np.random.default_rng(0)
    before = machine()
    jobs = (
        correlation_rdm,
        kendall,
        generalization,
        bootstrap,
        inference,
        one_pass,
        crossnobis,
        noise_normalised,
        procrustes,
        cka_over_time,
    )
    rows = [row for job in jobs for row in job(rng, quick=quick, n_runs=n_runs)]
    print_table(rows)
    if quick:
        return
    record = {
        "machine": before | {"load_average_after": list(os.getloadavg())},
        "runs": n_runs,
        "rows": [asdict(row) | {"ratio": row.ratio} for row in rows],
    }
    with atomic_path(RESULTS) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
