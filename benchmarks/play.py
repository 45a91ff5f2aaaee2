"""Random legal play, timed: what the benchmarks of steps, vectors and memory share."""

import time
from typing import Any

import gymnasium as gym

from rlvr.tasks.rng import Rng

FAMILIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("rlvr/game24-v0", {}),
    ("rlvr/sokoban-v0", {}),
    ("rlvr/maze-v0", {}),
    ("rlvr/bandit-v0", {}),
)
"""The families in which an episode has many steps; each timed with its default arguments."""


def step_seconds(env: gym.Env[str, str], steps: int, seed: int = 0) -> float:
    """Return the seconds of one `step`, resets and the choice of actions left out."""
    rng = Rng(seed)
    _, info = env.reset(seed=seed)
    spent = 0.0
    clock = time.perf_counter
    for _ in range(steps):
        legal = info["legal_actions"]
        action = legal[rng.below(len(legal))]
        start = clock()
        _, _, terminated, truncated, info = env.step(action)
        spent += clock() - start
        if terminated or truncated:
            _, info = env.reset()
    return spent / steps
