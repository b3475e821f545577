import pytest
import torch
from torch.nn.functional import log_softmax

from neurorec.models import Wiring

from .presets import check, load, resized, run, watch

AREAS = ("V1", "V2", "V4", "IT")
#: V1's connections that the release has and never uses.
UNUSED = ("V1_lateral", "V1_top_down")


def sized(case):
    options = case.info["constructor"]
    widths = dict(zip(("Retina", *AREAS), options["widths retina,V1,V2,V4,IT"], strict=True))
    combined = {"additive": "", "multiplicative": "-multiplicative"}[options["LT_interaction"]]
    wiring = resized(
        f"blt-ccn23{combined}",
        {**widths, "GAP": widths["IT"]},
        input_size=options["input_px"],
        classes=options["classes"],
        timesteps=options["timesteps"],
    )
    # blt-ccn23-released-v1 has the same, without the multiplication.
    connections = [c.model_copy(update={"silenced": c.name in UNUSED}) for c in wiring.connections]
    return Wiring.model_validate({**wiring.model_dump(), "connections": connections})


def names(wiring):
    """Modules of ours by theirs."""
    role = "_modulation" if wiring.area("V1").combine == "multiply" else ""
    found = {
        "areas.Retina.links.image_0.operator": "retina",
        f"areas.GAP.links.GAP_1{role}.operator": "gap.lateral",
        "areas.GAP.norm.norms.0": "gap_ln",
        "decoder.linear": "readout",
    }
    for below, area, above in zip(("Retina", *AREAS[:-1]), AREAS, (*AREAS[1:], None), strict=True):
        links, theirs = f"areas.{area}.links", area.lower()
        found |= {
            f"{links}.{below}_0.operator": f"{theirs}.bottom_up",
            f"{links}.{area}_1{role}.operator": f"{theirs}.lateral",
            f"areas.{area}.norm.norms.0": f"{theirs}_ln",
        }
        if above is not None:
            found[f"{links}.{above}_1{role}.operator"] = f"{theirs}.top_down"
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("interaction", ["additive", "multiplicative"])
def test_every_step(oracle, interaction, dtype):
    case = oracle(f"blt_ccn23_{interaction}_a")
    wiring = sized(case)
    network, unused = load(wiring, case, names(wiring), dtype)
    # The dead weights are those of the two connections that are silenced; they have a place.
    assert not unused
    assert case.info["dead_weights"] == ["v1.lateral.weight", "v1.top_down.weight"]
    watched = {a: watch(network.areas[a].norm) for a in (*AREAS[1:], "GAP")}
    seen = run(network, case.tensor("input", dtype))
    ours = {
        **{area.lower(): maps for area, maps in seen.items()},
        **{f"{area.lower()}_pre": maps for area, maps in watched.items()},
        # The release clamps probabilities at 1e-10, which none of these reaches.
        "logprob": [log_softmax(x, dim=1) for x in seen["logits"]],
    }
    for name in ("gap", "gap_pre"):
        ours[name] = [x.flatten(1) for x in ours[name]]
    check(case, ours, dtype)
