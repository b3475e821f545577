import pytest
import torch

from neurorec.models.cell_options import RGC
from neurorec.models.cells import Frame, build_cell

CASES = [(torch.float32, "output", range(5)), (torch.float64, "output64", [4])]


def _cell(case, dtype):
    cell = build_cell(
        RGC(kernel=5), Frame(drive_channels=8, channels=8, height=12, width=12, timesteps=5)
    ).to(dtype)
    weights = case.weights(dtype)
    names = {
        "from_h.convolutions.0": "w_hh",
        "from_h.convolutions.1": "w_hc",
        "from_c.convolutions.0": "w_ch",
        "from_c.convolutions.1": "w_cc",
    }
    cell.load_state_dict(
        {
            f"{ours}.{part}": weights[f"rnn_cell.{theirs}.{part}"]
            for ours, theirs in names.items()
            for part in ("weight", "bias")
        }
    )
    return cell


@pytest.mark.parametrize(("dtype", "output", "steps"), CASES)
@torch.no_grad()
def test_from_zeros(oracle, dtype, output, steps):
    case = oracle("rgc_paper_a")
    cell = _cell(case, dtype)
    prepared = cell.prepare(case.tensor("input", dtype))
    state = dict.fromkeys(("h", "c"), torch.zeros(2, 8, 12, 12, dtype=dtype))
    for step in range(5):
        state = cell(prepared, state, step)
        if step in steps:
            case.check(state["h"], f"{output}/h@{step}")
            case.check(state["c"], f"{output}/c@{step}")


@pytest.mark.parametrize(("dtype", "output", "steps"), CASES)
@torch.no_grad()
def test_from_a_state(oracle, dtype, output, steps):
    case = oracle("rgc_paper_a")
    cell = _cell(case, dtype)
    prepared = cell.prepare(case.tensor("input", dtype))
    state = {name: case.tensor(f"state0/{name}", dtype) for name in ("h", "c")}
    for step in range(3):
        state = cell(prepared, state, step)
        if step in steps or step == 2:
            case.check(state["h"], f"{output}/from_state0_h@{step}")
            case.check(state["c"], f"{output}/from_state0_c@{step}")
