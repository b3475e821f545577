"""A wiring as text: areas in a row, what climbs above them and what descends below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

from neurorec.models._canvas import Canvas
from neurorec.models.conditions import levels
from neurorec.models.wiring import IMAGE, Connection, Wiring

_UP, _RIGHT, _DOWN, _LEFT = "▲", "▶", "▼", "◀"
_MODULATES: Final = "◇"
#: Cells between two areas of a row, for an arrow and its delay.
_GAP: Final = 4
#: Columns between two arcs beside a column of areas, for their delays.
_LANE: Final = 3

#: Along a row of areas: a node's number, a column of text, mm.
Place = float | int


def drawn_order(wiring: Wiring) -> tuple[str, ...]:
    """Areas from the image on; those of one region are neighbours."""
    level = levels(wiring)
    first = {area.place: 10**9 for area in wiring.areas}
    for area in wiring.areas:
        first[area.place] = min(first[area.place], level[area.name])
    index = {area.name: i for i, area in enumerate(wiring.areas)}
    areas = sorted(
        wiring.areas, key=lambda a: (first[a.place], a.place, level[a.name], index[a.name])
    )
    return tuple(area.name for area in areas)


def lanes(spans: Sequence[tuple[Place, Place]], *, apart: float = 1.0) -> list[int]:
    """Lane of each span, from the shortest on the lowest that is free; 0 lies next to the areas."""
    found = [0] * len(spans)
    taken: list[list[tuple[Place, Place]]] = []
    for i in sorted(range(len(spans)), key=lambda i: (spans[i][1] - spans[i][0], i)):
        low, high = spans[i]
        free = (
            lane
            for lane, others in enumerate(taken)
            if all(high + apart <= other[0] or other[1] + apart <= low for other in others)
        )
        found[i] = next(free, len(taken))
        if found[i] == len(taken):
            taken.append([])
        taken[found[i]].append(spans[i])
    return found


def ports(ends: Sequence[tuple[Place, Place]]) -> dict[Place, list[tuple[int, int]]]:
    """Where arcs on one side of a row of nodes end: by node, from left to right.

    An entry is the arc's index and that of its end. Arcs that come from the left lie left of those
    that come from the right, and the short ones outside, so that no arc has to cross another that
    it encloses.
    """
    found: dict[Place, list[tuple[int, int]]] = {}
    length = [abs(one - other) for one, other in ends]
    for node in sorted({node for pair in ends for node in pair}):
        own = [(i, end) for i, pair in enumerate(ends) for end in (0, 1) if pair[end] == node]
        left = [(i, end) for i, end in own if ends[i][1 - end] < node]
        right = [(i, end) for i, end in own if ends[i][1 - end] > node]
        found[node] = [
            *sorted(left, key=lambda entry: (length[entry[0]], entry[0])),
            *sorted(right, key=lambda entry: (-length[entry[0]], -entry[0])),
        ]
    return found


def diagram(wiring: Wiring, *, width: int = 80) -> str:
    """The wiring drawn with lines and arrows, and what they mean.

    Areas stand in a row if ``width`` characters hold it, otherwise in a column; signals that climb
    then pass left of it and those that descend on its right.
    """
    scheme = _scheme(wiring)
    drawn = _Drawing(scheme, upright=False).rows()
    if max(map(len, drawn)) > width:
        drawn = _Drawing(scheme, upright=True).rows()
    return "\n".join((*drawn, *_legend(wiring)))


@final
@dataclass(frozen=True, kw_only=True)
class _Arrow:
    source: int
    target: int
    delay: int = 0
    modulates: bool = False
    silenced: bool = False

    @property
    def label(self) -> str:
        return str(self.delay or "")


@final
@dataclass(frozen=True, kw_only=True)
class _Scheme:
    """Nodes by their labels; the arrow between neighbours, if any; arcs that climb and descend."""

    nodes: tuple[str, ...]
    straight: Mapping[int, _Arrow]
    climbing: tuple[_Arrow, ...]
    descending: tuple[_Arrow, ...]


def _scheme(wiring: Wiring) -> _Scheme:
    order = drawn_order(wiring)
    index = {name: i for i, name in enumerate((IMAGE, *order))}
    arrows = [
        _Arrow(
            source=index[c.source],
            target=index[c.target],
            delay=c.delay,
            modulates=c.role == "modulation",
            silenced=c.silenced,
        )
        for c in wiring.connections
        if c.source != c.target
    ]
    arrows.append(_Arrow(source=index[wiring.readout.area], target=len(index)))
    straight: dict[int, _Arrow] = {}
    for arrow in sorted(arrows, key=lambda a: (a.modulates, a.delay)):
        if arrow.target == arrow.source + 1:
            straight.setdefault(arrow.source, arrow)
    arcs = [arrow for arrow in arrows if arrow is not straight.get(arrow.source)]
    return _Scheme(
        nodes=(IMAGE, *(_label(wiring, name) for name in order), "logits"),
        straight=straight,
        climbing=tuple(a for a in arcs if a.target > a.source),
        descending=tuple(a for a in arcs if a.target < a.source),
    )


def _label(wiring: Wiring, name: str) -> str:
    """An area's name, with its connections to itself and its noise."""
    loops = [c for c in wiring.connections if c.source == c.target == name]
    marks = [_loop(c) for c in sorted(loops, key=lambda c: c.delay)]
    return " ".join((name, *marks, *("~" if wiring.area(name).noise else "")))


def _loop(connection: Connection) -> str:
    mark = "↺" + (_MODULATES if connection.role == "modulation" else "") + str(connection.delay)
    return f"({mark})" if connection.silenced else mark


@final
class _Drawing:
    """A scheme on a canvas; positions are ``along`` the chain and ``across`` it."""

    def __init__(self, scheme: _Scheme, *, upright: bool) -> None:
        self.scheme, self.upright, self.canvas = scheme, upright, Canvas()
        #: Arcs on either side, above (in a row) or to the left (in a column) first.
        self.sides = (scheme.climbing, scheme.descending)
        self.ports = tuple(ports([(a.source, a.target) for a in arcs]) for arcs in self.sides)
        # Odd, so that arrows leave from a middle.
        self.breadth = (max(map(len, scheme.nodes)) + 2) | 1 if upright else 1
        self.blocks: list[tuple[int, int]] = []
        along = 0
        for node, label in enumerate(scheme.nodes):
            n = max(len(found.get(node, ())) for found in self.ports)
            bare = self._bare(node)
            wide = max(2 * n - 1, len(label) + 1) if bare else max(2 * n - 1, len(label) + 2) + 2
            length = max(n, 1) if upright else wide
            self.blocks.append((along, length))
            along += length + (1 if upright else _GAP)

    def rows(self) -> list[str]:
        """The lines of text."""
        for node in range(len(self.scheme.nodes)):
            self._block(node)
        for arrow in self.scheme.straight.values():
            self._straight(arrow)
        for side in (0, 1):
            self._arcs(side)
        return self.canvas.rows()

    def _bare(self, node: int) -> bool:
        return node in (0, len(self.scheme.nodes) - 1)

    def _at(self, along: int, across: int) -> tuple[int, int]:
        return (across, along) if self.upright else (along, across)

    def _block(self, node: int) -> None:
        label, (start, length) = self.scheme.nodes[node], self.blocks[node]
        if self.upright:
            text = (
                f"│{label:^{self.breadth}}│"
                if not self._bare(node)
                else f" {label:^{self.breadth}}"
            )
            for row in range(start, start + length):
                middle = row == start + (length - 1) // 2
                self.canvas.write((-1, row), text if middle else f"│{'':{self.breadth}}│")
            return
        inner = length - 2
        if self._bare(node):
            self.canvas.write((start, 0), f"{label:{'>' if node else '<'}{length}}")
            return
        for row, text in (
            (-1, f"┌{'─' * inner}┐"),
            (0, f"│{label:^{inner}}│"),
            (1, f"└{'─' * inner}┘"),
        ):
            self.canvas.write((start, row), text)

    def _straight(self, arrow: _Arrow) -> None:
        start = sum(self.blocks[arrow.source])
        stop = self.blocks[arrow.target][0] - 1
        middle = self.breadth // 2 if self.upright else 0
        self.canvas.line(self._at(start, middle), self._at(stop, middle), pale=arrow.silenced)
        head = _MODULATES if arrow.modulates else _DOWN if self.upright else _RIGHT
        self.canvas.write(self._at(stop, middle), head)
        if arrow.label:
            place = (middle + 2, stop) if self.upright else (start + 1, 0)
            self.canvas.write(place, arrow.label)

    def _arcs(self, side: int) -> None:
        arcs, sign = self.sides[side], (-1, 1)[side]
        place = {
            entry: self._port(int(node), i, len(entries))
            for node, entries in self.ports[side].items()
            for i, entry in enumerate(entries)
        }
        spans = [tuple(sorted((place[i, 0], place[i, 1]))) for i in range(len(arcs))]
        near = [(-2, 2), (-2, self.breadth + 1)][self.upright][side]
        labels = []
        for i, (arrow, lane) in enumerate(zip(arcs, lanes(spans), strict=True)):  # type: ignore[arg-type]
            source, target = place[i, 0], place[i, 1]
            far = near + sign * (1 + lane * (_LANE if self.upright else 1) + self.upright)
            corners = [(source, near), (source, far), (target, far), (target, near)]
            for one, other in pairwise(corners):
                self.canvas.line(self._at(*one), self._at(*other), pale=arrow.silenced)
            heads = (_RIGHT, _LEFT) if self.upright else (_DOWN, _UP)
            head = _MODULATES if arrow.modulates else heads[side]
            self.canvas.write(self._at(target, near), head)
            labels.append((arrow.label, *sorted((source, target)), far))
        for label, low, high, far in labels:  # after all lines, where no other crosses
            self._label(label, low, high, far)

    def _port(self, node: int, i: int, n: int) -> int:
        start, length = self.blocks[node]
        if not self.upright and not self._bare(node):
            start, length = start + 1, length - 2
        return start + (2 * i + 1) * length // (2 * n)

    def _label(self, label: str, low: int, high: int, far: int) -> None:
        middle = (low + high) // 2
        for along in sorted(range(low + 1, high), key=lambda along: abs(along - middle)):
            if label and self.canvas.plain(self._at(along, far), 1 if self.upright else len(label)):
                self.canvas.write(self._at(along, far), label)
                return


def _legend(wiring: Wiring) -> list[str]:
    """What the signs mean, of those that occur."""
    connections = wiring.connections
    entries = [
        (any(c.delay for c in connections), "numbers: delay in timesteps"),
        (any(c.kind == "lateral" for c in connections), "↺ lateral"),
        (any(c.role == "modulation" for c in connections), f"{_MODULATES} modulates"),
        (any(c.silenced for c in connections), "┄ or in brackets: silenced"),
        (any(area.noise for area in wiring.areas), "~ noise"),
    ]
    said = "; ".join(text for occurs, text in entries if occurs)
    return ["", said] if said else []
