"""Snapshot and restore, against `copy.deepcopy` of the same environment and of a peer's."""

import copy
from typing import Any

import gymnasium as gym

import rlvr  # noqa: F401

from .harness import Row, interleave, seconds
from .peers.client import peer_seconds
from .play import FAMILIES


def _played(env_id: str, kwargs: dict[str, Any], steps: int) -> gym.Env[str, str]:
    env = gym.make(env_id, **kwargs)
    _, info = env.reset(seed=0)
    for i in range(steps):
        legal = info["legal_actions"]
        _, _, terminated, truncated, info = env.step(legal[i % len(legal)])
        if terminated or truncated:
            _, info = env.reset()
    return env


def run(quick: bool = False) -> list[Row]:
    """Time a save and return to it, early and late in an episode."""
    rows = []
    number = 200 if quick else 2_000
    for env_id, kwargs in FAMILIES:
        early, late = _played(env_id, kwargs, 1), _played(env_id, kwargs, 2 if "game24" in env_id else 60)

        def ours(env: gym.Env[str, str] = early) -> float:
            text_env: Any = env.unwrapped
            return seconds(lambda: text_env.restore(text_env.snapshot()), number)

        def ours_late(env: gym.Env[str, str] = late) -> float:
            return ours(env)

        def peer(env: gym.Env[str, str] = early) -> float:
            return seconds(lambda: copy.deepcopy(env.unwrapped), max(5, number // 100))

        own, own_late, deep = interleave(ours, ours_late, peer)
        rows.append(
            Row(
                f"{env_id}: snapshot and restore", own * 1e6, deep * 1e6, "us", "microseconds (under 50)",
                own < 50e-6, "copy.deepcopy of our environment",
            )
        )  # fmt: skip
        rows.append(
            Row(
                f"{env_id}: late in the episode", own_late * 1e6, own * 1e6, "us", "constant: at most 1.5 times",
                own_late < 1.5 * own, "the same, early",
            )
        )  # fmt: skip
    theirs = peer_seconds("deepcopy_sokoban")
    ours_sokoban = next(row.ours for row in rows if "sokoban" in row.what)
    rows.append(
        Row(
            "rlvr/sokoban-v0: snapshot and restore", ours_sokoban, theirs * 1e6, "us", "faster",
            ours_sokoban < theirs * 1e6,
            "copy.deepcopy of TextArena's Sokoban",
        )
    )  # fmt: skip
    return rows
