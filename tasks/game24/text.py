"""One expression in one turn: the Game of 24 as text, and countdown.

The check is Tree of Thoughts' one, made exact: the expression must use the given numbers and have the target's
value; how it was found does not matter.
"""

from collections import Counter
from typing import Any, ClassVar, NamedTuple, TypeVar

from ..actions import ActionSpec, Param
from ..rng import Rng
from ..rules import Invalid, Rules, StopReason, Transition
from .arithmetic import Expression, ExpressionError, find_expression, parse_expression
from .task import CountdownTask, Game24Task, NumbersTask

NumbersTaskT = TypeVar("NumbersTaskT", bound=NumbersTask)


class TextState(NamedTuple):
    """The puzzle, and the answer once there is one."""

    numbers: tuple[int, ...]
    target: int
    answer: str | None = None
    correct: bool = False


def final_expression(text: str) -> str:
    """Return the expression that a text hands in: its last line, after `answer:`, before the first `=`."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    head, colon, tail = last.partition(":")
    if colon and head.strip().lower().endswith("answer"):
        last = tail
    return last.partition("=")[0].strip()


class ExpressionRules(Rules[NumbersTaskT, TextState, Expression]):
    """Rules common to both games; a subclass says which numbers an expression may use."""

    _usage: ClassVar[str]

    def __init__(self) -> None:
        self.actions = (
            ActionSpec(
                name="answer",
                pattern=r"(?P<expression>[^\n]*)",
                template="{expression}",
                example="(4 + 8) * (6 - 4)",
                description="hand in one arithmetic expression",
                params=(Param("expression", "string", "an expression with + - * / and parentheses"),),
            ),
        )
        self.instructions = (
            "You are given some numbers and a target. Write one arithmetic expression over the numbers, "
            f"{self._usage}, with + - * / and parentheses, whose exact value is the target. You have one attempt."
        )

    def _numbers_fit(self, given: tuple[int, ...], used: tuple[int, ...]) -> bool:
        raise TypeError(f"{type(self).__name__} must say which numbers fit")

    def initial(self, task: NumbersTaskT) -> TextState:
        """Return the state without an answer."""
        return TextState(task.numbers, task.target)

    def parse(self, state: TextState, text: str) -> Expression | Invalid:
        """Return the exact value and the numbers of the expression in the text's last line."""
        try:
            return parse_expression(final_expression(text))
        except ExpressionError as error:
            return Invalid(str(error), final=True)

    def step(self, state: TextState, action: Expression) -> Transition:
        """Check the expression; the episode ends."""
        fits = self._numbers_fit(state.numbers, action.numbers)
        correct = fits and action.value == state.target
        after = state._replace(answer=str(action.value), correct=correct)
        if correct:
            return Transition(after, 1.0, True, StopReason.SOLVED, f"The expression is {state.target}.")
        if not fits:
            used = ", ".join(map(str, action.numbers)) or "none"
            return Transition(
                after, 0.0, True, StopReason.FAILED, f"The numbers must be used {self._usage}; it uses {used}."
            )
        return Transition(after, 0.0, True, StopReason.FAILED, f"The expression is {action.value}, not {state.target}.")

    def view(self, state: TextState) -> str:
        """Return nothing: all there is to see is the statement."""
        return ""

    def key(self, state: TextState) -> str:
        """Return whether it was answered, and with which value."""
        return "open" if state.answer is None else f"answered {state.answer} {state.correct}"

    def random_action(self, state: TextState, rng: Rng) -> str:
        """Return a random expression over all the numbers: a random order, operations and parentheses."""
        parts = [str(number) for number in state.numbers]
        while len(parts) > 1:
            a, b = rng.sample(range(len(parts)), 2)
            joined = f"({parts[a]} {rng.choice('+-*/')} {parts[b]})"
            parts = [part for i, part in enumerate(parts) if i not in (a, b)] + [joined]
        return parts[0].removeprefix("(").removesuffix(")") if len(state.numbers) > 1 else parts[0]

    def score(self, state: TextState) -> float:
        """Return 1 for a correct expression, else 0."""
        return 1.0 if state.correct else 0.0

    def horizon(self, task: NumbersTaskT) -> int:
        """Return 1: one attempt."""
        return 1

    def state_to_json(self, state: TextState) -> Any:
        """Return the answer's value and whether it was correct."""
        return {"answer": state.answer, "correct": state.correct}

    def state_from_json(self, task: NumbersTaskT, data: Any) -> TextState:
        """Return the state of such a value."""
        return TextState(task.numbers, task.target, data["answer"], data["correct"])


class Game24TextRules(ExpressionRules[Game24Task]):
    """All numbers exactly once."""

    family: ClassVar[str] = "game24"
    task_type = Game24Task
    _usage: ClassVar[str] = "each exactly once"

    def _numbers_fit(self, given: tuple[int, ...], used: tuple[int, ...]) -> bool:
        return given == tuple(sorted(used))

    def statement(self, task: Game24Task) -> str:
        """Return the puzzle in one sentence."""
        return f"Numbers: {' '.join(map(str, task.numbers))}\nTarget: {task.target}"

    def solve(self, state: TextState) -> list[str] | None:
        """Return one expression, or None if there is none (exact, over fractions)."""
        if state.answer is not None:
            return [] if state.correct else None
        expression = find_expression(state.numbers, state.target, "rational")
        return None if expression is None else [expression]


class CountdownRules(ExpressionRules[CountdownTask]):
    """Each number at most once; not all need be used."""

    family: ClassVar[str] = "countdown"
    task_type = CountdownTask
    _usage: ClassVar[str] = "each at most once"

    def _numbers_fit(self, given: tuple[int, ...], used: tuple[int, ...]) -> bool:
        return bool(used) and not Counter(used) - Counter(given)

    def statement(self, task: CountdownTask) -> str:
        """Return the puzzle."""
        return f"Numbers: {' '.join(map(str, task.numbers))}\nTarget: {task.target}"

    def solve(self, state: TextState) -> list[str] | None:
        """Return one expression, or None if there is none whose every step is a whole number (exact)."""
        if state.answer is not None:
            return [] if state.correct else None
        expression = find_expression(state.numbers, state.target, "exact", subset=True)
        return None if expression is None else [expression]
