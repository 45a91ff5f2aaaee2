"""The cost of one `step` with text observation and full `info`, through `gym.make` with the checker on."""

import time
from typing import Any

import gymnasium as gym

import rlvr  # noqa: F401

from .harness import Row, interleave
from .peers.client import peer_seconds
from .play import step_seconds

PEERS: tuple[tuple[str, dict[str, Any], tuple[tuple[str, str], ...]], ...] = (
    ("rlvr/sokoban-v0", {}, (("textarena_sokoban", "TextArena Sokoban"), ("gem_sokoban", "GEM Sokoban"))),
    ("rlvr/maze-v0", {}, (("textarena_frozen_lake", "TextArena FrozenLake"),)),
    ("rlvr/game24-v0", {}, (("textarena_countdown", "TextArena Countdown"),)),
)
BANDIT: dict[str, Any] = {"horizon": 2_000}


def frozen_lake_seconds(steps: int) -> float:
    """Return the seconds of one step of Gymnasium's FrozenLake, which makes no text."""
    env = gym.make("FrozenLake-v1")
    env.reset(seed=0)

    spent = 0.0
    clock = time.perf_counter
    for i in range(steps):
        start = clock()
        _, _, terminated, truncated, _ = env.step(i % 4)
        spent += clock() - start
        if terminated or truncated:
            env.reset()
    return spent / steps


def bandit_seconds(steps: int, skip: int) -> float:
    """Return the seconds of one pull after `skip` pulls of one episode."""
    env = gym.make("rlvr/bandit-v0", **BANDIT)
    _, info = env.reset(seed=0)
    names = info["legal_actions"]
    for i in range(skip):
        env.step(names[i % len(names)])
    spent = 0.0
    clock = time.perf_counter
    for i in range(steps):
        start = clock()
        env.step(names[i % len(names)])
        spent += clock() - start
    return spent / steps


def run(quick: bool = False) -> list[Row]:
    """Compare with TextArena's and GEM's steps on the same (or the nearest) game, and with FrozenLake's."""
    rows = []
    steps, peer_steps, rounds = (1_000, 100, 3) if quick else (5_000, 300, 9)
    for env_id, kwargs, peers in PEERS:
        env = gym.make(env_id, **kwargs)
        own, lake, *others = interleave(
            lambda env=env: step_seconds(env, steps),  # type: ignore[misc]
            lambda: frozen_lake_seconds(steps),
            *(lambda name=name: peer_seconds(name, peer_steps) for name, _ in peers),  # type: ignore[misc]
            rounds=rounds,
        )
        for (_, peer_name), theirs in zip(peers, others, strict=True):
            rows.append(Row(env_id, own * 1e6, theirs * 1e6, "us", "5 times faster", theirs >= 5 * own, peer_name))
        rows.append(
            Row(env_id, own * 1e6, lake * 1e6, "us", "at most 2 times", own <= 2 * lake, "Gymnasium FrozenLake")
        )
    for skip, name in ((0, "textarena_bandit"), (1_000, "textarena_bandit_1000")):
        own, lake, theirs = interleave(
            lambda skip=skip: bandit_seconds(500, skip),  # type: ignore[misc]
            lambda: frozen_lake_seconds(steps),
            lambda name=name: peer_seconds(name, 100),  # type: ignore[misc]
            rounds=rounds,
        )
        what = f"rlvr/bandit-v0 at pull {skip + 1}"
        rows.append(Row(what, own * 1e6, theirs * 1e6, "us", "at most its time", own <= theirs, "TextArena Bandit"))
        rows.append(Row(what, own * 1e6, lake * 1e6, "us", "at most 2 times", own <= 2 * lake, "Gymnasium FrozenLake"))
    return rows
