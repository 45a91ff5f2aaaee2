"""Sokoban's expert: a solution with the fewest pushes, told as pushes and walks."""

from itertools import groupby
from typing import Any, ClassVar, NamedTuple

from ...agents.direct import Tally
from ...envs.core import TextEnv
from ...tasks.sokoban.board import NAMES, State, places
from .advice import MAX_GOALS, Advice, Adviser, segments


class _Push(NamedTuple):
    step: int
    """The number of the move."""
    name: str
    box: int
    """The box, by its number in the order of the start."""
    to: int
    """Where the box comes to stand: a place in the picture."""


def _pushes(env: TextEnv[Any], state: State, moves: list[str]) -> list[_Push]:
    """Return the moves that push a box."""
    standing = list(places(state.boxes))
    player, found = state.player, []
    for step, name in enumerate(moves):
        shift = state.board.steps[NAMES.index(name)]
        player += shift
        if player in standing:
            box = standing.index(player)
            standing[box] = player + shift
            found.append(_Push(step, name, box, player + shift))
    return found


def _goals(state: State, pushes: list[_Push]) -> tuple[list[int], list[str]]:
    """Return where the sub-goals end, and the sub-goals: pushes of one box in one direction, else of one box."""
    for key in (lambda push: (push.box, push.name), lambda push: push.box):
        trips = [list(group) for _, group in groupby(pushes, key)]
        if len(trips) <= MAX_GOALS:
            ends = [trip[-1] for trip in trips]
            cells = [state.board.cell(push.to) for push in ends]
            return [push.step for push in ends], [
                f"Push the box {push.name} to row {row}, column {column}."
                if len({one.name for one in trip}) == 1
                else f"Push the box to row {row}, column {column}."
                for push, (row, column), trip in zip(ends, cells, trips, strict=True)
            ]
    return [], []


class SokobanAdviser(Adviser):
    """`pushes`: what is left to push (boxes apart by `then`), and the walk to the next push. `way`: all moves."""

    styles: ClassVar[tuple[str, ...]] = ("pushes", "way")

    def advise(self, env: TextEnv[Any], state: Any, style: str, tally: Tally) -> list[Advice]:
        """Return the moves of a solution."""
        moves = env.rules.solve(state)
        if not moves:
            return []
        pushes = _pushes(env, state, moves)
        ends, goals = _goals(state, pushes)
        plan = segments(ends, goals, len(moves)) if goals else [((), False)] * len(moves)
        return [
            Advice(
                move,
                " ".join(moves[step:]) if style == "way" else _pushes_text(step, moves, pushes),
                goals=left,
                reaches=reaches,
            )
            for step, (move, (left, reaches)) in enumerate(zip(moves, plan, strict=True))
        ]


def _pushes_text(step: int, moves: list[str], pushes: list[_Push]) -> str:
    """Return `push up up then left, walk right down`: all pushes from a move on, and the walk before the first."""
    left = [push for push in pushes if push.step >= step]
    trips = [" ".join(push.name for push in group) for _, group in groupby(left, lambda push: push.box)]
    text = f"push {' then '.join(trips)}"
    walk = moves[step : left[0].step]
    return f"{text}, walk {' '.join(walk)}" if walk else text
