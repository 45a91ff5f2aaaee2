"""Environments whose snapshots or states are not what they should be."""

from typing import Any, NamedTuple

from rlvr.envs.core import Snapshot
from rlvr.envs.testing import Check
from rlvr.tasks.rules import Transition

from .healthy import LockEnv, LockRules, LockState, LockTask


class MutableState:
    def __init__(self, code: tuple[int, ...]) -> None:
        self.code = code
        self.dialled = 0

    def _replace(self, dialled: int) -> "MutableState":
        self.dialled = dialled
        return self


class MutableRules(LockRules):
    def initial(self, task: LockTask) -> Any:
        return MutableState(task.code)

    def state_from_json(self, task: LockTask, data: Any) -> Any:
        state = MutableState(task.code)
        state.dialled = data["dialled"]
        return state


class SharedState(LockEnv):
    """A snapshot shares its state with the running episode, which changes it in place."""

    caught_by = Check.SNAPSHOT
    rules_class = MutableRules


class FreshLimit(LockEnv):
    """Whoever restores gets the full number of steps again."""

    caught_by = Check.STEP_LIMIT

    def restore(self, snapshot: Snapshot) -> tuple[str, dict[str, Any]]:
        super().restore(snapshot)
        self._limit = self._steps + (self.max_steps or 4 * len(self._current_task().code))
        return self._observe(), self._info()


class ForgetfulJsonRules(LockRules):
    def state_from_json(self, task: LockTask, data: Any) -> LockState:
        return self.initial(task)


class ForgetfulJson(LockEnv):
    """The JSON form of the state is read back without what was dialled."""

    caught_by = Check.STATE_JSON
    rules_class = ForgetfulJsonRules


class BytesJsonRules(LockRules):
    def state_to_json(self, state: LockState) -> Any:
        return {"dialled": bytes([state.dialled])}

    def state_from_json(self, task: LockTask, data: Any) -> LockState:
        return LockState(task.code, data["dialled"][0])


class BytesJson(LockEnv):
    """The JSON form of the state holds bytes."""

    caught_by = Check.STATE_JSON
    rules_class = BytesJsonRules


class HistoryState(NamedTuple):
    code: tuple[int, ...]
    dialled: int = 0
    history: tuple[int, ...] = ()


class HistoryRules(LockRules):
    def initial(self, task: LockTask) -> Any:
        return HistoryState(task.code)

    def step(self, state: Any, action: int) -> Transition:
        return super().step(state._replace(history=(*state.history, action)), action)

    def state_to_json(self, state: Any) -> Any:
        return {"dialled": state.dialled, "history": list(state.history)}

    def state_from_json(self, task: LockTask, data: Any) -> Any:
        return HistoryState(task.code, data["dialled"], tuple(data["history"]))


class History(LockEnv):
    """The state holds everything that was ever dialled."""

    caught_by = Check.SNAPSHOT_COST
    rules_class = HistoryRules


BROKEN: tuple[type[Any], ...] = (SharedState, FreshLimit, ForgetfulJson, BytesJson, History)
