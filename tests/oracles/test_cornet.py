from itertools import pairwise

import pytest
import torch

from .presets import check, load, resized, run, watch

DTYPES = [torch.float32, torch.float64]
AREAS = ("V1", "V2", "V4", "IT")
#: Delay of the connections from area to area.
DELAY = {"cornet-rt": 1, "cornet-r": 0}


def sized(case, name):
    """The preset with the widths, images and classes of the case."""
    options = case.info["constructor"]
    widths = dict(zip(AREAS, options["widths"], strict=True))
    widths |= {f"{area}_conv": width for area, width in widths.items()}
    return resized(name, widths, input_size=options["input_px"], classes=options["classes"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_z(oracle, dtype):
    case = oracle("cornet_z_a")
    names = {"decoder.linear": "decoder.linear"}
    for source, area in pairwise(("image", *AREAS)):
        names[f"areas.{area}_conv.links.{source}_0.operator"] = f"{area}.conv"
    network, unused = load(sized(case, "cornet-z"), case, names, dtype)
    assert not unused
    check(case, run(network, case.tensor("input", dtype)), dtype)


def recurrent(case, name, dtype):
    names = {"decoder.linear": "decoder.linear"}
    for source, area in pairwise(("image", *AREAS)):
        delay = 0 if source == "image" else DELAY[name]
        link = f"areas.{area}.links.{source}_{delay}"
        names |= {
            f"{link}.operator": f"{area}.conv_input",
            f"{link}.norm.norms.0": f"{area}.norm_input",
            f"areas.{area}.operator": f"{area}.conv1",
            f"areas.{area}.norm.norms.0": f"{area}.norm1",
        }
    network, unused = load(sized(case, name), case, names, dtype)
    assert not unused
    return network


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "oracle_name"),
    [
        ("cornet-rt", "cornet_rt_a"),
        ("cornet-r", "cornet_r_a"),
        ("cornet-rt", "cornet_rt_full_a"),
    ],
)
def test_rt_and_r(oracle, name, oracle_name, dtype):
    case = oracle(oracle_name)
    network = recurrent(case, name, dtype)
    # What the shared convolution sees.
    sums = {f"{area}_sum": watch(network.areas[area].operator) for area in AREAS}
    check(case, {**run(network, case.tensor("input", dtype)), **sums}, dtype)


def test_r_is_not_rt(oracle):
    # The two cases have the same weights and images.
    case, dtype = oracle("cornet_rt_a"), torch.float64
    rt, r = (run(recurrent(case, name, dtype), case.tensor("input", dtype)) for name in DELAY)
    assert all(torch.equal(rt[area][0], r[area][0]) for area in AREAS)  # no sweep at first
    ours = rt["logits"][-1] - r["logits"][-1]
    public = case.tensor("output64/logits", dtype) - oracle("cornet_r_a").tensor(
        "output64/logits", dtype
    )
    assert ours.abs().max() > 0.01
    torch.testing.assert_close(ours, public, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
def test_s(oracle, dtype):
    case = oracle("cornet_s_a")
    names = {
        "areas.V1_conv.links.image_0.operator": "V1.conv1",
        "areas.V1_conv.norm.norms.0": "V1.norm1",
        "areas.V1.links.V1_conv_0.operator": "V1.conv2",
        "areas.V1.norm.norms.0": "V1.norm2",
        "decoder.linear": "decoder.linear",
    }
    for source, area in pairwise(AREAS):
        names[f"areas.{area}.links.{source}_0.operator"] = f"{area}.conv_input"
        parts = ("skip", "norm_skip", "conv1", "conv2", "conv3")
        names |= {f"areas.{area}.cell.{part}": f"{area}.{part}" for part in parts}
        for iteration in range(case.info["constructor"]["times"][area]):
            names |= {
                f"areas.{area}.cell.norm{i}.norms.{iteration}": f"{area}.norm{i}_{iteration}"
                for i in (1, 2, 3)
            }
    network, unused = load(sized(case, "cornet-s"), case, names, dtype)
    assert not unused
    drives = {f"{area}_conv_input": watch(network.areas[area].operator) for area in AREAS[1:]}
    check(case, {**run(network, case.tensor("input", dtype)), **drives}, dtype)
