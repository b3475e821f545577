"""The one interface by which training, recording and dynamics know a model."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

#: Named tensors of each area, ``state["a1"]["h"]``; ``state["trial"]`` holds the trials' clock and
#: seeds.
State = dict[str, dict[str, Tensor]]


@runtime_checkable
class RecurrentModel(Protocol):
    """A model that moves through time in explicit steps.

    Noise acts if, and only if, ``init_state`` is given a source of randomness.
    """

    @property
    def area_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each area's ``h`` for one stimulus."""
        ...

    def init_state(
        self,
        batch_size: int,
        generator: torch.Generator | None = None,
        *,
        trial_seeds: Tensor | None = None,
    ) -> State:
        """State before the first timestep."""
        ...

    def step(self, x: Tensor, state: State) -> State:
        """State one timestep later, the stimulus ``x`` being shown."""
        ...

    def readout(self, state: State) -> Tensor:
        """Logits (trial, class)."""
        ...

    def unroll(self, x: Tensor, timesteps: int, state: State) -> Iterator[tuple[int, State]]:
        """Pairs of timestep and state."""
        ...
