"""How well the embedded model plays: normalised scores on test tasks that its training never saw.

Two hundred test tasks a level, one answer each at temperature 0.7; 0 is the random agent's score on the same tasks, 1
the expert's. The next harder level of each family is shown below, without a target. `RLVR_TINY` names another model:
`tiny-base`, or a folder. The arithmetic is float32, and levels are played side by side, one a core.
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

from rlvr.agents.policies.policy import make_policy
from rlvr.agents.policies.tiny import tiny_folder
from rlvr.trainers.embedded import EASY, HARDER, PICTURE, Level, Standing, examine, trained_on

from .harness import Row


def standing(level: Level, name: str, instances: int) -> Standing:
    """Play a level, in a process of its own."""
    policy = make_policy(name if name in ("tiny", "tiny-base") else f"tiny:{name}", dtype="float32", threads=1)
    return examine(level, policy, instances=instances, seen=trained_on(tiny_folder("tiny")))


def run(quick: bool = False) -> list[Row]:
    """Play every level."""
    name = os.environ.get("RLVR_TINY", "tiny")
    levels = (*EASY, *HARDER, PICTURE)
    cores = len(os.sched_getaffinity(0))
    rows = []
    with ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = [pool.submit(standing, level, name, 40 if quick else 200) for level in levels]
        for level, played in zip(levels, found, strict=True):
            value, low, high = played.result()
            if level.target is None:
                target, ok = "shown", True
            elif level.target:
                target, ok = f"at least {level.target}", value >= level.target
            else:
                target, ok = "above random", low > 0
            note = f"95 %: {low:.2f} to {high:.2f}"
            rows.append(Row(level.name, value, None, "normalised score", target, ok, note=note))
    return rows
