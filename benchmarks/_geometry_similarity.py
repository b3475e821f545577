"""Similarity of populations: jobs of ``benchmarks/geometry.py``."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

from benchmarks._compare import seconds
from benchmarks._geometry_rows import Row
from neurorec import geometry


def procrustes(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """Angular Procrustes distance; the peer, minutes long, runs once and is timed while checked."""
    n, p = (100, 400) if quick else (500, 4000)
    x, y = rng.normal(size=(n, p)), rng.normal(size=(n, p))
    expected, peer_s = _timed(lambda: rotated_by_svd(x, y))
    got = geometry.shape_distance(x, y).item()
    return [
        Row(
            job=f"Procrustes distance, {n} x {p}",
            peer="rotation from the SVD of the units x units cross-covariance (scipy), 1 run",
            largest_difference=_checked(abs(got - expected), 1e-9),
            tolerance=1e-9,
            peer_s=peer_s,
            ours_s=_median(lambda: geometry.shape_distance(x, y), n_runs),
        )
    ]


def cka_over_time(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """Linear CKA between 30 timesteps, against one pair after the other in unit space."""
    n, p, n_times = (50, 200, 6) if quick else (200, 2000, 30)
    values = rng.normal(size=(n, p, n_times))
    expected, peer_s = _timed(lambda: cka_pair_by_pair(values))
    got = geometry.linear_cka(values).values
    return [
        Row(
            job=f"linear CKA, {n} x {p}, {n_times} x {n_times} timesteps",
            peer="Kornblith's equation in unit space, pair by pair (numpy), 1 run",
            largest_difference=_checked(np.abs(got - expected).max(), 1e-10),
            tolerance=1e-10,
            peer_s=peer_s,
            ours_s=_median(lambda: geometry.linear_cka(values), n_runs),
        )
    ]


def rotated_by_svd(x: np.ndarray, y: np.ndarray) -> float:
    """As netrep does: the best rotation of units, and the angle that is left after it."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    u, _, vt = scipy.linalg.svd(x.T @ y)
    cosine = np.sum((x @ u) * (y @ vt.T)) / np.linalg.norm(x) / np.linalg.norm(y)
    return float(np.arccos(cosine))


def cka_pair_by_pair(values: np.ndarray) -> np.ndarray:
    """``|Y'X|^2 / (|X'X| |Y'Y|)``, the smaller products once per timestep."""
    centred = np.ascontiguousarray(np.moveaxis(values - values.mean(axis=0), 2, 0))
    sizes = [np.linalg.norm(x @ x.T) for x in centred]
    out = np.ones((len(centred), len(centred)))
    for t, x in enumerate(centred):
        for s, y in enumerate(centred[:t]):
            out[t, s] = out[s, t] = np.sum((y.T @ x) ** 2) / (sizes[t] * sizes[s])
    return out


def _timed(job: Callable[[], Any]) -> tuple[Any, float]:
    found: list[Any] = []
    duration = seconds(lambda: found.append(job()))
    return found[0], duration


def _median(job: Callable[[], Any], n_runs: int) -> float:
    return float(np.median([seconds(job) for _ in range(n_runs)]))


def _checked(difference: float, tolerance: float) -> float:
    if not difference <= tolerance:
        raise SystemExit(f"the numbers differ by {difference:.2g}, allowed {tolerance:.2g}")
    return float(difference)
