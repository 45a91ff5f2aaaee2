"""Environments that are not a function of their seed and actions."""

import random
import time
from typing import Any, ClassVar

import numpy as np

from rlvr.envs.testing import Check
from rlvr.tasks.rules import Invalid, Transition
from rlvr.tasks.task import Split

from .healthy import LockEnv, LockRules, LockSource, LockState, LockTask


class GlobalRandomSource(LockSource):
    def sample(self, seed: int, split: Split | None = None, difficulty: str | None = None) -> LockTask:
        return super().sample(random.randrange(1000), split, difficulty)


class GlobalRandom(LockEnv):
    """Reset draws from the module random."""

    caught_by = Check.GLOBAL_RANDOM
    source_class = GlobalRandomSource


class NumpyGlobalSource(LockSource):
    def sample(self, seed: int, split: Split | None = None, difficulty: str | None = None) -> LockTask:
        np.random.seed(seed % 2**32)
        return super().sample(int(np.random.randint(1_000_000)), split, difficulty)


class NumpyGlobal(LockEnv):
    """Reset seeds numpy's global generator: repeatable, but at everybody else's cost."""

    caught_by = Check.GLOBAL_RANDOM
    source_class = NumpyGlobalSource


class DroppedSeedSource(LockSource):
    def __init__(self) -> None:
        self._generator = np.random.default_rng()

    def sample(self, seed: int, split: Split | None = None, difficulty: str | None = None) -> LockTask:
        return super().sample(int(self._generator.integers(2**31)), split, difficulty)


class DroppedSeed(LockEnv):
    """The seed is dropped for a generator of its own."""

    caught_by = Check.SAME_SEED
    source_class = DroppedSeedSource


class OneTaskSource(LockSource):
    def sample(self, seed: int, split: Split | None = None, difficulty: str | None = None) -> LockTask:
        return super().sample(0, split, difficulty)


class OneTask(LockEnv):
    """Every seed gives the same task."""

    caught_by = Check.DIFFERENT_SEEDS
    source_class = OneTaskSource


class HashOrderRules(LockRules):
    def legal_actions(self, state: LockState) -> tuple[str, ...]:
        return tuple(set(super().legal_actions(state)))


class HashOrder(LockEnv):
    """The order of the legal actions is that of a set of strings."""

    caught_by = Check.PROCESSES
    rules_class = HashOrderRules


class SharedCounterRules(LockRules):
    steps: ClassVar[list[int]] = [0]

    def initial(self, task: LockTask) -> LockState:
        self.steps[0] = 0
        return super().initial(task)

    def step(self, state: LockState, action: int) -> Transition:
        self.steps[0] += 1
        return super().step(state, action)._replace(message=f"Turn {self.steps[0]}.")


class SharedCounter(LockEnv):
    """A class attribute counts the turns of all instances together."""

    caught_by = Check.INSTANCES
    rules_class = SharedCounterRules


_SCRATCH: dict[str, int] = {"digit": 0}


class ScratchRules(LockRules):
    def parse(self, state: LockState, text: str) -> int | Invalid:
        action = super().parse(state, text)
        _SCRATCH["digit"] = -1 if isinstance(action, Invalid) else action
        time.sleep(0)
        return action

    def step(self, state: LockState, action: int) -> Transition:
        return super().step(state, _SCRATCH["digit"])


class Scratch(LockEnv):
    """A step passes its action on in a module global: fine alone, wrong with a second thread."""

    caught_by = Check.THREADS
    rules_class = ScratchRules


BROKEN: tuple[type[Any], ...] = (
    GlobalRandom,
    NumpyGlobal,
    DroppedSeed,
    OneTask,
    HashOrder,
    SharedCounter,
    Scratch,
)
