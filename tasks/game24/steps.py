"""The operations game: combine two numbers at a time until one is left.

With `division="exact"` this is the Markov decision process of Intelligent Go-Explore (integers, larger minus
smaller, exact division); with `"rational"` the full game over fractions. Numbers published for one say nothing
about the other.
"""

import re
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple

from ..actions import MAX_ACTION_CHARS, ActionSpec, Param
from ..rules import Invalid, Rules, StopReason, Transition
from .arithmetic import Division, Move, Numbers, moves, normal, winning_moves
from .task import Game24Task

_NUMBER = r"-?\d{1,12}(?:/\d{1,12})?"
_OPERATIONS = "+-*/"


class StepsState(NamedTuple):
    """The numbers that are left, sorted, and the target."""

    numbers: Numbers
    target: int


class StepsRules(Rules[Game24Task, StepsState, Move]):
    """Rules of the operations game.

    Args:
        division: See `arithmetic.Division`.
    """

    family: ClassVar[str] = "game24"
    task_type = Game24Task
    exhaustive: ClassVar[bool] = True

    def __init__(self, division: Division = "exact") -> None:
        self.division = division
        number = r"-?\d{1,12}" if division == "exact" else _NUMBER
        gap = r"\s*" if division == "exact" else r"\s+"
        self.actions = (
            ActionSpec(
                name="combine",
                pattern=rf"(?P<a>{number}){gap}(?P<operation>[-+*/x×·÷−]){gap}(?P<b>{number})(?:\s*=.{{0,40}})?",
                template="{a} {operation} {b}",
                example="8 / 2",
                description="replace two of the numbers by their sum, difference, product or quotient",
                params=(
                    Param("a", "string", "the first number, one of those that are left"),
                    Param("operation", "string", "the operation", tuple(_OPERATIONS)),
                    Param("b", "string", "the second number, another of those that are left"),
                ),
            ),
        )
        self._pattern = re.compile(self.actions[0].pattern, re.IGNORECASE)
        arithmetic = (
            "Only whole numbers occur: subtract the smaller number from the larger one, and divide only where "
            "no remainder is left."
            if division == "exact"
            else "Arithmetic is exact; a fraction is written like 8/3, and the operation stands between spaces."
        )
        self.instructions = (
            "You are given some numbers and a target. Each action takes two of the numbers that are left and "
            "replaces them by their sum, difference, product or quotient. When one number is left the game ends; "
            f"you win if it is the target. {arithmetic} Write one operation, such as 8 / 2."
        )

    def initial(self, task: Game24Task) -> StepsState:
        """Return the state with all numbers."""
        return StepsState(task.numbers, task.target)

    def parse(self, state: StepsState, text: str) -> Move | Invalid:
        """Return the move that a text such as `8 / 2` or `8/2=4` means here."""
        for move in moves(state.numbers, self.division):
            if move.text == text:
                return move
        return self._parse_other_spelling(state, text)

    def _parse_other_spelling(self, state: StepsState, text: str) -> Move | Invalid:
        found = self._pattern.fullmatch(text.strip()) if len(text) <= MAX_ACTION_CHARS else None
        if found is None:
            return Invalid("this is not one operation on two numbers")
        try:
            a, b = normal(Fraction(found["a"])), normal(Fraction(found["b"]))
        except ZeroDivisionError:
            return Invalid("a fraction has denominator zero")
        operation = {"x": "*", "X": "*", "×": "*", "·": "*", "÷": "/", "−": "-"}.get(
            found["operation"], found["operation"]
        )
        left = list(state.numbers)
        for number in (a, b):
            if number not in left:
                return Invalid(f"{number} is not among the numbers that are left")
            left.remove(number)
        if operation in "+*" and a < b:
            a, b = b, a
        wanted = f"{a} {operation} {b}"
        for move in moves(state.numbers, self.division):
            if move.text == wanted:
                return move
        if operation == "-":
            return Invalid(f"subtract the smaller number from the larger one: {b} - {a}")
        if b == 0:
            return Invalid("division by zero")
        return Invalid(f"{a} / {b} leaves a remainder")

    def step(self, state: StepsState, action: Move) -> Transition:
        """Combine the two numbers; the last operation ends the game."""
        after = StepsState(action.left, state.target)
        message = f"{action.text} = {action.result}."
        if len(action.left) > 1:
            return Transition(after, 0.0, False, None, message)
        if action.left[0] == state.target:
            return Transition(after, 1.0, True, StopReason.SOLVED, message)
        return Transition(after, 0.0, True, StopReason.FAILED, message)

    def statement(self, task: Game24Task) -> str:
        """Return the puzzle in one sentence."""
        numbers = ", ".join(str(number) for number in task.numbers)
        return f"Make {task.target} from the numbers {numbers}, using each of them exactly once."

    def view(self, state: StepsState) -> str:
        """Return the numbers that are left."""
        return "Numbers left: " + " ".join([str(number) for number in state.numbers])

    def key(self, state: StepsState) -> str:
        """Return the numbers that are left."""
        return " ".join([str(number) for number in state.numbers])

    def score(self, state: StepsState) -> float:
        """Return 1 if only the target is left, else 0."""
        return 1.0 if state.numbers == (state.target,) else 0.0

    def legal_actions(self, state: StepsState) -> tuple[str, ...]:
        """Return every distinct operation; sums and products once, larger number first."""
        return tuple([move.text for move in moves(state.numbers, self.division)])

    def solve(self, state: StepsState) -> list[str] | None:
        """Return operations that lead to the target, or None if none do (exact)."""
        plan = winning_moves(state.numbers, state.target, self.division)
        return None if plan is None else list(plan)

    def horizon(self, task: Game24Task) -> int:
        """Return twice the number of operations, so that some invalid texts can be made good."""
        return 2 * (len(task.numbers) - 1)

    def state_to_json(self, state: StepsState) -> Any:
        """Return the numbers as texts."""
        return {"numbers": [str(number) for number in state.numbers]}

    def state_from_json(self, task: Game24Task, data: Any) -> StepsState:
        """Return the state of such texts."""
        return StepsState(tuple(normal(Fraction(text)) for text in data["numbers"]), task.target)
