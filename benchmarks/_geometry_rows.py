"""What the jobs of ``benchmarks/geometry.py`` give: a peer and neurorec on the same inputs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks._compare import seconds


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
