"""Small environments for tests: slow, failing, blocking, judged."""

import threading
import time
from typing import Any, ClassVar, NamedTuple

import gymnasium as gym

from rlvr.envs.core import TextEnv
from rlvr.tasks.actions import ActionSpec, Param
from rlvr.tasks.rng import Rng
from rlvr.tasks.rules import Invalid, Rules, StopReason, Transition
from rlvr.tasks.task import GeneratedSource, Task
from rlvr.tasks.verify import Verdict, VerdictStatus


class CountTask(Task):
    """Count up to a number."""

    family: ClassVar[str] = "count"
    top: int
    salt: int


class CountState(NamedTuple):
    top: int
    now: int = 0
    verdict: Verdict | None = None


class CountRules(Rules[CountTask, CountState, int]):
    """Say the next number; the score is the share of numbers said."""

    family: ClassVar[str] = "count"
    task_type = CountTask
    instructions = "Count upwards from 1, one number a turn."
    actions = (
        ActionSpec("say", r"(?P<n>\d{1,9})", "{n}", "1", "say a number", (Param("n", "integer", "the number"),)),
    )

    def initial(self, task: CountTask) -> CountState:
        return CountState(task.top)

    def parse(self, state: CountState, text: str) -> int | Invalid:
        text = text.strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else Invalid("this is not a number")

    def legal_actions(self, state: CountState) -> tuple[str, ...]:
        return (str(state.now + 1), "0")

    def step(self, state: CountState, action: int) -> Transition:
        if action != state.now + 1:
            return Transition(state, 0.0, message=f"{action} is not next.")
        after = state._replace(now=action)
        done = after.now == after.top
        return Transition(after, 0.25, done, StopReason.SOLVED if done else None, f"{action}.")

    def view(self, state: CountState) -> str:
        return f"You are at {state.now} of {state.top}."

    def key(self, state: CountState) -> str:
        return str(state.now)

    def score(self, state: CountState) -> float:
        return state.now / state.top

    def solve(self, state: CountState) -> list[str]:
        return [str(n) for n in range(state.now + 1, state.top + 1)]

    def horizon(self, task: CountTask) -> int:
        return 3 * task.top

    def state_to_json(self, state: CountState) -> Any:
        return state.now

    def state_from_json(self, task: CountTask, data: Any) -> CountState:
        return CountState(task.top, data)


class JudgedRules(CountRules):
    """Every number is judged; some verdicts are not reached in time."""

    judged: ClassVar[bool] = True

    def __init__(self, status: str = "correct") -> None:
        self.status = VerdictStatus(status)

    def parse(self, state: CountState, text: str) -> Any:
        return text, None

    def judge(self, state: CountState, action: Any) -> Any:
        return action[0], Verdict(self.status, action[0], "as told", 0.01)

    def with_verdict(self, action: Any, verdict: Any) -> Any:
        return action[0], verdict

    def step(self, state: CountState, action: Any) -> Transition:
        verdict = action[1]
        stop = {
            VerdictStatus.CORRECT: StopReason.SOLVED,
            VerdictStatus.TIMEOUT: StopReason.VERIFIER_TIMEOUT,
            VerdictStatus.ERROR: StopReason.VERIFIER_ERROR,
        }.get(verdict.status, StopReason.FAILED)
        now = state.top if verdict.status is VerdictStatus.CORRECT else 0
        return Transition(state._replace(now=now, verdict=verdict), float(now > 0), True, stop, "Judged.")

    def verdict(self, state: CountState) -> Verdict | None:
        return state.verdict


class CountSource(GeneratedSource[CountTask]):
    difficulties = ("short", "long")

    def generate(self, rng: Rng, difficulty: str) -> CountTask:
        return CountTask(top=rng.integer(2, 40) + (100 if difficulty == "long" else 0), salt=rng.below(10**6))


class CountEnv(TextEnv[CountTask]):
    """Count; optionally slowly, with failures, or judged."""

    def __init__(
        self,
        *,
        delay_s: float = 0.0,
        fail_at: int | None = None,
        blocking: bool = False,
        thread_safe: bool = True,
        verdict: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(CountRules() if verdict is None else JudgedRules(verdict), CountSource(), **kwargs)
        self.delay_s = delay_s
        self.fail_at = fail_at
        self.blocking = blocking
        self.thread_safe = thread_safe

    now_in_step: ClassVar[int] = 0
    most_in_step: ClassVar[int] = 0
    threads: ClassVar[set[int]] = set()
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def step(self, action: str) -> Any:
        kind = type(self)
        with self._lock:
            kind.now_in_step += 1
            kind.most_in_step = max(kind.most_in_step, kind.now_in_step)
            kind.threads.add(threading.get_ident())
        try:
            if self.delay_s:
                time.sleep(self.delay_s)
            if self.fail_at is not None and self.steps == self.fail_at and self.label.uid[-1] in "01234567":
                raise RuntimeError("the engine broke")
            return super().step(action)
        finally:
            with self._lock:
                kind.now_in_step -= 1


def register() -> None:
    """Register the test environments; calling it again changes nothing."""
    if "test/count-v0" not in gym.registry:
        gym.register("test/count-v0", CountEnv)


register()
