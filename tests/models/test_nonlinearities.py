import math

import pytest
import torch

from neurorec.models.nonlinearities import NONLINEARITIES

#: Of -2, 1/2 and 7.
VALUES = {
    "identity": (-2, 0.5, 7),
    "relu": (0, 0.5, 7),
    "relu6": (0, 0.5, 6),
    "leaky_relu": (-0.02, 0.5, 7),
    "elu": (math.exp(-2) - 1, 0.5, 7),
    "tanh": (math.tanh(-2), math.tanh(0.5), math.tanh(7)),
    "sigmoid": tuple(1 / (1 + math.exp(-x)) for x in (-2, 0.5, 7)),
    "softplus": tuple(math.log1p(math.exp(x)) for x in (-2, 0.5, 7)),
    "unit_clip": (0, 0.5, 1),
    "square": (4, 0.25, 49),
}


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_known_values(name):
    x = torch.tensor([-2, 0.5, 7], dtype=torch.float64)
    expected = torch.tensor(VALUES[name], dtype=torch.float64)
    torch.testing.assert_close(NONLINEARITIES[name](x), expected)
