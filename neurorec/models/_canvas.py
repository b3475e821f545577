"""Lines and texts on a grid of characters."""

from typing import Final, final

_NORTH, _EAST, _SOUTH, _WEST = 1, 2, 4, 8
#: Characters of lines, by the sum of the neighbours that they join.
_LINES: Final = " │─└││┌├─┘─┴┐┤┬┼"
_PALE: Final = {"─": "┄", "│": "┆"}

#: Column and row; rows grow downwards, and both may be negative.
Place = tuple[int, int]


@final
class Canvas:
    """A grid without borders; lines that meet are joined, texts cover them."""

    def __init__(self) -> None:
        self._joined: dict[Place, int] = {}
        self._pale: set[Place] = set()
        self._written: dict[Place, str] = {}

    def line(self, start: Place, stop: Place, *, pale: bool = False) -> None:
        """A line along one axis."""
        (x, y), (right, bottom) = sorted((start, stop))
        across = y == bottom
        n = right - x if across else bottom - y
        for i in range(n + 1):
            at = (x + i, y) if across else (x, y + i)
            before, after = (_WEST, _EAST) if across else (_NORTH, _SOUTH)
            joined = before * (i > 0) | after * (i < n)
            self._joined[at] = self._joined.get(at, 0) | joined
            if pale:
                self._pale.add(at)

    def write(self, at: Place, text: str) -> None:
        """Text from a position on, over any line."""
        for i, character in enumerate(text):
            self._written[at[0] + i, at[1]] = character

    def plain(self, at: Place, n: int) -> bool:
        """Whether ``n`` characters from ``at`` on are parts of one line that nothing crosses."""
        row = [(at[0] + i, at[1]) for i in range(n)]
        straight = (_EAST | _WEST, _NORTH | _SOUTH)
        kinds = {self._joined.get(place, 0) for place in row}
        return (
            len(kinds - {0}) == 1
            and self._joined.get(row[0], 0) in straight
            and not any(place in self._written for place in row)
        )

    def rows(self) -> list[str]:
        """The lines of text."""
        places = [*self._joined, *self._written]
        left, top = min(x for x, _ in places), min(y for _, y in places)
        bottom = max(y for _, y in places)
        right = max(x for x, _ in places)
        rows = (
            "".join(self._character((x, y)) for x in range(left, right + 1))
            for y in range(top, bottom + 1)
        )
        return [row.rstrip() for row in rows]

    def _character(self, at: Place) -> str:
        if at in self._written:
            return self._written[at]
        character = _LINES[self._joined.get(at, 0)]
        return _PALE.get(character, character) if at in self._pale else character
