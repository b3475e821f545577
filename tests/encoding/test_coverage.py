"""How often intervals hold the truth of simulated neurons.

Every time bin is an experiment of its own: it has features of its own, its timestep, and neurons of
its own. So a thousand experiments are one fit.
"""

from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr

from neurorec.assemblies import build
from neurorec.encoding import Bootstrap, Ceiling, Controls, KFold, Ridge, fit

N_STIMULI, N_FEATURES, N_TRIALS, N_NEUROIDS = 300, 4, 3, 11
N_EXPERIMENTS = 1000
PENALTY = 1e-3
SPLITS = KFold(3)
# Of a thousand experiments the share that hold the truth has a binomial standard error of
# sqrt(0.95 * 0.05 / 1000) = 0.007; intervals are good if the share is 0.95 +- 0.03.
NOMINAL, WITHIN = 0.95, 0.03


class Population(NamedTuple):
    """Neurons of each experiment, of a linear-Gaussian monkey."""

    weights: np.ndarray  # (feature, neuroid, experiment)
    noise: np.ndarray  # deviation of mean responses (neuroid, experiment)


class Truth(NamedTuple):
    """Of the fitted readouts, on stimuli without end (neuroid, experiment)."""

    score: np.ndarray
    determination: np.ndarray
    noise_corrected: np.ndarray
    noise_corrected_determination: np.ndarray


def labelled(values, name, n_trials=1):
    n = len(values) // n_trials
    return build(
        values,
        presentation={
            "stimulus_id": np.repeat([f"s{i:04d}" for i in range(n)], n_trials),
            "repetition": np.tile(np.arange(n_trials), n),
        },
        neuroid={
            "neuroid_id": [f"{name}{i}" for i in range(values.shape[1])],
            "region": [name] * values.shape[1],
        },
        time_bin_start=np.arange(values.shape[2]) * 10.0,
        time_bin_end=np.arange(1, values.shape[2] + 1) * 10.0,
    )


def population(rng, n_neuroids, n_experiments):
    """Half of the variance of the weights is common to the neurons of an experiment."""
    shape = (N_FEATURES, n_neuroids, n_experiments)
    of_one, of_all = rng.normal(size=shape), rng.normal(size=(N_FEATURES, 1, n_experiments))
    weights = of_one + of_all
    weights /= np.sqrt((weights**2).sum(axis=0))
    return Population(weights, 0.7 * np.exp(0.4 * rng.normal(size=shape[1:])))


def drawn(rng, x, neurons, n_trials):
    """Single trials (stimulus, trial, neuroid, experiment); 0.3 of the noise is common to all."""
    signal = np.einsum("npe,pke->nke", x, neurons.weights)
    shape = (len(x), n_trials, *signal.shape[1:])
    common = rng.normal(size=(*shape[:2], 1, shape[3]))
    noise = np.sqrt(0.7) * rng.normal(size=shape) + np.sqrt(0.3) * common
    return signal[:, None] + np.sqrt(n_trials) * neurons.noise * noise


def truth_of(x, y, neurons):
    """By the normal equations of each fold, and expectations of a Gaussian."""
    found = []
    signal = (neurons.weights**2).sum(axis=0)
    variance = signal + neurons.noise**2
    for train, _ in SPLITS.split(xr.DataArray(np.zeros(len(x)), dims="presentation")):
        weights, constant = solved(x[train], y[train])
        shared = (neurons.weights * weights).sum(axis=0)
        r = shared / np.sqrt((weights**2).sum(axis=0) * variance)
        missed = ((neurons.weights - weights) ** 2).sum(axis=0) + constant**2
        found.append((r, 1 - (missed + neurons.noise**2) / variance))
    r, determination = np.mean(found, axis=0)
    reliability = signal / variance
    return Truth(r, determination, r / np.sqrt(reliability), determination / reliability)


def solved(x, y):
    """Ridge weights and constants of every experiment."""
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    centred = (x - mean_x).transpose(2, 0, 1)
    covariance = centred.swapaxes(1, 2) @ centred + PENALTY * np.eye(x.shape[1])
    products = centred.swapaxes(1, 2) @ (y - mean_y).transpose(2, 0, 1)
    weights = np.linalg.solve(covariance, products).transpose(1, 2, 0)
    return weights, mean_y - np.einsum("pe,pne->ne", mean_x, weights)


def covered(low, high, truth):
    return float(np.mean((low <= truth) & (truth <= high)))


class Experiments(NamedTuple):
    scores: xr.Dataset
    truth: Truth
    # Of the whole population, with all of its neurons: of the scores, and of the truth.
    medians: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def experiments():
    """Scores of a thousand experiments, each with 11 neurons of a population of 60."""
    rng = np.random.default_rng(2)
    every = population(rng, 60, N_EXPERIMENTS)
    neurons = Population(every.weights[:, :N_NEUROIDS], every.noise[:N_NEUROIDS])
    x = rng.normal(size=(N_STIMULI, N_FEATURES, N_EXPERIMENTS))
    # Trials of the neurons that are recorded; of the others their means are enough, with the same
    # common noise.
    trials = drawn(rng, x, every, 1)[:, 0]
    spread = np.sqrt(N_TRIALS) * rng.normal(size=(N_STIMULI, N_TRIALS, N_NEUROIDS, N_EXPERIMENTS))
    spread -= spread.mean(axis=1, keepdims=True)
    recorded = trials[:, None, :N_NEUROIDS] + neurons.noise * spread
    scores = fit(
        labelled(x, "unit"),
        labelled(recorded.reshape(-1, N_NEUROIDS, N_EXPERIMENTS), "neuron", N_TRIALS),
        time="match",
        readout=Ridge(penalties=[PENALTY]),
        splits=SPLITS,
        ceiling=Ceiling(method="explainable_variance"),
        bootstrap=Bootstrap(n_draws=200),
        controls=Controls(static=False),
        device="cpu",
    ).isel(model_time=0)
    whole = truth_of(x, trials, every)
    truth = Truth(*(one[:N_NEUROIDS] for one in whole))
    medians = {name: np.median(one, axis=0) for name, one in whole._asdict().items()}
    return Experiments(scores, truth, medians)


def limits(scores, quantity, resampled):
    one = scores.sel(quantity=quantity, resampled=resampled)
    return one["ci_low"].values, one["ci_high"].values


@pytest.mark.slow
def test_of_each_neuroid_over_stimuli(experiments):
    scores, truth, _ = experiments
    low, high = scores["neuroid_ci_low"].values, scores["neuroid_ci_high"].values
    assert covered(low, high, truth.noise_corrected) == pytest.approx(NOMINAL, abs=WITHIN)


@pytest.mark.slow
@pytest.mark.parametrize("quantity", Truth._fields)
def test_of_the_median_over_stimuli(experiments, quantity):
    scores, truth, _ = experiments
    found = np.median(getattr(truth, quantity), axis=0)
    low, high = limits(scores, quantity, "stimuli")
    assert covered(low, high, found) == pytest.approx(NOMINAL, abs=WITHIN)


@pytest.mark.slow
@pytest.mark.parametrize("quantity", Truth._fields)
def test_of_the_median_over_both(experiments, quantity):
    scores, _, medians = experiments
    low, high = limits(scores, quantity, "both")
    assert covered(low, high, medians[quantity]) == pytest.approx(NOMINAL, abs=WITHIN)


@pytest.mark.slow
def test_of_the_median_over_neuroids():
    # The median at these stimuli: of all 1500 neurons that see them, of which each time bin has 15.
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(10):
        x = rng.normal(size=(100, N_FEATURES, 1))
        y = drawn(rng, x, population(rng, 1500, 1), 1).reshape(100, 15, 100)
        scores = fit(
            labelled(x, "unit"),
            labelled(y, "neuron"),
            readout=Ridge(penalties=[PENALTY]),
            splits=SPLITS,
            bootstrap=Bootstrap(n_draws=200),
            device="cpu",
        ).isel(model_time=0)
        low, high = limits(scores, "score", "neuroids")
        inside.append(covered(low, high, np.median(scores["score"].mean("split"))))
    assert np.mean(inside) == pytest.approx(NOMINAL, abs=WITHIN)
