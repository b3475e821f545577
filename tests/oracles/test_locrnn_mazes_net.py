import pytest
import torch

from neurorec.models import build

from . import locrnn

#: Our modules outside the cell, by those of the public network.
CONVOLUTIONS = {
    "conv1": "stem.links.image_0.operator",
    "conv2": "head1.links.recurrent_0.operator",
    "conv3": "head2.links.head1_0.operator",
    "conv4": "head3.links.head2_0.operator",
}
NORMS = {"bn1": "stem", "bn2": "head1", "bn3": "head2"}
STARTS = {"emb_exc": "h", "emb_inh": "s"}


def _network(case, dtype):
    network = build("veerabadran2023-locrnn-mazes", input_size=14).to(dtype).eval()
    weights, theirs = case.weights(dtype), "rnn."
    cell = locrnn.weights({k.removeprefix(theirs): v for k, v in weights.items()})
    own = {f"areas.recurrent.cell.{name}": value for name, value in cell.items()}
    for name, ours in CONVOLUTIONS.items():
        own[f"areas.{ours}.weight"] = weights[f"{name}.weight"]
    for name, ours in STARTS.items():
        for part in ("weight", "bias"):
            own[f"areas.recurrent.projections.{ours}.{part}"] = weights[f"rnn.{name}.{part}"]
    for name, ours in NORMS.items():
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            own[f"areas.{ours}.norm.norms.0.{part}"] = weights[f"{name}.{part}"]
    network.load_state_dict(own)
    return network


@pytest.mark.parametrize(
    ("dtype", "where"), [(torch.float32, "output"), (torch.float64, "output64")]
)
@torch.no_grad()
def test_image_to_logits(oracle, dtype, where):
    case = oracle("locrnn_mazes_net_a")
    network = _network(case, dtype)
    states = [state for _, state in network.unroll(case.tensor("input", dtype), 15)]
    for step in (0, 7, 14) if where == "output" else (14,):
        case.check(states[step]["recurrent"]["h"], f"{where}/L@{step}")
    last = states[-1]
    case.check(last["stem"]["h"], f"{where}/stem")
    case.check(last["head1"]["h"], f"{where}/head1")
    prefix = "" if where == "output" else "output64/"
    case.check(network.readout(last), f"{prefix}logits")
