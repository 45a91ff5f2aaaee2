"""Check that the three vector environments give the same."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from ..vector import TextVectorEnv
from .report import Violation
from .subject import Subject
from .traces import canonical, first_difference

NUM_ENVS = 3
STEPS = 24

Maker = Callable[[AutoresetMode], VectorEnv[Any, Any, Any]]


def vector(subject: Subject) -> str:
    """See `Check.VECTOR`."""
    compared = 0
    for mode in AutoresetMode:
        makers = _makers(subject)
        if mode is not AutoresetMode.NEXT_STEP:
            makers.pop("async")  # It starts processes; one mode shows that texts survive them.
        played = {name: _play(make(mode), mode, subject) for name, make in makers.items()}
        expected = played.pop("own")
        for name, records in played.items():
            for i, (one, other) in enumerate(zip(records, expected, strict=True)):
                found = first_difference(one, other)
                if found is not None:
                    raise Violation(
                        f"Gymnasium's {name} vector environment and make_vec's own differ ({mode.value}, step {i}): "
                        f"{found.lstrip()}"
                    )
            compared += len(records)
    return f"{compared} batches are the same in own, sync and async vector environments"


def _makers(subject: Subject) -> dict[str, Maker]:
    if isinstance(subject.env, str) and gym.spec(subject.env).vector_entry_point is not None:
        env_id = subject.env

        def made(way: str) -> Maker:
            def make(mode: AutoresetMode) -> VectorEnv[Any, Any, Any]:
                if way == "vector_entry_point":
                    return gym.make_vec(env_id, NUM_ENVS, way, autoreset_mode=mode.value, **subject.kwargs)
                extra = {"shared_memory": False} if way == "async" else {}
                kwargs = {"autoreset_mode": mode, **extra}
                return gym.make_vec(env_id, NUM_ENVS, way, vector_kwargs=kwargs, **subject.kwargs)

            return make

        return {"own": made("vector_entry_point"), "sync": made("sync"), "async": made("async")}
    functions = [subject.make] * NUM_ENVS
    return {
        "own": lambda mode: TextVectorEnv(lambda: subject.bare(), NUM_ENVS, autoreset_mode=mode),
        "sync": lambda mode: SyncVectorEnv(functions, autoreset_mode=mode),
        "async": lambda mode: AsyncVectorEnv(functions, shared_memory=False, autoreset_mode=mode),
    }


def _play(envs: VectorEnv[Any, Any, Any], mode: AutoresetMode, subject: Subject) -> list[Any]:
    """Play the same actions everywhere and write down every batch."""
    try:
        examples = subject.bare().examples
        records = []
        observations, infos = envs.reset(seed=subject.seed)
        records.append(_batch(observations, infos))
        walks = [subject.walk("vector", i) for i in range(NUM_ENVS)]
        for _ in range(STEPS):
            actions = tuple(_choose(walk, infos, i, examples) for i, walk in enumerate(walks))
            observations, rewards, terminations, truncations, infos = envs.step(actions)
            records.append(_batch(observations, infos, rewards, terminations, truncations))
            over = terminations | truncations
            if mode is AutoresetMode.DISABLED and over.any():
                observations, infos = envs.reset(options={"reset_mask": over.copy()})
                records.append(_batch(observations, infos))
        return records
    finally:
        envs.close()


class _Examples:
    """What a walk may ask of an environment that is not at hand."""

    def __init__(self, examples: tuple[str, ...]) -> None:
        self.examples = examples

    def expert_action(self) -> None:
        return None


def _choose(walk: Any, infos: dict[str, Any], i: int, examples: tuple[str, ...]) -> str:
    held = "legal_actions" in infos and infos["_legal_actions"][i]
    return walk.choose(_Examples(examples), {"legal_actions": infos["legal_actions"][i] if held else None})


def _batch(observations: Any, infos: dict[str, Any], *arrays: Any) -> Any:
    if not isinstance(observations, tuple) or not all(isinstance(text, str) for text in observations):
        raise Violation("a batch of observations must be a tuple of strings")
    return {"observations": list(observations), "infos": _layout(infos), "arrays": canonical([*arrays])}


def _layout(infos: dict[str, Any]) -> dict[str, Any]:
    """Return infos with their dtypes, values only where the mask has them."""
    laid: dict[str, Any] = {}
    for key, value in infos.items():
        if isinstance(value, dict):
            laid[key] = _layout(value)
        elif isinstance(value, np.ndarray) and not key.startswith("_"):
            mask = infos[f"_{key}"]
            laid[key] = {
                "dtype": str(value.dtype),
                "values": [canonical(item) if has else None for item, has in zip(value, mask, strict=True)],
            }
        else:
            laid[key] = canonical(value)
    return laid
