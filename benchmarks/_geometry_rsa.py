"""Inference on model RDMs: rsatoolbox's dual bootstrap and ours, on the same draws.

The peer needs minutes for the job, so that it is timed over a few draws and extrapolated: its time
is proportional to their number. Ours is timed over all.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from benchmarks._compare import seconds
from benchmarks._geometry_rows import Row
from neurorec.geometry._draws import drawn_copies, evaluations
from neurorec.geometry._stack import pairs
from neurorec.geometry.resampling import spread

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from rsatoolbox.inference import evaluate as rsatoolbox_evaluate
    from rsatoolbox.model import ModelFixed
    from rsatoolbox.rdm import RDMs

N_MODELS, N_SUBJECTS, N_CONDITIONS, N_DRAWS = 10, 10, 100, 1000

#: Our name, rsatoolbox's, and the draws over which it is timed.
METHODS = (("cosine", "cosine", 20), ("rho_a", "rho-a", 4))


def dual_bootstrap(rng: np.random.Generator, *, quick: bool, n_runs: int) -> list[Row]:
    """10 models, 10 subjects, 100 conditions, 1000 draws: scores and ceilings of every draw."""
    n_conditions, n_draws = (20, 50) if quick else (N_CONDITIONS, N_DRAWS)
    models, subjects = (_random_rdms(rng, k, n_conditions) for k in (N_MODELS, N_SUBJECTS))
    return [
        _compared(
            models, subjects, names=(ours, theirs), peer_draws=few, n_draws=n_draws, n_runs=n_runs
        )
        for ours, theirs, few in METHODS
    ]


def _compared(
    models: np.ndarray,
    subjects: np.ndarray,
    *,
    names: tuple[str, str],
    peer_draws: int,
    n_draws: int,
    n_runs: int,
) -> Row:
    n_conditions, n_subjects = models.shape[1], len(subjects)
    x, y = (rdms[:, *pairs(n_conditions)] for rdms in (models, subjects))
    method, theirs = names
    with _recorded() as drawn:
        result = _peer(models, subjects, theirs, peer_draws)
    copies, uses = (
        np.stack([np.bincount(one[k], minlength=n) for one in drawn])
        for k, n in ((2, n_conditions), (1, n_subjects))
    )
    same = evaluations(method, x, y, copies, uses)
    difference = float(
        np.abs(result.evaluations[:, :, 0, 0].transpose(2, 0, 1) - same.scores).max()
    )
    tolerance = 1e-12
    if not difference <= tolerance:
        raise SystemExit(f"dual bootstrap, {method}: the scores differ by {difference:.2g}")
    copies, uses = drawn_copies(n_conditions, n_subjects, n_draws=n_draws, seed=0)

    def ours() -> None:
        drawn = evaluations(method, x, y, copies, uses)
        spread(drawn, over="both", n_subjects=n_subjects, n_stimuli=n_conditions)

    times = np.array(
        [
            [seconds(lambda: _peer(models, subjects, theirs, peer_draws)), seconds(ours)]
            for _ in range(max(1, n_runs // 2))
        ]
    )
    peer_s, ours_s = np.median(times, axis=0)
    return Row(
        job=f"dual bootstrap, {method}, {n_draws} draws, {len(x)} x {len(y)} of {n_conditions}",
        peer=f"rsatoolbox eval_dual_bootstrap, extrapolated from {peer_draws} draws",
        largest_difference=difference,
        tolerance=tolerance,
        peer_s=float(peer_s) * n_draws / peer_draws,
        ours_s=float(ours_s),
    )


def _peer(models: np.ndarray, subjects: np.ndarray, method: str, n_draws: int):
    fixed = [ModelFixed(str(i), RDMs(m[None])) for i, m in enumerate(models)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rsatoolbox_evaluate.eval_dual_bootstrap(
            fixed, RDMs(subjects), method=method, N=n_draws
        )


@contextmanager
def _recorded() -> Iterator[list]:
    """What rsatoolbox draws in the block."""
    draw, drawn = rsatoolbox_evaluate.bootstrap_sample, []

    def recording(*args, **options):
        drawn.append(draw(*args, **options))
        return drawn[-1]

    rsatoolbox_evaluate.bootstrap_sample = recording
    try:
        yield drawn
    finally:
        rsatoolbox_evaluate.bootstrap_sample = draw


def _random_rdms(rng: np.random.Generator, n_rdms: int, n: int) -> np.ndarray:
    upper = np.triu(rng.random((n_rdms, n, n)), 1)
    return upper + upper.transpose(0, 2, 1)
