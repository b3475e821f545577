import torch

from neurorec.models.cell_options import Residual
from neurorec.models.cells import Frame, build_cell


@torch.no_grad()
def _check(case, dtype, prefix, steps):
    weights = case.weights(dtype)
    cell = build_cell(
        Residual(), Frame(drive_channels=8, channels=8, height=12, width=12, timesteps=5)
    ).to(dtype)
    block = "recur_block.0."
    cell.load_state_dict(
        {
            f"blocks.{name.removeprefix(block)}": weight
            for name, weight in weights.items()
            if name.startswith(block)
        }
    )
    drive = torch.relu(
        torch.conv2d(case.tensor("input", dtype), weights["conv1.weight"], padding=1)
    )
    prepared, state = cell.prepare(drive), {"h": drive}
    for step in range(case.n_steps("h")):
        first = cell.blocks[0](state["h"])  # type: ignore[index, operator]
        state = cell(prepared, state, step)
        if step in steps:
            case.check(first, f"{prefix}/block0@{step}")
            case.check(state["h"], f"{prefix}/h@{step}")


def test_every_step(oracle):
    _check(oracle("r_resnet_a"), torch.float32, "output", range(5))


def test_float64(oracle):
    _check(oracle("r_resnet_a"), torch.float64, "output64", [4])
