import pytest
import torch

from neurorec.models.cell_options import HConvGRU
from neurorec.models.cells import Frame, build_cell
from neurorec.models.norms import StepNorm
from neurorec.models.parts import Norm

from . import hgru


@pytest.mark.parametrize(
    ("dtype", "where"), [(torch.float32, "output"), (torch.float64, "output64")]
)
def test_every_step(oracle, dtype, where):
    case = oracle("hconvgru_a")
    cell = build_cell(
        HConvGRU(kernel=5), Frame(drive_channels=8, channels=8, height=12, width=12, timesteps=5)
    )
    sites = [(step, site) for step in range(5) for site in range(4)]
    norms = {f"norms.{site}.norms.{step}": f"unit1.bn.{4 * step + site}" for step, site in sites}
    hgru.load(cell, case, norms, dtype)
    last = hgru.check(cell, case, case.tensor("input", dtype), hgru.RECORDED)
    output = StepNorm(Norm(kind="batch", eps=1e-3), (8, 12, 12), 5).to(dtype).eval()
    output.load_state_dict(hgru.norm_weights(case.weights(dtype), "bn", "norms.0"))
    case.check(output(last, 0), f"{where}/layer")
