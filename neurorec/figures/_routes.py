"""Which ways the edges of a drawing take, and where they meet its boxes; no lengths yet.

Neighbours are joined directly. All other edges run in lanes: those to the right above the boxes,
those to the left below them. A box that others hide from a lane is reached through the gap beside
it, by an upright.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal, final

from neurorec.figures._parts import Columns, Edge, Node
from neurorec.models.drawing import ports

Route = Literal["straight", "vertical", "curve", "bow", "loop", "above", "below"]
#: An edge's index, and which of its ends: 0 where it starts, 1 where it stops.
End = tuple[int, int]

LANES: Final = ("above", "below")


@final
class Routes:
    """Ways of ``edges`` between the nodes of ``columns``."""

    def __init__(self, columns: Columns, edges: Sequence[Edge]) -> None:
        self.edges = edges
        self.n_rows = [len(column) for column in columns]
        self.nodes = {
            node.name: replace(node, column=i, row=j)
            for i, column in enumerate(columns)
            for j, node in enumerate(column)
        }
        self.routes = self._routes()
        self.on_side = {lane: self._on_side(lane) for lane in LANES}

    def along(self, *routes: Route) -> list[int]:
        """Edges that take one of these ways."""
        return [i for i, found in enumerate(self.routes) if found in routes]

    def node(self, end: End) -> Node:
        """Where an edge starts or stops."""
        return self.nodes[self.edges[end[0]].ends[end[1]]]

    def other(self, end: End) -> Node:
        """The node at an edge's other end."""
        return self.node((end[0], 1 - end[1]))

    def _routes(self) -> list[Route]:
        joined: set[tuple[int, int]] = set()
        routes: dict[int, Route] = {}

        def rank(i: int) -> tuple[bool, bool, bool]:
            source, target = self.node((i, 0)), self.node((i, 1))
            edge = self.edges[i]
            return source.column > target.column, edge.modulates, edge.kind != "feedforward"

        for i in sorted(range(len(self.edges)), key=rank):
            source, target = self.node((i, 0)), self.node((i, 1))
            steps = target.column - source.column
            place = min(source.column, target.column), source.row
            if source == target:
                routes[i] = "loop"
            elif steps == 0:
                routes[i] = "vertical" if abs(source.row - target.row) == 1 else "bow"
            elif abs(steps) == 1 and source.row != target.row:
                routes[i] = "curve"
            elif abs(steps) == 1 and place not in joined:
                routes[i] = "straight"
                joined.add(place)
            else:
                routes[i] = "above" if steps > 0 else "below"
        return [routes[i] for i in range(len(self.edges))]

    def exposed(self, node: Node, lane: str) -> bool:
        """Whether nothing stands between ``node`` and the lanes on that side."""
        return node.row == (0 if lane == "above" else self.n_rows[node.column] - 1)

    def loops(self, node: Node) -> list[int]:
        """Edges from a node to itself."""
        return [i for i in self.along("loop") if self.edges[i].source == node.name]

    def loop_side(self, node: Node) -> str:
        """Side on which a node's loops are: the outer one, if it has one."""
        return "below" if 0 < node.row == self.n_rows[node.column] - 1 else "above"

    def _on_side(self, lane: str) -> dict[str, list[End]]:
        """Ends on the upper or lower side of each node, from left to right."""
        own = self.along(lane)  # type: ignore[arg-type]
        spans = [(self._reached((i, 0), lane), self._reached((i, 1), lane)) for i in own]
        found: dict[str, list[End]] = {}
        for entries in ports(spans).values():
            for index, end in entries:
                node = self.node((own[index], end))
                if self.exposed(node, lane):
                    found.setdefault(node.name, []).append((own[index], end))
        return found

    def _reached(self, end: End, lane: str) -> float:
        """Column in which an edge reaches its lane; gaps lie between whole numbers."""
        node = self.node(end)
        if self.exposed(node, lane):
            return float(node.column)
        return node.column + (0.5 if self.other(end).column > node.column else -0.5)

    def uprights(self, column: int, side: str) -> list[End]:
        """Ends that meet boxes of a column through the gap on one side, the nearest first.

        What leads to a box far from the lane stays outside, so that it is not crossed.
        """
        found: list[tuple[int, End]] = []
        for lane in LANES:
            for i in self.along(lane):
                for end in ((i, 0), (i, 1)):
                    node = self.node(end)
                    right = self.other(end).column > column
                    if node.column == column and right == (side == "right"):
                        if not self.exposed(node, lane):
                            last = self.n_rows[column] - 1
                            depth = node.row if lane == "above" else last - node.row
                            found.append((depth, end))
        ends = [end for _, end in sorted(found)]
        bows = [i for i in self.along("bow") if self.node((i, 0)).column == column]
        return ends + [(i, end) for i in bows for end in (0, 1)] * (side == "right")

    def beside(self, node: Node, side: str) -> tuple[list[End], list[End]]:
        """Ends on the left or right side of a box: above its middle and below it, outwards."""
        up: list[End] = []
        down: list[End] = []
        for i in self.along("curve"):
            for end in ((i, 0), (i, 1)):
                other = self.other(end)
                if self.node(end) == node and (other.column > node.column) == (side == "right"):
                    (up if other.row < node.row else down).append(end)
        if side == "left":  # the other way, so that curves beside each other do not cross
            up.reverse()
            down.reverse()
        for end in self.uprights(node.column, side):
            if self.node(end) == node:
                bow = self.routes[end[0]] == "bow"
                above = self.other(end).row < node.row if bow else self.routes[end[0]] == "above"
                (up if above else down).append(end)
        return up, down


def framed(routes: Routes, column: int, regions: Mapping[str, Sequence[str]]) -> str:
    """Region whose frame goes around a column; nothing if there is none."""
    names = {node.name for node in routes.nodes.values() if node.column == column}
    return next((region for region, members in regions.items() if names & set(members)), "")
