"""Text of this package's own environments: what the direct agent is told, sees and answers while an expert plays."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from ...agents.direct import DirectConfig, system_prompt
from ...envs import registry
from ...envs.core import TextEnv
from ...tasks.rng import Rng

KINDS: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("maze-v0", {}, 0.5),
    ("maze-v0", {"view": "partial", "generator": "percolation"}, 0.5),
    ("maze-path-v0", {"format": "picture"}, 0.5),
    ("maze-path-v0", {"format": "tokens"}, 0.5),
    ("sokoban-v0", {}, 0.5),
    ("sokoban-v0", {"symbols": "xsb"}, 0.5),
    ("bandit-v0", {"horizon": 30}, 1.5),
    ("game24-v0", {}, 0.5),
    ("game24-text-v0", {}, 0.5),
    ("countdown-v0", {}, 0.5),
    ("aime-v0", {}, 1.0),
    ("arithmetic-v0", {}, 0.5),
)
"""Environments with their arguments, and how much of each there is; all generated levels are visited."""

EXTRACTIONS: tuple[Any, ...] = ("auto", "raw", "tag", "json", "boxed", "last_line", "tool")

_SHORT = {"10x10-4": 0.1, "8x8-3": 0.3, "20x20": 0.2, "15x15": 0.3}
"""How often a level is visited whose pictures, or whose search, take much longer than the others'."""


def make_env(name: str, kwargs: dict[str, Any]) -> TextEnv[Any]:
    """Return an environment by its name, without Gymnasium around it."""
    row = registry.find(name)
    module, _, attribute = row.entry.partition(":")
    kind = getattr(import_module(f"rlvr.envs.{module}"), attribute)
    env: TextEnv[Any] = kind(**{**row.kwargs, **kwargs})
    return env


def episode_texts(env: TextEnv[Any], difficulty: str, rng: Rng) -> Iterator[str]:
    """Yield the texts of one episode on the train split: prompt, observations, actions, a few of them invalid."""
    rules = env.rules
    config = DirectConfig(extraction=rng.choice(EXTRACTIONS))
    yield system_prompt(env, config)
    observation, info = env.reset(options={"difficulty": difficulty, "split": "train"})
    yield observation
    for _ in range(8):
        action = env.expert_action() if rng.random() < 0.7 else env.random_action(rng)
        if action is None:
            return
        yield action
        if rules.judged:
            return
        observation, _, terminated, truncated, info = env.step(action if rng.random() < 0.95 else "hello")
        yield observation
        if info["legal_actions"]:
            yield f"Legal actions: {'; '.join(info['legal_actions'])}"
        if terminated or truncated:
            return


def family_texts(kind: int, seed: int) -> Iterator[str]:
    """Yield texts of one row of `KINDS` without end.

    Args:
        kind: The row.
        seed: Names the tasks and the random steps.
    """
    name, kwargs, _ = KINDS[kind]
    rng = Rng.named("corpus", seed, name, kind)
    env = make_env(name, kwargs)
    env.reset(seed=rng.below(2**31))
    while True:
        level = rng.choice(env.source.difficulties)
        if rng.random() < _SHORT.get(level, 1.0):
            yield from episode_texts(env, level, rng)
