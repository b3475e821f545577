"""One call from a model and a task to a checkpoint."""

import hashlib
import json
import logging
import os
import shutil
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch.utils.data import DataLoader, TensorDataset

from neurorec import __version__
from neurorec._checks import sha256_of
from neurorec.gram import resolve_device
from neurorec.models import RecurrentNetwork, load, metadata, save, to_images
from neurorec.stimuli import require_images
from neurorec.tasks.classification import ClassificationTask, labels_of
from neurorec.training.batches import SeededBatches


@final
@dataclass(frozen=True, kw_only=True)
class Training:
    """How to train.

    ``seed`` orders the stimuli and draws the noise; the weights' own seed is the model's. With
    ``checkpoint_every`` only every so many timesteps are kept in memory for the backward pass; the
    others are computed twice.
    """

    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 1e-4
    gradient_clip: float = 1.0
    seed: int = 0
    checkpoint_every: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "gradient_clip", "checkpoint_every"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be positive, got {value}")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingResult:
    """A trained model, where it lies, and the mean loss of each epoch."""

    model: RecurrentNetwork
    path: Path
    losses: tuple[float, ...]

    @property
    def sha256(self) -> str:
        """Digest of the checkpoint."""
        return sha256_of(self.path)


def train(
    model: RecurrentNetwork,
    task: ClassificationTask,
    *,
    out: str | Path,
    settings: Training | None = None,
    device: str = "auto",
    progress: Callable[[int, float], Any] = lambda epoch, loss: None,
) -> TrainingResult:
    """Train ``model`` in place and write it to ``out``.

    Every finished epoch is kept beside ``out`` until the end, so that the same call after an
    interruption goes on from there; a finished checkpoint of the same training is read, not
    trained again.

    Parameters
    ----------
    out
        Path of the safetensors checkpoint.
    device
        ``"auto"`` takes a GPU if there is one.
    progress
        Called with each epoch's number, from 0, and mean loss.

    Raises
    ------
    ValueError
        If ``out`` holds another training, or the readout does not predict the task's classes.
    """
    settings = Training() if settings is None else settings
    out = Path(out)
    if model.wiring.readout.predicts != "classes":
        raise ValueError(
            f"{model.wiring.name!r} predicts {model.wiring.readout.predicts!r} and task "
            f"{task.title!r} has classes; build the model with a readout that predicts them, or "
            "train it by neurorec.training.losses.loss_of"
        )
    if task.n_classes > model.wiring.classes:
        raise ValueError(
            f"task {task.title!r} has {task.n_classes} classes and the model's readout "
            f"{model.wiring.classes}; build the model with classes={task.n_classes}"
        )
    if model.wiring.readout.pool == "none":
        raise ValueError(
            f"{model.wiring.name!r} has logits for every pixel and task {task.title!r} one label "
            "per image; build the model with a readout that pools"
        )
    key = _fingerprint(model, task, settings)
    if out.exists():
        return _finished(model, out, key)
    losses = _fit(model, task, settings, out.with_suffix(f".{key[:12]}.partial"), device, progress)
    description = {
        "fingerprint": key,
        "task": task.title,
        "classes": json.dumps(task.class_names),
        "settings": json.dumps(asdict(settings)),
        "losses": json.dumps(losses),
        "neurorec": __version__,
        "torch": torch.__version__,
    }
    save(model, out, metadata=description)
    shutil.rmtree(out.with_suffix(f".{key[:12]}.partial"), ignore_errors=True)
    return TrainingResult(model=model, path=out, losses=tuple(losses))


def _fingerprint(model: RecurrentNetwork, task: ClassificationTask, settings: Training) -> str:
    """Digest of all that determines the result: wiring, first weights, images and settings."""
    digest = hashlib.sha256(model.wiring.model_dump_json().encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy())
    digest.update(task.train.sha256().encode())
    digest.update(labels_of(task.train).tobytes())
    digest.update(json.dumps(asdict(settings), sort_keys=True).encode())
    return digest.hexdigest()


def _finished(model: RecurrentNetwork, out: Path, key: str) -> TrainingResult:
    description = metadata(out)
    if description.get("fingerprint") != key:
        raise ValueError(f"{out} holds a model of another training; give another name or delete it")
    losses = tuple(json.loads(description["losses"]))
    model.load_state_dict(load(out).state_dict())
    return TrainingResult(model=model, path=out, losses=losses)


def _fit(
    model: RecurrentNetwork,
    task: ClassificationTask,
    settings: Training,
    partial: Path,
    device: str,
    progress: Callable[[int, float], Any],
) -> list[float]:
    """Mean loss of each epoch; ``model`` ends on the CPU with the trained weights."""
    from neurorec.training.module import KeepLastEpoch, TemporalClassifier, pl

    images = to_images(require_images(task.train).pixels[:], model.wiring.input_size)
    labels = torch.from_numpy(labels_of(task.train).copy())
    batches = SeededBatches(len(images), settings.batch_size, seed=settings.seed)
    module = TemporalClassifier(
        model,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        seed=settings.seed,
        checkpoint_every=settings.checkpoint_every,
        on_epoch=progress,
    )
    on_gpu = resolve_device(device).type == "cuda"
    last = partial / "last.ckpt"
    with _quietly():
        trainer = pl.Trainer(
            accelerator="gpu" if on_gpu else "cpu",
            devices=1,
            max_epochs=settings.epochs,
            gradient_clip_val=settings.gradient_clip,
            # Some GPU kernels (bilinear resizing) have no deterministic gradient.
            deterministic=not on_gpu,
            callbacks=[KeepLastEpoch(last)],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        loader = DataLoader(TensorDataset(images, labels), batch_sampler=batches)
        resume = str(last) if last.exists() else None
        with _interruptible():
            trainer.fit(module, loader, ckpt_path=resume, weights_only=True)
    model.cpu()
    return module.history


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C stays a KeyboardInterrupt: lightning turns it into an exit and then ignores it."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        raise KeyboardInterrupt from stop
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence lightning's advice, which does not fit small data, and undo its global settings."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        torch.use_deterministic_algorithms(deterministic)
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
        if workspace is not None:
            os.environ["CUBLAS_WORKSPACE_CONFIG"] = workspace
