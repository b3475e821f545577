import pytest
import torch

from neurorec.models.cell_options import CORnetS
from neurorec.models.cells import Frame, build_cell

#: Channels, iterations and pixels of each area.
BLOCKS = {"V2": (8, 2, 8), "V4": (10, 4, 4), "IT": (12, 2, 2)}


def _cell(case, area, dtype):
    channels, iterations, size = BLOCKS[area]
    frame = Frame(
        drive_channels=channels, channels=channels, height=size, width=size, timesteps=iterations
    )
    cell = build_cell(CORnetS(), frame).to(dtype).eval()
    ours = {}
    for name, weight in case.weights(dtype).items():
        place, _, rest = name.partition(".")
        if place != area or rest.startswith("conv_input"):
            continue
        part, _, leaf = rest.partition(".")
        norm, _, iteration = part.partition("_")
        own = f"{norm}.norms.{iteration}" if iteration.isdigit() else part
        ours[f"{own}.{leaf}"] = weight
    cell.load_state_dict(ours)
    return cell


@torch.no_grad()
def _check(case, area, dtype, prefix, steps):
    """The block alone, fed with what the public one got."""
    cell = _cell(case, area, dtype)
    channels, iterations, size = BLOCKS[area]
    prepared = cell.prepare(case.tensor(f"{prefix}/{area}_conv_input", dtype))
    state = {"h": torch.zeros(2, channels, size, size, dtype=dtype)}
    assert case.n_steps(area) == iterations
    for step in range(iterations):
        state = cell(prepared, state, step)
        if step in steps:
            case.check(state["h"], f"{prefix}/{area}@{step}")


@pytest.mark.parametrize("area", BLOCKS)
def test_every_step(oracle, area):
    _check(oracle("cornet_s_a"), area, torch.float32, "output", range(4))


@pytest.mark.parametrize("area", BLOCKS)
def test_float64(oracle, area):
    last = BLOCKS[area][1] - 1
    _check(oracle("cornet_s_a"), area, torch.float64, "output64", [last])
