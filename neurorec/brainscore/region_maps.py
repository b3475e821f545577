"""Which areas stand for a region where nobody says it: those that are called so."""

from typing import Final

from neurorec.models import RecurrentModel, RecurrentNetwork

#: Regions that Brain-Score's benchmarks record from.
REGIONS: Final[tuple[str, ...]] = ("V1", "V2", "V4", "IT")


def default_regions(model: RecurrentModel) -> dict[str, list[str]]:
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
        raise ValueError(
            f"no area of {model.name!r} is called {', '.join(REGIONS[:-1])} or {REGIONS[-1]}; say "
            f"which areas stand for which region, as regions={{'IT': {areas[-1]!r}}} or --region "
            f"IT={areas[-1]}, or let 'neurorec brainscore regions' find them; it has {areas}"
        )
    return found


def _areas_of(model: RecurrentModel, region: str) -> list[str]:
    if region in model.area_shapes:
        return [region]
    if not isinstance(model, RecurrentNetwork):
        return []
    return [area.name for area in model.wiring.areas if area.region == region]
