"""Write what was played as records that `rlvr verify` replays."""

import json
import time
from pathlib import Path
from typing import Any

import gymnasium as gym

from ...tasks.errors import UserError
from ...tasks.rules import EXCLUDED_STOPS
from ...tasks.task import text_hash
from ..core import TextEnv


class RecordEpisode(gym.Wrapper[str, str, str, str], gym.utils.RecordConstructorArgs):
    """Appends every finished episode to a file, one JSON line each, in the form of `agents.types.Episode`.

    For agents that run their own loop (`rlvr eval` records by itself). Put it next to the environment, inside
    wrappers that change actions or observations. An episode that is left before its end is not written.

    Args:
        env: A text environment made by `gym.make`.
        path: The file to append to; its folder is made if need be.
        agent: The name under which the episodes appear.
        run: The run's name; the file's name if None.
    """

    def __init__(self, env: gym.Env[str, str], path: str, agent: str = "external", run: str | None = None) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, path=str(path), agent=agent, run=run)
        super().__init__(env)
        if not isinstance(env.unwrapped, TextEnv) or env.unwrapped.spec is None:
            raise UserError("RecordEpisode wraps a text environment that gym.make has made.")
        self._text_env: TextEnv[Any] = env.unwrapped
        self._spec = env.unwrapped.spec
        self._path = Path(path)
        self._agent = agent
        self._run = run or self._path.stem
        self._count = 0
        self._events: list[dict[str, Any]] = []
        self._total = 0.0
        self._started = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Reset with an explicit seed, so that the episode can be played again."""
        if seed is None:
            seed = int(self._text_env.np_random.integers(2**31))
        observation, info = self.env.reset(seed=seed, options=options)
        self._started = time.time()
        self._total = 0.0
        self._events = [
            {
                "type": "reset",
                "seed": seed,
                "options": dict(options or {}),
                "task_uid": info["task_uid"],
                "observation_hash": text_hash(observation),
                "state_key": info["state_key"],
            }
        ]
        return observation, info

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Play and record; the last step writes the record."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        verdict = info.get("verdict")
        self._total += float(reward)
        self._events.append(
            {
                "type": "step",
                "action": action,
                "reward": float(reward),
                "terminated": terminated,
                "truncated": truncated,
                "stop_reason": info["stop_reason"],
                "invalid": info["invalid"],
                "score": info["score"],
                "observation_hash": text_hash(observation),
                "state_key": info["state_key"],
                "verdict": None
                if verdict is None
                else {"status": verdict.status, "extracted": verdict.extracted, "reason": verdict.reason},
            }
        )
        if terminated or truncated:
            self._write(info)
        return observation, float(reward), terminated, truncated, info

    def _write(self, info: dict[str, Any]) -> None:
        label = self._text_env.label
        record = {
            "version": 1,
            "key": f"{self._spec.id}/{self._count}",
            "run": self._run,
            "env_id": self._spec.id,
            "env_kwargs": dict(self._spec.kwargs),
            "split": label.split,
            "difficulty": label.difficulty,
            "group": self._count,
            "member": 0,
            "env_seed": self._events[0]["seed"],
            "sampling_seed": 0,
            "task_uid": info["task_uid"],
            "agent": self._agent,
            "events": self._events,
            "ledger": {
                "env_steps": len(self._events) - 1,
                "verifier_calls": sum(event.get("verdict") is not None for event in self._events),
            },
            "end": "submitted",
            "stop_reason": info["stop_reason"],
            "score": info["score"],
            "is_success": info["is_success"],
            "total_reward": self._total,
            "excluded": info["stop_reason"] in EXCLUDED_STOPS,
            "privileged": sorted(self._text_env.privileged),
            "data": {} if self._text_env.source.fingerprint is None else {"data": self._text_env.source.fingerprint},
            "timing": {"started": self._started, "wall_s": time.time() - self._started},
        }
        self._count += 1
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=True) + "\n")
