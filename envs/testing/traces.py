"""Playing an episode and writing down all that came back, in a form that two runs or two processes can compare."""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from ...tasks.rng import Rng

CLOCK_FIELDS = frozenset({"seconds", "queued_s"})
"""Fields of a verdict that tell the time it took; two runs may differ there and nowhere else."""

JUNK = "?! this is no action"
MAX_SHOWN = 60


class Trace(NamedTuple):
    """One episode: how it was started, what was played, and what came back."""

    seed: int | None
    options: dict[str, Any]
    actions: list[str]
    records: list[dict[str, Any]]
    """The reset's record and one a step, as JSON values: observation, info, and for steps reward and both ends."""

    @property
    def over(self) -> bool:
        """Whether the episode ended."""
        last = self.records[-1]
        return bool(last.get("terminated") or last.get("truncated"))


def canonical(value: Any) -> Any:
    """Return a value as JSON types, without clock values; two equal runs give equal results."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return canonical(value.value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        return number if math.isfinite(number) else repr(number)
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "values": canonical(value.tolist())}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return canonical({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if isinstance(value, BaseModel):
        return canonical(value.model_dump(mode="json"))
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return canonical(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items() if key not in CLOCK_FIELDS}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    return f"{type(value).__name__} {value!r}"


def first_difference(expected: Any, actual: Any, where: str = "") -> str | None:
    """Return one phrase on where two canonical values differ first, or None if they are equal."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted(expected.keys() ^ actual.keys()):
            return f"{where}[{key!r}] is there only once"
        for key in expected:
            found = first_difference(expected[key], actual[key], f"{where}[{key!r}]")
            if found is not None:
                return found
        return None
    if isinstance(expected, list) and isinstance(actual, list):
        for i, (one, other) in enumerate(zip(expected, actual, strict=False)):
            found = first_difference(one, other, f"{where}[{i}]")
            if found is not None:
                return found
        return None if len(expected) == len(actual) else f"{where} has {len(expected)} items, then {len(actual)}"
    if type(expected) is type(actual) and expected == actual:
        return None
    return f"{where} is {shown(expected)}, then {shown(actual)}"


def difference(expected: Trace, actual: Iterable[Any]) -> str | None:
    """Return where a replay of a trace first departs from it, or None."""
    for i, (record, other) in enumerate(zip(expected.records, actual, strict=False)):
        found = first_difference(record, other)
        if found is not None:
            moment = "after reset" if i == 0 else f"after step {i} ({shown(expected.actions[i - 1])})"
            return f"{moment}, {found.lstrip()}"
    return None


def shown(value: Any) -> str:
    """Return a value for a message: its representation, cut to one line."""
    text = ascii(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


class Walk:
    """A seeded player: mostly legal actions, now and then no action at all.

    Where the legal actions are not finitely many it plays examples, the expert's action, and junk.
    """

    def __init__(self, *names: str | int, junk: float = 0.1) -> None:
        self._rng = Rng.named("walk", *names)
        self._junk = junk

    def choose(self, env: Any, info: Mapping[str, Any]) -> str:
        """Return what to play next."""
        rng = self._rng
        draw = rng.random()
        legal = info.get("legal_actions")
        if legal:
            return JUNK if draw < self._junk else rng.choice(legal)
        if draw < 0.3:
            return JUNK
        if draw < 0.6:
            return rng.choice(env.examples)
        return env.expert_action() or rng.choice(env.examples)


def reset_record(env: Any, seed: int | None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], Any]:
    """Reset, and return the record and the raw `info`."""
    observation, info = env.reset(seed=seed, options=options or None)
    return {"observation": canonical(observation), "info": canonical(info)}, info


def step_record(env: Any, action: str) -> tuple[dict[str, Any], Any]:
    """Step, and return the record and the raw `info`."""
    observation, reward, terminated, truncated, info = env.step(action)
    record = {
        "observation": canonical(observation),
        "reward": canonical(reward),
        "terminated": canonical(terminated),
        "truncated": canonical(truncated),
        "info": canonical(info),
    }
    return record, info


def ended(record: Mapping[str, Any]) -> bool:
    """Return whether a step's record ends its episode."""
    return bool(record["terminated"] or record["truncated"])


def play(env: Any, seed: int | None, walk: Walk, max_steps: int, options: dict[str, Any] | None = None) -> Trace:
    """Play one episode as the walk chooses, at most `max_steps` steps of it."""
    record, info = reset_record(env, seed, options)
    records = [record]
    actions: list[str] = []
    while len(actions) < max_steps:
        action = walk.choose(env, info)
        record, info = step_record(env, action)
        actions.append(action)
        records.append(record)
        if ended(record):
            break
    return Trace(seed, dict(options or {}), actions, records)


def replay(env: Any, trace: Trace) -> list[dict[str, Any]]:
    """Play the actions of a trace again from its reset; stops where this run ends."""
    record, _ = reset_record(env, trace.seed, trace.options)
    return [record, *follow(env, trace.actions)]


def follow(env: Any, actions: Iterable[str]) -> list[dict[str, Any]]:
    """Play actions from where the environment is; stops where the episode ends."""
    records = []
    for action in actions:
        record, _ = step_record(env, action)
        records.append(record)
        if ended(record):
            break
    return records
