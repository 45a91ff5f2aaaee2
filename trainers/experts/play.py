"""An expert plays an episode through the direct agent's prompts; out come the documents to learn from."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ...agents.direct import DirectConfig, Tally, shortened, summarised, system_prompt, user_text
from ...agents.lease import make_text_env
from ...agents.types import Message
from ...envs.core import TextEnv
from ...tasks.actions import all_commands
from ...tasks.errors import UnknownName, UserError
from ...tasks.rng import Rng
from ...tasks.task import GeneratedSource, Split, Task, split_of
from .advice import Advice, Adviser
from .mix import Entry, Form
from .table import adviser_of

PLAN = (
    "First write a plan: numbered sub-goals between <plan> and </plan>. When an action completes a sub-goal, write "
    "<sub_done> after it."
)
"""What the direct agent's `system` says where a plan is asked for."""

MAX_ATTEMPTS = 100
"""Episodes that are begun before an entry is given up as hopeless."""
WIDENED = "widened"
"""The difficulty that demonstrations of widened tasks are counted under."""

_EXTRACTION: dict[Form, Any] = {"tag": "auto", "think": "auto", "plan": "auto", "plan-think": "auto"}
_WILD = 0.3
"""Share of the steps beside the expert's that are any command, legal or not."""


class Document(NamedTuple):
    """One conversation to learn from."""

    difficulty: str
    uid: str
    task: dict[str, Any]
    form: str
    history: str
    messages: list[tuple[Message, bool]]
    """Each with whether it is learned."""


class _Manner(NamedTuple):
    """How one episode is told."""

    form: Form
    style: str
    history: str
    brief: bool
    config: DirectConfig


class Stage:
    """Plays episodes of one entry; holds the environment, and nothing that lasts from one episode to the next.

    Args:
        entry: What to play.
        split: Which tasks: `train` or `valid`.

    Raises:
        UserError: A level, a style of thought or an argument is unknown, or the family has no expert.
    """

    def __init__(self, entry: Entry, split: Split = "train") -> None:
        self.entry = entry
        self.split = split
        self.env: TextEnv[Any] = make_text_env(entry.env, entry.kwargs)
        self.adviser: Adviser = adviser_of(self.env)
        if split not in self.env.source.splits:
            raise UserError(f"{entry.env} has no split {split!r} to make demonstrations of.")
        for level in entry.levels:
            self.env.source.check_difficulty(level)
        for style in entry.thoughts:
            if style not in self.adviser.styles:
                raise UnknownName(f"style of thought in entry {entry.name}", style, self.adviser.styles)
        if entry.widened and self.adviser.widened(self.env, Rng(0)) is None:
            raise UserError(f"The tasks of {entry.env} cannot be widened; leave out widened in entry {entry.name}.")
        self._commands = all_commands(self.env.rules.actions)
        self._styles = entry.thoughts or {self.adviser.styles[0]: 1.0}
        self.env.reset(seed=0, options={"difficulty": next(iter(entry.levels)), "split": split})

    def play(self, rng: Rng) -> Iterator[Document]:
        """Yield the documents of one episode; the same generator, the same documents.

        An episode that a step beside the expert's makes hopeless before anything is learned is played anew.
        """
        env = self.env
        for _ in range(MAX_ATTEMPTS):
            manner = self._manner(rng)
            task = self._task(rng)
            head = (task.difficulty, task.uid, task.model_dump(mode="json", exclude_defaults=True), manner.form)
            told = _Telling(self, manner, rng)
            observation, info = env.reset(options={"task": task})
            conversations = list(told.conversations(observation, info))
            if conversations:
                yield from (Document(*head, manner.history, conversation) for conversation in conversations)
                return
        raise UserError(f"The expert of entry {self.entry.name} found no way in {MAX_ATTEMPTS} episodes.")

    def _task(self, rng: Rng) -> Task:
        """Return a task of the split."""
        source = self.env.source
        if rng.random() < self.entry.widened and isinstance(source, GeneratedSource):
            while (task := self.adviser.widened(self.env, rng)) is not None:
                if split_of(source.split_content(task)) == self.split:
                    return task.model_copy(update={"split": self.split, "difficulty": WIDENED})
        return self._sampled(rng)

    def _sampled(self, rng: Rng) -> Task:
        task: Task = self.env.source.sample(rng.u64() >> 1, self.split, draw(rng, self.entry.levels))
        return task

    def _manner(self, rng: Rng) -> _Manner:
        entry = self.entry
        form = draw(rng, entry.forms)
        history = draw(rng, entry.histories)
        if form.startswith("plan"):
            history = "all"  # a plan stands in the first reply
        config = _config(form, history, rng.random() < entry.legal)
        return _Manner(form, draw(rng, self._styles), history, draw(rng, entry.prompts) == "brief", config)

    def stray(self, rng: Rng) -> str:
        """Return an action that is not the expert's choice: mostly a legal one."""
        if self._commands is not None and rng.random() < _WILD:
            return rng.choice(self._commands)
        return self.env.random_action(rng)


class _Telling:
    """One episode while it is played."""

    def __init__(self, stage: Stage, manner: _Manner, rng: Rng) -> None:
        self.stage, self.manner, self.rng = stage, manner, rng
        self.turns: list[Message] = []
        self.learned: list[bool] = []
        """For each message of `turns` whether it is learned."""
        self.tally = Tally()
        self.goals: tuple[str, ...] | None = None
        """The sub-goals that are left of the plan that was written; None before."""

    def conversations(self, observation: str, info: dict[str, Any]) -> Iterator[list[tuple[Message, bool]]]:
        """Play, and yield the conversations that are to be learned."""
        stage, manner, rng, env = self.stage, self.manner, self.rng, self.stage.env
        whole = manner.history == "all"
        system = (Message(role="system", content=_system(env, manner)), False)
        left_out, way, chosen, offered = 0, list[Advice](), list[list[tuple[Message, bool]]](), 0
        total = 0.0
        while True:
            self._say(Message(role="user", content=user_text(observation, info["legal_actions"], manner.config)))
            past = (len(self.turns) - 1) // 2
            if whole and past - left_out >= stage.entry.turns:
                yield from self._document(system, left_out)
                left_out += max(1, (past - left_out) // 2)
            noisy = rng.random() < stage.entry.noise and info["steps_left"] > 1  # one that ends it teaches nothing
            if noisy and not (manner.form.startswith("plan") and self.goals is None):
                action, way = stage.stray(rng), []
                self._say(Message(role="assistant", content=self._reply(Advice(action))))
            else:
                state = env.snapshot().state
                way = way or stage.adviser.advise(env, state, manner.style, self.tally)
                if not way or not self._on_plan(way[0]):
                    break
                advice = way.pop(0)
                action = advice.action
                reply = Message(role="assistant", content=self._reply(advice))
                if not whole:
                    # Each step has the same chance to be among those chosen (reservoir sampling).
                    place = offered if offered < stage.entry.steps else rng.below(offered + 1)
                    offered += 1
                    if place < stage.entry.steps:
                        shown = [(message, False) for message in self._prompt(past, info)]
                        chosen[place : place + 1] = [[system, *shown, (reply, True)]]
                self._say(reply, True)
                if advice.fresh and not whole:
                    way = []  # the next document shows no thought to go on from
            if env.rules.judged:
                break  # one answer, and nothing to learn from the verdict
            observation, reward, terminated, truncated, info = env.step(action)
            before, total = total, total + float(reward)
            self.tally.add(action, total - before)
            if terminated or truncated:
                break
        if whole:
            yield from self._document(system, left_out)
        yield from chosen

    def _say(self, message: Message, learned: bool = False) -> None:
        self.turns.append(message)
        self.learned.append(learned)

    def _prompt(self, past: int, info: dict[str, Any]) -> list[Message]:
        """Return the turns as the direct agent shows them."""
        history = self.manner.config.history
        if history == "summary":
            return summarised(self.turns, self.tally, info["legal_actions"])
        assert isinstance(history, int)  # with the whole history, documents are made otherwise
        return shortened(self.turns, max(0, past - history))

    def _document(self, system: tuple[Message, bool], left_out: int) -> Iterator[list[tuple[Message, bool]]]:
        """Yield the conversation up to the last reply that is learned, if there is one."""
        if True not in self.learned:
            return
        end = len(self.learned) - self.learned[::-1].index(True)
        messages = shortened(self.turns[:end], left_out)
        yield [system, *zip(messages, self.learned[end - len(messages) : end], strict=True)]

    def _on_plan(self, advice: Advice) -> bool:
        """Say whether the way still leads along the sub-goals that were written."""
        return self.goals is None or advice.goals == self.goals

    def _reply(self, advice: Advice) -> str:
        """Return what is said: an action in the form of reply, with thought and plan where there are any."""
        form, rules, action = self.manner.form, self.stage.env.rules, advice.action
        thought = advice.fresh or advice.thought
        if form == "json":
            return json.dumps({"action": action}, ensure_ascii=False)
        if form == "boxed":
            return action if rules.judged else f"\\boxed{{{action}}}"
        if form == "last_line":
            return f"{thought}\n{action}" if thought else action
        if form == "raw":
            return action
        said = action if rules.judged else f"<action>{action}</action>"
        if thought and form in ("think", "plan-think"):
            said = f"<think>{thought}</think>{said}"
        if form.startswith("plan") and advice.goals:
            if self.goals is None:
                lines = "\n".join(f"{number}. {goal}" for number, goal in enumerate(advice.goals, 1))
                said = f"<plan>\n{lines}\n</plan>{said}"
            self.goals = advice.goals[1:] if advice.reaches else advice.goals
            if advice.reaches:
                said += "<sub_done>"
        return said


@lru_cache(maxsize=256)
def _config(form: Form, history: str, legal: bool) -> DirectConfig:
    """Return the settings of the direct agent that such replies answer."""
    known: dict[str, Any] = {"all": None, "summary": "summary"}
    return DirectConfig(
        extraction=_EXTRACTION.get(form, form),
        history=known[history] if history in known else int(history),
        show_legal_actions=legal,
        system=PLAN if form.startswith("plan") else None,
    )


def _system(env: TextEnv[Any], manner: _Manner) -> str:
    text = system_prompt(env, manner.config)
    return text.replace(f"{env.instructions}\n\n", "", 1) if manner.brief else text


def draw(rng: Rng, weights: Mapping[Any, float]) -> Any:
    """Return a key, with a chance in proportion to its weight."""
    left = rng.random() * sum(weights.values())
    for key, weight in weights.items():
        left -= weight
        if left < 0:
            return key
    return key
