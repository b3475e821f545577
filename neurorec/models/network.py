"""The engine: one module that runs any wiring."""

import math
from collections.abc import Iterator, Mapping
from typing import final

import torch
from torch import Tensor, nn

from neurorec.models.cells import CELLS
from neurorec.models.combine import Concat, Sum, build_combine, key
from neurorec.models.noise import keep_mask, stream
from neurorec.models.protocol import State
from neurorec.models.wiring import IMAGE, Area, Noise, Shape, Wiring

#: Seed of masks that are the same in every trial.
FROZEN_SEED = 20250809


@final
class AreaModule(nn.Module):
    """Parameters of one area: combine rule, norm and cell."""

    def __init__(self, wiring: Wiring, area: Area, shapes: Mapping[str, Shape]) -> None:
        super().__init__()
        self.combine = build_combine(wiring, area, shapes)
        self.norm = nn.GroupNorm(1, area.channels) if area.norm == "group" else nn.Identity()
        self.cell = CELLS[area.cell]()


@final
class RecurrentNetwork(nn.Module):
    """A wiring, run.

    Satisfies :class:`neurorec.models.protocol.RecurrentModel`.

    Parameters
    ----------
    wiring
        What to run.
    seed
        Of the initial weights: normal with variance 2 / (all inputs of a unit, over all its
        connections), so that the summed drive keeps the scale of its inputs; biases are 0.
    """

    def __init__(self, wiring: Wiring, *, seed: int = 0) -> None:
        super().__init__()
        self.wiring = wiring
        self._shapes = wiring.shapes()
        self.areas = nn.ModuleDict(
            {name: AreaModule(wiring, wiring.area(name), self._shapes) for name in wiring.order()}
        )
        self.decoder = nn.Linear(wiring.area(wiring.readout).channels, wiring.classes)
        _initialise(self, torch.Generator().manual_seed(seed))
        # The layout in which oneDNN and cuDNN compute convolutions.
        for parameter in self.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    @property
    def area_shapes(self) -> dict[str, tuple[int, ...]]:
        """Channels, height and width of each area, in order of evaluation."""
        return {name: self._shapes[name] for name in self.wiring.order()}

    @property
    def stochastic_areas(self) -> frozenset[str]:
        """Areas that differ between trials of one stimulus when noise is on."""
        return self.wiring.stochastic_areas()

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.decoder.weight.device

    def init_state(
        self,
        batch_size: int,
        generator: torch.Generator | None = None,
        *,
        trial_seeds: Tensor | None = None,
    ) -> State:
        """State of zeros before the first timestep.

        Parameters
        ----------
        batch_size
            Number of trials.
        generator
            Draws a seed for each trial.
        trial_seeds
            Seeds of the trials (int64), instead of a generator. With neither, noise is off.

        Raises
        ------
        ValueError
            If both are given, or not one seed per trial.
        """
        if generator is not None and trial_seeds is not None:
            raise ValueError("give a generator or trial_seeds, not both")
        weight = self.decoder.weight
        state: State = {"trial": {"timestep": torch.zeros((), dtype=torch.int64)}}
        if generator is not None:
            trial_seeds = torch.randint(
                2**62, (batch_size,), generator=generator, device=generator.device
            )
        if trial_seeds is not None:
            if trial_seeds.shape != (batch_size,):
                raise ValueError(
                    f"expected {batch_size} trial seeds, got shape {tuple(trial_seeds.shape)}"
                )
            state["trial"]["seed"] = trial_seeds.to(weight.device)
        for name, shape in self._shapes.items():
            names = (*self._cell_states(name), *self._past(name))
            zeros = torch.zeros(
                (batch_size, *shape), dtype=weight.dtype, device=weight.device
            ).contiguous(memory_format=torch.channels_last)
            state[name] = dict.fromkeys(names, zeros)
        return state

    def step(self, x: Tensor, state: State) -> State:
        """State one timestep later.

        Parameters
        ----------
        x
            Images (trial, channel, height, width) in [0, 1].
        state
            From :meth:`init_state` or the step before; it is not changed.
        """
        return self._advance(self._image_terms(x), state)

    def unroll(
        self, x: Tensor, timesteps: int, state: State | None = None
    ) -> Iterator[tuple[int, State]]:
        """Yield ``(timestep, state)`` for ``timesteps`` steps.

        Parameters
        ----------
        x
            A static image per trial (trial, channel, height, width), whose convolutions are done
            once, or one per timestep (timestep, trial, channel, height, width).
        timesteps
            How many; a static image may be shown for longer than in training.
        state
            Where to begin; zeros without noise if left out.

        Raises
        ------
        ValueError
            If a sequence has fewer frames than ``timesteps``.
        """
        if x.ndim == 5 and len(x) < timesteps:
            raise ValueError(f"asked for {timesteps} timesteps of a sequence of {len(x)} frames")
        state = self.init_state(x.shape[-4]) if state is None else state
        terms = self._image_terms(x) if x.ndim == 4 else None
        for timestep in range(timesteps):
            frame_terms = self._image_terms(x[timestep]) if terms is None else terms
            state = self._advance(frame_terms, state)
            yield timestep, state

    def forward(
        self, x: Tensor, *, timesteps: int | None = None, state: State | None = None
    ) -> Tensor:
        """Logits (timestep, trial, class) of an unroll."""
        steps = self.wiring.timesteps if timesteps is None else timesteps
        return torch.stack([self.readout(s) for _, s in self.unroll(x, steps, state)])

    def readout(self, state: State) -> Tensor:
        """Logits (trial, class) from the spatial mean of the readout area."""
        return self.decoder(state[self.wiring.readout]["h"].mean(dim=(2, 3)))

    def _cell_states(self, name: str) -> tuple[str, ...]:
        return self.areas[name].cell.states  # type: ignore[union-attr, return-value]

    def _past(self, name: str) -> tuple[str, ...]:
        """Names under which an area's older outputs wait: ``h_1`` is one step older than ``h``."""
        delays = [c.delay for c in self.wiring.connections if c.source == name]
        return tuple(f"h_{age}" for age in range(1, max(delays, default=0)))

    def _image_terms(self, x: Tensor) -> dict[str, Tensor | None]:
        wiring = self.wiring
        expected = (wiring.input_channels, wiring.input_size, wiring.input_size)
        if x.ndim != 4 or tuple(x.shape[1:]) != expected:
            raise ValueError(
                f"wiring {wiring.name!r} takes images (trial, {', '.join(map(str, expected))}), "
                f"got {tuple(x.shape)}; resize them with neurorec.models.to_images"
            )
        image = (x - wiring.input_mean) / wiring.input_std
        image = image.contiguous(memory_format=torch.channels_last)
        return {name: area.combine.image_terms(image) for name, area in self.areas.items()}  # type: ignore[union-attr, operator]

    def _advance(self, image_terms: Mapping[str, Tensor | None], old: State) -> State:
        timestep = old["trial"]["timestep"]
        new: State = {"trial": {**old["trial"], "timestep": timestep + 1}}
        seeds = old["trial"].get("seed")
        for index, (name, area) in enumerate(self.areas.items()):
            inputs = {
                key(c): self._delivered(c.source, c.delay, old, new)
                for c in self.wiring.into(name)
                if c.source != IMAGE and not c.silenced
            }
            drive = area.norm(area.combine(image_terms[name], inputs))  # type: ignore[union-attr, operator]
            state = area.cell(drive, old[name])  # type: ignore[union-attr, operator]
            noise = self.wiring.area(name).noise
            if noise is not None and seeds is not None:
                state["h"] = _dropped(state["h"], noise, seeds, index, int(timestep))
            for age, past in enumerate(self._past(name), start=1):
                state[past] = old[name]["h" if age == 1 else f"h_{age - 1}"]
            new[name] = state
        return new

    @staticmethod
    def _delivered(source: str, delay: int, old: State, new: State) -> Tensor:
        if delay == 0:
            return new[source]["h"]
        return old[source]["h" if delay == 1 else f"h_{delay - 1}"]


def _dropped(h: Tensor, noise: Noise, seeds: Tensor, index: int, timestep: int) -> Tensor:
    """Dropout of single units, survivors scaled by 1 / (1 - p)."""
    if noise.resample == "frozen":
        seeds = torch.full_like(seeds, FROZEN_SEED)
    labels = (index, timestep) if noise.resample == "step" else (index,)
    mask = keep_mask(stream(seeds, *labels), math.prod(h.shape[1:]), noise.p)
    return h * (mask.view(h.shape) / (1 - noise.p))


@torch.no_grad()
def _initialise(network: RecurrentNetwork, generator: torch.Generator) -> None:
    for area in network.areas.values():
        combine = area.combine
        if isinstance(combine, Sum):
            groups = [list(combine.weights.values())]
        elif isinstance(combine, Concat):
            groups = [[combine.mix], [combine.integrate]]
        else:
            raise TypeError(f"no initial weights are known for {type(combine).__name__}")
        for group in groups:
            fan_in = sum(conv.weight[0].numel() for conv in group)  # type: ignore[union-attr, index]
            for conv in group:
                conv.weight.normal_(0, math.sqrt(2 / fan_in), generator=generator)  # type: ignore[union-attr, operator]
                if conv.bias is not None:
                    conv.bias.zero_()  # type: ignore[union-attr, operator]
    bound = 1 / math.sqrt(network.decoder.in_features)
    network.decoder.weight.uniform_(-bound, bound, generator=generator)
    network.decoder.bias.zero_()
