"""Models that are not wirings, made to satisfy the one interface that recording knows.

An adapter watches named submodules during a forward pass of the wrapped module. Its states are what
was seen; the module computes from the image alone, so that changing a state changes nothing later.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from neurorec._checks import check_option
from neurorec.models.abstract_adapter import LOGITS, AbstractAdapter, Viewing
from neurorec.models.protocol import State
from neurorec.models.watching import Seen, as_map, check_submodule, tensor_of, watch

MODES: Final = ("constant", "sweep")


@final
class Feedforward(AbstractAdapter):
    """A module that runs once per image; see :func:`feedforward`."""

    def __init__(
        self, module: nn.Module, areas: Mapping[str, str], viewing: Viewing, mode: str
    ) -> None:
        self.mode = check_option("mode", mode, MODES)
        super().__init__(module, areas, viewing)

    @property
    def timesteps(self) -> int:
        """1, or one per area in a sweep."""
        return 1 if self.mode == "constant" else len(self._shapes)

    @property
    def max_timesteps(self) -> None:
        """No limit."""
        return None

    def description(self) -> dict[str, Any]:
        """All that determines what is recorded, besides the weights; plain values."""
        return {**super().description(), "mode": self.mode}

    def step(self, x: Tensor, state: State) -> State:
        """State one timestep later, images ``x`` (trial, channel, row, col) in [0, 1] shown."""
        return self._advance(self._seen(x), state)

    def unroll(
        self, x: Tensor, timesteps: int, state: State | None = None
    ) -> Iterator[tuple[int, State]]:
        """Yield ``(timestep, state)``; static images pass through the module once.

        Raises
        ------
        ValueError
            If a sequence (timestep, trial, channel, row, col) has fewer frames than timesteps.
        """
        if x.ndim == 5 and len(x) < timesteps:
            raise ValueError(f"asked for {timesteps} timesteps of a sequence of {len(x)} frames")
        state = self.init_state(x.shape[-4]) if state is None else state
        static = None if x.ndim == 5 else self._seen(x)
        for timestep in range(timesteps):
            state = self._advance(self._seen(x[timestep]) if static is None else static, state)
            yield timestep, state

    def _look(self, module: nn.Module, image: Tensor) -> Seen:
        calls, returned = watch(module, self.submodules, image)
        for area, outputs in calls.items():
            if len(outputs) > 1:
                raise ValueError(
                    f"submodule {self.submodules[area]!r} (area {area!r}) is called "
                    f"{len(outputs)} times in one forward pass; name one that is called once, or "
                    "use per_timestep if every call is a timestep"
                )
        return Seen(calls, [tensor_of(returned, "the module", len(image))])

    def _waiting(self, name: str) -> tuple[str, ...]:
        if self.mode == "constant":
            return ()
        order = list(self._shapes)
        delay = len(order) - 1 if name == LOGITS else order.index(name)
        return tuple(f"in_{n}" for n in range(1, delay + 1))

    def _advance(self, seen: Seen, old: State) -> State:
        new: State = {"trial": {**old["trial"], "timestep": old["trial"]["timestep"] + 1}}
        values = {area: as_map(seen.areas[area][0]) for area in self._shapes}
        for name, value in {**values, LOGITS: seen.logits[0]}.items():
            waiting = self._waiting(name)
            line = (*(old[name][w] for w in waiting), value)
            new[name] = dict(zip(("h", *waiting), line, strict=True))
        return new


@final
class PerTimestep(AbstractAdapter):
    """A module whose forward pass is all its timesteps; see :func:`per_timestep`."""

    def __init__(
        self, module: nn.Module, areas: Mapping[str, str], viewing: Viewing, decoder: str | None
    ) -> None:
        if decoder is not None:
            check_submodule(module, decoder, "the decoder")
        self.decoder = decoder
        super().__init__(module, areas, viewing)

    @property
    def timesteps(self) -> int:
        """How often the module calls each area."""
        return self._n_calls

    @property
    def max_timesteps(self) -> int:
        """As many as the module runs."""
        return self._n_calls

    def description(self) -> dict[str, Any]:
        """All that determines what is recorded, besides the weights; plain values."""
        return {**super().description(), "decoder": self.decoder}

    def step(self, x: Tensor, state: State) -> State:
        """State one timestep later; each step runs the whole module, an unroll runs it once."""
        timestep = int(state["trial"]["timestep"])
        self.check_time(timestep + 1)
        return self._at(timestep, self._seen(x))

    def unroll(
        self, x: Tensor, timesteps: int, state: State | None = None
    ) -> Iterator[tuple[int, State]]:
        """Yield ``(timestep, state)`` of one forward pass.

        Raises
        ------
        ValueError
            If the module runs fewer timesteps, or ``x`` is not one image per trial.
        """
        first = 0 if state is None else int(state["trial"]["timestep"])
        self.check_time(first + timesteps)
        seen = self._seen(x)
        for timestep in range(timesteps):
            yield timestep, self._at(first + timestep, seen)

    def _look(self, module: nn.Module, image: Tensor) -> Seen:
        calls, returned = watch(module, self.submodules, image)
        n_calls = {area: len(outputs) for area, outputs in calls.items()}
        if len(set(n_calls.values())) > 1:
            raise ValueError(
                f"a timestep is one call of every area, but the numbers of calls are {n_calls}; "
                "name submodules that are called equally often"
            )
        n_timesteps = next(iter(n_calls.values()))
        if self.decoder is not None:
            decoder = module.get_submodule(self.decoder)
            top = calls[list(self.submodules)[-1]]
            answers = [decoder(output) for output in top]
        else:
            answers = _answers(returned, n_timesteps, len(image))
        return Seen(calls, [tensor_of(a, "the readout", len(image)) for a in answers])

    def _at(self, timestep: int, seen: Seen) -> State:
        state: State = {"trial": {"timestep": torch.tensor(timestep + 1)}}
        for area in self._shapes:
            state[area] = {"h": as_map(seen.areas[area][timestep])}
        return {**state, LOGITS: {"h": seen.logits[timestep]}}


def feedforward(
    module: nn.Module,
    areas: Mapping[str, str],
    *,
    input_size: int,
    mode: str = "constant",
    input_mean: float | int | Sequence[float] = 0.0,
    input_std: float | int | Sequence[float] = 1.0,
    dt_ms: float | int = 10.0,
) -> Feedforward:
    """A module without time as a model with timesteps.

    Parameters
    ----------
    module
        Any; the logits are what it returns, or the first of what it returns.
    areas
        Name of each area, and of the submodule whose output it is: ``{"V1": "layer1"}``, with dots
        for deeper ones.
    input_size, input_mean, input_std, dt_ms
        As in :class:`Viewing`.
    mode
        ``constant``: every timestep has the values of a whole pass. ``sweep``: a timestep is one
        area's; the area called k-th (from 0) first carries the image at timestep k, the logits
        with the last area, and before that they are zeros.

    Raises
    ------
    ValueError
        If a submodule does not exist, is not called exactly once or gives no tensor.
    """
    viewing = Viewing(
        input_size=input_size, input_mean=input_mean, input_std=input_std, dt_ms=dt_ms
    )
    return Feedforward(module, areas, viewing, mode)


def per_timestep(
    module: nn.Module,
    areas: Mapping[str, str],
    *,
    input_size: int,
    decoder: str | None = None,
    input_mean: float | int | Sequence[float] = 0.0,
    input_std: float | int | Sequence[float] = 1.0,
    dt_ms: float | int = 10.0,
) -> PerTimestep:
    """A module that runs all its timesteps in one forward pass, as CORnet does.

    Every call of an area's submodule is a timestep. Of an output that is a tuple, such as an
    output and a state, the first counts.

    Parameters
    ----------
    module
        Any; if it returns a list of one tensor per timestep, these are the logits. A single
        tensor is the answer at the last timestep, and the logits before are zeros.
    areas
        Name of each area, and of the submodule that is called once per timestep.
    decoder
        Submodule that makes logits of the output of the area named last, at every timestep.
    input_size, input_mean, input_std, dt_ms
        As in :class:`Viewing`.

    Raises
    ------
    ValueError
        If a submodule does not exist, is called less often than another, or gives no tensor.
    """
    viewing = Viewing(
        input_size=input_size, input_mean=input_mean, input_std=input_std, dt_ms=dt_ms
    )
    return PerTimestep(module, areas, viewing, decoder)


def _answers(returned: Any, n_timesteps: int, n_trials: int) -> list[Any]:
    """Logits of each timestep from what a module returned."""
    if isinstance(returned, list):
        if len(returned) != n_timesteps:
            raise ValueError(
                f"the module returned a list of {len(returned)} for {n_timesteps} timesteps; "
                "name the submodule that makes its logits as decoder"
            )
        return returned
    answer = tensor_of(returned, "the module", n_trials)
    return [torch.zeros_like(answer)] * (n_timesteps - 1) + [answer]
