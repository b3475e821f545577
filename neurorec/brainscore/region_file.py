"""Reading the file of a choice of regions."""

import json
from operator import index
from pathlib import Path
from typing import Any, Final

from neurorec.brainscore.chosen_regions import ChosenRegions
from neurorec.brainscore.time_bins import Timeline

#: Changes when the file means something else.
FORMAT: Final = 1


def read_regions(path: str | Path) -> ChosenRegions:
    """Areas of each region, of a file that :meth:`RegionFit.to_json` wrote, and their time.

    A subject that is made with them has the time at which they were chosen, unless it is given
    another. A file that a person wrote may hold nothing but ``{"V4": "V4", "IT": ["PIT", "AIT"]}``.

    Raises
    ------
    ValueError
        If it is no such file.
    """
    content = _content(Path(path))
    regions = content.get("regions", content)
    listed = {k: [v] if isinstance(v, str) else v for k, v in _mapping(regions, path).items()}
    for region, areas in listed.items():
        if not (isinstance(areas, list) and areas and all(isinstance(a, str) for a in areas)):
            raise ValueError(
                f"{path}: region {region!r} must be one area or a list of them, got "
                f"{regions[region]!r}"
            )
    origin = f"the regions of {path}"
    return ChosenRegions(areas=listed, timeline=_timeline(content, path), origin=origin)


def read_training_stimuli(path: str | Path) -> dict[str, str]:
    """Digest of each stimulus on which a choice rests, of a file of :meth:`RegionFit.to_json`.

    Raises
    ------
    ValueError
        If the file does not say.
    """
    content = _content(Path(path))
    if "training_stimuli" not in content:
        raise ValueError(
            f"{path} does not say on which stimuli its regions were chosen; write it with "
            "RegionFit.to_json, or 'neurorec brainscore regions'"
        )
    return {str(k): str(v) for k, v in _mapping(content["training_stimuli"], path).items()}


def says_training_stimuli(path: str | Path) -> bool:
    """Whether :func:`read_training_stimuli` can read them; a file by hand may not have them."""
    return "training_stimuli" in _content(Path(path))


def _timeline(content: dict[str, Any], path: str | Path) -> Timeline | None:
    """Time of the model, of a file that says it."""
    known = content.get("provenance")
    line = known.get("timeline") if isinstance(known, dict) and "regions" in content else None
    if line is None:
        return None
    try:
        dt_ms, onset_ms = float(line["dt_ms"]), float(line["onset_ms"])
        return Timeline(dt_ms=dt_ms, n_timesteps=index(line["timesteps"]), onset_ms=onset_ms)
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f'{path} must say when timesteps were as {{"dt_ms": 20, "onset_ms": 0, "timesteps": '
            f"6}}, got {json.dumps(line)[:60]}"
        ) from None


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no JSON file of regions: {error}") from None
    content = _mapping(content, path)
    if content.get("format", FORMAT) != FORMAT:
        raise ValueError(
            f"{path} has format {content['format']!r} and this neurorec reads {FORMAT}; write it "
            "anew with 'neurorec brainscore regions'"
        )
    return content


def _mapping(value: Any, path: str | Path) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise ValueError(
            f'{path} must hold regions such as {{"V4": "V4", "IT": ["PIT", "AIT"]}}, got '
            f"{json.dumps(value)[:60]}"
        )
    return value
