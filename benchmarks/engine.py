"""The engine's two habits for CPUs, each against doing without it, in one run.

- channels together in memory (channels-last) against planes;
- the stimulus convolved once in an unroll of a static image against once per timestep.

Outputs are compared first. ``python benchmarks/engine.py [--threads N] [--out PATH]`` prints the
ratios and writes them with the machine they were measured on.
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


def planes(network: RecurrentNetwork) -> RecurrentNetwork:
    """The same network with every kernel laid out plane by plane."""
    for parameter in network.parameters():
        parameter.data = parameter.data.contiguous(memory_format=torch.contiguous_format)
    return network


def seconds(job: Callable[[], object], repeats: int) -> float:
    """Least of ``repeats`` times, after one that is not counted."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def training_step(network: RecurrentNetwork, images: torch.Tensor) -> None:
    network.zero_grad()
    network(images, state=network.init_state(len(images))).square().mean().backward()


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
    ours, plain = build("greco2025-fb"), planes(build("greco2025-fb"))
    torch.testing.assert_close(once(ours, images), once(plain, images), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(once(ours, images), step_by_step(ours, images))
    jobs = {
        "training step, planes / channels-last": (
            lambda: training_step(plain, images),
            lambda: training_step(ours, images),
        ),
        "unroll, planes / channels-last": (lambda: once(plain, images), lambda: once(ours, images)),
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
