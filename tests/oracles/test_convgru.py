import torch

from neurorec.models.cell_options import ConvGRU
from neurorec.models.cells import Frame, build_cell


def _cell(case, dtype):
    weights = case.weights(dtype)
    cell = build_cell(
        ConvGRU(kernel=5), Frame(drive_channels=6, channels=8, height=12, width=12, timesteps=5)
    ).to(dtype)
    gates = [weights[f"cell.{name}_gate.weight"] for name in ("reset", "update", "out")]
    of_drive, of_state = (
        torch.cat([gate[:, channels] for gate in gates]) for channels in (slice(6), slice(6, None))
    )
    biases = [weights[f"cell.{name}_gate.bias"] for name in ("reset", "update", "out")]
    cell.load_state_dict(
        {
            "of_drive.weight": of_drive,
            "of_drive.bias": torch.cat(biases),
            "gates_of_state.weight": of_state[:16],
            "candidate_of_state.weight": of_state[16:],
        }
    )
    return cell


@torch.no_grad()
def _check(case, dtype, prefix, recorded):
    cell = _cell(case, dtype)
    prepared = cell.prepare(case.tensor("input", dtype))
    state = {"h": torch.zeros(2, 8, 12, 12, dtype=dtype)}
    for step in range(case.n_steps("h")):
        state = cell(prepared, state, step)
        for name in recorded(step):
            case.check(state[name], f"{prefix}/{name}@{step}")


def test_every_step(oracle):
    names = ("h", "reset_gate", "update_gate")
    _check(oracle("convgru_a"), torch.float32, "output", lambda step: names)


def test_float64(oracle):
    names = ("h", "reset_gate", "update_gate")
    _check(oracle("convgru_a"), torch.float64, "output64", lambda step: names if step == 4 else ())
