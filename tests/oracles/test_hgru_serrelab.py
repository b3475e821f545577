import pytest
import torch

from neurorec.models.cell_options import HConvGRU
from neurorec.models.cells import Frame, build_cell

from . import hgru


@pytest.mark.parametrize(
    ("dtype", "where"), [(torch.float32, "output"), (torch.float64, "output64")]
)
def test_every_step(oracle, dtype, where):
    case = oracle("hgru_serrelab_a")
    cell = build_cell(
        HConvGRU(kernel=5), Frame(drive_channels=25, channels=25, height=12, width=12, timesteps=5)
    )
    sites = [(step, site) for step in range(5) for site in range(4)]
    norms = {f"norms.{site}.norms.{step}": f"unit1.bn.{4 * step + site}" for step, site in sites}
    hgru.load(cell, case, norms, dtype)
    hgru.check(cell, case, case.tensor(f"{where}/drive", dtype), ("h", "inhibited"))
