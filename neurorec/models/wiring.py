"""A model as plain data: areas, the connections between them, and how time passes."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from neurorec._yaml import FrozenModel, PlacedError

#: The source of every connection that carries the stimulus.
IMAGE: Final = "image"
#: Names of other things in states and recordings.
RESERVED: Final = (IMAGE, "trial", "logits")

Shape = tuple[int, int, int]
Positive = Annotated[int, Field(ge=1)]
OddKernel = Annotated[int, Field(ge=1, le=31)]
Kind = Literal["feedforward", "lateral", "feedback", "skip"]


class Noise(FrozenModel):
    """Multiplicative Bernoulli noise on every unit of an area: dropout.

    ``resample`` draws the mask anew at each ``step``, once per ``trial``, or keeps one mask for
    all trials (``frozen``).
    """

    kind: Literal["dropout"] = "dropout"
    p: Annotated[float, Field(gt=0, lt=1)]
    resample: Literal["step", "trial", "frozen"] = "step"


class Area(FrozenModel):
    """A map of units that share one convolutional rule."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    channels: Positive
    kernel: OddKernel = 3
    stride: Positive = 1
    combine: Literal["sum", "concat"] = "sum"
    cell: Literal["rectified", "time_decay"] = "rectified"
    norm: Literal["none", "group"] = "none"
    noise: Noise | None = None

    @model_validator(mode="after")
    def _check(self) -> "Area":
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel of area {self.name!r} must be odd, got {self.kernel}")
        if self.name in RESERVED:
            raise ValueError(f"an area may not be called {self.name!r}; choose another name")
        return self


class Connection(FrozenModel):
    """Signals from ``source`` that reach ``target`` after ``delay`` timesteps.

    A ``silenced`` connection keeps its parameters and delivers zeros, which makes a control of
    equal capacity.
    """

    source: str
    target: str
    kind: Kind = "feedforward"
    delay: Annotated[int, Field(ge=0)] = 0
    resize: Literal["bilinear", "nearest"] | None = None
    silenced: bool = False

    def __str__(self) -> str:
        return f"{self.source} → {self.target}"


class Wiring(FrozenModel):
    """Areas and connections, the input they see and the time they take.

    Connections of zero delay are evaluated in their own order within a timestep; the others read
    what their source sent ``delay`` timesteps before, and zeros before there was anything. An
    unroll mode is therefore a choice of delays.

    Raises
    ------
    ValueError
        If an area or connection is named that does not exist, zero delays form a cycle, an area
        has no input or several maps that do not match.
    """

    name: str
    areas: Annotated[tuple[Area, ...], Field(min_length=1)]
    connections: Annotated[tuple[Connection, ...], Field(min_length=1)]
    input_size: Positive = 32
    input_channels: Positive = 3
    input_mean: float = 0.5
    input_std: Annotated[float, Field(gt=0)] = 0.25
    classes: Annotated[int, Field(ge=2)] = 10
    readout: str
    timesteps: Positive = 8
    dt_ms: Annotated[float, Field(gt=0)] = 10.0
    source: str = ""
    claims: tuple[str, ...] = ()
    our_choices: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> "Wiring":
        names = [area.name for area in self.areas]
        if len(set(names)) != len(names):
            raise ValueError(f"area names must differ, got {names}")
        pairs = [(c.source, c.target, c.delay) for c in self.connections]
        if len(set(pairs)) != len(pairs):
            raise ValueError("two connections join the same areas with the same delay; remove one")
        for index in range(len(self.connections)):
            self._check_connection(index, names)
        if self.readout not in names:
            raise PlacedError(
                f"readout must be one of the areas {names}, got {self.readout!r}", "readout"
            )
        self.shapes()
        return self

    def _check_connection(self, index: int, names: list[str]) -> None:
        connection, place = self.connections[index], ("connections", index)
        if connection.source not in (IMAGE, *names):
            raise PlacedError(
                f"connection {connection} starts at an unknown area {connection.source!r}; "
                f"the areas are {[IMAGE, *names]}",
                *place,
            )
        if connection.target not in names:
            raise PlacedError(
                f"connection {connection} ends at an unknown area {connection.target!r}; "
                f"the areas are {names}",
                *place,
            )
        if connection.source == IMAGE and connection.delay:
            raise PlacedError(
                f"connection {connection} must have delay 0, got {connection.delay}", *place
            )
        if (connection.kind == "lateral") != (connection.source == connection.target):
            raise PlacedError(
                f"connection {connection} has kind {connection.kind!r}; "
                "lateral means from an area to itself, and only that",
                *place,
            )
        if connection.kind == "feedforward" and (connection.resize or connection.silenced):
            raise PlacedError(
                f"connection {connection} is feedforward and can neither be resized nor silenced; "
                "call it a skip connection",
                *place,
            )

    def order(self) -> tuple[str, ...]:
        """Areas in the order in which one timestep evaluates them.

        Raises
        ------
        ValueError
            If connections of zero delay form a cycle.
        """
        graph: dict[str, set[str]] = {area.name: set() for area in self.areas}
        for connection in self.connections:
            if connection.delay == 0 and connection.source != IMAGE:
                graph[connection.target].add(connection.source)
        try:
            return tuple(TopologicalSorter(graph).static_order())
        except CycleError as error:
            cycle = error.args[1]
            last = max(
                i
                for i, c in enumerate(self.connections)
                if c.delay == 0 and c.source in cycle and c.target in cycle
            )
            raise PlacedError(
                f"connections of zero delay form a cycle, {' → '.join(reversed(cycle))}; "
                "give one of them a delay",
                "connections",
                last,
            ) from None

    def area(self, name: str) -> Area:
        """The area called ``name``.

        Raises
        ------
        ValueError
            If there is none; the message lists those that exist.
        """
        for area in self.areas:
            if area.name == name:
                return area
        raise ValueError(f"no area {name!r}; the areas are {[a.name for a in self.areas]}")

    def into(self, name: str) -> tuple[Connection, ...]:
        """Connections that end at ``name``; their order does not depend on the file's."""
        return tuple(
            sorted(
                (c for c in self.connections if c.target == name),
                key=lambda c: (c.source != IMAGE, c.source, c.delay),
            )
        )

    def source_shape(self, connection: Connection, shapes: Mapping[str, Shape]) -> Shape:
        """Channels, height and width of what ``connection`` carries."""
        if connection.source == IMAGE:
            return self.input_channels, self.input_size, self.input_size
        return shapes[connection.source]

    def shapes(self) -> dict[str, Shape]:
        """Channels, height and width of each area, without running anything.

        Raises
        ------
        ValueError
            If an area has no feedforward input or a connection's maps do not fit.
        """
        shapes: dict[str, Shape] = {}
        waiting = list(self.order())
        # An area's map follows from its feedforward inputs, whatever their delay.
        while waiting:
            ready = [name for name in waiting if self._drivers_known(name, shapes)]
            if not ready:
                raise ValueError(
                    f"the size of area {waiting[0]!r} cannot be known: no chain of feedforward "
                    f"connections leads to it from {IMAGE!r}"
                )
            for name in ready:
                shapes[name] = self._shape(name, shapes)
                waiting.remove(name)
        for index in range(len(self.connections)):
            self._check_maps(index, shapes)
        return shapes

    def _drivers(self, name: str) -> list[Connection]:
        return [c for c in self.into(name) if c.kind == "feedforward"]

    def _drivers_known(self, name: str, shapes: Mapping[str, Shape]) -> bool:
        drivers = self._drivers(name)
        return bool(drivers) and all(c.source in (IMAGE, *shapes) for c in drivers)

    def _shape(self, name: str, shapes: Mapping[str, Shape]) -> Shape:
        area = self.area(name)
        sizes = {self.source_shape(c, shapes)[1:] for c in self._drivers(name)}
        if len(sizes) > 1:
            raise ValueError(
                f"feedforward inputs of area {name!r} differ in size, {sorted(sizes)}; "
                "make all but one of them skip connections with a resize rule"
            )
        height, width = sizes.pop()
        return area.channels, -(-height // area.stride), -(-width // area.stride)

    def landing_size(self, connection: Connection, shapes: Mapping[str, Shape]) -> tuple[int, int]:
        """Height and width at which ``connection`` meets the other inputs of its target."""
        if self.area(connection.target).combine == "concat":
            # Concatenated maps meet before the area's own convolution and its stride.
            driver = self._drivers(connection.target)[0]
            return self.source_shape(driver, shapes)[1:]
        return shapes[connection.target][1:]

    def _check_maps(self, index: int, shapes: Mapping[str, Shape]) -> None:
        connection = self.connections[index]
        if connection.kind == "feedforward" or connection.resize is not None:
            return
        given = self.source_shape(connection, shapes)[1:]
        wanted = self.landing_size(connection, shapes)
        if given != wanted:
            raise PlacedError(
                f"{connection.kind} connection {connection} brings a map of {given} where "
                f"{wanted} is needed; give it a resize rule, bilinear or nearest",
                "connections",
                index,
            )

    def without(self, what: Literal["feedback", "lateral", "skip", "noise"]) -> "Wiring":
        """The control that lacks ``what`` and keeps every parameter.

        Connections of that kind are silenced; ``"noise"`` takes the noise off every area.

        Raises
        ------
        ValueError
            If there is nothing of the kind.
        """
        if what == "noise":
            areas = tuple(a.model_copy(update={"noise": None}) for a in self.areas)
            changes: dict[str, Any] = {"areas": areas}
            present = any(area.noise for area in self.areas)
        else:
            connections = tuple(
                c.model_copy(update={"silenced": True}) if c.kind == what else c
                for c in self.connections
            )
            changes, present = {"connections": connections}, connections != self.connections
        if not present:
            raise ValueError(f"wiring {self.name!r} has no {what} to take away")
        return self.model_copy(update=changes)

    def stochastic_areas(self) -> frozenset[str]:
        """Areas whose activity depends on noise: noisy ones and all that hear from them."""
        # A frozen mask is the same in all trials.
        reached = {a.name for a in self.areas if a.noise and a.noise.resample != "frozen"}
        while True:
            heard = {
                c.target for c in self.connections if c.source in reached and not c.silenced
            } | reached
            if heard == reached:
                return frozenset(reached)
            reached = heard
