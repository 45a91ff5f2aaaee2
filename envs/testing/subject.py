"""The environment under test: how to make it, here and in a fresh process, and what is documented about it."""

import base64
import importlib
import json
import math
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import cloudpickle
import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from .process import FreshProcess, Here
from .report import NotApplicable, Violation
from .traces import Trace, Walk, ended, follow, play, reset_record


class Sizes(NamedTuple):
    """How much is tried."""

    episodes: int
    """Episodes that are played and replayed."""
    steps: int
    """Steps of each of them, at most."""
    tasks: int
    """Tasks drawn from each split."""
    fuzz: int
    """Random texts, beside the fixed list of nasty ones."""
    plays: int
    """Episodes of each cheating policy."""
    resets: int
    """Resets over which the memory is watched."""
    memory_s: float
    """Time after which the memory check stops resetting."""
    long_episode: int
    """Steps of the episode on which the cost of a snapshot is measured."""


FULL = Sizes(episodes=16, steps=200, tasks=300, fuzz=300, plays=64, resets=10_000, memory_s=120.0, long_episode=600)
QUICK = Sizes(episodes=4, steps=40, tasks=30, fuzz=40, plays=24, resets=400, memory_s=3.0, long_episode=200)

Factory = Callable[..., gym.Env[Any, Any]]


class Documented(NamedTuple):
    """What an environment's documentation promises in numbers."""

    floor: float
    """The mean score that policies which do not solve the task may reach."""
    expert_score: float
    """The mean score that the expert reaches at least; 1.0 means that it solves every task."""
    reward_range: tuple[float, float] | None
    """Bounds of one step's reward; None where nothing is documented."""


class Subject:
    """One environment under test.

    Args:
        env: A registered id, or a factory that passes keyword arguments (`render_mode`, `max_steps`, `reveal`) on.
        kwargs: Arguments of every instance.
        sizes: How much to try.
        seed: Seeds all that is random in the checks.
        step_limit_s: The time that a step may take, in seconds.
    """

    def __init__(
        self, env: str | Factory, kwargs: dict[str, Any], sizes: Sizes, seed: int, step_limit_s: float
    ) -> None:
        self.env = env
        self.kwargs = kwargs
        self.sizes = sizes
        self.seed = seed
        self.step_limit_s = step_limit_s
        self.documented = Documented(0.0, 1.0, None)
        self._traces: list[Trace] | None = None
        self._process: FreshProcess | None = None

    @property
    def name(self) -> str:
        """The id, or the factory's name."""
        return self.env if isinstance(self.env, str) else getattr(self.env, "__qualname__", repr(self.env))

    def make(self, **kwargs: Any) -> gym.Env[Any, Any]:
        """Return a new instance as users get it: through `gym.make`, with Gymnasium's passive checker."""
        arguments = {**self.kwargs, **kwargs}
        return gym.make(self.env, **arguments) if isinstance(self.env, str) else self.env(**arguments)

    def bare(self, **kwargs: Any) -> Any:
        """Return a new instance without wrappers."""
        return self.make(**kwargs).unwrapped

    # Seeds and episodes

    def seeds(self, count: int) -> range:
        """Return `count` seeds."""
        start = 1000 * self.seed
        return range(start, start + count)

    def walk(self, *names: str | int, junk: float = 0.1) -> Walk:
        """Return a player of its own for these names."""
        return Walk(self.seed, *names, junk=junk)

    def traces(self) -> list[Trace]:
        """Return episodes to compare with: some of the default level, one of every other, one by the expert."""
        if self._traces is None:
            env = self.bare()
            traces = [
                play(env, seed, self.walk("trace", seed), self.sizes.steps) for seed in self.seeds(self.sizes.episodes)
            ]
            for level in self.difficulties(env)[1:]:
                seed = self.seeds(1)[0]
                traces.append(
                    play(env, seed, self.walk("trace", level), self.sizes.steps, options={"difficulty": level})
                )
            self._traces = [*traces, self._expert_trace(env)]
        return self._traces

    def _expert_trace(self, env: Any) -> Trace:
        """Return an episode that the expert plays.

        A twin is asked for the actions first, from the start each time, so that asking cannot touch what is played.
        """
        twin = self.bare()
        seed = self.seeds(1)[0]
        actions: list[str] = []
        while len(actions) < self.sizes.steps:
            record, _ = reset_record(twin, seed)
            played = [record, *follow(twin, actions)]
            if len(played) > 1 and ended(played[-1]):
                break
            action = twin.expert_action()
            if action is None:
                break
            actions.append(action)
        record, _ = reset_record(env, seed)
        return Trace(seed, {}, actions, [record, *follow(env, actions)])

    @staticmethod
    def difficulties(env: Any) -> tuple[str, ...]:
        """Return the level names, () where the environment has no source to ask."""
        return tuple(getattr(getattr(env, "source", None), "difficulties", ()))

    @staticmethod
    def splits(env: Any) -> tuple[str, ...]:
        """Return the split names, () where the environment has no source to ask."""
        return tuple(getattr(getattr(env, "source", None), "splits", ()))

    # A fresh process

    def recipe(self) -> dict[str, Any]:
        """Return how another process makes this environment, as a JSON value."""
        if isinstance(self.env, str):
            spec = gym.spec(self.env)
            if not callable(spec.entry_point):
                return {"spec": spec.to_json(), "kwargs": self.kwargs}
            factory, kwargs = spec.entry_point, {**spec.kwargs, **self.kwargs}
        else:
            factory, kwargs = self.env, self.kwargs
        module = sys.modules.get(getattr(factory, "__module__", ""))
        path = getattr(factory, "__qualname__", "")
        # A script must not run again in the other process, so what it defines travels by value, as lambdas do.
        if module is not None and module.__name__ != "__main__" and path and _lookup(module, path) is factory:
            file = getattr(module, "__file__", None)
            return {"module": module.__name__, "file": file, "name": path, "kwargs": kwargs}
        try:
            pickled = cloudpickle.dumps(factory)
        except Exception as error:
            # Pickling fails in as many ways as there are things that cannot be pickled.
            raise NotApplicable(
                f"another process cannot get this factory ({type(error).__name__}: {error}); define it at the top of a "
                "module to have this checked"
            ) from None
        return {"pickled": base64.b64encode(pickled).decode("ascii"), "kwargs": kwargs}

    def elsewhere(self) -> FreshProcess:
        """Return a process of its own, with another `PYTHONHASHSEED`, that plays this environment."""
        if self._process is None or not self._process.alive:
            recipe = self.recipe()
            json_or_violation(recipe["kwargs"], "the arguments of the environment")
            self._process = FreshProcess(recipe)
        return self._process

    def apart(self) -> "FreshProcess | Here":
        """Return a process of its own where that is possible, else the same operations in this process."""
        try:
            return self.elsewhere()
        except NotApplicable:
            return Here(self.bare)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()


def json_or_violation(value: Any, what: str, remedy: str = "") -> str:
    """Return a value as JSON text that reads back equal; anything else is a violation.

    Args:
        value: What should be JSON.
        what: What the violation calls it.
        remedy: What to do about it, as the rest of the sentence.
    """
    more = f"; {remedy}" if remedy else ""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        found = _not_json(value, "") or str(error)
        raise Violation(f"{what} must be JSON values, but {found}{more}") from None
    if json.loads(text) != value:
        found = _not_json(value, "") or "something in it does not"
        raise Violation(f"{what} must read back from JSON as they were, but {found}{more}")
    return text


def _not_json(value: Any, where: str) -> str | None:
    """Return one phrase on the first thing inside a value that JSON does not keep as it is, or None."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                return f"{where or 'it'} has the key {key!r}, which is no text"
            found = _not_json(inner, f"{where}[{key!r}]")
            if found is not None:
                return found
        return None
    if isinstance(value, list):
        for i, inner in enumerate(value):
            found = _not_json(inner, f"{where}[{i}]")
            if found is not None:
                return found
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return f"{where or 'it'} is {value}"
    if value is None or isinstance(value, str | int | float):
        return None
    return f"{where or 'it'} is of type {type(value).__name__}"


def _lookup(module: ModuleType, path: str) -> Any:
    found: Any = module
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def made_from(recipe: dict[str, Any]) -> Factory:
    """Return a function that makes what a recipe names, without wrappers; runs in the fresh process."""
    kwargs = recipe["kwargs"]
    if "spec" in recipe:
        spec = EnvSpec.from_json(recipe["spec"])
        return lambda **more: gym.make(spec, **{**kwargs, **more}).unwrapped
    factory: Factory
    if "pickled" in recipe:
        factory = pickle.loads(base64.b64decode(recipe["pickled"]))
    else:
        factory = _lookup(_module(recipe["module"], recipe["file"]), recipe["name"])
    return lambda **more: factory(**{**kwargs, **more}).unwrapped


def _module(name: str, file: str | None) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        if file is None:
            raise
    # A module that no import path leads to, such as a test's: add the folder that its dotted name starts from.
    sys.path.append(str(Path(file).parents[name.count(".")]))
    importlib.invalidate_caches()
    return importlib.import_module(name)


@contextmanager
def closing(subject: Subject) -> Iterator[Subject]:
    """End the subject's process on the way out."""
    try:
        yield subject
    finally:
        subject.close()
