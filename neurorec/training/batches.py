"""The order in which training shows its stimuli."""

from collections.abc import Iterator
from typing import final

import torch
from torch.utils.data import Sampler


@final
class SeededBatches(Sampler[list[int]]):
    """Batches of a random order that depends on the seed and the epoch alone.

    A run that is resumed at an epoch therefore goes on as if it had never stopped. The last,
    smaller batch of an epoch is left out.
    """

    def __init__(self, n_stimuli: int, batch_size: int, *, seed: int) -> None:
        if n_stimuli < batch_size:
            raise ValueError(
                f"{n_stimuli} training images do not fill a batch of {batch_size}; "
                "use a smaller batch_size"
            )
        self.n_stimuli = n_stimuli
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        # Where lightning looks for a sampler to tell the epoch to.
        self.sampler = self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; the trainer calls this before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_stimuli // self.batch_size

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        order = torch.randperm(self.n_stimuli, generator=generator)
        for batch in order[: len(self) * self.batch_size].split(self.batch_size):
            yield batch.tolist()
