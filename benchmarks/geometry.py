"""Representational geometry: public toolboxes and neurorec in turn, on the same inputs.

    python benchmarks/geometry.py [--quick] [--only JOB ...]

Every row first compares the numbers, then times the two in turn, and gives medians. What counts is
the ratio: both run in the same process on the same machine at the same time. ``--quick`` takes
small inputs and writes nothing; ``--only`` replaces the rows of those jobs in the written table.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import (
    _geometry_crossnobis,
    _geometry_decoding,
    _geometry_pass,
    _geometry_rdm,
    _geometry_rsa,
    _geometry_similarity,
)
from benchmarks._compare import processor
from benchmarks._geometry_rows import Row
from neurorec._checks import atomic_path

RESULTS = Path(__file__).with_name("results") / "geometry.json"

#: Functions of (rng, quick, n_runs) that give rows.
JOBS = {
    "correlation_rdm": _geometry_rdm.correlation_rdm,
    "kendall": _geometry_rdm.kendall,
    "bootstrap": _geometry_rdm.bootstrap,
    "crossnobis": _geometry_crossnobis.crossnobis,
    "noise_normalised": _geometry_crossnobis.noise_normalised,
    "inference": _geometry_rsa.dual_bootstrap,
    "procrustes": _geometry_similarity.procrustes,
    "cka_over_time": _geometry_similarity.cka_over_time,
    "generalization": _geometry_decoding.generalization,
    "one_pass": _geometry_pass.one_pass,
}


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    packages = ("numpy", "scipy", "torch", "xarray", "scikit-learn", "rsatoolbox", "mne")
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
    """One line per row: times of peer and ours, ratio, largest difference."""
    for row in rows:
        peer = "-" if row.peer_s is None else f"{row.peer_s:.4f}"
        ratio = "-" if row.ratio is None else f"{row.ratio:.1f}"
        difference = "-" if row.peer_s is None else f"{row.largest_difference:.1e}"
        print(f"{row.job:78} {peer:>9} {row.ours_s:>9.4f} {ratio:>6} {difference:>11}")


def written(job: str, rows: list[Row], measured: dict[str, Any]) -> None:
    """Write the rows of a job, and keep those of others."""
    known = json.loads(RESULTS.read_text()).get("jobs", {}) if RESULTS.is_file() else {}
    table = [asdict(row) | {"ratio": row.ratio} for row in rows]
    known[job] = {"machine": measured, "rows": table}
    record = {"jobs": {name: known[name] for name in JOBS if name in known}}
    with atomic_path(RESULTS) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n")
    print(f"written to {RESULTS}")


def main() -> None:
    """Run the jobs, print them, and write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small inputs; nothing is written")
    parser.add_argument("--only", nargs="+", choices=list(JOBS), default=list(JOBS))
    options = parser.parse_args()
    print(f"{'job':78} {'peer (s)':>9} {'ours (s)':>9} {'ratio':>6} {'difference':>11}")
    for name in options.only:
        measured = machine()
        # Inputs of a job do not depend on which others run.
        rng = np.random.default_rng(0)
        rows = JOBS[name](rng, quick=options.quick, n_runs=2 if options.quick else 7)
        print_table(rows)
        if not options.quick:
            written(name, rows, measured)


if __name__ == "__main__":
    main()
