"""Experts for arithmetic, the Game of 24 and countdown: every calculation is written out before the result."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar, cast

from ...agents.direct import Tally
from ...envs.core import TextEnv
from ...tasks.game24.arithmetic import Numbers, find_expression, moves
from ...tasks.game24.puzzles import CARDS
from ...tasks.game24.steps import StepsRules
from ...tasks.game24.task import Game24Task
from ...tasks.game24.text import Game24TextRules, TextState
from ...tasks.math.task import MathTask
from ...tasks.rng import Rng
from .advice import Advice, Adviser

MAX_TARGET = 99
"""The largest target of a widened puzzle."""

_TOKEN = re.compile(r"\d+|\\times|\\div|\\left\(|\\right\)|[-+*/()]")
_SIGNS = {r"\times": "*", r"\div": "/", r"\left(": "(", r"\right)": ")"}


def shown(value: Fraction) -> str:
    """Return a number as an expression has it: a negative one in brackets."""
    return str(value) if value >= 0 else f"({value})"


def calculations(text: str) -> list[tuple[Fraction, str, Fraction, Fraction]] | None:
    """Return the calculations that evaluate an expression, innermost first: left, sign, right, result.

    None for an expression with anything but whole numbers, the four signs and brackets.
    """
    tokens = [_SIGNS.get(token, token) for token in _TOKEN.findall(text)]
    if re.sub(r"\s+", "", text) != re.sub(r"\s+", "", "".join(_TOKEN.findall(text))):
        return None
    done: list[tuple[Fraction, str, Fraction, Fraction]] = []
    position = 0

    def take(*wanted: str) -> str:
        nonlocal position
        if position < len(tokens) and tokens[position] in wanted:
            position += 1
            return tokens[position - 1]
        return ""

    def calculate(left: Fraction, sign: str, right: Fraction) -> Fraction:
        result = left + right if sign == "+" else left - right if sign == "-" else left * right
        if sign == "/":
            result = left / right
        done.append((left, sign, right, result))
        return result

    def total() -> Fraction:
        value = product()
        while sign := take("+", "-"):
            value = calculate(value, sign, product())
        return value

    def product() -> Fraction:
        value = atom()
        while sign := take("*", "/"):
            value = calculate(value, sign, atom())
        return value

    def atom() -> Fraction:
        nonlocal position
        if take("("):
            value = total()
            take(")")
            return value
        if take("-"):
            return -atom()
        position += 1
        return Fraction(tokens[position - 1])

    total()
    return done


def digits_text(left: int, sign: str, right: int) -> str:
    """Return an addition or subtraction of non-negative numbers digit by digit, from the ones on.

    `47 + 85`: `7+5=12, 4+8+1=13: 132`. `52 - 18`: `12-8=4, 5-1-1=3: 34`. `18 - 52`: `52-18: ` and so on, then `-34`.
    """
    if sign == "-" and left < right:
        turned = digits_text(right, "-", left)
        return f"{right}-{left}: {turned}, so -{right - left}"
    above, below = str(left)[::-1], str(right)[::-1]
    said, carry = [], 0
    for place in range(max(len(above), len(below))):
        a = int(above[place]) if place < len(above) else 0
        b = int(below[place]) if place < len(below) else 0
        mark = sign if carry else ""
        if sign == "+":
            result = a + b + carry
            text = f"{a}+{b}{'+1' if carry else ''}={result}"
            carry = result // 10
        else:
            borrow = a - b - carry < 0
            result = a + 10 * borrow - b - carry
            text = f"{a + 10 * borrow}-{b}{f'{mark}1' if carry else ''}={result}"
            carry = int(borrow)
        said.append(text)
    return f"{', '.join(said)}: {left + right if sign == '+' else left - right}"


class ArithmeticAdviser(Adviser):
    """`digits`: a single sum or difference digit by digit, longer expressions by steps. `steps`: results only."""

    styles: ClassVar[tuple[str, ...]] = ("digits", "steps")

    def advise(self, env: TextEnv[Any], state: Any, style: str, tally: Tally) -> list[Advice]:
        """Return the answer; the thought is empty where the expression has fractions or powers."""
        task: MathTask = state.task
        (answer,) = env.rules.solve(state) or ("",)
        done = calculations(task.origin) if task.area == "arithmetic" else None
        if not answer or not done:
            return [Advice(answer)] if answer else []
        left, sign, right, _ = done[0]
        if len(done) == 1 and style == "digits" and sign in "+-" and min(left, right) >= 0:
            return [Advice(answer, digits_text(int(left), sign, int(right)))]
        return [Advice(answer, ", ".join(f"{shown(a)}{sign}{shown(b)}={result}" for a, sign, b, result in done))]


class Game24Adviser(Adviser):
    """`steps`: all calculations that are left, with their results."""

    styles: ClassVar[tuple[str, ...]] = ("steps",)

    def advise(self, env: TextEnv[Any], state: Any, style: str, tally: Tally) -> list[Advice]:
        """Return operations that lead to the target, or the expression where it is asked for at once."""
        if isinstance(state, TextState):
            return list(_answer(state.numbers, state.target, isinstance(env.rules, Game24TextRules)))
        rules: StepsRules = cast(StepsRules, env.rules)
        plan = rules.solve(state)
        if not plan:
            return []
        told, goals = [], []
        numbers: Numbers = state.numbers
        for action in plan:
            move = next(move for move in moves(numbers, rules.division) if move.text == action)
            numbers = move.left
            told.append(f"{action} = {move.result}")
            goals.append(f"Make {move.result} by {action}.")
        return [
            Advice(action, ", ".join(told[step:]), goals=tuple(goals[step:]), reaches=True)
            for step, action in enumerate(plan)
        ]

    def widened(self, env: TextEnv[Any], rng: Rng) -> Game24Task | None:
        """Return two to four numbers from 1 to 13 with a target from 1 to 99 that random operations reach."""
        if env.rules.task_type is not Game24Task:
            return None
        while True:
            numbers: Numbers = tuple(sorted(rng.integer(1, CARDS) for _ in range(rng.integer(2, 4))))
            left = numbers
            while len(left) > 1:
                left = rng.choice(moves(left, "exact")).left
            if 1 <= left[0] <= MAX_TARGET:
                return Game24Task(numbers=tuple(map(int, numbers)), target=int(left[0]))


@lru_cache(maxsize=8192)
def _answer(numbers: tuple[int, ...], target: int, all_of_them: bool) -> tuple[Advice, ...]:
    """Return an expression with the target's value, after the calculations in it; of whole numbers where that goes."""
    found = find_expression(numbers, target, "exact", subset=not all_of_them)
    if found is None and all_of_them:
        found = find_expression(numbers, target, "rational")
    if found is None:
        return ()
    done = calculations(found) or []
    return (Advice(found, ", ".join(f"{a} {sign} {b} = {result}" for a, sign, b, result in done)),)
