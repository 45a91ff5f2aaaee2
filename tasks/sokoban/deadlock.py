"""What can be ruled out: boxes that froze away from a goal, and pushes outside a closed region that must come first."""

from .level import Level, flood


def frozen(level: Level, boxes: int, moved: int) -> bool:
    """Return whether a box just pushed froze with some box off its goal, so that the position is lost.

    A box is frozen if it can move along neither axis: there is a wall (or a frozen box) on one side, or a dead cell
    on both. `moved` is taken for a wall while its neighbours are looked at, so that boxes may freeze each other.
    """
    stride = level.stride
    if not (moved << 1 | moved >> 1 | moved << stride | moved >> stride) & boxes:
        return False  # alone it could only freeze in a corner, and those are dead cells or goals
    return bool(_freeze(level.floor, level.live, boxes, stride, moved) & ~level.goals)


def _freeze(floor: int, live: int, boxes: int, stride: int, box: int) -> int:
    """Return the boxes that are frozen together with this one (itself included), or 0 if it can move.

    `floor` lacks the boxes that are being looked at already.
    """
    proof = box
    rest = floor & ~box
    for one, other in ((box << 1, box >> 1), (box << stride, box >> stride)):
        if not one & floor or not other & floor or not (one | other) & live:
            continue
        together = _freeze(rest, live, boxes, stride, one) if one & boxes else 0
        if not together and other & boxes:
            together = _freeze(rest, live, boxes, stride, other)
        if not together:
            return 0
        proof |= together
    return proof


def corral(level: Level, boxes: int, free: int, reach: int) -> tuple[int, int] | None:
    """Return the boxes and target cells to which pushes can be restricted, or None.

    Args:
        level: The level.
        boxes: All boxes.
        free: Floor without boxes.
        reach: The cells that the player can walk to.

    Returns:
        The boxes around a closed region and the cells of that region, if all possible first pushes of those boxes go
        into the region and can be made at once, and the region is not yet in order. None if there is no such region.
    """
    floor, live, goals, stride = level.floor, level.live, level.goals, level.stride
    unreached = free & ~reach
    while unreached:
        region = flood(unreached & -unreached, free, stride)
        unreached &= ~region
        fence = (region << 1 | region >> 1 | region << stride | region >> stride) & boxes
        if not (fence & ~goals or region & goals):
            continue
        closed = ~(region | fence)
        beyond = live & ~fence
        # In each direction, the pushes of fence boxes that walls, dead cells and the fence itself allow, less those
        # that are inward and can be made now.
        for player_side, target_side, ready in (
            ((floor & closed) << 1, beyond >> 1, reach << 1 & region >> 1),
            ((floor & closed) >> 1, beyond << 1, reach >> 1 & region << 1),
            ((floor & closed) << stride, beyond >> stride, reach << stride & region >> stride),
            ((floor & closed) >> stride, beyond << stride, reach >> stride & region << stride),
        ):
            if fence & player_side & target_side & ~ready:
                break
        else:
            return fence, region & live
    return None
