"""Steps per second of 256 text environments: our vector environment against Gymnasium's, on the same ids."""

import time
from typing import Any

import gymnasium as gym

import rlvr  # noqa: F401
from rlvr.tasks.rng import Rng

from .harness import Row, interleave
from .play import FAMILIES

ENVS = 256


def _steps_per_second(venv: gym.vector.VectorEnv[Any, Any, Any], steps: int) -> float:
    rng = Rng(0)
    _, infos = venv.reset(seed=0)
    spent = 0.0
    for _ in range(steps):
        actions = tuple(legal[rng.below(len(legal))] if legal else "" for legal in infos["legal_actions"])
        start = time.perf_counter()
        _, _, _, _, infos = venv.step(actions)
        spent += time.perf_counter() - start
    return steps * ENVS / spent


def _same(ours: gym.vector.VectorEnv[Any, Any, Any], peer: gym.vector.VectorEnv[Any, Any, Any], steps: int) -> bool:
    """Whether both give the same observations, rewards, ends and infos, step by step."""
    rng = Rng(1)
    observations, infos = ours.reset(seed=3)
    expected, expected_infos = peer.reset(seed=3)
    for _ in range(steps):
        if tuple(observations) != tuple(expected) or infos.keys() != expected_infos.keys():
            return False
        for key, values in infos.items():
            if values.tolist() != expected_infos[key].tolist():
                return False
        actions = tuple(legal[rng.below(len(legal))] if legal else "" for legal in infos["legal_actions"])
        observations, rewards, terminations, truncations, infos = ours.step(actions)
        expected, *others, expected_infos = peer.step(actions)
        if [rewards.tolist(), terminations.tolist(), truncations.tolist()] != [other.tolist() for other in others]:
            return False
    return True


def run(quick: bool = False) -> list[Row]:
    """Compare with SyncVectorEnv and AsyncVectorEnv(shared_memory=False)."""
    rows = []
    steps, rounds = (10, 3) if quick else (40, 5)
    for env_id, kwargs in FAMILIES:
        ours = gym.make_vec(env_id, num_envs=ENVS, **kwargs)
        sync = gym.make_vec(env_id, num_envs=ENVS, vectorization_mode="sync", **kwargs)
        same = _same(ours, sync, 12)
        own, peer = interleave(
            lambda venv=ours: _steps_per_second(venv, steps),  # type: ignore[misc]
            lambda venv=sync: _steps_per_second(venv, steps),  # type: ignore[misc]
            rounds=rounds,
        )
        sync.close()
        rows.append(
            Row(
                f"{env_id}, {ENVS} environments", own, peer, "steps/s", "at least 2 times, same observations",
                own >= 2 * peer and same, "SyncVectorEnv", "identical" if same else "DIFFERENT",
            )
        )  # fmt: skip
    env_id, kwargs = FAMILIES[1]
    ours = gym.make_vec(env_id, num_envs=ENVS, **kwargs)
    parallel = gym.make_vec(
        env_id, num_envs=ENVS, vectorization_mode="async", vector_kwargs={"shared_memory": False}, **kwargs
    )
    try:
        own, peer = interleave(
            lambda: _steps_per_second(ours, steps), lambda: _steps_per_second(parallel, min(steps, 10)), rounds=2
        )
    finally:
        parallel.close()
    rows.append(
        Row(
            f"{env_id}, {ENVS} environments", own, peer, "steps/s", "at least 2 times", own >= 2 * peer,
            "AsyncVectorEnv(shared_memory=False)",
        )
    )  # fmt: skip
    return rows
