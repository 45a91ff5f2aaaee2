"""Our vector environment: in process, no pickling, observations as a tuple of strings.

Gymnasium's `AsyncVectorEnv` with shared memory garbles `Text` observations, and text needs no processes, so
`gym.make_vec("rlvr/...")` uses this class. Seeds, autoreset and the layout of `infos` are Gymnasium's.
"""

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ..tasks.errors import UserError
from .core import TextEnv

Observations = tuple[str, ...]
_NUMERIC = (int, float, bool)
"""What Gymnasium puts into an array of that type; other numbers are numpy's own."""


def __getattr__(name: str) -> Callable[..., "TextVectorEnv"]:
    """Resolve `"game24.Game24Env"` to the vector env of that class.

    Gymnasium passes a vector entry point the arguments of an id but not the id, and a spec must stay JSON, so the
    class travels in the entry point's name.
    """
    module, dot, attribute = name.rpartition(".")
    if not dot or name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(TextVectorEnv, getattr(importlib.import_module(f"{__package__}.{module}"), attribute))


class TextVectorEnv(VectorEnv[Observations, Sequence[str], NDArray[Any]]):
    """Steps `num_envs` text environments one after the other.

    Args:
        env_fn: Makes one environment from the keyword arguments.
        num_envs: How many.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value.
        **kwargs: The environment's arguments.
    """

    def __init__(
        self,
        env_fn: Callable[..., TextEnv[Any]],
        num_envs: int = 1,
        *,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        **kwargs: Any,
    ) -> None:
        if num_envs < 1:
            raise UserError(f"num_envs must be at least 1, not {num_envs}.")
        self.envs = [env_fn(**kwargs) for _ in range(num_envs)]
        first = self.envs[0]
        self.num_envs = num_envs
        self.render_mode = first.render_mode
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**first.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = first.observation_space
        self.single_action_space = first.action_space
        self.observation_space = batch_space(first.observation_space, num_envs)
        self.action_space = batch_space(first.action_space, num_envs)
        self._observations: list[str] = [""] * num_envs
        self._over = np.zeros(num_envs, dtype=np.bool_)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observations, dict[str, Any]]:
        """Reset all environments, or those of `options["reset_mask"]`; an integer seed gives env i the seed + i."""
        if seed is None or isinstance(seed, int):
            seeds: Sequence[int | None] = [None if seed is None else seed + i for i in range(self.num_envs)]
        else:
            seeds = seed
        if len(seeds) != self.num_envs:
            raise UserError(f"Pass one seed for each of the {self.num_envs} environments, not {len(seeds)}.")
        options = dict(options or {})
        mask = options.pop("reset_mask", None)
        chosen = np.ones(self.num_envs, dtype=np.bool_) if mask is None else np.asarray(mask, dtype=np.bool_)
        if chosen.shape != (self.num_envs,) or not chosen.any():
            raise UserError(f"reset_mask must have shape ({self.num_envs},) and at least one True.")
        infos: list[dict[str, Any] | None] = [None] * self.num_envs
        for i, env in enumerate(self.envs):
            if chosen[i]:
                self._observations[i], infos[i] = env.reset(seed=seeds[i], options=options or None)
        self._over = np.where(chosen, False, self._over)
        return tuple(self._observations), batch_infos(infos)

    def step(
        self, actions: Sequence[str]
    ) -> tuple[Observations, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Play one action in each environment; one that ended is reset as the autoreset mode says."""
        if isinstance(actions, str) or len(actions) != self.num_envs:
            raise UserError(f"Pass a sequence of {self.num_envs} actions, one for each environment.")
        n = self.num_envs
        observations = self._observations
        rewards = np.zeros(n, dtype=np.float64)
        terminations = np.zeros(n, dtype=np.bool_)
        truncations = np.zeros(n, dtype=np.bool_)
        infos: list[dict[str, Any] | None] = [None] * n
        finals: list[dict[str, Any] | None] = [None] * n
        final_observations: list[str | None] = [None] * n
        over = self._over.tolist() if self.autoreset_mode is AutoresetMode.NEXT_STEP else None
        same_step = self.autoreset_mode is AutoresetMode.SAME_STEP
        for i, env in enumerate(self.envs):
            if over is not None and over[i]:
                observations[i], infos[i] = env.reset()
                continue
            observations[i], reward, terminated, truncated, infos[i] = env.step(actions[i])
            rewards[i] = reward
            if terminated or truncated:
                terminations[i] = terminated
                truncations[i] = truncated
                if same_step:
                    final_observations[i], finals[i] = observations[i], infos[i]
                    observations[i], infos[i] = env.reset()
        self._over = terminations | truncations
        batched = batch_infos(infos)
        if same_step and self._over.any():
            batched["final_obs"] = _object_array(final_observations)
            batched["_final_obs"] = self._over.copy()
            batched["final_info"] = batch_infos(finals)
            batched["_final_info"] = self._over.copy()
        return tuple(observations), rewards, terminations, truncations, batched

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every environment (or read an attribute), such as `expert_action`; a tuple of results."""
        found = [getattr(env, name) for env in self.envs]
        return tuple(value(*args, **kwargs) if callable(value) else value for value in found)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Read an attribute of every environment."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute: a list or tuple has one value for each environment, anything else goes to all."""
        if not isinstance(values, list | tuple):
            values = [values] * self.num_envs
        if len(values) != self.num_envs:
            raise UserError(f"Pass one value for each of the {self.num_envs} environments, not {len(values)}.")
        for env, value in zip(self.envs, values, strict=True):
            setattr(env, name, value)

    def render(self) -> tuple[Any, ...] | None:
        """Return every environment's picture."""
        return tuple(env.render() for env in self.envs)

    def close_extras(self, **kwargs: Any) -> None:
        """Close every environment."""
        for env in self.envs:
            env.close()


def _object_array(values: Sequence[Any]) -> NDArray[Any]:
    return np.fromiter(values, dtype=object, count=len(values))


def _stacked(values: Sequence[NDArray[Any] | None]) -> NDArray[Any]:
    first = next(value for value in values if value is not None)
    stacked = np.zeros((len(values), *first.shape), dtype=first.dtype)
    for i, value in enumerate(values):
        if value is not None:
            stacked[i] = value
    return stacked


def batch_infos(infos: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    """Return the infos in Gymnasium's vector layout: an array a key, and under `_key` the mask of who has it."""
    present = [info is not None for info in infos]
    batched: dict[str, Any] = {}
    first = next((info for info in infos if info is not None), None)
    if first is None:
        return batched
    mask = np.array(present)
    uniform = mask.all() and all(info.keys() == first.keys() for info in infos if info is not None)
    keys = first.keys() if uniform else dict.fromkeys(key for info in infos if info is not None for key in info)
    for key in keys:
        if uniform:
            values = [info[key] for info in infos]  # type: ignore[index]
            held = mask
        else:
            values = [None if info is None else info.get(key) for info in infos]
            held = np.array([info is not None and key in info for info in infos])
        kind = next(type(value) for value, has in zip(values, held, strict=True) if has)
        if kind in _NUMERIC or issubclass(kind, np.number):
            batched[key] = np.array([kind() if value is None else value for value in values], dtype=kind)
        elif kind is dict:
            batched[key] = batch_infos(values)
        elif kind is np.ndarray:
            batched[key] = _stacked(values)
        else:
            batched[key] = _object_array(values)
        batched[f"_{key}"] = held.copy()
    return batched
