import math

import pytest
import torch

from neurorec.models import Wiring, preset

from .presets import check, load, run

AREAS = ("Retina", "LGN", "V1", "V2", "V3", "V4", "LOC", "Readout")
DTYPES = [torch.float32, torch.float64]
#: The preset that does what was run.
PRESET = {"bio": "blt-vs-bio", "nonbio": "blt-vs-released"}


def sized(case, name):
    """The preset with the sizes of the case."""
    options = case.info["constructor"]
    widths, kernels = options["widths"], dict(zip(AREAS, options["kernels_bottom_up"], strict=True))
    content = preset(name).model_dump()
    for area in content["areas"]:
        area["channels"] = widths[area["region"]]
    for connection in content["connections"]:
        source, target = (connection[end].split("_")[0] for end in ("source", "target"))
        operator, kind = connection["operator"], connection["kind"]
        if connection["shares"] or operator["kind"] == "identity":
            continue
        if kind == "lateral":
            operator["kernel"] = options["kernels_lateral (V1..LOC)"]
        elif kind == "skip":
            operator["kernel"] = options["skip kernels"][f"{source}->{target}"]
            operator["groups"] = math.gcd(widths[source], widths[target])
        else:
            operator["kernel"] = kernels[source if kind == "feedback" else target]
    sizes = {
        "input_size": options["input_px"],
        "input_mean": 0.0,
        "input_std": 1.0,
        "classes": options["num_classes"],
        "timesteps": options["timesteps"],
    }
    return Wiring.model_validate({**content, **sizes})


def names(wiring):
    """Modules of ours by theirs."""
    found = {}
    for c in wiring.connections:
        if c.shares or c.operator.kind == "identity":
            continue
        area, stream = c.target.split("_")
        ours, theirs = f"areas.{c.target}.links.{c.key}.operator", f"connections.{area}."
        if c.operator.kind != "separable":
            part = {"bu": "bu_conv", "td": "td_conv"}[stream]
            found[ours] = theirs + ("readout_conv" if area == "Readout" else part)
            continue
        part = f"skip_{stream}" if c.kind == "skip" else f"{stream}_l_conv"
        for step in ("depthwise", "pointwise"):
            found[f"{ours}.{step}"] = f"{theirs}{part}_{step}"
    for area in wiring.areas:
        if area.norm is not None:
            stream = area.name[-2:]
            found[f"areas.{area.name}.norm.norms.0"] = (
                f"connections.{area.region}.layer_norm_{stream}"
            )
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("unroll", PRESET)
def test_every_step(oracle, unroll, dtype):
    case = oracle(f"blt_vs_{unroll}_a")
    wiring = sized(case, PRESET[unroll])
    network, unused = load(wiring, case, names(wiring), dtype)
    retina = "connections.Retina.layer_norm_td"
    # The retina has no top-down input; its top-down stream is its norm's bias and goes nowhere.
    assert unused == {f"{retina}.weight", f"{retina}.bias"}
    assert set(case.info["dead_weights"]) - unused == {
        f"connections.V1.skip_td_{part}.{parameter}"
        for part in ("depthwise", "pointwise")
        for parameter in ("weight", "bias")
        if unroll == "nonbio"
    }
    seen = run(network, case.tensor("input", dtype))
    ours = {name.replace("_", "."): maps for name, maps in seen.items()}
    ours["Readout.bu"] = ours["logits"]
    bias = case.weights(dtype)[f"{retina}.bias"][:, None, None].expand(2, -1, 24, 24)
    ours["Retina.td"] = [bias if unroll == "nonbio" else 0 * bias] * wiring.timesteps
    check(case, ours, dtype)
