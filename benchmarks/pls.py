"""PLS encoding fits: scikit-learn, ikpls and neurorec in turn; brainscore.py has whole metrics.

    python benchmarks/pls.py [--quick] [--large] [--only NAME ...] [--repeats N] [--out PATH]

Each fit is timed with the predictions for 100 held-out stimuli, which are compared first. Features
have the decaying spectrum that features of images have (eigenvalues as 1/k). scikit-learn appears
twice: with its own tolerance, at which it stops before its predictions have converged, and
converged. ``--large`` adds the rows whose peer takes minutes; that peer runs once. A peer that is
not installed is left out and named. Prints a table and writes it as JSON with a description of the
machine.
"""

import argparse
import importlib.util
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from sklearn.cross_decomposition import PLSRegression
from sklearn.exceptions import ConvergenceWarning

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._compare import Row, compared, machine, write
from neurorec import assemblies
from neurorec.encoding import PLS

RESULTS = Path(__file__).parent / "results" / "pls.json"
N_COMPONENTS = 25
N_HELD_OUT = 100

#: Of the largest prediction. With its own tolerance scikit-learn stops when its weights change by
#: less than 1e-3 a step, converged by less than 1e-6; it is then as far from the limit as that
#: over the gap of the leading eigenvalues.
LOOSE, CONVERGED, EXACT = 2e-2, 1e-4, 1e-8


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of one problem."""

    n_stimuli: int
    n_features: int = 0
    n_neuroids: int
    n_time_bins: int = 1
    n_repetitions: int = 1
    n_splits: int = 1

    def __str__(self) -> str:
        return (
            f"{self.n_stimuli} stimuli x {self.n_repetitions}, {self.n_features} features -> "
            f"{self.n_neuroids} neuroids x {self.n_time_bins} bins, {self.n_splits} splits"
        )


@dataclass(frozen=True)
class Data:
    """Features (stimulus, feature) and responses (stimulus, neuroid, bin)."""

    features: np.ndarray
    responses: np.ndarray


def problem(sizes: Sizes, *, n_held_out: int = N_HELD_OUT, seed: int = 0) -> Data:
    """Responses that are linear in the features, with as much noise as signal."""
    rng = np.random.default_rng(seed)
    decay = np.arange(1, sizes.n_features + 1) ** -0.5
    features = rng.normal(size=(sizes.n_stimuli + n_held_out, sizes.n_features)) * decay
    n_targets = sizes.n_neuroids * sizes.n_time_bins
    signal = features @ rng.normal(size=(sizes.n_features, n_targets))
    responses = signal / signal.std(axis=0) + rng.normal(size=signal.shape)
    return Data(features, responses.reshape(len(features), sizes.n_neuroids, sizes.n_time_bins))


def one_fit(sizes: Sizes, repeats: int, *, once: bool = False) -> list[Row]:
    """One fit of one time bin, weights and held-out predictions."""
    data = problem(sizes)
    n = sizes.n_stimuli
    x, y, x_test = data.features[:n], data.responses[:n, :, 0], data.features[n:]

    def sklearn(**options: float) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return PLSRegression(N_COMPONENTS, scale=False, **options).fit(x, y).predict(x_test)

    def ours() -> np.ndarray:
        return PLS(N_COMPONENTS).fit(x, y).predict(x_test)

    rows = [
        compared(
            "one fit", sizes, "scikit-learn", sklearn, ours, repeats, tolerance=LOOSE, once=once
        )
    ]
    if once:
        return rows

    def converged() -> np.ndarray:
        return sklearn(tol=1e-12, max_iter=10000)

    name = "scikit-learn, converged"
    rows.append(compared("one fit", sizes, name, converged, ours, repeats, tolerance=CONVERGED))
    return rows + [
        compared("one fit", sizes, name, peer(x, y, x_test), ours, repeats, tolerance=EXACT)
        for name, peer in ikpls_peers().items()
    ]


Peer = Callable[[np.ndarray, np.ndarray, np.ndarray], Callable[[], np.ndarray]]


def ikpls_peers() -> dict[str, Peer]:
    """Both algorithms of ikpls on NumPy."""
    if not installed("ikpls"):
        return {}
    from ikpls.numpy import PLS as IKPLS

    def peer(algorithm: int) -> Peer:
        def prepared(x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> Callable[[], np.ndarray]:
            def run() -> np.ndarray:
                model = IKPLS(algorithm=algorithm, scale_X=False, scale_Y=False)
                return model.fit(x, y, N_COMPONENTS).predict(x_test, N_COMPONENTS)

            return run

        return prepared

    return {f"ikpls {version('ikpls')}, algorithm {k}": peer(k) for k in (1, 2)}


def all_time_bins(sizes: Sizes, repeats: int) -> list[Row]:
    """One split, every time bin a fit of its own; ours share the Gram matrix, which is counted."""
    data = problem(sizes)
    n = sizes.n_stimuli
    train, test = np.arange(n), np.arange(n, len(data.features))

    def ours() -> np.ndarray:
        features = torch.from_numpy(data.features)
        responses = torch.from_numpy(data.responses)
        readout = PLS(N_COMPONENTS)
        return readout.predict_from_features(features, responses, train, test).held_out.numpy()

    def bin_by_bin(peer: Peer) -> Callable[[], np.ndarray]:
        jobs = [
            peer(data.features[:n], data.responses[:n, :, b], data.features[n:])
            for b in range(sizes.n_time_bins)
        ]
        return lambda: np.stack([job() for job in jobs], axis=2)

    return [
        compared("one split", sizes, name, bin_by_bin(peer), ours, repeats, tolerance=EXACT)
        for name, peer in ikpls_peers().items()
        if name.endswith("1")
    ]


def labelled(values: np.ndarray, name: str) -> xr.DataArray:
    """Assembly of (stimulus, neuroid, time_bin), in the order that Brain-Score puts it in."""
    n_stimuli, n_neuroids, _ = values.shape
    return assemblies.build(
        values,
        presentation={
            "stimulus_id": [f"s{i:05d}" for i in range(n_stimuli)],
            "repetition": np.zeros(n_stimuli, dtype=int),
        },
        neuroid={
            "neuroid_id": [f"{name}{i:05d}" for i in range(n_neuroids)],
            "region": [name] * n_neuroids,
        },
        time_bin_start=[70.0],
        time_bin_end=[170.0],
    )


def installed(package: str) -> bool:
    """Whether a peer is there; says so if it is not."""
    if importlib.util.find_spec(package) is not None:
        return True
    print(f"{package} is not installed here: its rows are left out")
    return False


def jobs(*, quick: bool, large: bool, repeats: int) -> dict[str, Callable[[], list[Row]]]:
    """Comparisons by name."""
    if quick:
        wide = Sizes(n_stimuli=200, n_features=1000, n_neuroids=60)
        tall = Sizes(n_stimuli=500, n_features=100, n_neuroids=60)
        bins = Sizes(n_stimuli=200, n_features=1000, n_neuroids=60, n_time_bins=3)
        return {
            "wide": lambda: one_fit(wide, repeats),
            "tall": lambda: one_fit(tall, repeats),
            "bins": lambda: all_time_bins(bins, repeats),
        }
    some = Sizes(n_stimuli=1000, n_features=4000, n_neuroids=168)
    many = Sizes(n_stimuli=900, n_features=8000, n_neuroids=500)
    tall = Sizes(n_stimuli=2000, n_features=500, n_neuroids=168)
    bins = Sizes(n_stimuli=1000, n_features=4000, n_neuroids=168, n_time_bins=13)
    huge = Sizes(n_stimuli=2304, n_features=25000, n_neuroids=168)
    chosen = {
        "some": lambda: one_fit(some, repeats),
        "many": lambda: one_fit(many, repeats),
        "tall": lambda: one_fit(tall, repeats),
        "bins": lambda: all_time_bins(bins, repeats),
    }
    slow = {"huge": lambda: one_fit(huge, repeats, once=True)}
    return chosen | slow if large else chosen


def main() -> None:
    """Run every comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small problems, seconds in all")
    parser.add_argument("--large", action="store_true", help="also peers that take minutes")
    parser.add_argument("--only", nargs="+", default=[], help="names of comparisons")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON file to write")
    options = parser.parse_args()
    named = jobs(quick=options.quick, large=options.large, repeats=options.repeats)
    unknown = sorted(set(options.only) - set(named))
    if unknown:
        parser.error(f"--only takes {', '.join(named)}, got {', '.join(unknown)}")
    description = machine()
    rows = [row for name in options.only or named for row in named[name]()]
    write(options.out, description, rows)


if __name__ == "__main__":
    main()
