"""BL of Spoerer et al.: sizes, the control without recurrence, and the equations."""

import pytest
import torch
import torch.nn.functional as F

from neurorec.models import Area, RecurrentNetwork, preset
from neurorec.models.blt import blt
from neurorec.models.parts import Norm, Pool
from neurorec.models.summary import cost

CHANNELS = (96, 128, 192, 256, 512, 1024, 2048)
KERNELS = (7, 5, 3, 3, 3, 3, 1)
NAMES = [f"L{n}" for n in range(1, 8)]
TIMESTEPS = 3


def made(channels=CHANNELS, *, lateral=True, **changes):
    """BL, or B, by the constructor."""
    preset_bl = preset("bl-spoerer2020")
    fields = preset_bl.model_dump(exclude={"areas", "connections"})
    norm = Norm(kind="batch", per_step=True, eps=1e-3)
    areas = [
        Area(name=name, channels=c, kernel=k, bias=False, norm=norm)
        for name, c, k in zip(NAMES, channels, KERNELS, strict=True)
    ]
    pool = Pool(kind="max", size=2)
    return blt(
        areas,
        bottom_up={name: {"pool": pool} for name in NAMES[1:]},
        lateral=NAMES if lateral else (),
        **{**fields, **changes},
    )


def test_parameter_counts():
    assert cost(preset("bl-spoerer2020"), "parameters") == 28_870_920
    assert cost(made(classes=565), "parameters") == 27_979_605
    assert cost(made(lateral=False, timesteps=1), "parameters") == 11_037_768


def test_the_constructor_makes_the_preset():
    unnamed = [c.model_copy(update={"name": None}) for c in made().connections]
    assert unnamed == list(preset("bl-spoerer2020").connections)
    assert made().areas == preset("bl-spoerer2020").areas


def running():
    """A small BL in which every parameter and statistic is drawn."""
    wiring = made(range(2, 9), timesteps=TIMESTEPS, classes=3, input_size=64)
    network = RecurrentNetwork(wiring).double().eval()
    generator = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            tensor += 0.3 * (noise.abs() if name.endswith("var") else noise)
    return network


def normed(p, x, name, t):
    norm = {
        part: p[f"areas.{name}.norm.norms.{t}.{part}"][:, None, None]
        for part in ("weight", "bias", "running_mean", "running_var")
    }
    std = torch.sqrt(norm["running_var"] + 1e-3)
    return norm["weight"] * (x - norm["running_mean"]) / std + norm["bias"]


def plain(p, image):
    """Activity of each layer and logits at each timestep, from the equations."""
    old: dict[str, torch.Tensor] = {}
    for t in range(TIMESTEPS):
        x, below, new = 2 * image - 1, "image", {}
        for name, kernel in zip(NAMES, KERNELS, strict=True):
            links = f"areas.{name}.links"
            x = x if below == "image" else F.max_pool2d(x, 2)
            drive = F.conv2d(x, p[f"{links}.{below}_0.operator.weight"], padding=kernel // 2)
            if t > 0:
                lateral = p[f"{links}.{name}_1.operator.weight"]
                drive = drive + F.conv2d(old[name], lateral, padding=kernel // 2)
            new[name] = torch.relu(normed(p, drive, name, t))
            x, below = new[name], name
        old = new
        top = new["L7"].mean(dim=(2, 3))
        yield new, F.linear(top, p["decoder.linear.weight"], p["decoder.linear.bias"])


@torch.no_grad()
def test_the_equations():
    network = running()
    generator = torch.Generator().manual_seed(2)
    image = torch.rand(2, 3, 64, 64, generator=generator, dtype=torch.float64)
    states = [state for _, state in network.unroll(image, TIMESTEPS)]
    total = 0
    for state, (layers, logits) in zip(states, plain(network.state_dict(), image), strict=True):
        for name, layer in layers.items():
            torch.testing.assert_close(state[name]["h"], layer)
        torch.testing.assert_close(network.readout(state), logits)
        total = total + logits
    torch.testing.assert_close(network.answer(image).logits, total)


def test_it_runs_for_as_long_as_it_has_norms():
    with pytest.raises(ValueError, match="can run for 3 timesteps, not for 4"):
        running()(torch.zeros(1, 3, 64, 64, dtype=torch.float64), timesteps=4)
