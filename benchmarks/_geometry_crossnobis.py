"""Distances in the metric of the noise: jobs of ``benchmarks/geometry.py``.

``python benchmarks/_geometry_crossnobis.py peer|ours STIMULI REPETITIONS UNITS`` tells the memory
that one call takes, in a process of its own.
"""

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._geometry_rows import Row, in_turn
from neurorec import assemblies, geometry

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from rsatoolbox.data.dataset import Dataset
    from rsatoolbox.data.noise import prec_from_unbalanced
    from rsatoolbox.rdm.calc import calc_rdm


def crossnobis(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """20,000 units, without noise covariance: rsatoolbox multiplies by an identity."""
    sizes = (20, 3, 2000) if quick else (100, 8, 20_000)
    assembly, dataset = simulated(rng, *sizes)
    row = in_turn(
        "crossnobis, {} stimuli x {} repetitions, {} units".format(*sizes),
        "rsatoolbox calc_rdm",
        lambda: peer_crossnobis(dataset),
        lambda: our_crossnobis(assembly),
        tolerance=1e-10 * sizes[-1],  # of sums over units
        n_runs=max(1, n_runs // 3),
    )
    for who in ("peer", "ours") if sys.platform == "linux" else ():
        taken = memory_of(who, sizes)
        print(f"{row.job}: memory of {who} {taken:.0f} MiB more than imports and data")
    return [row]


def noise_normalised(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """Shrinkage covariance and distances; the peer's matrices are as large as units x units."""
    sizes = (20, 3, 100) if quick else (50, 4, 1000)
    assembly, dataset = simulated(rng, *sizes)

    def theirs(shrinkage: str, **options: Any) -> np.ndarray:
        noise = prec_from_unbalanced(dataset, "stimulus", method=shrinkage)
        return sizes[-1] * distances(dataset, noise=noise, **options)

    cases = (
        ("mahalanobis", "shrinkage_diag", {}),
        ("crossnobis", "shrinkage_eye", {"cv_descriptor": "repetition"}),
    )
    return [
        in_turn(
            f"{method}, {shrinkage}, {sizes[0]} x {sizes[1]}, {sizes[2]} units",
            "rsatoolbox prec_from_unbalanced and calc_rdm",
            lambda method=method, shrinkage=shrinkage, more=more: theirs(
                shrinkage, method=method, **more
            ),
            lambda method=method, shrinkage=shrinkage: geometry.rdm(
                assembly, method=method, noise=geometry.Noise(method=shrinkage, pooled=True)
            ).values[0],
            tolerance=1e-10 * sizes[-1],
            n_runs=1,
        )
        for method, shrinkage, more in cases
    ]


def simulated(
    rng: np.random.Generator, n_stimuli: int, n_repetitions: int, n_units: int
) -> tuple[xr.DataArray, Dataset]:
    """The same responses for both, stimuli in the order in which the peer sorts them."""
    stimulus = np.repeat([f"s{i:04d}" for i in range(n_stimuli)], n_repetitions)
    repetition = np.tile(np.arange(n_repetitions), n_stimuli)
    code = rng.normal(size=(n_stimuli, n_units)).repeat(n_repetitions, axis=0)
    shared = rng.normal(size=(len(stimulus), 3)) @ rng.normal(size=(3, n_units))
    values = code + shared + rng.normal(size=(len(stimulus), n_units))
    assembly = assemblies.build(
        values[:, :, None],
        presentation={"stimulus_id": stimulus, "repetition": repetition},
        neuroid={"neuroid_id": np.arange(n_units).astype(str), "region": ["IT"] * n_units},
        time_bin_start=[0.0],
        time_bin_end=[10.0],
    )
    columns = {"stimulus": stimulus, "repetition": repetition}
    return assembly, Dataset(values, obs_descriptors=columns)


def distances(dataset: Dataset, **options: Any) -> np.ndarray:
    """RDM of the peer, a mean over units."""
    return calc_rdm(dataset, descriptor="stimulus", **options).get_matrices()[0]


def peer_crossnobis(dataset: Dataset) -> np.ndarray:
    """A sum over units."""
    found = distances(dataset, method="crossnobis", cv_descriptor="repetition")
    return found * dataset.n_channel


def our_crossnobis(assembly: xr.DataArray) -> np.ndarray:
    """The same."""
    return geometry.rdm(assembly, method="crossnobis", noise="none").values[0]


def memory_of(who: str, sizes: tuple[int, int, int]) -> float:
    """MiB of one call beyond what imports and data take, measured in a process of its own."""
    command = [sys.executable, "-W", "ignore", __file__, who, *map(str, sizes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _measure(who: str, *sizes: int) -> float:
    small = (5, 3, 10)  # loads what is loaded when it is first needed
    for assembly, dataset in (simulated(np.random.default_rng(0), *s) for s in (small, sizes)):
        before = _restarted_peak_kib()
        peer_crossnobis(dataset) if who == "peer" else our_crossnobis(assembly)
    return (_kib("VmHWM") - before) / 1024


def _restarted_peak_kib() -> int:
    """Memory now, from which on the peak is counted (Linux).

    getrusage would count the parent in, whose memory a process has until it starts its program.
    """
    Path("/proc/self/clear_refs").write_text("5")
    return _kib("VmRSS")


def _kib(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], *map(int, sys.argv[2:]))))
