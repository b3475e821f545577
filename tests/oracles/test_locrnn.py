import pytest
import torch
from torch import nn

from neurorec.models.cell_options import LocRNN
from neurorec.models.cells import Frame, build_cell

from . import locrnn

CASES = {
    "locrnn_pathfinder_a": LocRNN(kernel=5, interneuron_kernel=3),
    "locrnn_mazes_a": LocRNN(kernel=5, interneuron_kernel=3),
    "locrnn_nogate_tanh_agg_a": LocRNN(nonlinearity="tanh", gates=False, output="both"),
    "locrnn_noln_relu6_a": LocRNN(nonlinearity="relu6", norm=False),
    "locrnn_softmax_time_a": LocRNN(nonlinearity="unit_clip"),
}


def _cell(case, options, dtype):
    shape = case.arrays["input"].shape
    channels = case.arrays["output/L@0"].shape[1]
    cell = build_cell(
        options,
        Frame(
            drive_channels=shape[1], channels=channels, height=shape[2], width=shape[3], timesteps=5
        ),
    ).to(dtype)
    cell.load_state_dict(
        locrnn.weights(
            case.weights(dtype), gates=options.gates, norm=options.norm, output=options.output
        )
    )
    return cell


def _initial(case, name, dtype):
    """L and S start as projections of the drive in the mazes, otherwise from zeros."""
    weights = case.weights(dtype)
    drive = case.tensor("input", dtype)
    starts = []
    for population in ("emb_exc", "emb_inh"):
        weight, bias = weights[f"{population}.weight"], weights[f"{population}.bias"]
        projected = nn.functional.conv2d(drive, weight, bias)
        starts.append(projected if "mazes" in name else torch.zeros_like(projected))
    return starts


def _check_step(case, options, new, where, step):
    """Compare the states and gates of one timestep."""
    both = options.output == "both"
    case.check(new["long_range" if both else "h"], f"{where}/L@{step}")
    case.check(new["s"], f"{where}/S@{step}")
    if options.gates:
        case.check(new["gate_h"], f"{where}/gate_L@{step}")
        case.check(new["gate_s"], f"{where}/gate_S@{step}")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@torch.no_grad()
def test_every_step(oracle, name, dtype):
    case, options = oracle(name), CASES[name]
    where = "output" if dtype == torch.float32 else "output64"
    cell = _cell(case, options, dtype)
    prepared = cell.prepare(case.tensor("input", dtype))
    long_range, local = _initial(case, name, dtype)
    if "mazes" in name:
        case.check(long_range, f"{where}/L_initial")
        case.check(local, f"{where}/S_initial")
    state = {"h": long_range, "long_range": long_range, "s": local}
    n_steps, outputs = case.n_steps("L"), []
    for step in range(n_steps):
        new = cell(prepared, state, step)
        if where == "output" or step == n_steps - 1:
            _check_step(case, options, new, where, step)
        outputs.append(new["h"])
        state = {s: new[s] for s in cell.states}
    layer = outputs[-1]
    if name == "locrnn_softmax_time_a":
        shares = case.tensor("weight/temporal_agg", dtype)[0].softmax(0)
        layer = torch.einsum("t,tbchw->bchw", shares, torch.stack(outputs))
    case.check(layer, f"{where}/layer")
