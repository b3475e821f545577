"""Repeated presentations of few stimuli, and distances in unit space from their definitions."""

import numpy as np
from sklearn.covariance import ledoit_wolf


def labels(n_stimuli, n_repetitions, rng=None):
    """Stimulus and repetition of each presentation, mixed if there is a generator."""
    stimulus = np.repeat(np.arange(n_stimuli), n_repetitions)
    repetition = np.tile(np.arange(n_repetitions), n_stimuli)
    order = np.arange(len(stimulus)) if rng is None else rng.permutation(len(stimulus))
    return stimulus[order], repetition[order]


def noisy(rng, stimulus, n_units, n_times=1, *, offset=3.0):
    """Responses (presentation, unit, time_bin) with correlated noise of unequal variance."""
    code = rng.normal(size=(stimulus.max() + 1, n_units, n_times))
    factors = rng.normal(size=(3, n_units)) + np.diag(np.ones(n_units))[:3]
    scale = rng.uniform(0.5, 2, size=(n_units, 1))
    shared = np.einsum("nft,fu->nut", rng.normal(size=(len(stimulus), 3, n_times)), factors)
    own = rng.normal(size=(len(stimulus), n_units, n_times))
    return offset + code[stimulus] + scale * (shared + own)


def make(assembly_of, values, stimulus, repetition):
    """Assembly; stimuli are named in the order of their numbers."""
    ids = np.array([f"s{i:02d}" for i in stimulus])
    return assembly_of(values, stimulus_ids=ids, repetition=repetition)


def in_order(rdm):
    """Values of an RDM with its stimuli in alphabetical order."""
    order = np.argsort(rdm["stimulus_id"].values)
    return rdm.values[..., order[:, None], order]


def residuals(values, stimulus):
    """Deviations (presentation, unit) from the means of stimuli, and their degrees of freedom."""
    out = values.copy()
    for one in np.unique(stimulus):
        out[stimulus == one] -= values[stimulus == one].mean(axis=0)
    return out, len(stimulus) - len(np.unique(stimulus))


def precision(values, stimulus, method):
    """Inverse of the noise covariance (unit, unit), from its definition."""
    deviations, freedom = residuals(values, stimulus)
    n, p = deviations.shape
    if method == "none":
        return np.eye(p)
    sample = deviations.T @ deviations / freedom
    if method == "diagonal":
        return np.diag(1 / np.diag(sample))
    if method == "shrinkage_eye":
        return np.linalg.inv(ledoit_wolf(deviations, assume_centered=True)[0] * n / freedom)
    # Variances of products of standardised residuals, as Schäfer and Strimmer have them.
    z = deviations / np.sqrt(np.diag(sample))
    products = np.einsum("ni,nj->nij", z, z)
    mean, square = products.sum(axis=0) / (n - 1), (products**2).sum(axis=0) / (n - 1)
    off = ~np.eye(p, dtype=bool)
    spread = n / freedom**2 * (square - mean**2)
    intensity = np.clip(spread[off].sum() / (mean[off] ** 2).sum(), 0, 1)
    return np.linalg.inv(np.where(off, (1 - intensity) * sample, sample))


def crossnobis_by_hand(values, stimulus, repetition, method):
    """The definition, pair by pair; ``values`` (presentation, unit)."""
    n_stimuli = stimulus.max() + 1
    total, count = np.zeros((2, n_stimuli, n_stimuli))
    for fold in np.unique(repetition):
        test, train = repetition == fold, repetition != fold
        metric = precision(values[train], stimulus[train], method)
        for i in range(n_stimuli):
            for j in range(n_stimuli):
                rows = [part & (stimulus == s) for s in (i, j) for part in (test, train)]
                if not all(r.any() for r in rows):
                    continue
                here_i, there_i, here_j, there_j = (values[r].mean(axis=0) for r in rows)
                total[i, j] += (here_i - here_j) @ metric @ (there_i - there_j)
                count[i, j] += 1
    return total / count
