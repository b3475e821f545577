"""The learned softmax over time of LocRNN, from the public layer's own states."""

import pytest
import torch
import torch.nn.functional as F

from neurorec.models.readouts import TimeSoftmax


def _trained(case, dtype):
    average = TimeSoftmax(case.n_steps("L")).to(dtype)
    average.load_state_dict({"weight": case.weights(dtype)["temporal_agg"][0]})
    return average


@torch.no_grad()
def test_average_of_the_recorded_states(oracle):
    case = oracle("locrnn_softmax_time_a")
    states = torch.stack([case.tensor(f"output/L@{t}") for t in range(case.n_steps("L"))])
    case.check(_trained(case, torch.float32)(states), "output/layer")


def _long_range_states(case, dtype):
    """L after each step, from the equations."""
    weights = case.weights(dtype)

    def conv(name, x):
        weight, bias = (weights[f"rnn_cell.{name}.{part}"] for part in ("weight", "bias"))
        return F.conv2d(x, weight, bias, padding="same")

    def norm(name, x):
        weight, bias = (weights[f"rnn_cell.{name}.{part}"] for part in ("weight", "bias"))
        return F.group_norm(x, 1, weight, bias)

    x = case.tensor("input", dtype)
    drives = {name: conv(name, x) for name in ("g_exc_x", "g_inh_x", "w_exc_x", "w_inh_x")}
    h, s = torch.zeros_like(drives["g_exc_x"]), torch.zeros_like(drives["g_exc_x"])
    for _ in range(case.n_steps("L")):
        both = torch.cat([h, s], dim=1)
        gate_h = norm("ln_e_x", drives["g_exc_x"]) + norm("ln_e_e", conv("g_exc_e", h))
        gate_s = norm("ln_i_x", drives["g_inh_x"]) + norm("ln_i_i", conv("g_inh_i", s))
        new_h = (drives["w_exc_x"] + conv("w_exc_ei", both)).clamp(0, 1)
        new_s = (drives["w_inh_x"] + conv("w_inh_ei", both)).clamp(0, 1)
        h = norm("ln_out_e", torch.lerp(h, new_h, gate_h.sigmoid())).clamp(0, 1)
        s = norm("ln_out_i", torch.lerp(s, new_s, gate_s.sigmoid())).clamp(0, 1)
        yield h


@pytest.mark.parametrize(
    ("dtype", "where"), [(torch.float32, "output"), (torch.float64, "output64")]
)
@torch.no_grad()
def test_average_of_recomputed_states(oracle, dtype, where):
    case = oracle("locrnn_softmax_time_a")
    states = list(_long_range_states(case, dtype))
    case.check(states[-1], f"{where}/L@{len(states) - 1}")
    case.check(_trained(case, dtype)(torch.stack(states)), f"{where}/layer")
