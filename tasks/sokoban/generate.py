"""Levels that can be solved: a room by a random walk, goals in it, and the boxes pulled far away from them.

Playing backwards from the solved room (a box is pulled where it would be pushed) reaches only positions that can be
solved, and the way back is their solution. The search goes by layers of pulls over (boxes, player's region), without
recursion, with a bounded number of positions a layer, and prefers those whose boxes are far from their goals by a
lower bound on the pushes needed; so the number of pushes that a level asks for is proved, not hoped for. All randomness
comes from one generator, and nothing is shared between calls.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from ..errors import UserError
from ..rng import Rng
from .assign import Assignment
from .level import DIRECTIONS, FLOOR, GOAL, WALL, Level, Position, bits, flood, pull_distances, walk

MIN_SIDE, MAX_SIDE = 5, 20
MAX_BOXES = 8

_ROOMS = 1000
"""Rooms tried before the best level so far has to do."""
_WIDTH = 24
"""Positions kept in a layer of pulls."""
_PATIENCE = 6
"""Layers without a farther position after which a room is done."""
_STEPS_A_DRAW = 4
_TURN = 90
"""Of 256: how often the random walk turns."""
_SMALL = 24
"""Bits of the floor mask up to which a room counts as small (6 x 6 has 19)."""
_BRUSHES = ("...###...", ".#..#..#.", "...##..#.", ".#.##....", "....##.#.", ".#..##...", "...##.##.", ".##.##...")
"""3 x 3 shapes of floor that the walk leaves behind, all connected to their middle."""


class Shape(NamedTuple):
    """What kind of level to make."""

    rows: int
    """Height in cells, walls included."""
    columns: int
    boxes: int
    min_pushes: int
    """The least pushes that the level shall need."""


class Generated(NamedTuple):
    """A level with a solution."""

    position: Position
    moves: str
    """A solution in LURD notation."""
    bound: int
    """A lower bound on the pushes of every solution."""


def shape(rows: int, columns: int, boxes: int, min_pushes: int | None = None) -> Shape:
    """Return a checked shape; by default the least pushes grow with the boxes and the sides.

    Raises:
        UserError: If no such level can be made.
    """
    if not (MIN_SIDE <= rows <= MAX_SIDE and MIN_SIDE <= columns <= MAX_SIDE):
        raise UserError(f"A generated level has {MIN_SIDE} to {MAX_SIDE} rows and columns, not {rows} x {columns}.")
    most = min(MAX_BOXES, (rows - 2) * (columns - 2) // 6)
    if not 1 <= boxes <= most:
        raise UserError(f"A generated level of {rows} x {columns} cells has 1 to {most} boxes, not {boxes}.")
    if min_pushes is None:
        min_pushes = boxes * (rows + columns) // 5
    if min_pushes < 1:
        raise UserError(f"min_pushes must be at least 1, not {min_pushes}.")
    return Shape(rows, columns, boxes, min_pushes)


def generate(rng: Rng, shape: Shape, accept: Callable[[Level], bool] | None = None) -> Generated:
    """Make a level.

    Args:
        rng: All randomness; the same state gives the same level.
        shape: What kind of level.
        accept: Which layouts (walls and goals) may be used; all if None.

    Returns:
        A level none of whose boxes starts on a goal. It needs at least `shape.min_pushes` pushes, unless no such
        level turned up in a thousand rooms; then it is the one among them that needs the most.

    Raises:
        UserError: If no room had a place for so many boxes.
    """
    # Up to a quarter more is asked for at times, so that not all levels are as easy as allowed.
    enough = rng.integer(shape.min_pushes, shape.min_pushes + (shape.min_pushes + 2) // 4)
    best: Generated | None = None
    for _ in range(_ROOMS):
        found = _attempt(rng, shape, accept, 1 if best is None else best.bound + 1, enough)
        if found is not None:
            best = found
            if best.bound >= enough:
                return best
    if best is None:
        raise UserError(f"No room of {shape.rows} x {shape.columns} cells with {shape.boxes} boxes could be made.")
    return best


def _attempt(
    rng: Rng, shape: Shape, accept: Callable[[Level], bool] | None, worth: int, enough: int
) -> Generated | None:
    """Make one room and return its level, or None if it needs fewer than `worth` pushes."""
    stride = shape.columns - 1
    floor = _room(rng, shape)
    # A goal is of use if a box can be pulled off it: two floor cells in a row beside it.
    usable = floor & (
        floor >> 1 & floor >> 2
        | floor << 1 & floor << 2
        | floor >> stride & floor >> 2 * stride
        | floor << stride & floor << 2 * stride
    )
    if usable.bit_count() < shape.boxes or 2 * floor.bit_count() <= (shape.rows - 2) * (shape.columns - 2):
        return None
    goals = rng.sample(list(bits(usable)), shape.boxes)
    distances = [pull_distances(goal, floor, stride) for goal in goals]
    if sum(max(distance.values()) for distance in distances) < worth:
        return None
    level = _level(shape, floor, sum(goals))
    if accept is not None and not accept(level):
        return None
    estimate = Assignment(level, dict(zip(goals, distances, strict=True)))
    return _pull_apart(rng, level, estimate, worth, enough)


class _Walks(NamedTuple):
    """What a random walk over the cells inside the walls needs, ready made for one size."""

    inside: int
    """The mask of all these cells."""
    cells: tuple[int, ...]
    """Each of them as a mask."""
    neighbours: tuple[tuple[int, ...], ...]
    """For each direction and cell, the next cell's index; at the walls the cell itself."""
    stamps: tuple[tuple[int, ...], ...]
    """For each cell, the floor that each brush leaves there."""


@lru_cache(maxsize=32)
def _walks(rows: int, columns: int) -> _Walks:
    stride, height, width = columns - 1, rows - 2, columns - 2
    inside = sum(((1 << width) - 1) << row * stride for row in range(height))
    places = [(row, column) for row in range(height) for column in range(width)]
    number = {place: index for index, place in enumerate(places)}
    brushes = [
        sum(1 << at // 3 * stride + at % 3 for at, cell in enumerate(brush) if cell == "#") for brush in _BRUSHES
    ]

    def stamp(brush: int, corner: int) -> int:
        return (brush << corner if corner >= 0 else brush >> -corner) & inside

    return _Walks(
        inside,
        tuple(1 << row * stride + column for row, column in places),
        tuple(
            tuple(number.get((row + down, column + right), number[row, column]) for row, column in places)
            for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1))
        ),
        tuple(tuple(stamp(brush, (row - 1) * stride + column - 1) for brush in brushes) for row, column in places),
    )


def _room(rng: Rng, shape: Shape) -> int:
    """Return the floor of a connected room: the trace of a random walk with 3 x 3 brushes, some cells changed."""
    inside, cells, neighbours, stamps = _walks(shape.rows, shape.columns)
    side = shape.rows + shape.columns
    cell = rng.below(len(cells))
    onward = neighbours[rng.below(4)]
    floor = 0
    # Sixteen random bits a step: 8 for whether to turn, 2 for where to, 3 for the brush.
    for _ in range(rng.integer(side * 3 // 8, side * 7 // 8)):
        draw = rng.u64()
        for _ in range(_STEPS_A_DRAW):
            if draw & 255 < _TURN:
                onward = neighbours[draw >> 8 & 3]
            cell = onward[cell]
            floor |= stamps[cell][draw >> 10 & 7]
            draw >>= 16
    # Single cells opened and closed at random make rooms differ more; in the smallest that takes more of them.
    floor ^= _noise(rng, inside.bit_length()) & inside
    return flood(cells[cell], floor, shape.columns - 1)


def _noise(rng: Rng, length: int) -> int:
    """Return a mask in which every bit is set with probability 1/8, or 1/4 if they are few."""
    if length <= _SMALL:
        return rng.u64() & rng.u64()
    mask = 0
    for _ in range(0, length, 64):
        mask = mask << 64 | rng.u64() & rng.u64() & rng.u64()
    return mask


def _level(shape: Shape, floor: int, goals: int) -> Level:
    stride = shape.columns - 1
    wall = WALL * shape.columns
    rows = [wall]
    for row in range(shape.rows - 2):
        cells, marks = floor >> row * stride, goals >> row * stride
        inner = (
            WALL if not cells >> column & 1 else GOAL if marks >> column & 1 else FLOOR
            for column in range(shape.columns - 2)
        )
        rows.append(f"{WALL}{''.join(inner)}{WALL}")
    rows.append(wall)
    return Level(tuple(rows))


class _Node(NamedTuple):
    parent: int
    boxes: int
    region: int
    pulled: int
    """The direction of the pull that led here (an index of `DIRECTIONS`)."""
    player: int


def _pull_apart(rng: Rng, level: Level, estimate: Assignment, worth: int, enough: int) -> Generated | None:
    """Pull the boxes off their goals and return one of the farthest positions, if it needs `worth` pushes."""
    floor, goals, stride = level.floor, level.goals, level.stride
    seen = {goals: 0}  # boxes -> cells of all player's regions met with them
    nodes: list[_Node] = []
    rest = floor & ~goals
    while rest:
        region = flood(rest & -rest, floor & ~goals, stride)
        rest ^= region
        nodes.append(_Node(-1, goals, region, 0, 0))
    layer = [(0, index) for index in range(len(nodes))]
    candidates: list[tuple[int, int]] = []
    farthest, idle = 0, 0
    while layer and idle < _PATIENCE:
        idle += 1
        following = []
        for _, index in layer:
            _, boxes, region, _, _ = nodes[index]
            free = floor & ~boxes
            # The player stands beside the box, with a free cell behind to step back to.
            for direction, movable in enumerate(
                (
                    boxes & region << stride & free << 2 * stride,
                    boxes & region >> stride & free >> 2 * stride,
                    boxes & region << 1 & free << 2,
                    boxes & region >> 1 & free >> 2,
                )
            ):
                while movable:
                    box = movable & -movable
                    movable ^= box
                    if direction == 0:
                        after, player = box >> stride, box >> 2 * stride
                    elif direction == 1:
                        after, player = box << stride, box << 2 * stride
                    elif direction == 2:
                        after, player = box >> 1, box >> 2
                    else:
                        after, player = box << 1, box << 2
                    moved = boxes ^ box ^ after
                    known = seen.get(moved, 0)
                    if known & player:
                        continue
                    reach = flood(player, floor & ~moved, stride)
                    seen[moved] = known | reach
                    bound = estimate.total(moved)
                    if not moved & goals and bound >= farthest - 1:
                        candidates.append((bound, len(nodes)))
                        if bound > farthest:
                            farthest, idle = bound, 0
                    following.append((bound, len(nodes)))
                    nodes.append(_Node(index, moved, reach, direction, player))
        if len(following) > _WIDTH:
            following.sort(reverse=True)
            del following[_WIDTH:]
        layer = following
    if farthest < worth:
        return None
    # One short of the farthest will do, if it is far enough: there are more of them, so more different levels.
    least = max(min(farthest, enough), farthest - 1)
    bound, chosen, player = rng.choice(
        [(bound, index, cell) for bound, index in candidates if bound >= least for cell in bits(nodes[index].region)]
    )
    position = Position(level, player, nodes[chosen].boxes)
    if any(_straight(position, shift) for shift in level.shifts):
        return None
    return Generated(position, _moves(level, nodes, chosen, player), bound)


def _straight(position: Position, shift: int) -> bool:
    """Return whether going on in one direction solves the level; such a level asks for no thought."""
    level, player, boxes = position
    while True:
        front = player << shift if shift > 0 else player >> -shift
        if front & boxes:
            behind = front << shift if shift > 0 else front >> -shift
            if not behind & level.floor & ~boxes:
                return False
            boxes ^= front | behind
        elif not front & level.floor:
            return False
        player = front
        if boxes == level.goals:
            return True


def _moves(level: Level, nodes: list[_Node], index: int, player: int) -> str:
    """Return the way back to the solved room: each pull undone by a push, with the walks between them."""
    moves = []
    node = nodes[index]
    while node.parent >= 0:
        moves.append(walk(player, node.player, level.floor & ~node.boxes, level.stride))
        # A box that was pulled up is pushed down.
        undo = node.pulled ^ 1
        moves.append(DIRECTIONS[undo].upper())
        shift = level.shifts[undo]
        player = node.player << shift if shift > 0 else node.player >> -shift
        node = nodes[node.parent]
    return "".join(moves)
