"""Weights and outputs of the public hGRU modules, by our names."""

import torch

RECORDED = {
    "h": "H",
    "inhibited": "H1",
    "gate_1": "G1",
    "gate_2": "G2",
    "inhibition": "C1",
    "excitation": "C2",
}
_NAMES = {
    "gate_1.weight": "u1_gate.weight",
    "gate_1.bias": "u1_gate.bias",
    "gate_2.weight": "u2_gate.weight",
    "gate_2.bias": "u2_gate.bias",
    "kernels.0": "w_gate_inh",
    "kernels.1": "w_gate_exc",
    "alpha": "alpha",
    "mu": "mu",
    "kappa": "kappa",
    "gamma": "gamma",
    "omega": "w",
}


def load(cell, case, norms, dtype):
    """The weights of ``case`` in ``cell``; ``norms`` maps the names of norms, ours to theirs."""
    weights = case.weights(dtype)
    own = {ours: weights[f"unit1.{theirs}"] for ours, theirs in _NAMES.items()}
    for ours, theirs in norms.items():
        own |= norm_weights(weights, theirs, ours)
    cell.to(dtype).eval().load_state_dict(own)


def norm_weights(weights, theirs, ours):
    """Parameters and statistics of the norm ``theirs``, under our name."""
    return {
        name.replace(f"{theirs}.", f"{ours}."): value
        for name, value in weights.items()
        if name.startswith(f"{theirs}.")
    }


@torch.no_grad()
def check(cell, case, drive, recorded):
    """Run ``cell`` and compare ``recorded`` at every step, or the last one in float64.

    Returns the last state.
    """
    where = "output" if drive.dtype == torch.float32 else "output64"
    state = {"h": case.tensor("state0/H", drive.dtype)}
    prepared, n_steps = cell.prepare(drive), case.n_steps("H")
    for step in range(n_steps):
        state = cell(prepared, state, step)
        if where == "output" or step == n_steps - 1:
            for name in recorded:
                case.check(state[name], f"{where}/{RECORDED[name]}@{step}")
    return state["h"]
