"""One generic Gymnasium environment over `Rules`: text in, text out."""

import difflib
from typing import Any, Generic, NamedTuple, TypeVar, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ..tasks.actions import accepted, action_grammar, json_schema, tool_definitions
from ..tasks.config import read_config
from ..tasks.errors import EpisodeOver, UserError
from ..tasks.rng import Rng, derive_seed
from ..tasks.rules import Invalid, Rules, StopReason
from ..tasks.task import DataSource, Split, Task, TaskSource
from . import arguments
from .spaces import UnicodeText

SNAPSHOT_VERSION = 1
_STATE_KEYS = frozenset({"version", "task", "state", "steps", "max_steps", "stop_reason", "invalid", "message"})
CELL_PIXELS = 16

TaskT = TypeVar("TaskT", bound=Task)


class Snapshot(NamedTuple):
    """Everything that the future of an episode depends on; immutable, so taking one copies nothing."""

    task: Task
    state: Any
    steps: int
    max_steps: int
    stop_reason: StopReason | None
    invalid: str | None
    message: str
    rules: str
    """Name of the rules that it belongs to; others cannot go on from it."""


class TaskLabel(NamedTuple):
    """Names an instance without telling its answer."""

    uid: str
    split: Split
    difficulty: str
    item: str | None


class TextEnv(gym.Env[str, str], Generic[TaskT]):
    """A text environment over `Rules` and a `TaskSource`.

    Family environments subclass it, choose rules and source from JSON-typed arguments, and document themselves.

    Args:
        rules: The rules of play.
        source: Where tasks come from.
        split: Which split `reset` samples from; the source's first one if None.
        difficulty: Which level `reset` samples from; the easiest if None.
        max_steps: The step limit; the task's own horizon if None.
        invalid_penalty: Subtracted from the reward of a turn whose action was none (0 by default).
        reveal: Whether `info` tells the answer. For debugging; flagged in records.
        render_mode: `"ansi"`, or `"rgb_array"` for grids.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012 (Gymnasium's own form)
    blocking: bool = False
    """Whether a step may take long (sandbox, remote), so that a runner should give it a thread."""
    thread_safe: bool = True
    """Whether any number may run side by side, each in one thread at a time."""
    replans: bool = False
    """Whether the expert must be asked anew at every step, instead of following its plan."""

    def __init__(
        self,
        rules: Rules[TaskT, Any, Any],
        source: TaskSource[TaskT],
        *,
        split: Split | None = None,
        difficulty: str | None = None,
        max_steps: int | None = None,
        invalid_penalty: float = 0.0,
        reveal: bool = False,
        render_mode: str | None = None,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise UserError(
                f"There is no render mode {render_mode!r} here; choose one of {self.metadata['render_modes']}."
            )
        if max_steps is not None:
            arguments.whole("max_steps", max_steps, 1)
        arguments.number("invalid_penalty", invalid_penalty)
        arguments.flag("reveal", reveal)
        if split is not None:
            arguments.choice("split", split, source.splits)
        if difficulty is not None:
            arguments.text("difficulty", difficulty, "the name of a level", blank=True)
            source.check_difficulty(difficulty)
        self.rules = rules
        self.source = source
        self.split = split
        self.difficulty = difficulty
        self.max_steps = max_steps
        self.invalid_penalty = float(invalid_penalty)
        self.render_mode = render_mode
        self.observation_space = UnicodeText()
        self.action_space = UnicodeText()
        self.privileged: set[str] = set()
        """Names of expert-only features used since construction; recorded, and they bar a run from ranked tables."""
        self._reveal = reveal
        if reveal:
            self.privileged.add("reveal")
        self._rules_name = type(rules).__qualname__
        self._accepted = accepted(rules.actions)
        self._partial = type(rules).observation_key is not Rules.observation_key
        self._seed = 0
        self._episodes = 0
        self._task: TaskT | None = None
        self._state: Any = None
        self._steps = 0
        self._limit = 0
        self._uid = ""
        self._stop: StopReason | None = None
        self._invalid: str | None = None
        self._message = ""
        self._plan: dict[str, str] = {}

    # What an agent is told about the environment

    @property
    def instructions(self) -> str:
        """The rules of play and the form of an action, for the agent's system prompt."""
        return self.rules.instructions

    @property
    def action_grammar(self) -> str:
        """A regular expression that accepts exactly the well-formed actions."""
        return action_grammar(self.rules.actions)

    @property
    def action_schema(self) -> dict[str, Any]:
        """The JSON schema of an action."""
        return json_schema(self.rules.actions)

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The actions as tool definitions."""
        return tool_definitions(self.rules.actions)

    @property
    def examples(self) -> tuple[str, ...]:
        """One well-formed action of each kind."""
        return tuple(spec.example for spec in self.rules.actions)

    # Gymnasium's API

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: Names the task; without it, the next task of the last seed's sequence.
            options: `task` (a `Task` or its JSON form), `item` (index or id in a data set), `difficulty`, `split`.

        Returns:
            The observation (task statement and what there is to see) and `info`.
        """
        super().reset(seed=seed)
        if seed is not None or self._episodes == 0:
            self._seed = int(self.np_random_seed) if seed is None else seed
            self._episodes = 0
        if options is not None and not isinstance(options, dict):
            raise UserError(f"The options of reset must be a dictionary, not {type(options).__name__}.")
        task = self._choose_task(options or {})
        self._episodes += 1
        self._begin(task)
        return self._observe(), self._info()

    def _choose_task(self, options: dict[str, Any]) -> TaskT:
        unknown = sorted(set(options) - {"task", "item", "difficulty", "split"})
        if unknown:
            nearest = difflib.get_close_matches(unknown[0], ["task", "item", "difficulty", "split"], n=1)
            hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
            raise UserError(f"reset has no option {unknown[0]!r}.{hint}")
        if "task" in options:
            task = options["task"]
            if isinstance(task, dict):
                task = self.rules.task_type.model_validate(task)
            if not isinstance(task, self.rules.task_type):
                raise UserError(f"This environment plays {self.rules.task_type.__name__}, not {type(task).__name__}.")
            return task
        if "item" in options:
            if not isinstance(self.source, DataSource):
                raise UserError("This environment generates its tasks; items need a data set (the data argument).")
            return cast(TaskT, self.source.find(options["item"]))
        seed = derive_seed("episode", self._seed, self._episodes)
        difficulty = options.get("difficulty", self.difficulty)
        if difficulty is not None:
            arguments.text("difficulty", difficulty, "the name of a level", blank=True)
        return self.source.sample(seed, options.get("split", self.split), difficulty)

    def _begin(self, task: TaskT) -> None:
        self._task = task
        self._uid = task.uid
        self._state = self.rules.initial(task)
        self._steps = 0
        self._limit = self.max_steps if self.max_steps is not None else self.rules.horizon(task)
        self._stop = None
        self._invalid = None
        self._message = ""
        self._plan = {}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Play one action: the bare command, as the action grammar has it.

        A text that is no action is not an error: the observation says what is wrong and what is accepted,
        `info["invalid"]` holds the reason, and the turn counts.

        Raises:
            EpisodeOver: Before `reset`, or after the end.
            TypeError: The action is no text.
        """
        return self._advance(action, None)

    def replay(self, action: str, verdict: Any) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Play one action with a recorded verdict instead of asking the verifier (judged families only)."""
        return self._advance(action, verdict)

    def _advance(self, action: str, verdict: Any) -> tuple[str, float, bool, bool, dict[str, Any]]:
        if self._stop is not None or self._task is None:
            raise EpisodeOver("The episode is over; call reset() first." if self._task else "Call reset() first.")
        if action.__class__ is not str and not isinstance(action, str):
            raise TypeError(f"An action is a text, not {type(action).__name__}.")
        rules = self.rules
        state = self._state
        parsed = rules.parse(state, action)
        self._steps += 1
        if parsed.__class__ is Invalid:
            reward = 0.0 - self.invalid_penalty  # not -0.0
            terminated = parsed.final
            self._invalid = parsed.reason
            self._message = f"Invalid action: {parsed.reason}. Accepted: {self._accepted}."
            if terminated:
                self._stop = StopReason.FAILED
        else:
            if rules.judged:
                parsed = rules.judge(state, parsed) if verdict is None else rules.with_verdict(parsed, verdict)
            self._state, reward, terminated, self._stop, self._message = rules.step(state, parsed)
            self._invalid = None
        truncated = not terminated and self._steps >= self._limit
        if truncated:
            self._stop = StopReason.STEP_LIMIT
        return self._observe(), reward, terminated, truncated, self._info()

    def _observe(self) -> str:
        view = self.rules.view(self._state)
        if self._steps == 0:
            statement = self.rules.statement(cast(TaskT, self._task))
            return f"{statement}\n\n{view}" if statement and view else statement or view
        message = self._message
        return f"{message}\n\n{view}" if message and view else message or view

    def _info(self) -> dict[str, Any]:
        rules = self.rules
        state = self._state
        key = rules.key(state)
        info: dict[str, Any] = {
            "task_uid": self._uid,
            "legal_actions": rules.legal_actions(state),
            "action_is_valid": self._invalid is None,
            "invalid": self._invalid,
            "is_success": rules.is_success(state),
            "score": rules.score(state),
            "state_key": key,
            "observation_key": rules.observation_key(state) if self._partial else key,
            "message": self._message,
            "steps_left": self._limit - self._steps,
            "stop_reason": self._stop,
        }
        if rules.judged:
            info["verdict"] = rules.verdict(state)
        extra = rules.extra_info(state)
        if extra:
            info.update(extra)
        if self._reveal:
            info.update(rules.reveal(state))
        return info

    def render(self) -> str | NDArray[np.uint8] | None:
        """Return the state as text (`"ansi"`) or as an image (`"rgb_array"`, uint8 of shape (H, W, 3))."""
        if self.render_mode is None:
            gym.logger.warn('render() needs a render mode: gym.make(id, render_mode="ansi")')
            return None
        if self._task is None:
            raise EpisodeOver("Call reset() first.")
        if self.render_mode == "ansi":
            return self.rules.render(self._task, self._state)
        colours = self.rules.colours(self._state)
        if colours is None:
            raise UserError('This environment has no picture; use render_mode="ansi".')
        cells = np.asarray(colours, dtype=np.uint8)
        return cells.repeat(CELL_PIXELS, axis=0).repeat(CELL_PIXELS, axis=1)

    # Save and restore

    def snapshot(self) -> Snapshot:
        """Return a point to come back to; constant time, any number of them may be held."""
        if self._task is None:
            raise EpisodeOver("Call reset() first.")
        return Snapshot(
            self._task,
            self._state,
            self._steps,
            self._limit,
            self._stop,
            self._invalid,
            self._message,
            self._rules_name,
        )

    def restore(self, snapshot: Snapshot) -> tuple[str, dict[str, Any]]:
        """Go back to a snapshot; returns the observation and `info` of that moment.

        Raises:
            UserError: It is no snapshot, or one of another environment.
        """
        if not isinstance(snapshot, Snapshot):
            raise UserError(
                f"restore() takes what snapshot() returned, not {type(snapshot).__name__}; "
                "set_state() takes what get_state() returned."
            )
        if snapshot.rules != self._rules_name:
            raise UserError(f"This snapshot belongs to {snapshot.rules}; this environment plays {self._rules_name}.")
        task, self._state, self._steps, self._limit, self._stop, self._invalid, self._message, _ = snapshot
        if task is not self._task:
            self._task = cast(TaskT, task)
            self._uid = task.uid
            self._plan = {}
        return self._observe(), self._info()

    def get_state(self) -> dict[str, Any]:
        """Return the snapshot as a JSON value, for archives, resume and remote play."""
        snapshot = self.snapshot()
        return {
            "version": SNAPSHOT_VERSION,
            "task": snapshot.task.model_dump(mode="json"),
            "state": self.rules.state_to_json(snapshot.state),
            "steps": snapshot.steps,
            "max_steps": snapshot.max_steps,
            "stop_reason": snapshot.stop_reason,
            "invalid": snapshot.invalid,
            "message": snapshot.message,
        }

    def set_state(self, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Go to a state that `get_state` wrote, here or on another machine.

        Raises:
            UserError: It is no such state, or one of another environment.
        """
        if not isinstance(data, dict) or not data.keys() >= _STATE_KEYS:
            raise UserError("set_state() takes what get_state() returned, unchanged.")
        if data["version"] != SNAPSHOT_VERSION:
            raise UserError(f"This state has version {data['version']!r}; only {SNAPSHOT_VERSION} can be read.")
        task = read_config(self.rules.task_type, data["task"], "The task of this state")
        try:
            state = self.rules.state_from_json(task, data["state"])
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise UserError(f"{self._rules_name} cannot read this state: {error}.") from error
        stop = data["stop_reason"]
        return self.restore(
            Snapshot(
                task,
                state,
                data["steps"],
                data["max_steps"],
                None if stop is None else StopReason(stop),
                data["invalid"],
                data["message"],
                self._rules_name,
            )
        )

    # What agents ask for

    @property
    def label(self) -> TaskLabel:
        """What may be known of the instance being played: its uid, split, difficulty and item."""
        task = self._current_task()
        return TaskLabel(task.uid, task.split, task.difficulty, task.item)

    @property
    def task(self) -> TaskT:
        """The instance being played. Holds the answer: reading it is flagged as privileged."""
        self.privileged.add("task")
        return self._current_task()

    def _current_task(self) -> TaskT:
        if self._task is None:
            raise EpisodeOver("Call reset() first.")
        return self._task

    @property
    def steps(self) -> int:
        """Steps taken in this episode."""
        return self._steps

    def state_key(self) -> str:
        """Return the state's identity within its task."""
        self._current_task()
        return self.rules.key(self._state)

    def legal_actions(self) -> tuple[str, ...] | None:
        """Return the legal actions where they are finitely many, else None."""
        self._current_task()
        return self.rules.legal_actions(self._state)

    def random_action(self, rng: Rng) -> str:
        """Return a legal action, uniformly; where they are infinitely many, a random text of the right form."""
        self._current_task()
        return self.rules.random_action(self._state, rng)

    def expert_action(self) -> str | None:
        """Return the expert's next action, or None where the task cannot be solved any more. Privileged."""
        self._current_task()
        self.privileged.add("expert_action")
        rules = self.rules
        if self.replans:
            return rules.expert(self._state)
        key = rules.key(self._state)
        if key in self._plan:
            return self._plan[key]
        plan = rules.solve(self._state)
        if not plan:
            return None
        if rules.judged:
            return plan[0]
        state = self._state
        self._plan = {}
        for action in plan:
            self._plan.setdefault(rules.key(state), action)
            state = rules.step(state, rules.parse(state, action)).state
        return self._plan[key]
