"""A second Sokoban, as plain as can be, to check ours against: cells are pairs, search is breadth first."""

from collections import deque

MOVES = {"u": (-1, 0), "d": (1, 0), "l": (0, -1), "r": (0, 1)}


def read(text):
    """Return walls, goals, boxes and player of a level in XSB."""
    walls, goals, boxes, player = set(), set(), set(), None
    for row, line in enumerate(text.split("\n")):
        for column, symbol in enumerate(line):
            cell = (row, column)
            if symbol == "#":
                walls.add(cell)
            if symbol in ".*+":
                goals.add(cell)
            if symbol in "$*":
                boxes.add(cell)
            if symbol in "@+":
                player = cell
    return frozenset(walls), frozenset(goals), frozenset(boxes), player


def step(walls, boxes, player, letter):
    """Return boxes and player after one step, or None if it is blocked."""
    down, right = MOVES[letter.lower()]
    front = (player[0] + down, player[1] + right)
    if front in walls:
        return None
    if front in boxes:
        behind = (front[0] + down, front[1] + right)
        if behind in walls or behind in boxes:
            return None
        return boxes - {front} | {behind}, front
    return boxes, front


def fewest_pushes(text):
    """Return the fewest pushes of a solution, or None: breadth first over single steps, pushes counted."""
    walls, goals, boxes, player = read(text)
    queue = deque([(boxes, player, 0)])
    best = {(boxes, player): 0}
    while queue:
        boxes, player, pushes = queue.popleft()
        if best[boxes, player] < pushes:
            continue
        if boxes == goals:
            return pushes
        for letter in MOVES:
            after = step(walls, boxes, player, letter)
            if after is None:
                continue
            spent = pushes + (after[0] != boxes)
            if spent < best.get(after, 1 << 30):
                best[after] = spent
                # Steps without a push cost nothing, so they come first.
                (queue.append if spent > pushes else queue.appendleft)((*after, spent))
    return None
