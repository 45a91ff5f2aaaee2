"""Rules: pure functions over immutable states. An environment is a shell around them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, cast

from .actions import ActionSpec, match_action
from .random_text import random_command
from .rng import Rng
from .task import TaskT

StateT = TypeVar("StateT")
ActionT = TypeVar("ActionT")


class StopReason(StrEnum):
    """Why an environment ended an episode."""

    SOLVED = "solved"
    """The task's goal was reached."""
    FAILED = "failed"
    """The task was ended without its goal: a wrong answer, or a forbidden move that ends the game."""
    DEAD_END = "dead_end"
    """No legal action is left."""
    COMPLETED = "completed"
    """The task ran its full course; how well it went is in the score (bandits)."""
    STEP_LIMIT = "step_limit"
    """The step limit was reached (`truncated`)."""
    VERIFIER_TIMEOUT = "verifier_timeout"
    """The verifier ran out of time on this answer: neither right nor wrong, left out of scores and training."""
    VERIFIER_ERROR = "verifier_error"
    """The verifier failed on this answer: left out of scores and training."""


EXCLUDED_STOPS = frozenset({StopReason.VERIFIER_TIMEOUT, StopReason.VERIFIER_ERROR})
"""An episode that ends so counts neither as success nor as failure."""


class Invalid(NamedTuple):
    """A text that is no action in this state."""

    reason: str
    """One sentence for the agent, without a full stop at its end."""
    final: bool = False
    """Whether it used up the only attempt, so that the episode ends as failed (single-turn tasks)."""


class Transition(NamedTuple):
    """What one action leads to."""

    state: Any
    reward: float = 0.0
    terminated: bool = False
    stop_reason: StopReason | None = None
    message: str = ""
    """What changed, as a sentence of its own."""


def _lists(value: Any) -> Any:
    """Return a value with lists for its tuples, as JSON has them."""
    return list(map(_lists, value)) if isinstance(value, list | tuple) else value


def _tuples(value: Any) -> Any:
    """Return a JSON value with tuples for its lists."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


class Rules(ABC, Generic[TaskT, StateT, ActionT]):
    """The exact rules of one family of tasks.

    States are immutable and hashable and hold everything that changes, so a snapshot is the state. Randomness is
    in the state too (a key and a counter, see `rng.counter_uniform`). A `Rules` object itself holds only options
    and caches, and is safe to share between threads.

    An action's canonical form is its text: `legal_actions` and `solve` speak texts, `parse` turns a text into
    whatever `step` works on.
    """

    family: ClassVar[str]
    task_type: type[TaskT]
    actions: tuple[ActionSpec, ...]
    instructions: str
    """The rules of play and what an action looks like, for an agent's system prompt."""
    exhaustive: ClassVar[bool] = False
    """Whether `legal_actions` are exactly the accepted ones, up to spelling."""
    judged: ClassVar[bool] = False
    """Whether an action needs `judge` before `step`: a verdict that may depend on the machine's speed."""
    reward_range: tuple[float, float] = (0.0, 1.0)
    """Bounds of one step's reward."""

    @abstractmethod
    def initial(self, task: TaskT) -> StateT:
        """Return the first state of a task."""

    def parse(self, state: StateT, text: str) -> ActionT | Invalid:
        """Return the action that a text means in this state; never raises, whatever the text.

        By default the `Call` that the specifications of `actions` read in it.
        """
        call = match_action(self.actions, text)
        return Invalid("this is no action of this game") if call is None else cast(ActionT, call)

    @abstractmethod
    def step(self, state: StateT, action: ActionT) -> Transition:
        """Return what an action leads to."""

    @abstractmethod
    def view(self, state: StateT) -> str:
        """Return what there is to see, for the observation; may be empty."""

    def key(self, state: StateT) -> str:
        """Return the state's identity within its task: equal keys, equal dynamics (no step count, no history).

        By default the whole state as text, which is right where it holds nothing else.
        """
        return str(state)

    @abstractmethod
    def score(self, state: StateT) -> float:
        """Return the task's score in [0, 1] if the episode ended here."""

    @abstractmethod
    def solve(self, state: StateT) -> list[str] | None:
        """Return the actions of the exact (or best known) expert from here; None where there is no solution."""

    def horizon(self, task: TaskT) -> int:
        """Return the step limit of a task (50 by default)."""
        return 50

    def state_to_json(self, state: StateT) -> Any:
        """Return the state as a JSON value (without the task); by default the list of a named tuple's fields.

        The fields must be JSON values or tuples of them; override both methods for anything else, and where a state
        holds the task.
        """
        return [_lists(field) for field in cast(tuple[Any, ...], state)]

    def state_from_json(self, task: TaskT, data: Any) -> StateT:
        """Return the state that `state_to_json` wrote; by default a named tuple of the initial state's type.

        The default makes a tuple of every list, at any depth: a state is hashable, so it holds no list of its own.
        """
        make: Any = type(self.initial(task))
        state: StateT = make(*map(_tuples, data))
        return state

    def statement(self, task: TaskT) -> str:
        """Return the task statement that only the first observation shows; may be empty."""
        return ""

    def legal_actions(self, state: StateT) -> tuple[str, ...] | None:
        """Return the texts of the legal actions where they are finitely many, else None."""
        return None

    def random_action(self, state: StateT, rng: Rng) -> str:
        """Return a legal action, uniformly; where they are infinitely many, a random text of the right form."""
        legal = self.legal_actions(state)
        if legal is None:
            return random_command(self.actions, rng)
        return rng.choice(legal) if legal else rng.choice(self.actions).example

    def observation_key(self, state: StateT) -> str:
        """Return the identity of what is seen; differs from `key` only where the view is partial."""
        return self.key(state)

    def is_success(self, state: StateT) -> bool:
        """Return whether the task counts as solved if the episode ended here."""
        return self.score(state) >= 1.0

    def expert(self, state: StateT) -> str | None:
        """Return the expert's next action; worth overriding where it costs less than the whole plan."""
        plan = self.solve(state)
        return plan[0] if plan else None

    def judge(self, state: StateT, action: ActionT) -> ActionT:
        """Complete an action with its verdict (only where `judged`)."""
        return action

    def with_verdict(self, action: ActionT, verdict: Any) -> ActionT:
        """Complete an action with a recorded verdict, for replays (only where `judged`)."""
        return action

    def verdict(self, state: StateT) -> Any:
        """Return the verdict that led to this state (only where `judged`)."""
        return None

    def extra_info(self, state: StateT) -> dict[str, Any]:
        """Return further documented `info` keys of this family; empty for most."""
        return {}

    def reveal(self, state: StateT) -> dict[str, Any]:
        """Return what `reveal=True` adds to `info`: the answer."""
        return {"solution": self.solve(state)}

    def render(self, task: TaskT, state: StateT) -> str:
        """Return a picture of the state for a person in a terminal."""
        return "\n\n".join(part for part in (self.statement(task), self.view(state)) if part)

    def colours(self, state: StateT) -> Sequence[Sequence[tuple[int, int, int]]] | None:
        """Return the grid as RGB cells, row by row, for `rgb_array`; None where there is no grid."""
        return None
