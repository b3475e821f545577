"""One set of weights in two times."""

import pytest
import torch

from neurorec.models import build


@pytest.mark.parametrize("name", ["cornet-rt", "greco2025-fb-dropout"])
def test_there_and_back_is_the_same_network(name):
    model = build(name, input_size=64, classes=5, timesteps=4).double().eval()
    biological = model.unrolled("biological")
    back = biological.unrolled("engineering").unrolled("biological")
    image = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    assert torch.equal(back(image), biological(image))
    assert not back.training
    assert sum(p.numel() for p in back.parameters()) == sum(p.numel() for p in model.parameters())
    expected = {tuple(p.shape): p.sum() for p in model.parameters()}
    assert {tuple(p.shape): p.sum() for p in back.parameters()} == expected


def test_the_copy_has_weights_of_its_own():
    model = build("cornet-rt", input_size=64, classes=5)
    other = model.unrolled("engineering")
    torch.nn.init.zeros_(other.decoder.linear.weight)
    assert model.decoder.linear.weight.abs().sum() > 0
