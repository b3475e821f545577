"""A peer and neurorec in turn on the same inputs: equal results first, then the times of both."""

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch

import neurorec
from neurorec._checks import atomic_path


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison; ``sizes`` is a dataclass that prints as one line."""

    job: str
    sizes: Any
    peer: str
    difference: float
    peer_seconds: float
    our_seconds: float

    @property
    def ratio(self) -> float:
        """How many times faster we are."""
        return self.peer_seconds / self.our_seconds


def compared(
    job: str,
    sizes: Any,
    name: str,
    peer: Callable[[], np.ndarray],
    ours: Callable[[], np.ndarray],
    repeats: int,
    *,
    tolerance: float = 1e-6,
    once: bool = False,
) -> Row:
    """Check that both agree, then time them in turn; the shortest time of each counts.

    Parameters
    ----------
    once
        The peer takes minutes: its run for the check is the one that is timed.

    Raises
    ------
    ValueError
        If results differ by more than ``tolerance`` times the largest.
    """
    start = time.perf_counter()
    expected = peer()
    first = time.perf_counter() - start
    got = ours()
    difference = float(np.abs(got - expected).max() / np.abs(expected).max())
    if not difference < tolerance:
        raise ValueError(f"{job}, {name}: results differ by {difference:.2g} of the largest")
    peer_times, our_times = [], []
    for _ in range(repeats):
        peer_times.append(first if once else seconds(peer))
        our_times.append(seconds(ours))
    row = Row(
        job=job,
        sizes=sizes,
        peer=name,
        difference=difference,
        peer_seconds=min(peer_times),
        our_seconds=min(our_times),
    )
    print(
        f"{job}: {sizes}\n    {row.peer}: {row.peer_seconds:.3f} s, neurorec: "
        f"{row.our_seconds:.3f} s, ratio {row.ratio:.1f}, largest difference {difference:.1e}"
    )
    return row


def seconds(job: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def machine() -> dict[str, Any]:
    """What the times were measured on."""
    return {
        "processor": processor(),
        "n_cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "neurorec": neurorec.__version__,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def processor() -> str:
    """Model of the processor, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def write(path: Path, description: dict[str, Any], rows: Sequence[Row]) -> None:
    """Write the machine and the table of rows as JSON."""
    write_table(path, description, [asdict(row) | {"ratio": row.ratio} for row in rows])


def write_table(path: Path, description: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """The same of rows that are plain values already."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"machine": description, "rows": rows}, indent=2) + "\n")
    print(f"written to {path}")
