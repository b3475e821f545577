import numpy as np
import torch

from neurorec.models.cell_options import TimeDecay
from neurorec.models.cells import build_cell

from .twins import check_twin, counted, frame, normal, numpy_parameters, random_case, unrolled


def test_twin():
    cell, drive, state = random_case(TimeDecay(), frame(3, 3))
    decay, h, theirs = numpy_parameters(cell)["decay"], state["h"].numpy(), []
    for _ in range(4):
        h = decay * h + drive.numpy()
        theirs.append({"h": h})
    check_twin(unrolled(cell, drive, state, 4), theirs)


def test_a_constant_drive_sums_a_geometric_series():
    cell = build_cell(TimeDecay(), frame(1, 1)).double()
    torch.nn.init.constant_(cell.decay, 0.5)  # type: ignore[arg-type]
    ones = torch.ones(1, 1, 5, 4, dtype=torch.float64)
    activity = [out["h"].mean().item() for out in unrolled(cell, ones, {"h": 0 * ones}, 6)]
    np.testing.assert_allclose(activity, 2 - 0.5 ** np.arange(6), rtol=1e-12)


def test_at_first_nothing_is_kept(rng):
    cell = build_cell(TimeDecay(), frame(2, 2)).double()
    drive, h = normal(rng, 1, 2, 5, 4), normal(rng, 1, 2, 5, 4)
    torch.testing.assert_close(unrolled(cell, drive, {"h": h}, 1)[0]["h"], drive)


def test_one_parameter():
    assert counted(TimeDecay(), frame(256, 256)) == 1
