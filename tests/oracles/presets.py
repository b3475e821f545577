"""Presets of the size of a public network, with its weights, beside its outputs."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from neurorec.models import RecurrentNetwork, Wiring, preset

PARTS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def resized(name: str, channels: Mapping[str, int], **changes) -> Wiring:
    """A preset with other widths, which sees images as they are."""
    content = preset(name).model_dump()
    for area in content["areas"]:
        area["channels"] = channels[area["name"]]
    seen = {"input_mean": 0.0, "input_std": 1.0}
    return Wiring.model_validate({**content, **seen, **changes})


def load(wiring: Wiring, case, names: Mapping[str, str], dtype: torch.dtype):
    """The network with the public weights, and the names of those that have no place in it.

    ``names`` are those of modules, ours to theirs. Every parameter of ours is loaded.
    """
    network, theirs = RecurrentNetwork(wiring, seed=None).to(dtype).eval(), case.weights(dtype)
    state, used = network.state_dict(), {}
    for own, public in names.items():
        for part in PARTS:
            if f"{public}.{part}" in theirs:
                used[f"{public}.{part}"] = f"{own}.{part}"
    network.load_state_dict(
        {own: theirs[public].reshape(state[own].shape) for public, own in used.items()}
    )
    return network, set(theirs) - set(used)


def watch(module: nn.Module) -> list[Tensor]:
    """A list that grows by the first input of ``module`` whenever it is called."""
    seen: list[Tensor] = []
    module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    return seen


@torch.no_grad()
def run(network: RecurrentNetwork, image: Tensor) -> dict[str, list[Tensor]]:
    """Activity of every area at each timestep, or of its iterations, and logits."""
    wiring = network.wiring
    states = [state for _, state in network.unroll(image, wiring.timesteps)]
    activity = {}
    for area in wiring.areas:
        start, stop = wiring.window(area.name)
        shown = states if stop is None else states[start:stop]
        activity[area.name] = [state[area.name]["h"] for state in shown]
    return {**activity, "logits": [network.readout(s) for s in states]}


def check(case, seen: Mapping[str, list[Tensor]], dtype: torch.dtype) -> None:
    """Everything that was recorded, at every timestep in float32 and at the last in float64."""
    prefixes = ("output64/",) if dtype is torch.float64 else ("output/", "logits")
    recorded = [key for key in case.arrays if key.startswith(prefixes)]
    assert recorded
    for key in recorded:
        name, _, step = key.split("/")[-1].partition("@")
        ours = seen[name][int(step) if step else -1]
        # Zeros, of any shape, stand for what is silent.
        if case.arrays[key].any():
            case.check(ours, key)
        else:
            assert not ours.any(), f"{key} is silent"
