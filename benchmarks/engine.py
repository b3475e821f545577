"""An unroll of a static image against one that convolves the image at every timestep.

Outputs are compared first. ``python benchmarks/engine.py [--threads N] [--out PATH]`` prints the
ratio and writes it with the machine it was measured on.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from neurorec.models import RecurrentNetwork, build

RESULTS = Path(__file__).parent / "results" / "engine.json"


def seconds(job: Callable[[], object], repeats: int) -> float:
    """Least of ``repeats`` times, after one that is not counted."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def step_by_step(network: RecurrentNetwork, images: torch.Tensor) -> torch.Tensor:
    """Logits of an unroll that sees every frame anew."""
    frames = images.expand(network.wiring.timesteps, *images.shape)
    with torch.inference_mode():
        return network(frames, state=network.init_state(len(images)))


def once(network: RecurrentNetwork, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return network(images, state=network.init_state(len(images)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    images = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    ours = build("greco2025-fb")
    torch.testing.assert_close(once(ours, images), step_by_step(ours, images))
    jobs = {
        "unroll, image convolved each step / once": (
            lambda: step_by_step(ours, images),
            lambda: once(ours, images),
        ),
    }
    rows = {}
    for name, (peer, mine) in jobs.items():
        theirs, own = seconds(peer, arguments.repeats), seconds(mine, arguments.repeats)
        rows[name] = {"peer_s": theirs, "ours_s": own, "ratio": theirs / own}
        print(f"{name:<45} {theirs:.4f} s  {own:.4f} s  ratio {theirs / own:.2f}")
    machine = {"system": platform.platform(), "torch": torch.__version__, **vars(arguments)}
    arguments.out.write_text(
        json.dumps({"machine": machine, "results": rows}, indent=2, default=str) + "\n"
    )


if __name__ == "__main__":
    main()
