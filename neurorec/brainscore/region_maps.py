"""Which areas stand for a region: those that are called so, or those of a file."""

import json
from pathlib import Path
from typing import Final

from neurorec.models import RecurrentModel, RecurrentNetwork

#: Regions that Brain-Score's benchmarks record from.
REGIONS: Final = ("V1", "V2", "V4", "IT")


def default_regions(model: RecurrentModel) -> dict[str, tuple[str, ...]]:
    """Areas that bear the name of a region, in :data:`REGIONS`.

    An area of that name stands for its region alone, even where the wiring has other stages of it:
    theirs is what it receives. Where no area has the name, all areas do that the wiring says to be
    of the region. Regions that no area belongs to are left out.

    Raises
    ------
    ValueError
        If there is none, with what can be given.
    """
    found = {region: _areas_of(model, region) for region in REGIONS}
    found = {region: areas for region, areas in found.items() if areas}
    if not found:
        areas = list(model.area_shapes)
        example = areas[-1]
        raise ValueError(
            f"no area of {model.name!r} is called {', '.join(REGIONS[:-1])} or {REGIONS[-1]}; it "
            f"has {areas}. Say which stands for which region with regions={{'IT': {example!r}}} "
            f"(--region IT={example}), or let 'neurorec brainscore regions' find it"
        )
    return found


def _areas_of(model: RecurrentModel, region: str) -> tuple[str, ...]:
    if region in model.area_shapes:
        return (region,)
    if not isinstance(model, RecurrentNetwork):
        return ()
    return tuple(area.name for area in model.wiring.areas if area.region == region)


def read_regions(path: str | Path) -> dict[str, list[str]]:
    """Areas of each region from a JSON file, ``{"V4": "layer2", "IT": ["PIT", "AIT"]}``.

    Brain-Score's ``region_layer_map`` files are such.

    Raises
    ------
    ValueError
        If the file is none of that kind.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file of regions {path}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    if not isinstance(content, dict) or not content:
        raise ValueError(f'{path} must hold areas of regions, such as {{"V4": "layer2"}}')
    return {region: _listed(path, region, areas) for region, areas in content.items()}


def _listed(path: Path, region: str, areas: object) -> list[str]:
    listed = [areas] if isinstance(areas, str) else areas
    if not isinstance(listed, list) or not all(isinstance(area, str) for area in listed):
        raise ValueError(
            f"{path}: region {region!r} must name an area or a list of them, got {areas!r}"
        )
    return listed
