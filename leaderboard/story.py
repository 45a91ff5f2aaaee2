"""An episode told step by step, for the page: what was seen, said, done and gained, and where it first went wrong.

It is made from the record and its replay: the replay brings the observations, which records hold only as hashes,
and the states, so that the expert can be asked about every one of them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..agents.types import (
    AskEvent,
    Episode,
    EpisodeEnd,
    Generation,
    ResetEvent,
    RestoreEvent,
    SnapshotEvent,
    StepEvent,
    SubmitEvent,
)
from ..envs.core import Snapshot
from ..tasks.rules import Invalid, Rules
from .verify import Replay

MAX_TEXT = 20_000
"""Longer texts are cut on the page; the record has them whole."""


class BadStep(NamedTuple):
    """Where an episode first went wrong."""

    step: int
    """The position of its item in the story."""
    kind: str
    """A word or two for tables."""


@dataclass(slots=True)
class Item:
    """One position of a story."""

    kind: str
    """`reset`, `step`, `restore`, `ask` (a question that no step followed up) or `submit`."""
    data: dict[str, Any] = field(default_factory=dict)
    """What the page shows of it."""


@dataclass(slots=True)
class Story:
    """A whole episode."""

    items: list[Item] = field(default_factory=list)
    bad: BadStep | None = None
    remark: str = ""
    """One or two sentences on the first bad step, or on why there is none."""
    branches: int = 0
    """Branches that the environment ended."""
    attempts: int = 0
    """Resets."""
    solved_anywhere: bool = False
    """Whether any state on any branch had the goal."""
    answer: str | None = None
    """The answer that the verifier read out of the last judged step of the submitted branch."""


class PathStep(NamedTuple):
    """One step of the branch that was handed in."""

    position: int
    before: Snapshot
    after: Snapshot
    event: StepEvent


def tell(episode: Episode, replay: Replay) -> Story:
    """Tell the story of an episode.

    Args:
        episode: The record.
        replay: Its replay, which must be `ok`.
    """
    if not replay.ok or replay.rules is None:
        raise ValueError("only a record that replays can be told")
    story = Story()
    path: list[PathStep] = []
    now: Snapshot | None = None
    saved: dict[int, list[PathStep]] = {}
    used = {event.generation for event in episode.events if isinstance(event, StepEvent)}
    replayed = iter(replay.steps)
    for event in episode.events:
        position = len(story.items)
        if isinstance(event, AskEvent):
            if event.generation not in used:
                story.items.append(Item("ask", {"replies": [_reply(episode.generations[event.generation])]}))
        elif isinstance(event, SubmitEvent):
            if now is not None and now.stop_reason is None:  # else the environment had ended it already
                story.items.append(Item("submit"))
        elif isinstance(event, SnapshotEvent):
            saved[event.id] = list(path)
        else:
            step = next(replayed)
            before, now = now, step.snapshot
            if isinstance(event, StepEvent):
                if before is None or now is None:
                    raise ValueError("an action was played before the environment was reset")
                path.append(PathStep(position, before, now, event))
                story.items.append(Item("step", _step_data(episode, event, step.observation, step.info)))
                story.branches += event.terminated or event.truncated
                story.solved_anywhere |= step.info["is_success"]
            else:
                path = saved[event.id].copy() if isinstance(event, RestoreEvent) else []
                story.attempts += isinstance(event, ResetEvent)
                story.items.append(Item(event.type, {"observation": cut(step.observation)}))
    on_path = {step.position for step in path}
    for position, item in enumerate(story.items):
        if item.kind == "step" and position not in on_path:
            item.data["off"] = True
    judged = [step.event.verdict for step in path if step.event.verdict is not None]
    story.answer = judged[-1].extracted if judged else None
    story.bad, story.remark = first_bad_step(replay.rules, path, reached=episode.is_success)
    return story


def _step_data(episode: Episode, event: StepEvent, observation: str, info: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {
        "observation": cut(observation),
        "action": cut(event.action),
        "reward": event.reward,
        "score": round(event.score, 6),
    }
    if info["message"]:
        data["message"] = cut(info["message"])
    if event.invalid is not None:
        data["invalid"] = cut(event.invalid)
    if event.stop_reason is not None:
        data["end"] = words(event.stop_reason)
    if event.generation is not None:
        data["replies"] = [_reply(episode.generations[event.generation])]
    if event.extraction is not None:
        data["rule"] = event.extraction
    if event.verdict is not None:
        data["verdict"] = event.verdict.status
    return data


def _reply(generation: Generation) -> dict[str, str]:
    completion = generation.completion
    calls = [f"{call.name}({call.arguments})" for call in completion.tool_calls]
    return {"agent": generation.policy, "text": cut("\n".join(part for part in (completion.text, *calls) if part))}


def first_bad_step(
    rules: Rules[Any, Any, Any], path: Sequence[PathStep], *, reached: bool
) -> tuple[BadStep | None, str]:
    """Return where the branch that was handed in first went wrong, and a sentence on it.

    In this order: the first invalid action; if the goal was missed, the step after which the expert, taking over,
    no longer reaches the goal within the steps that are left (exact where the expert is and a lost goal stays lost);
    where that is not known, the first step that cost more than the usual one, else the last step.

    Args:
        rules: The environment's rules; their `solve` is the expert.
        path: The steps of the branch that was handed in.
        reached: Whether the goal was reached.
    """
    for step in path:
        if step.event.invalid is not None:
            return BadStep(step.position, "invalid action"), f"The action was invalid: {cut(step.event.invalid)}."
    if reached:
        return None, "No bad step: the goal was reached and every action was valid."
    if not path:
        return None, "No bad step: nothing was played."
    if len(path) == 1:
        return BadStep(path[0].position, "goal missed"), "The only step missed the goal."
    lost = _goal_lost(rules, path)
    if lost is not None:
        return BadStep(lost.position, "goal lost"), (
            "Before it, the expert would still have reached the goal in the steps that were left; after it, no more."
        )
    dear = _dear_step(path)
    if dear is not None:
        return BadStep(dear.position, "costly step"), (
            f"It cost more than the usual step: its reward is {dear.event.reward:g}."
        )
    stopped = path[-1].after.stop_reason is None
    return BadStep(path[-1].position, "last step"), (
        "The agent stopped there, short of the goal."
        if stopped
        else "The episode ended there without its goal; no earlier step is known to have lost it."
    )


def _goal_lost(rules: Rules[Any, Any, Any], path: Sequence[PathStep]) -> PathStep | None:
    """Find a step before which the expert reaches the goal and after which it does not, by bisection."""
    if _reaches(rules, path[-1].after) or not _reaches(rules, path[0].before):
        return None
    low, high = 0, len(path) - 1  # reached before path[low], not reached after path[high]
    while low < high:
        middle = (low + high) // 2
        if _reaches(rules, path[middle].after):
            low = middle + 1
        else:
            high = middle
    return path[low]


def _reaches(rules: Rules[Any, Any, Any], snapshot: Snapshot) -> bool:
    """Say whether the expert, playing on from here, reaches the goal within the steps that are left."""
    state = snapshot.state
    if snapshot.stop_reason is not None:
        return rules.is_success(state)
    plan = rules.solve(state)
    if plan is None:
        return False
    left = snapshot.max_steps - snapshot.steps
    if rules.judged:
        return len(plan) <= left
    for text in plan[:left]:
        action = rules.parse(state, text)
        if isinstance(action, Invalid):
            return False
        transition = rules.step(state, action)
        state = transition.state
        if transition.terminated:
            break
    return rules.is_success(state)


def _dear_step(path: Sequence[PathStep]) -> PathStep | None:
    """Find the first step with a negative reward below the usual one, where most steps have the same reward."""
    usual, times = Counter(step.event.reward for step in path).most_common(1)[0]
    if 2 * times < len(path):
        return None
    return next((step for step in path if step.event.reward < min(0.0, usual)), None)


def ending(episode: Episode) -> str:
    """Say in a word or two how an episode ended."""
    if episode.end is EpisodeEnd.SUBMITTED:
        return words(episode.stop_reason) if episode.stop_reason else "handed in"
    if episode.end is EpisodeEnd.BUDGET:
        return f"budget: {words(episode.exhausted or 'unknown')}"
    return words(episode.end)


def words(name: str) -> str:
    """Turn an enum's value into words."""
    return str(name).replace("_", " ")


def cut(text: str) -> str:
    """Shorten a text that is too long for a page, and say so."""
    left_out = len(text) - MAX_TEXT
    return text if left_out <= 0 else f"{text[:MAX_TEXT]}\n… {left_out} more characters are in the record."
