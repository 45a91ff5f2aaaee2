"""Resident memory over 10,000 resets of every id that needs no data: it must stay flat."""

import gc
import os
from pathlib import Path

import gymnasium as gym

import rlvr  # noqa: F401
from rlvr.envs.registry import ENVS

from .harness import Row

LIMIT_MB = 5.0


def resident_mb() -> float:
    """Return this process's resident memory in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def growth_mb(env_id: str, resets: int) -> float:
    """Return how much resident memory grows over the resets, after a warm-up of a tenth of them."""
    env = gym.make(env_id)
    before = 0.0
    for i in range(resets + resets // 10):
        if i == resets // 10:
            gc.collect()
            before = resident_mb()
        _, info = env.reset(seed=i)
        legal = info["legal_actions"]
        env.step(legal[0] if legal else "0")
    gc.collect()
    return resident_mb() - before


def run(quick: bool = False) -> list[Row]:
    """Reset and step once, 10,000 times (1,000 quick)."""
    resets = 1_000 if quick else 10_000
    rows = []
    for row in ENVS:
        if row.data is None:
            growth = growth_mb(row.id, resets)
            rows.append(
                Row(f"{row.id}, {resets} resets", growth, None, "MiB growth", f"under {LIMIT_MB}", growth < LIMIT_MB)
            )
    return rows
