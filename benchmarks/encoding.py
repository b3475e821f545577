"""Ridge encoding fits: scikit-learn, himalaya and neurorec in turn, on the same inputs.

    python benchmarks/encoding.py [--quick] [--repeats N] [--out PATH]

Results are compared before anything is timed; then peer and neurorec take turns, and the shortest
time of each counts. Features have the decaying spectrum that features of images have (eigenvalues
as 1/k). Prints a table and writes it as JSON with a description of the machine.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from himalaya.kernel_ridge import KernelRidgeCV
from himalaya.ridge import RidgeCV as HimalayaRidgeCV
from sklearn.linear_model import RidgeCV

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._compare import Row, compared, machine, write
from neurorec.encoding import Bootstrap, KFold, Ridge, fit
from neurorec.encoding._himalaya import torch_backend
from neurorec.populations.reading import as_assembly
from neurorec.stats import pearson

RESULTS = Path(__file__).parent / "results" / "encoding.json"
PENALTIES = np.logspace(-1, 5, 13)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of one problem."""

    n_stimuli: int
    n_features: int
    n_neuroids: int
    n_time_bins: int
    n_timesteps: int = 1

    def __str__(self) -> str:
        return (
            f"{self.n_stimuli} x {self.n_features} -> {self.n_neuroids} neuroids x "
            f"{self.n_time_bins} bins, {self.n_timesteps} timesteps"
        )


def problem(sizes: Sizes, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (stimulus, feature, timestep) and responses (stimulus, neuroid, bin)."""
    rng = np.random.default_rng(seed)
    shape = (sizes.n_stimuli, sizes.n_features, sizes.n_timesteps)
    decay = np.arange(1, sizes.n_features + 1)[:, None] ** -0.5
    features = (rng.normal(size=shape) * decay).astype(np.float32)
    n_targets = sizes.n_neuroids * sizes.n_time_bins
    signal = features[:, :, 0] @ rng.normal(size=(sizes.n_features, n_targets))
    responses = signal / signal.std(axis=0) + rng.normal(size=signal.shape)
    return features, responses.reshape(sizes.n_stimuli, sizes.n_neuroids, sizes.n_time_bins)


def one_fit(sizes: Sizes, repeats: int) -> list[Row]:
    """Penalties and weights of every neuroid in every bin, without outer folds."""
    features, responses = problem(sizes)
    x = features[:, :, 0].astype(np.float64)
    y = responses.reshape(len(x), -1)

    def together() -> np.ndarray:
        return RidgeCV(PENALTIES, alpha_per_target=True).fit(x, y).coef_

    def bin_by_bin() -> np.ndarray:
        weights = np.empty((sizes.n_neuroids, sizes.n_time_bins, sizes.n_features))
        for b in range(sizes.n_time_bins):
            model = RidgeCV(PENALTIES, alpha_per_target=True).fit(x, responses[:, :, b])
            weights[:, b] = model.coef_
        return weights.reshape(-1, sizes.n_features)

    def ours() -> np.ndarray:
        return Ridge(penalties=PENALTIES).fit(x, y).coef_

    peers = {
        "scikit-learn RidgeCV, all bins as targets of one fit": together,
        "scikit-learn RidgeCV, bin by bin": bin_by_bin,
    }
    return [
        compared("one fit, 13 penalties", sizes, name, peer, ours, repeats)
        for name, peer in peers.items()
    ]


def held_out_predictions(sizes: Sizes, repeats: int) -> list[Row]:
    """Predictions of a fifth more stimuli in every bin, from features to the chosen penalties.

    Where the rule that chooses is the same, so are the predictions. himalaya knows folds only:
    where it is timed against leaving one out, predictions are equal at each penalty alone, and
    the difference in the row is that of other penalties.

    Raises
    ------
    ValueError
        If predictions differ by more than 1e-6 of the largest at one of the penalties.
    """
    n_train = sizes.n_stimuli
    features, y = problem(replace(sizes, n_stimuli=n_train + n_train // 5))
    x, flat = features[:, :, 0].astype(np.float64), y.reshape(len(y), -1)
    train, test = np.arange(n_train), np.arange(n_train, len(x))

    def ours(selection: Any, penalties: np.ndarray = PENALTIES) -> np.ndarray:
        readout = Ridge(penalties=penalties, selection=selection)
        tensors = torch.from_numpy(x), torch.from_numpy(y)
        held_out = readout.predict_from_features(*tensors, train, test).held_out
        return held_out.flatten(start_dim=1).numpy()

    def bin_by_bin() -> np.ndarray:
        model = RidgeCV(PENALTIES, alpha_per_target=True)
        bins = [model.fit(x[train], y[train, :, b]).predict(x[test]) for b in range(y.shape[2])]
        return np.stack(bins, axis=2).reshape(len(test), -1)

    def himalaya(estimator: Any, penalties: np.ndarray = PENALTIES) -> np.ndarray:
        with torch_backend(torch.device("cpu")):
            model = estimator(penalties, fit_intercept=True, cv=5)
            return model.fit(x[train], flat[train]).predict(x[test]).numpy()

    for penalty in PENALTIES[:, None]:
        expected, got = himalaya(KernelRidgeCV, penalty), ours("leave_one_out", penalty)
        difference = np.abs(got - expected).max() / np.abs(expected).max()
        if not difference < 1e-6:
            raise ValueError(f"predictions at the penalty {penalty[0]} differ by {difference:.2g}")
    column = partial(HimalayaRidgeCV, solver_params={"warn": False})
    folds, one = partial(ours, 5), partial(ours, "leave_one_out")
    primal, dual = partial(himalaya, column), partial(himalaya, KernelRidgeCV)
    job = "held-out predictions, 13 penalties"
    loose = {"tolerance": 1.0}  # other penalties
    return [
        compared(job, sizes, name, peer, own, repeats, **options)
        for name, peer, own, options in (
            ("scikit-learn RidgeCV bin by bin, both leave one out", bin_by_bin, one, {}),
            ("himalaya RidgeCV, both 5 inner folds", primal, folds, {}),
            ("himalaya RidgeCV, 5 inner folds against leave-one-out", primal, one, loose),
            ("himalaya KernelRidgeCV, both 5 inner folds", dual, folds, {}),
            ("himalaya KernelRidgeCV, 5 inner folds against leave-one-out", dual, one, loose),
        )
    ]


def cross_validated(sizes: Sizes, repeats: int) -> list[Row]:
    """Scores of every model timestep in 5 folds, as in the comparison of a model with V4."""
    features, responses = problem(sizes)
    area, neurons = as_assembly(features, "area"), as_assembly(responses, "neuron")
    y = responses.reshape(len(responses), -1)
    folds = list(KFold(5).split(neurons))

    def peer() -> np.ndarray:
        scores = np.empty((len(folds), sizes.n_timesteps, y.shape[1]))
        for t in range(sizes.n_timesteps):
            x = features[:, :, t].astype(np.float64)
            for k, (train, test) in enumerate(folds):
                model = RidgeCV(PENALTIES, alpha_per_target=True).fit(x[train], y[train])
                scores[k, t] = pearson(model.predict(x[test]), y[test])
        return scores

    def ours() -> np.ndarray:
        scores = fit(
            area,
            neurons,
            readout=Ridge(penalties=PENALTIES),
            bootstrap=Bootstrap(n_draws=0),  # the loop draws none
            device="cpu",
        )["score"]
        return scores.values.swapaxes(1, 2).reshape(len(folds), sizes.n_timesteps, -1)

    return [
        compared(
            "5 folds, 13 penalties", sizes, "scikit-learn RidgeCV in a loop", peer, ours, repeats
        )
    ]


def main() -> None:
    """Run every comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small problems, seconds in all")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON file to write")
    options = parser.parse_args()
    if options.quick:
        wide = Sizes(n_stimuli=200, n_features=500, n_neuroids=20, n_time_bins=3)
        tall = Sizes(n_stimuli=500, n_features=100, n_neuroids=20, n_time_bins=3)
        demo = Sizes(n_stimuli=200, n_features=500, n_neuroids=20, n_time_bins=1, n_timesteps=2)
    else:
        wide = Sizes(n_stimuli=1000, n_features=4000, n_neuroids=168, n_time_bins=13)
        tall = Sizes(n_stimuli=2000, n_features=500, n_neuroids=168, n_time_bins=13)
        demo = Sizes(n_stimuli=640, n_features=4096, n_neuroids=50, n_time_bins=1, n_timesteps=8)
    description = machine()
    rows = [
        *one_fit(wide, options.repeats),
        *one_fit(tall, options.repeats),
        *held_out_predictions(wide, options.repeats),
        *cross_validated(demo, options.repeats),
    ]
    write(options.out, description, rows)


if __name__ == "__main__":
    main()
