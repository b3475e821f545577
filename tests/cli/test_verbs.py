"""The shell path from a wiring to a recording, and what wrong input is answered."""

import sys

import pytest

from neurorec.recording import open_recording


@pytest.mark.slow
def test_train_record_open(neurorec, tmp_path, folder):
    checkpoint, out = tmp_path / "m.safetensors", tmp_path / "r.h5"
    code, printed, _ = neurorec(
        "train",
        "greco2025-fb-dropout",
        "--out",
        checkpoint,
        "--epochs",
        1,
        "--device",
        "cpu",
    )
    assert (code, printed.split()[0]) == (0, str(checkpoint))
    code, printed, _ = neurorec(
        "record",
        checkpoint,
        folder,
        "--out",
        out,
        "--areas",
        "a1",
        "a3",
        "--repetitions",
        2,
        "--noise",
        "--timesteps",
        3,
        "--device",
        "cpu",
    )
    assert code == 0
    recording = open_recording(out)
    assert recording.areas == ("a1", "a3")
    assert recording.load("a3").shape == (6, 64 * 4 * 4, 3)
    code, printed, _ = neurorec("models", "show", checkpoint)
    assert code == 0
    assert "dropout 0.5 per step" in printed


@pytest.mark.slow
def test_models(neurorec):
    code, printed, _ = neurorec("models", "list")
    assert code == 0
    assert "greco2025-fb-dropout" in printed
    code, printed, _ = neurorec("models", "show", "greco2025-ff")
    assert code == 0
    assert "silenced" in printed
    assert "our choice" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models", "show", "resnet"], "no preset 'resnet'; did you mean '"),
        (["models", "show", "absent.yaml"], "there is no wiring file absent.yaml"),
        (["train", "resnet", "--out", "x.safetensors"], "no preset 'resnet'; did you mean '"),
        (["record", "absent.safetensors", "x", "--out", "x.h5"], "there is no checkpoint"),
    ],
)
def test_wrong_input_is_one_line(neurorec, arguments, message):
    code, _, errors = neurorec(*arguments)
    assert code == 2
    assert message in errors
    assert errors.count("\n") == 1


@pytest.mark.slow
def test_a_data_set_without_images(neurorec, tmp_path, mirror):
    from neurorec.models import build, save

    checkpoint = save(build("greco2025-ff"), tmp_path / "m.safetensors")
    code, _, errors = neurorec(
        "record", checkpoint, "zhang-desimone-2011", "--out", tmp_path / "r.h5"
    )
    assert code == 2
    assert "comes without images" in errors
    assert sys.modules["neurorec.cli"]
