import pytest
import torch

from neurorec.models.cell_options import HConvGRU
from neurorec.models.cells import Frame, build_cell
from neurorec.models.parts import Norm

from . import hgru


@pytest.mark.parametrize("f", ["relu", "softplus"])
@pytest.mark.parametrize(
    ("dtype", "where"), [(torch.float32, "output"), (torch.float64, "output64")]
)
def test_every_step(oracle, f, dtype, where):
    case = oracle(f"hgru_rts_{f}_a")
    options = HConvGRU(
        kernel=5,
        nonlinearity=f,
        inner_nonlinearity=f,
        output_nonlinearity=f,
        norm=Norm(kind="batch", eps=1e-3),
        gate_norm=False,
    )
    # Norms that are shared over time do not limit it.
    cell = build_cell(
        options, Frame(drive_channels=8, channels=8, height=12, width=12, timesteps=1)
    )
    norms = {"norms.1.norms.0": "unit1.bn.1", "norms.3.norms.0": "unit1.bn.3"}
    hgru.load(cell, case, norms, dtype)
    hgru.check(cell, case, case.tensor(f"{where}/drive", dtype), hgru.RECORDED)
