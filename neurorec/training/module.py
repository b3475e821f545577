"""The Lightning module."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from neurorec._checks import atomic_path
from neurorec._torchvision import make_torchvision_importable
from neurorec.models import RecurrentNetwork
from neurorec.training.losses import loss_of

make_torchvision_importable()  # lightning imports torchvision wherever it is installed
import lightning.pytorch as pl  # noqa: E402
from lightning.pytorch.callbacks import Checkpoint  # noqa: E402


@final
class TemporalClassifier(pl.LightningModule):
    """Trains a network to classify by the loss of :mod:`neurorec.training.losses`.

    Noise is drawn from a generator seeded with ``seed`` and the number of the optimiser's step.
    """

    def __init__(
        self,
        network: RecurrentNetwork,
        *,
        learning_rate: float,
        weight_decay: float,
        seed: int,
        checkpoint_every: int | None,
        on_epoch: Callable[[int, float], None],
    ) -> None:
        super().__init__()
        self.network = network
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.seed = seed
        self.checkpoint_every = checkpoint_every
        self.on_epoch = on_epoch
        self.losses: list[float] = []
        self.history: list[float] = []

    def on_train_epoch_start(self) -> None:
        """Release what the wiring freezes for a number of epochs only."""
        self.network.freeze(self.current_epoch)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """Loss of one batch."""
        images, labels = batch
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.global_step)
        state = self.network.init_state(len(images), generator)
        loss = loss_of(self.network, images, labels, state, checkpoint_every=self.checkpoint_every)
        self.losses.append(loss.item())
        return loss

    def on_train_epoch_end(self) -> None:
        """Keep the epoch's mean loss and report it."""
        self.history.append(sum(self.losses) / len(self.losses))
        self.losses = []
        if not math.isfinite(self.history[-1]):
            raise ValueError(
                f"the loss of epoch {self.current_epoch} is {self.history[-1]}: training diverged; "
                f"use a learning_rate below {self.learning_rate} or a smaller gradient_clip"
            )
        self.on_epoch(self.current_epoch, self.history[-1])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Carry the history along, so that a resumed run reports all of it."""
        checkpoint["history"] = list(self.history)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the history."""
        self.history = list(checkpoint["history"])

    def configure_optimizers(self) -> Any:
        """AdamW under one cycle of the learning rate."""
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=self.learning_rate,
            total_steps=int(self.trainer.estimated_stepping_batches),
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


@final
class KeepLastEpoch(Checkpoint):
    """Writes the trainer's state after every epoch, whole or not at all.

    Lightning's own callback writes in place, and a process killed meanwhile leaves half a file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replace the state of the epoch before."""
        with atomic_path(self.path) as temporary:
            trainer.save_checkpoint(temporary)
