"""For how long a network can run, and why not for longer."""

from collections.abc import Iterator, Mapping

from neurorec.models.area import AreaModule
from neurorec.models.wiring import Wiring


def time_limits(wiring: Wiring, areas: Mapping[str, AreaModule]) -> Iterator[tuple[int, str]]:
    """Numbers of timesteps that may not be exceeded, with their reasons."""
    for name, area in areas.items():
        if area.stop is None and area.max_timesteps is not None:
            yield (
                area.start + area.max_timesteps,
                f"area {name!r} has parameters of its own for each of {area.max_timesteps} "
                "timesteps (a norm or weights per step); build it with more timesteps and train "
                "it again, or share them over time",
            )
    if wiring.schedule == "area_to_completion":
        yield (
            wiring.timesteps,
            "its areas run one after the other, each for its iterations; raise those",
        )
    if wiring.readout.over_time == "softmax":
        yield (
            wiring.timesteps,
            "its readout has a weight for each timestep (over_time: softmax); choose another rule",
        )
