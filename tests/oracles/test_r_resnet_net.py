from typing import Any

import pytest
import torch

from . import presets

#: Our modules, by those of the public network.
NAMES = {
    "areas.stem.links.image_0.operator": "conv1",
    "areas.recurrent.cell.blocks.0.conv1": "recur_block.0.0.conv1",
    "areas.recurrent.cell.blocks.0.conv2": "recur_block.0.0.conv2",
    "areas.recurrent.cell.blocks.1.conv1": "recur_block.0.1.conv1",
    "areas.recurrent.cell.blocks.1.conv2": "recur_block.0.1.conv2",
    "areas.head1.links.recurrent_0.operator": "conv2",
    "areas.head2.links.head1_0.operator": "conv3",
    "areas.head3.links.head2_0.operator": "conv4",
}
CHANNELS = {"stem": 8, "recurrent": 8, "head1": 32, "head2": 8, "head3": 2}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_image_to_logits(oracle, dtype):
    case = oracle("r_resnet_a")
    n_timesteps = case.info["constructor"]["iterations"]
    wiring = presets.resized(
        "veerabadran2023-rresnet-mazes", CHANNELS, input_size=12, timesteps=n_timesteps
    )
    network, unused = presets.load(wiring, case, NAMES, dtype)
    assert not unused
    # What enters the second block has left the first.
    recurrent: Any = network.areas["recurrent"]
    between = presets.watch(recurrent.cell.blocks[1])
    seen = presets.run(network, case.tensor("input"))
    presets.check(case, {**seen, "h": seen["recurrent"], "block0": between}, dtype)
