"""Training: reproducible, resumable, and it learns."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from neurorec.models import build, load, metadata, to_images
from neurorec.tasks import digits
from neurorec.tasks.classification import ClassificationTask, labels_of
from neurorec.training import Training, train
from neurorec.training.batches import SeededBatches
from neurorec.training.losses import loss_over_time


def small_task():
    task = digits(n_test=100)
    return ClassificationTask(
        title=task.title, train=task.train.select(slice(0, 300)), test=task.test
    )


def network(name="fb-dropout"):
    return build(f"greco2025-{name}", input_size=8, timesteps=3, seed=2)


SETTINGS = Training(epochs=3, batch_size=32, seed=1)


def test_loss_is_the_mean_cross_entropy_of_the_timesteps():
    logits, labels = torch.randn(5, 7, 4), torch.randint(4, (7,))
    expected = torch.stack([F.cross_entropy(step, labels) for step in logits]).mean()
    torch.testing.assert_close(loss_over_time(logits, labels), expected)
    uniform = loss_over_time(torch.zeros(5, 7, 4), labels)
    torch.testing.assert_close(uniform, torch.tensor(4.0).log())


def test_batches_are_a_seeded_order_without_repeats():
    batches = SeededBatches(100, 16, seed=3)
    first = list(batches)
    assert len(first) == len(batches) == 6
    assert len({i for batch in first for i in batch}) == 96
    assert list(batches) == first
    batches.set_epoch(1)
    assert list(batches) != first
    with pytest.raises(ValueError, match="10 training images do not fill a batch of 16"):
        SeededBatches(10, 16, seed=0)


@pytest.mark.slow
def test_the_same_seeds_give_the_same_file(tmp_path):
    results = [
        train(
            network(),
            small_task(),
            out=tmp_path / f"{i}.safetensors",
            settings=SETTINGS,
            device="cpu",
        )
        for i in range(2)
    ]
    assert results[0].path.read_bytes() == results[1].path.read_bytes()
    assert results[0].sha256 == results[1].sha256
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.safetensors", "1.safetensors"]
    other = train(
        network(),
        small_task(),
        out=tmp_path / "2.safetensors",
        settings=Training(epochs=3, batch_size=32, seed=9),
        device="cpu",
    )
    assert other.losses != results[0].losses


def test_a_finished_training_is_read_and_another_one_refused(tmp_path):
    out = tmp_path / "m.safetensors"
    first = train(network(), small_task(), out=out, settings=SETTINGS, device="cpu")
    before = out.stat().st_mtime_ns
    again = train(network(), small_task(), out=out, settings=SETTINGS, device="cpu")
    assert out.stat().st_mtime_ns == before
    assert again.losses == first.losses
    for a, b in zip(again.model.parameters(), first.model.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ValueError, match="holds a model of another training"):
        train(network("ff"), small_task(), out=out, settings=SETTINGS, device="cpu")
    assert json.loads(metadata(out)["settings"])["epochs"] == 3
    assert json.loads(metadata(out)["classes"]) == list("0123456789")
    assert load(out).wiring == first.model.wiring


@pytest.mark.slow
def test_interrupted_and_resumed_is_the_same_file(tmp_path):
    straight = train(
        network(),
        small_task(),
        out=tmp_path / "straight.safetensors",
        settings=SETTINGS,
        device="cpu",
    )
    # A real process, a real Ctrl-C, after the second epoch of three.
    script = f"""
import sys
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[2])!r}]
from test_training import *
def report(epoch, loss):
    print(epoch, flush=True)
    if epoch == 2: __import__("time").sleep(60)
try:
    train(network(), small_task(), out={str(tmp_path / "stopped.safetensors")!r}, settings=SETTINGS,
          device="cpu", progress=report)
except KeyboardInterrupt:
    sys.exit(130)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert [run.stdout.readline() for _ in range(3)] == ["0\n", "1\n", "2\n"]
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 130
    assert not (tmp_path / "stopped.safetensors").exists()
    epochs = []
    resumed = train(
        network(),
        small_task(),
        out=tmp_path / "stopped.safetensors",
        settings=SETTINGS,
        device="cpu",
        progress=lambda epoch, loss: epochs.append(epoch),
    )
    assert epochs == [2]
    assert resumed.losses == straight.losses
    assert resumed.path.read_bytes() == straight.path.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ff", "fb-dropout"])
def test_it_learns(tmp_path, name):
    task, model = digits(), build(f"greco2025-{name}", input_size=16, timesteps=4)
    images, labels = to_images(task.test.pixels, 16), labels_of(task.test)
    settings = Training(epochs=4)
    train(model, task, out=tmp_path / "m.safetensors", settings=settings, device="cpu")
    with torch.no_grad():
        accuracy = (model(images).argmax(-1).numpy() == labels).mean(axis=1)
    # Chance is 0.1 and its standard error 0.016 with 360 images.
    assert accuracy[-1] > 0.6


def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match="epochs must be positive, got 0"):
        Training(epochs=0)
    model = build("greco2025-ff", classes=4, input_size=8)
    with pytest.raises(ValueError, match="has 10 classes and the model's readout 4; build"):
        train(model, small_task(), out=tmp_path / "m.safetensors")


def test_readouts_of_something_else_than_classes_are_refused(tmp_path):
    readout = {"area": "a3", "pool": "full", "predicts": "responses"}
    model = build("greco2025-ff", input_size=8, readout=readout)
    with pytest.raises(ValueError, match=r"predicts 'responses' and task .* has classes; build"):
        train(model, small_task(), out=tmp_path / "m.safetensors", device="cpu")


def test_gradients_reach_every_live_parameter():
    model = network("fb")
    loss_over_time(model(torch.rand(4, 3, 8, 8)), torch.arange(4)).backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_on_a_gpu_it_learns_the_same_way(tmp_path, device):
    result = train(
        network(), small_task(), out=tmp_path / "m.safetensors", settings=SETTINGS, device=device
    )
    assert np.isfinite(result.losses).all()
    assert result.losses[-1] < result.losses[0]


def test_every_epoch_has_its_own_order(tmp_path, monkeypatch):
    epochs = []
    told = SeededBatches.set_epoch
    monkeypatch.setattr(
        SeededBatches, "set_epoch", lambda self, epoch: (epochs.append(epoch), told(self, epoch))[1]
    )
    train(network(), small_task(), out=tmp_path / "m.safetensors", settings=SETTINGS, device="cpu")
    assert sorted(set(epochs)) == [0, 1, 2]


def test_the_model_is_trained_in_place_also_from_a_finished_checkpoint(tmp_path):
    arguments = {"out": tmp_path / "m.safetensors", "settings": SETTINGS, "device": "cpu"}
    train(network(), small_task(), **arguments)
    model = network()
    result = train(model, small_task(), **arguments)
    assert result.model is model
    trained = load(tmp_path / "m.safetensors")
    for a, b in zip(model.parameters(), trained.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_diverging_training_is_not_kept(tmp_path):
    model = network()
    torch.nn.init.constant_(model.decoder.linear.weight, float("nan"))
    with pytest.raises(ValueError, match="the loss of epoch 0 is nan: training diverged; use a"):
        train(model, small_task(), out=tmp_path / "m.safetensors", settings=SETTINGS, device="cpu")
    assert not (tmp_path / "m.safetensors").exists()


def test_training_leaves_torch_as_it_was(tmp_path):
    train(network(), small_task(), out=tmp_path / "m.safetensors", settings=SETTINGS, device="cpu")
    assert not torch.are_deterministic_algorithms_enabled()
