"""Two small environments that keep every promise; the broken ones change one thing in them."""

from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import Field

from rlvr.envs.core import TextEnv
from rlvr.tasks.actions import ActionSpec, Param, match_action
from rlvr.tasks.rng import Rng
from rlvr.tasks.rules import Invalid, Rules, StopReason, Transition
from rlvr.tasks.task import GeneratedSource, Task


class LockTask(Task):
    family: ClassVar[str] = "lock"

    code: Annotated[tuple[int, ...], Field(min_length=3)]


class LockState(NamedTuple):
    code: tuple[int, ...]
    dialled: int = 0


class LockRules(Rules[LockTask, LockState, int]):
    """Dial the digits in order; a wrong one sends the lock back to its start."""

    family: ClassVar[str] = "lock"
    exhaustive: ClassVar[bool] = True
    task_type = LockTask
    actions = (
        ActionSpec(
            name="dial",
            pattern=r"dial\s+(?P<digit>[0-9])",
            template="dial {digit}",
            example="dial 5",
            description="dial one digit",
            params=(Param("digit", "string", "the digit", tuple("0123456789")),),
        ),
    )
    instructions = "Dial the digits of the code in order. A wrong digit sends the lock back. Write one command: dial 5"

    def initial(self, task: LockTask) -> LockState:
        return LockState(task.code)

    def parse(self, state: LockState, text: str) -> int | Invalid:
        call = match_action(self.actions, text)
        return Invalid("this is not a digit to dial") if call is None else int(call.arguments["digit"])

    def step(self, state: LockState, action: int) -> Transition:
        if action != state.code[state.dialled]:
            return Transition(state._replace(dialled=0), 0.0, False, None, "The lock clicks back.")
        after = state._replace(dialled=state.dialled + 1)
        if after.dialled == len(after.code):
            return Transition(after, 1.0, True, StopReason.SOLVED, "The lock opens.")
        return Transition(after, 0.0, False, None, "Click.")

    def statement(self, task: LockTask) -> str:
        return f"The code is {' '.join(map(str, task.code))}."

    def view(self, state: LockState) -> str:
        return f"Dialled: {state.dialled} of {len(state.code)}."

    def key(self, state: LockState) -> str:
        return str(state.dialled)

    def score(self, state: LockState) -> float:
        return 1.0 if state.dialled == len(state.code) else 0.0

    def legal_actions(self, state: LockState) -> tuple[str, ...]:
        return () if state.dialled == len(state.code) else tuple(f"dial {digit}" for digit in range(10))

    def solve(self, state: LockState) -> list[str] | None:
        return [f"dial {digit}" for digit in state.code[state.dialled :]]

    def horizon(self, task: LockTask) -> int:
        return 4 * len(task.code)

    def state_to_json(self, state: LockState) -> Any:
        return {"dialled": state.dialled}

    def state_from_json(self, task: LockTask, data: Any) -> LockState:
        return LockState(task.code, data["dialled"])

    def colours(self, state: LockState) -> list[list[tuple[int, int, int]]]:
        return [[(0, 200, 0) if i < state.dialled else (90, 90, 90) for i in range(len(state.code))]]


class LockSource(GeneratedSource[LockTask]):
    difficulties = ("3-digits", "4-digits", "5-digits")

    def generate(self, rng: Rng, difficulty: str) -> LockTask:
        while True:
            code = tuple(rng.below(10) for _ in range(int(difficulty[0])))
            if len(set(code)) > 1:
                return LockTask(code=code)


class LockEnv(TextEnv[LockTask]):
    """Many turns, finitely many actions."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}
    floor: ClassVar[float] = 0.0
    rules_class: ClassVar[type[LockRules]] = LockRules
    source_class: ClassVar[type[LockSource]] = LockSource

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(self.rules_class(), self.source_class(), **kwargs)


class SumTask(Task):
    family: ClassVar[str] = "sum"

    a: int
    b: int


class SumState(NamedTuple):
    a: int
    b: int
    answer: int | None = None


class SumRules(Rules[SumTask, SumState, int]):
    """Add two numbers."""

    family: ClassVar[str] = "sum"
    task_type = SumTask
    actions = (
        ActionSpec(
            name="answer",
            pattern=r"(?P<number>-?[0-9]{1,9})",
            template="{number}",
            example="7",
            description="write the sum",
            params=(Param("number", "integer", "the sum"),),
        ),
    )
    instructions = "Add the two numbers. Write the sum and nothing else."

    def initial(self, task: SumTask) -> SumState:
        return SumState(task.a, task.b)

    def parse(self, state: SumState, text: str) -> int | Invalid:
        call = match_action(self.actions, text)
        return Invalid("this is not a whole number", final=True) if call is None else int(call.arguments["number"])

    def step(self, state: SumState, action: int) -> Transition:
        after = state._replace(answer=action)
        if self.score(after) == 1.0:
            return Transition(after, 1.0, True, StopReason.SOLVED, "Right.")
        return Transition(after, 0.0, True, StopReason.FAILED, "Wrong.")

    def statement(self, task: SumTask) -> str:
        return f"What is {task.a} + {task.b}?"

    def view(self, state: SumState) -> str:
        return ""

    def key(self, state: SumState) -> str:
        return "open" if state.answer is None else f"answered {state.answer}"

    def score(self, state: SumState) -> float:
        return 1.0 if state.answer == state.a + state.b else 0.0

    def solve(self, state: SumState) -> list[str] | None:
        return [str(state.a + state.b)]

    def horizon(self, task: SumTask) -> int:
        return 1

    def state_to_json(self, state: SumState) -> Any:
        return {"answer": state.answer}

    def state_from_json(self, task: SumTask, data: Any) -> SumState:
        return SumState(task.a, task.b, data["answer"])


class SumSource(GeneratedSource[SumTask]):
    difficulties = ("3-digits",)

    def generate(self, rng: Rng, difficulty: str) -> SumTask:
        return SumTask(a=rng.integer(100, 999), b=rng.integer(100, 999))


class SumEnv(TextEnv[SumTask]):
    """One turn, infinitely many actions."""

    floor: ClassVar[float] = 0.01
    rules_class: ClassVar[type[SumRules]] = SumRules
    source_class: ClassVar[type[SumSource]] = SumSource

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(self.rules_class(), self.source_class(), **kwargs)
