"""Runs inside the peers' virtual environment: makes Sokoban levels with a peer's generator; imports nothing of ours.

Reads lines `PEER ROWS COLUMNS BOXES SEED` and answers each with one JSON object: the seconds that it took, and the
level as XSB, or the error. One at a time, so that a peer and ours can be timed in turn.
"""

import importlib
import json
import random
import sys
import time
import warnings

GENERATORS = {
    "gym-sokoban": "gym_sokoban.envs.room_utils",
    "GEM": "gem.envs.game_env.sokoban.utils",
    "TextArena": "textarena.envs.Sokoban.utils",
}
CELLS = {0: "#", 1: " ", 2: ".", 3: "$", 4: "$", 5: "@"}
ON_TARGET = {2: ".", 3: "*", 4: "*", 5: "+"}


def to_xsb(fixed, moving):
    """Write a peer's two arrays, the fixed room and what stands in it, as XSB."""
    return "\n".join(
        "".join((ON_TARGET if int(under) == 2 else CELLS)[int(cell)] for under, cell in zip(*rows, strict=True))
        for rows in zip(fixed, moving, strict=True)
    )


def generate(peer, rows, columns, boxes, seed):
    """Make one level as the peer's own environment asks for it."""
    import numpy

    generate_room = importlib.import_module(GENERATORS[peer]).generate_room
    arguments = {"dim": (rows, columns), "num_steps": int(1.7 * (rows + columns)), "num_boxes": boxes}
    random.seed(seed)
    numpy.random.seed(seed)
    if peer != "gym-sokoban":
        arguments["seed"] = seed
    start = time.perf_counter()
    try:
        fixed, moving, _ = generate_room(**arguments)
        seconds = time.perf_counter() - start
    except (RuntimeError, RuntimeWarning) as error:
        return {"seconds": time.perf_counter() - start, "error": f"{type(error).__name__}: {error}"}
    return {"seconds": seconds, "level": to_xsb(fixed, moving)}


def main():
    """Answer requests until the input ends."""
    warnings.filterwarnings("ignore")
    sys.setrecursionlimit(100_000)
    for line in sys.stdin:
        peer, *numbers = line.split()
        print(json.dumps(generate(peer, *map(int, numbers))), flush=True)


if __name__ == "__main__":
    main()
