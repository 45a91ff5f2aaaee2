"""What an expert says at each step of its way: the action, a thought that is short and true, and sub-goals."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from ...agents.direct import Tally
from ...envs.core import TextEnv
from ...tasks.rng import Rng
from ...tasks.task import Task

MAX_GOALS = 8
"""A plan has at most that many sub-goals."""


class Advice(NamedTuple):
    """One step of an expert."""

    action: str
    thought: str = ""
    """Why, in few words; empty where there is nothing true and short to say."""
    fresh: str = ""
    """The thought where none came before it in the conversation, if that is a longer one."""
    goals: tuple[str, ...] = ()
    """The sub-goals from here to the end, the present one first; empty where there is no plan to speak of."""
    reaches: bool = False
    """Whether the action completes the present sub-goal."""


class Adviser(ABC):
    """An expert of one family who can say what it thinks."""

    styles: ClassVar[tuple[str, ...]]
    """Kinds of thought; the first is the default."""

    @abstractmethod
    def advise(self, env: TextEnv[Any], state: Any, style: str, tally: Tally) -> list[Advice]:
        """Return the whole way from a state, or its first step where the rest depends on what happens.

        Args:
            env: The environment.
            state: Where the way begins.
            style: Which kind of thought, one of `styles`.
            tally: What a prompt with a summarised history shows.

        Returns:
            The steps; empty where there is no way any more.
        """

    def widened(self, env: TextEnv[Any], rng: Rng) -> Task | None:
        """Return a task that no source hands out but teaches the same, of any split; None where there is none."""
        return None


def segments(ends: Sequence[int], goals: Sequence[str], length: int) -> list[tuple[tuple[str, ...], bool]]:
    """Return for each step of a way the sub-goals from there on, and whether the step completes one.

    Args:
        ends: For each sub-goal the number of the step that completes it, in order; the last is `length - 1`.
        goals: The sub-goals.
        length: Steps of the way.
    """
    found: list[tuple[tuple[str, ...], bool]] = []
    current = 0
    for step in range(length):
        reaches = step == ends[current]
        found.append((tuple(goals[current:]), reaches))
        current += reaches
    return found
