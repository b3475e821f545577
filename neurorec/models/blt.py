"""Bottom-up, lateral and top-down networks: a chain of areas as one call."""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

from neurorec.models.parts import AbstractOperator
from neurorec.models.wiring import IMAGE, Area, Connection, Wiring


def blt(
    areas: Sequence[Area],
    *,
    bottom_up: Mapping[str, Mapping[str, Any]] = {},
    lateral: Collection[str] = (),
    top_down: Mapping[str, AbstractOperator] = {},
    combine: Literal["sum", "multiply"] = "sum",
    **fields: Any,
) -> Wiring:
    r"""Areas one above the other, that hear themselves and the area above.

    .. math::

        d_a(t) = B_a\,y_{a-1}(t) + L_a\,y_a(t-1) + T_a\,y_{a+1}(t-1)

    or, with ``multiply``, :math:`d_a = B_a\,y_{a-1} (1 + L_a\,y_a + T_a\,y_{a+1})`, with what is
    bottom-up of the same timestep. Spoerer et al. (2020) call the networks B, BL, BT and BLT.

    Parameters
    ----------
    areas
        From the image up.
    bottom_up
        Fields of the connection that climbs to an area, by the area's name, where it is more than
        a convolution with the area's kernel.
    lateral
        Names of the areas that hear themselves.
    top_down
        The operator of what comes from above, by the name of the area that hears it.
    combine
        Whether lateral and top-down signals are added to the drive or multiply it.
    **fields
        The other fields of the wiring.

    Raises
    ------
    ValueError
        If a connection belongs to an area that is not there, or the highest is to hear one above.
    """
    names = [area.name for area in areas]
    unknown = {*bottom_up, *lateral, *top_down} - set(names)
    if unknown:
        raise ValueError(f"no areas {sorted(unknown)}; the areas are {names}")
    if names[-1] in top_down:
        raise ValueError(f"top_down names {names[-1]!r}, the highest area; nothing is above it")
    modulated = {*lateral, *top_down} if combine == "multiply" else set()
    role: dict[str, Any] = {"delay": 1, "role": "modulation" if modulated else "drive"}
    connections = [
        Connection.model_validate({"source": below, "target": name, **bottom_up.get(name, {})})
        for below, name in pairwise([IMAGE, *names])
    ]
    connections += [
        Connection(name=f"{name}_lateral", source=name, target=name, kind="lateral", **role)
        for name in names
        if name in lateral
    ]
    connections += [
        Connection(
            name=f"{name}_top_down",
            source=above,
            target=name,
            kind="feedback",
            operator=top_down[name],
            **role,
        )
        for name, above in pairwise(names)
        if name in top_down
    ]
    combined = [
        area.model_copy(update={"combine": "multiply"}) if area.name in modulated else area
        for area in areas
    ]
    return Wiring.model_validate({**fields, "areas": combined, "connections": connections})
