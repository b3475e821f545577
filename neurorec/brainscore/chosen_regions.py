"""Regions that were chosen at some time of the model, at which they are then read."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from neurorec.brainscore.time_bins import Timeline

#: Settings of a subject that say when its timesteps are.
_TIME: Final = ("dt_ms", "onset_ms", "timesteps")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ChosenRegions(Mapping[str, list[str]]):
    """Areas of each region; equal to a ``dict`` of the same.

    Parameters
    ----------
    areas
        Of each region.
    timeline
        At which they were chosen; None where nobody says it.
    origin
        What to call them.
    """

    areas: Mapping[str, list[str]]
    timeline: Timeline | None
    origin: str = "the regions"

    def __getitem__(self, region: str) -> list[str]:
        return self.areas[region]

    def __iter__(self) -> Iterator[str]:
        return iter(self.areas)

    def __len__(self) -> int:
        return len(self.areas)

    def __repr__(self) -> str:
        return repr(dict(self.areas))


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=4)


def in_chosen_time(
    regions: Any, settings: Mapping[str, Any], *, say: Callable[[str], Any] = _warn
) -> dict[str, Any]:
    """``settings`` with the time of ``regions``, but for what they say of it themselves.

    Parameters
    ----------
    say
        Called with a sentence where they say something else.
    """
    chosen = _chosen(regions)
    given = {name: value for name in _TIME if (value := settings.get(name)) is not None}
    asked = {**chosen, **given}
    if chosen and asked != chosen:
        say(
            f"{regions.origin} were chosen at {_text(**chosen)}, and are read at {_text(**asked)} "
            "as asked for; leave that out to keep theirs"
        )
    return {**settings, **asked}


def _chosen(regions: Any) -> dict[str, Any]:
    line = regions.timeline if isinstance(regions, ChosenRegions) else None
    if line is None:
        return {}
    return dict(zip(_TIME, (line.dt_ms, line.onset_ms, line.n_timesteps), strict=True))


def _text(dt_ms: float | int, onset_ms: float | int, timesteps: int) -> str:
    steps = "1 timestep" if timesteps == 1 else f"{timesteps} timesteps"
    return f"{steps} of {dt_ms:g} ms from {onset_ms:g} ms"
