"""Recurrent vision models: the public equations written plainly, and neurorec, in turn.

``python benchmarks/models.py`` from the repository root; ``--quick`` takes small maps. Both sides
have the same weights and inputs. Every row first compares outputs, or gradients, in float64, then
times the two in turn in float32 and gives medians: what counts is the ratio. ``step`` is one
timestep of which nothing is known beforehand; ``unroll`` shows a static image, whose convolutions
the plain form repeats at every timestep and the engine does once; ``training`` is an unroll and its
backward pass.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.plain import PLAIN, Case
from neurorec._checks import atomic_path
from neurorec.models import build

RESULTS = Path(__file__).with_name("results") / "models.json"
#: Of the largest value, in float64; the two sides sum in another order.
TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Row:
    """One job: how far the numbers are apart, and how long both took."""

    system: str
    job: str
    difference: float
    plain_s: float
    ours_s: float

    @property
    def ratio(self) -> float:
        """Time of the plain form over ours."""
        return self.plain_s / self.ours_s


def synchronise() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(job: Callable[[], object]) -> float:
    """Wall time of one call."""
    synchronise()
    start = time.perf_counter()
    job()
    synchronise()
    return time.perf_counter() - start


Job = Callable[[Case], Tensor]

#: Both sides of each job.
JOBS: dict[str, tuple[Job, Job]] = {
    "step": (Case.plain_step, Case.our_step),
    "unroll": (Case.plain_unroll, Case.our_unroll),
    "training": (
        lambda case: gradient(case.plain_unroll, case.plain_drive),
        lambda case: gradient(case.our_unroll, case.our_drive),
    ),
}


def in_turn(exact: Case, case: Case, job: str, repeats: int) -> Row:
    """Compare the two sides on ``exact``, then time them alternately on ``case``."""
    plain, ours = JOBS[job]
    theirs, own = plain(exact), ours(exact)
    difference = float((theirs - own).abs().max() / theirs.abs().max())
    if not difference <= TOLERANCE:
        raise RuntimeError(f"{case.name}, {job}: the two sides differ by {difference:.1e}")
    plain(case), ours(case)
    times = [(seconds(lambda: plain(case)), seconds(lambda: ours(case))) for _ in range(repeats)]
    row = Row(
        system=case.name,
        job=job,
        difference=difference,
        plain_s=statistics.median(t for t, _ in times),
        ours_s=statistics.median(t for _, t in times),
    )
    print(
        f"{row.system:<12} {job:<9} {row.plain_s:8.4f} s {row.ours_s:8.4f} s  "
        f"ratio {row.ratio:5.2f}  difference {difference:.0e}",
        flush=True,
    )
    return row


def rows_of(exact: Case, case: Case, repeats: int) -> list[Row]:
    """Step, unroll and training of one system."""
    rows = []
    for job in JOBS:
        with torch.inference_mode(job != "training"):
            rows.append(in_turn(exact, case, job, repeats))
    return rows


def gradient(unroll: Callable[[], Tensor], drive: Tensor) -> Tensor:
    """Gradient of the mean square of an unroll's end with respect to its drive."""
    drive.grad = None
    unroll().square().mean().backward()
    assert drive.grad is not None
    return drive.grad


def compiled(case: Case, repeats: int) -> dict[str, float | str]:
    """What torch.compile gains on our unroll; on a GPU with CUDA graphs too."""
    modes = ("default", "reduce-overhead") if case.device == "cuda" else ("default",)
    found: dict[str, float | str] = {}
    for mode in modes:
        torch.compiler.reset()
        fast = torch.compile(case.our_unroll, mode=mode)
        try:
            with torch.inference_mode():
                first = seconds(fast)
                times = [(seconds(case.our_unroll), seconds(fast)) for _ in range(repeats)]
        except Exception as error:  # a compiler that is missing is a result, not a failure
            found[mode] = f"does not compile here: {type(error).__name__}"
            continue
        eager, quick = (statistics.median(t[i] for t in times) for i in (0, 1))
        found[mode] = eager / quick
        found[f"{mode}, seconds to compile"] = first
        print(f"{case.name:<16} compiled ({mode}): ratio {eager / quick:.2f}, {first:.0f} s first")
    return found


_MEMORY = """
import sys, time, torch
from pathlib import Path
sys.path.insert(0, {root!r})
from neurorec.models import build
torch.set_num_threads({threads})
device = {device!r}
model = build({preset!r}, **{changes!r}).to(device)
x = torch.rand({batch}, 3, model.wiring.input_size, model.wiring.input_size, device=device)
def resident(entry):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith(entry)) * 1024
def train(images):
    model(images, checkpoint_every={every!r}).square().mean().backward()
train(x[:1])  # what is imported and allocated once does not count
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = resident("VmRSS")
start = time.perf_counter()
train(x)
if device == "cuda":
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated()
else:
    peak = resident("VmHWM") - before
print(peak, time.perf_counter() - start)
"""


def memory(device: str, threads: int, *, quick: bool) -> list[dict[str, object]]:
    """Peak memory and time of one training step, with and without checkpointing over time.

    Each in a process of its own, which alone knows its peak.
    """
    rows: list[dict[str, object]] = []
    changes = {"timesteps": 16, "input_size": 32 if quick else 64}
    for every in (None, 8, 4, 2):
        code = _MEMORY.format(
            root=str(Path(__file__).resolve().parents[1]),
            preset="greco2025-fb",
            changes=changes,
            batch=64,
            every=every,
            device=device,
            threads=threads,
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        peak, took = map(float, done.stdout.split())
        rows.append({"checkpoint_every": every, "peak_bytes": peak, "seconds": took})
        print(f"training step, checkpoint_every={every}: {peak / 1e6:.0f} MB, {took:.2f} s")
    return rows


def presets(repeats: int, *, quick: bool) -> list[dict[str, object]]:
    """A static image against the same image as a sequence of frames, for whole presets."""
    rows: list[dict[str, object]] = []
    for name in ("greco2025-fb", "cornet-rt", "nayebi2018-rgc-intermediate"):
        model = build(name, timesteps=8, input_size=64 if quick else 112).eval()
        size = model.wiring.input_size
        x = torch.rand(4, 3, size, size, generator=torch.Generator().manual_seed(0))
        frames = torch.stack([x] * 8)
        with torch.inference_mode():
            difference = float((model(x) - model(frames)).abs().max())
            times = [
                (seconds(lambda m=model, f=frames: m(f)), seconds(lambda m=model, x=x: m(x)))
                for _ in range(repeats)
            ]
        frame_s, static_s = (statistics.median(t[i] for t in times) for i in (0, 1))
        rows.append(
            {
                "preset": name,
                "difference": difference,
                "frames_s": frame_s,
                "static_s": static_s,
                "ratio": frame_s / static_s,
            }
        )
        print(
            f"{name:<30} frames {frame_s:.3f} s, static {static_s:.3f} s: {frame_s / static_s:.2f}"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=24, help="height and width of the maps")
    parser.add_argument("--quick", action="store_true", help="small maps and batches")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--systems", nargs="*", default=list(PLAIN), choices=list(PLAIN))
    parser.add_argument("--compile", nargs="*", default=["conv_gru", "hconvgru"])
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    batch, size = (4, 12) if arguments.quick else (arguments.batch, arguments.size)
    rows, gains = [], {}
    for name in arguments.systems:
        exact = PLAIN[name](batch=2, size=size, device=arguments.device, dtype=torch.float64)
        case = PLAIN[name](batch=batch, size=size, device=arguments.device, dtype=torch.float32)
        rows += rows_of(exact, case, arguments.repeats)
        if name in arguments.compile:
            gains[name] = compiled(case, arguments.repeats)
    result = {
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
            "torch": torch.__version__,
            "threads": arguments.threads,
        },
        "batch": batch,
        "map": size,
        "rows": [{**asdict(row), "ratio": row.ratio} for row in rows],
        "compiled": gains,
        "static_images": presets(arguments.repeats, quick=arguments.quick),
        "training_memory": memory(arguments.device, arguments.threads, quick=arguments.quick),
    }
    with atomic_path(arguments.out) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
