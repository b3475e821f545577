"""Weights of the public LocRNN modules, by our names."""

import torch

_NORMS = ("ln_e_x", "ln_e_e", "ln_i_x", "ln_i_i", "ln_out_e", "ln_out_i")


def weights(theirs, *, gates=True, norm=True, output="long_range"):
    """Parameters of a cell with these options from those of the public layer, ``theirs``."""
    drives = ["w_exc_x", "w_inh_x"]
    names = {"onto_l": "rnn_cell.w_exc_ei", "onto_s": "rnn_cell.w_inh_ei"}
    if gates:
        drives = ["g_exc_x", "g_inh_x", *drives]
        names |= {"gate_l": "rnn_cell.g_exc_e", "gate_s": "rnn_cell.g_inh_i"}
        if norm:
            names |= {f"norms.{i}": f"rnn_cell.{name}" for i, name in enumerate(_NORMS)}
    if output == "both":
        names["merge"] = "ei_aggregator"
    own = {
        f"{name}.{part}": theirs[f"{their}.{part}"]
        for name, their in names.items()
        for part in ("weight", "bias")
    }
    for part in ("weight", "bias"):
        own[f"of_drive.{part}"] = torch.cat([theirs[f"rnn_cell.{d}.{part}"] for d in drives])
    return own
