"""A Sokoban solver: A* over the boxes and the player's region, in pushes.

The heuristic is the least sum of lone-box push distances over all assignments of boxes to goals, which never
overestimates, so with `weight` 1 the solution has the fewest pushes. Positions are given up when a box is on a dead
cell, when the last pushed box froze away from a goal, or when no assignment is left; and where the boxes around a
closed region can only be pushed into it, and all of those pushes can be made now, nothing else is tried ("PI-corral
pruning", B. Damgaard's term on the Sokoban wiki). None of this loses an optimal solution.
"""

import time
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from .assign import Assignment
from .deadlock import corral
from .level import DIRECTIONS, Position, flood, walk


class Outcome(StrEnum):
    """How a search ended."""

    SOLVED = "solved"
    UNSOLVABLE = "unsolvable"
    """Proved: the search ran out of positions."""
    NODE_LIMIT = "node_limit"
    TIME_LIMIT = "time_limit"


class Solution(NamedTuple):
    """What a search found."""

    outcome: Outcome
    moves: str | None
    """The solution in LURD notation (a capital letter is a push), or None."""
    pushes: int | None
    """Its number of pushes."""
    nodes: int
    """Positions expanded."""


DEFAULT_NODES = 200_000
GREEDY = 2.0
"""The heuristic's weight once the search for the fewest pushes has taken too long."""
_CLOCK_EVERY = 256


def solve(position: Position, *, max_nodes: int = DEFAULT_NODES, limit_s: float | None = None) -> Solution:
    """Solve a position: with the fewest pushes within half of the limits, else as well as can be within the rest.

    Args:
        position: Where to start.
        max_nodes: The most positions to expand; the same limit gives the same result on every machine.
        limit_s: Seconds of wall time after which to give up, as well; results then depend on the machine.

    Returns:
        The solution, or why there is none.
    """
    first = search(position, max_nodes=(max_nodes + 1) // 2, limit_s=None if limit_s is None else limit_s / 2)
    if first.outcome in (Outcome.SOLVED, Outcome.UNSOLVABLE):
        return first
    rest = max_nodes - first.nodes if first.outcome is Outcome.TIME_LIMIT else max_nodes // 2
    second = search(position, max_nodes=rest, weight=GREEDY, limit_s=None if limit_s is None else limit_s / 2)
    return second._replace(nodes=first.nodes + second.nodes)


def search(position: Position, *, max_nodes: int, weight: float = 1.0, limit_s: float | None = None) -> Solution:
    """Search once.

    Args:
        position: Where to start.
        max_nodes: The most positions to expand.
        weight: How much the heuristic counts against pushes made: 1 for the fewest pushes, more to be faster.
        limit_s: Seconds of wall time, as well.

    Returns:
        The solution, or why there is none.
    """
    return _Search(position, weight).run(max_nodes, None if limit_s is None else time.monotonic() + limit_s)


class _Search:
    """One search; holds the open list, the closed positions and the way to each."""

    def __init__(self, position: Position, weight: float) -> None:
        self.position = position
        self.level = position.level
        self.weight = weight
        self.estimate = Assignment(position.level)
        self.parents: list[tuple[int, int, int, int]] = []  # expanded: parent's index, boxes, player, pushed direction

    def run(self, max_nodes: int, deadline: float | None) -> Solution:
        level = self.level
        floor, live, goals, stride = level.floor, level.live, level.goals, level.stride
        weight, estimate, nodes = self.weight, self.estimate, self.parents
        player, boxes = self.position.player, self.position.boxes
        start = estimate(boxes)
        if start is None:
            return Solution(Outcome.UNSOLVABLE, None, None, 0)
        # Buckets of the open list by cost, each last in, first out: among equals, the deepest first.
        buckets: dict[int, list[tuple[int, int, int, int, int]]] = {}
        lowest = int(start * weight)
        buckets[lowest] = [(boxes, player, 0, -1, 0)]
        cheapest: dict[tuple[int, int], int] = {(boxes, player): 0}
        # The player-aware distances can drop by more than a push, so a region may have to be opened again.
        closed: dict[int, dict[int, int]] = {}  # boxes -> region -> pushes
        while buckets:
            while lowest not in buckets:
                lowest += 1
            bucket = buckets[lowest]
            boxes, player, pushes, parent, pushed = bucket.pop()
            if not bucket:
                del buckets[lowest]
            regions = closed.setdefault(boxes, {})
            if any(region & player and spent <= pushes for region, spent in regions.items()):
                continue
            if boxes == goals:
                nodes.append((parent, boxes, player, pushed))
                return Solution(Outcome.SOLVED, self._moves(), pushes, len(nodes) - 1)
            if len(nodes) >= max_nodes:
                return Solution(Outcome.NODE_LIMIT, None, None, len(nodes))
            if deadline is not None and len(nodes) % _CLOCK_EVERY == 0 and time.monotonic() > deadline:
                return Solution(Outcome.TIME_LIMIT, None, None, len(nodes))
            index = len(nodes)
            nodes.append((parent, boxes, player, pushed))
            free = floor & ~boxes
            reach = flood(player, free, stride)
            regions[reach] = pushes
            pushes += 1
            first = corral(level, boxes, free, reach) if free != reach else None
            allowed, inside = first or (boxes, free & live)
            # A box can be pushed if the player reaches the cell on its one side and the cell on the other is free.
            for direction, movable in enumerate(
                (
                    allowed & reach >> stride & inside << stride,
                    allowed & reach << stride & inside >> stride,
                    allowed & reach >> 1 & inside << 1,
                    allowed & reach << 1 & inside >> 1,
                )
            ):
                while movable:
                    box = movable & -movable
                    movable ^= box
                    if direction == 0:
                        after = box >> stride
                    elif direction == 1:
                        after = box << stride
                    elif direction == 2:
                        after = box >> 1
                    else:
                        after = box << 1
                    following = boxes ^ box ^ after
                    key = (following, box)
                    known = cheapest.get(key)
                    if known is not None and known <= pushes:
                        continue
                    cheapest[key] = pushes
                    left = estimate(following, after)
                    if left is None:
                        continue
                    cost = max(lowest, int(pushes + weight * left))
                    into = buckets.get(cost)
                    if into is None:
                        buckets[cost] = [(following, box, pushes, index, direction)]
                    else:
                        into.append((following, box, pushes, index, direction))
        return Solution(Outcome.UNSOLVABLE, None, None, len(nodes))

    def _moves(self) -> str:
        """Return the moves to the position expanded last: its pushes, with the walks between them."""
        chain = []
        index = len(self.parents) - 1
        while index >= 0:
            chain.append(self.parents[index])
            index = chain[-1][0]
        chain.reverse()
        level = self.level
        moves = ""
        for (_, boxes, player, _), (_, _, landed, pushed) in pairwise(chain):
            shift = level.shifts[pushed]
            stand = landed >> shift if shift > 0 else landed << -shift
            moves += walk(player, stand, level.floor & ~boxes, level.stride) + DIRECTIONS[pushed].upper()
        return moves
