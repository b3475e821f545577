"""Models on disk."""

import pytest
import torch

from neurorec.models import build, load, metadata, save


def test_round_trip(tmp_path):
    network = build("greco2025-fb-dropout", seed=3, input_size=16, classes=4)
    path = save(network, tmp_path / "m.safetensors", metadata={"note": "x"})
    again = load(path)
    assert again.wiring == network.wiring
    image = torch.rand(2, 3, 16, 16)
    assert torch.equal(again(image), network(image))
    assert metadata(path) == {"note": "x"}
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_the_same_model_is_the_same_file(tmp_path):
    paths = [save(build("greco2025-ff", seed=1), tmp_path / f"{i}.safetensors") for i in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_damaged_foreign_and_absent_files(tmp_path):
    path = save(build("greco2025-ff"), tmp_path / "m.safetensors")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        load(path)
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="carries no wiring"):
        load(path)
    with pytest.raises(ValueError, match="there is no checkpoint"):
        load(tmp_path / "absent.safetensors")
