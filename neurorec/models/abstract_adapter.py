"""What every adapter promises."""

import hashlib
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from neurorec.models.protocol import State
from neurorec.models.watching import Seen, check_areas, map_shape, without_trace

#: Where a state keeps what :meth:`AbstractAdapter.readout` gives.
LOGITS: Final = "logits"
_CHANNELS: Final = 3  # of an image


@final
@dataclass(frozen=True, kw_only=True)
class Viewing:
    """How a module sees images: their size, and what makes its input of values in [0, 1].

    ``input_mean`` is subtracted and ``input_std`` divides, one value or one per channel. ``dt_ms``
    is what a timestep stands for.
    """

    input_size: int
    input_mean: float | int | Sequence[float] = 0.0
    input_std: float | int | Sequence[float] = 1.0
    dt_ms: float | int = 10.0


class AbstractAdapter(nn.Module):
    """A module whose submodules are areas.

    Satisfies :class:`neurorec.models.protocol.RecurrentModel`. There is no noise: seeds of trials
    change nothing. Whether the module is in training or evaluation mode is left as it is.
    """

    def __init__(self, module: nn.Module, areas: Mapping[str, str], viewing: Viewing) -> None:
        super().__init__()
        check_areas(module, areas)
        self.module = module
        self.training = module.training
        self.submodules = dict(areas)
        self.viewing = viewing
        for name in ("input_mean", "input_std"):
            values = torch.as_tensor(getattr(viewing, name), dtype=torch.float32)
            values = values.reshape(-1, 1, 1).to(self.device)
            self.register_buffer(name, values, persistent=False)
        seen = without_trace(module, self._look, self._image_shape)
        # Of one trial; the logits are kept like an area.
        self._shapes = {area: map_shape(calls[0]) for area, calls in seen.areas.items()}
        self._logits_shape = tuple(seen.logits[0].shape[1:])
        self._n_calls = len(seen.logits)

    @property
    def area_shapes(self) -> dict[str, tuple[int, ...]]:
        """Channels, rows and columns of each area, in the order in which they are first called.

        Outputs of fewer dimensions have 1 row or column.
        """
        return dict(self._shapes)

    @property
    def logits_shape(self) -> tuple[int, ...]:
        """Shape of one trial's logits: (class,), or (class, height, width)."""
        return self._logits_shape

    @property
    def stochastic_areas(self) -> frozenset[str]:
        """None: an adapter has no noise."""
        return frozenset()

    @property
    def device(self) -> torch.device:
        """Where the wrapped module is."""
        return self._like.device

    @property
    @abstractmethod
    def timesteps(self) -> int:
        """How many timesteps are run unless another number is asked for."""

    @property
    @abstractmethod
    def max_timesteps(self) -> int | None:
        """How many timesteps there can be; None without a limit."""

    @property
    def name(self) -> str:
        """Of the wrapped module's class."""
        return type(self.module).__name__

    @property
    def input_size(self) -> int:
        """Height and width of the images it takes, in pixels."""
        return self.viewing.input_size

    @property
    def dt_ms(self) -> float | int:
        """What a timestep stands for, in milliseconds."""
        return self.viewing.dt_ms

    def check_time(self, timesteps: int) -> None:
        """Refuse to run for longer than the module does.

        Raises
        ------
        ValueError
            With how long that is.
        """
        if self.max_timesteps is not None and timesteps > self.max_timesteps:
            raise ValueError(
                f"a forward pass of {self.name} is {self.max_timesteps} timesteps, asked for "
                f"{timesteps}; build the module with more, or ask for {self.max_timesteps} at most"
            )

    def description(self) -> dict[str, Any]:
        """All that determines what is recorded, besides the weights; plain values."""
        kind = type(self.module)
        # Without the addresses of functions, which differ between processes.
        structure = re.sub(r" at 0x[0-9a-f]+", "", repr(self.module))
        return {
            "adapter": type(self).__name__,
            "module": f"{kind.__module__}.{kind.__qualname__}",
            "structure_sha256": hashlib.sha256(structure.encode()).hexdigest(),
            "areas": {
                area: {"submodule": self.submodules[area], "shape": list(shape)}
                for area, shape in self._shapes.items()
            },
            "timesteps": self.timesteps,
            **asdict(self.viewing),
        }

    def init_state(
        self,
        batch_size: int,
        generator: torch.Generator | None = None,
        *,
        trial_seeds: Tensor | None = None,
    ) -> State:
        """Zeros; randomness has nothing to act on."""
        state: State = {"trial": {"timestep": torch.zeros((), dtype=torch.int64)}}
        for name, shape in {**self._shapes, LOGITS: self._logits_shape}.items():
            zeros = self._like.new_zeros(batch_size, *shape)
            state[name] = dict.fromkeys(("h", *self._waiting(name)), zeros)
        return state

    @abstractmethod
    def step(self, x: Tensor, state: State) -> State:
        """State one timestep later, images ``x`` (trial, channel, row, col) in [0, 1] shown."""

    @abstractmethod
    def unroll(
        self, x: Tensor, timesteps: int, state: State | None = None
    ) -> Iterator[tuple[int, State]]:
        """Yield ``(timestep, state)`` for ``timesteps`` steps."""

    def readout(self, state: State) -> Tensor:
        """Logits (trial, class); zeros where there is no answer yet."""
        return state[LOGITS]["h"]

    @abstractmethod
    def _look(self, module: nn.Module, image: Tensor) -> Seen:
        """One forward pass of ``module``, this one or a copy."""

    def _waiting(self, name: str) -> tuple[str, ...]:
        """Names under which values wait that are released later, the next one first."""
        return ()

    @property
    def _image_shape(self) -> tuple[int, int, int]:
        return (_CHANNELS, self.viewing.input_size, self.viewing.input_size)

    @property
    def _like(self) -> Tensor:
        tensors = chain(self.module.parameters(), self.module.buffers())
        return next((t for t in tensors if t.is_floating_point()), torch.zeros(()))

    def _seen(self, x: Tensor) -> Seen:
        if x.ndim != 4 or tuple(x.shape[1:]) != self._image_shape:
            raise ValueError(
                f"{self.name} takes images (trial, {', '.join(map(str, self._image_shape))}), got "
                f"{tuple(x.shape)}; resize them with neurorec.models.to_images"
            )
        image = (x - self.input_mean) / self.input_std  # type: ignore[operator]
        return self._look(self.module, image.to(self._like.dtype))
