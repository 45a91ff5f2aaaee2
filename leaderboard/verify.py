"""Replay: a record is believed only as far as it can be played again.

The environment is made anew and every event of the log is repeated: the same seed must give the same task, every
action must be what its completion says, and lead to the same reward, observation and state. What replay does *not*
prove is who wrote the completions: which model answered, and whether its prompt was the recorded one.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from ..agents.lease import make_text_env
from ..agents.packages import package_versions
from ..agents.plan import Placement, env_seed, episode_key, sampling_seed
from ..agents.reading import RULES, read_action
from ..agents.registry import AGENTS
from ..agents.types import (
    EXCLUDED_ENDS,
    AskEvent,
    Episode,
    EpisodeEnd,
    Ledger,
    ResetEvent,
    RestoreEvent,
    SnapshotEvent,
    StepEvent,
    SubmitEvent,
    VerdictRecord,
)
from ..envs.core import Snapshot, TextEnv
from ..tasks.errors import EpisodeOver, MissingData, MissingExtra, UnknownName, UserError
from ..tasks.rules import EXCLUDED_STOPS, Rules
from ..tasks.suites import SuiteEntry, known_suite
from ..tasks.task import text_hash
from ..tasks.verify import Verdict, VerdictStatus

UNDECIDED = frozenset({VerdictStatus.TIMEOUT, VerdictStatus.ERROR})
RELATIVE_TOLERANCE = 1e-12
"""Between recorded and replayed numbers: the last bits of a logarithm differ between C libraries."""
LATE_ITEMS = frozenset({"prompt_tokens", "completion_tokens", "decoded_tokens"})
"""What one last answer may overdraw, since only the answer tells its price."""
EXPERT_POLICIES = ("expert", "oracle:")


class ReplayStatus(StrEnum):
    """What a replay came to."""

    REPLAYED = "replayed"
    """Everything happened again as recorded."""
    REJECTED = "rejected"
    """Something did not; `reason` says what, `first_difference` where."""
    UNVERIFIABLE = "unverifiable"
    """It cannot be played again here: an environment or a data set is missing, or a verdict ran out of time."""


class ReplayedStep(NamedTuple):
    """One moment of the replay, for showing it."""

    kind: str
    """`reset`, `step` or `restore`."""
    number: int
    """0 for the reset, then the number of actions played so far in the log."""
    observation: str
    info: dict[str, Any]
    action: str | None = None
    reward: float = 0.0
    generation: int | None = None
    snapshot: Snapshot | None = None
    """The environment's state after it, for asking the rules about it."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The outcome of replaying one record."""

    key: str
    status: ReplayStatus
    reason: str = ""
    """One sentence; empty where everything agrees."""
    first_difference: int | None = None
    """The number of the first step that differs: 0 the start, k the k-th action of the log."""
    steps: tuple[ReplayedStep, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader should know although the record replays."""
    rules: Rules[Any, Any, Any] | None = None
    """The rules that it was played under, where it could be played."""

    @property
    def ok(self) -> bool:
        """Whether the record replays."""
        return self.status is ReplayStatus.REPLAYED


class _Mismatch(Exception):
    """The record differs from its replay."""


class _CannotReplay(Exception):
    """The record cannot be played again here."""


@dataclass(slots=True)
class _Run:
    """The state of one replay."""

    env: TextEnv[Any]
    number: int = 0
    steps: list[ReplayedStep] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    saved: list[tuple[Snapshot, float, bool]] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)
    total: float = 0.0
    over: bool = False
    submitted: bool = False
    asked: int = 0
    verdicts: int = 0

    @property
    def place(self) -> str:
        """Where the replay stands, in words."""
        return "at the start" if self.number == 0 else f"at step {self.number}"


def check_module(env_id: str) -> None:
    """Refuse an id as `module:id` whose module is not imported: what a record says never makes us import anything.

    Raises:
        UserError: The message says how to import it.
    """
    module, colon, _ = env_id.partition(":")
    if colon and module != "rlvr" and module not in sys.modules:
        raise UserError(f"its environment needs the module {module!r}; if you trust it, add --import {module}.")


class Verifier:
    """Replays records; environments are made once for all records that need the same.

    Args:
        entries: What the entries of the run are, by name, where that is known (from a run's configuration or a
            suite of the user's); records of our own suites are always checked against them.
        data: Files to use in place of the recorded `data` arguments, where their fingerprints agree.
    """

    def __init__(self, entries: Mapping[str, SuiteEntry] | None = None, data: Sequence[str | Path] = ()) -> None:
        self._entries = dict(entries or {})
        self._data = tuple(data)
        self._envs: dict[str, TextEnv[Any]] = {}
        self._placements: dict[tuple[str, str, str], Placement] = {}

    def close(self) -> None:
        """Close all environments."""
        while self._envs:
            self._envs.popitem()[1].close()

    def verify(self, episode: Episode) -> Replay:
        """Play a record again and compare; never raises for what a record contains."""
        try:
            env = self._env(episode)
        except UserError as problem:
            return Replay(episode.key, ReplayStatus.UNVERIFIABLE, f"It cannot be replayed here: {problem}")
        run = _Run(env)
        status, reason, place = self._replay(run, episode)
        if status is ReplayStatus.REPLAYED:
            here = package_versions()
            other = sorted(name for name, version in episode.packages.items() if version != here.get(name))
            if other:
                run.notes.append(f"Recorded with other versions of {', '.join(other)}.")
        return Replay(episode.key, status, reason, place, tuple(run.steps), tuple(run.notes), env.rules)

    def _replay(self, run: "_Run", episode: Episode) -> tuple[ReplayStatus, str, int | None]:
        try:
            self._check_plan(episode, run.env)
            for event in episode.events:
                _HANDLERS[type(event)](run, episode, event)
            _check_end(run, episode)
        except _Mismatch as difference:
            return ReplayStatus.REJECTED, f"It differs {run.place}: {difference}.", run.number
        except (_CannotReplay, MissingData, MissingExtra) as problem:
            return ReplayStatus.UNVERIFIABLE, f"It cannot be replayed here: {problem}", None
        except UserError as problem:  # the environment is there, and refuses what the record says
            return ReplayStatus.REJECTED, f"It differs {run.place}: {problem}", run.number
        except Exception as error:  # a record is anybody's text: what breaks the environment is no replay
            reason = f"It differs {run.place}: the environment fails with {type(error).__name__}: {error}."
            return ReplayStatus.REJECTED, reason, run.number
        return ReplayStatus.REPLAYED, "", None

    def _env(self, episode: Episode) -> TextEnv[Any]:
        check_module(episode.env_id)
        kwargs = dict(episode.env_kwargs)
        name = f"{episode.env_id} {sorted(kwargs.items())!r} {sorted(episode.data.items())!r}"
        if name not in self._envs:
            self._envs[name] = self._make(episode, kwargs)
        return self._envs[name]

    def _make(self, episode: Episode, kwargs: dict[str, Any]) -> TextEnv[Any]:
        """Make the environment, on the data that the record names; of the files offered, the one that agrees."""
        wanted = set(episode.data.values())
        candidates = [kwargs, *({**kwargs, "data": str(path)} for path in self._data if wanted)]
        problem = ""
        for candidate in candidates:
            try:
                env = make_text_env(episode.env_id, candidate)
            except UnknownName as error:
                raise UserError(f"{error} If a module of yours registers it, add --import MODULE.") from None
            except UserError as error:
                problem = problem or str(error)
                continue
            found = env.source.fingerprint
            if (set() if found is None else {found}) == wanted:
                return env
            env.close()
            problem = problem or "the data set here is not the one that it was played on (its fingerprint differs)."
        raise UserError(problem)

    def _check_plan(self, episode: Episode, env: TextEnv[Any]) -> None:
        """Check that seeds, key and start options follow from run, entry, group and member."""
        if episode.entry is None:
            if episode.suite is not None:
                raise _Mismatch(f"it claims the suite {episode.suite} but none of its entries")
            return
        name = (episode.run, episode.entry, episode.group)
        _same("its key", episode.key, episode_key(episode.entry, episode.group, episode.member))
        _same("the environment's seed", episode.env_seed, env_seed(*name))
        _same("the sampling seed", episode.sampling_seed, sampling_seed(*name, episode.member))
        entry = self._entry(episode)
        if entry is None:
            return
        env_ids = {entry.env, entry.env.removeprefix("rlvr:"), f"rlvr/{entry.env}"}
        if episode.env_id not in env_ids:
            raise _Mismatch(f"the environment is {episode.env_id}, but the entry {entry.name} plays {entry.env}")
        _same("the environment's arguments", episode.env_kwargs, entry.kwargs)
        place = (repr(sorted(entry.kwargs.items())), episode.run, entry.name)
        if place not in self._placements:
            self._placements[place] = Placement(
                env, split=entry.split, difficulty=entry.difficulty, run=episode.run, entry=entry.name
            )
        expected = self._placements[place].options(episode.group)
        for event in episode.events:
            if isinstance(event, ResetEvent):
                _same("the start options", event.options, expected)

    def _entry(self, episode: Episode) -> SuiteEntry | None:
        """Return the definition of a record's entry: our suite's, or else the run's own."""
        if episode.suite is not None:
            suite = known_suite(episode.suite)
            if suite is not None:
                if not episode.run.startswith(f"{suite.label}/"):
                    raise _Mismatch(f"the run {episode.run!r} is none of the suite {suite.label}")
                try:
                    entry = suite.entry(episode.entry or "")
                except UnknownName as problem:
                    raise _Mismatch(str(problem).rstrip(".")) from None
                if episode.group >= (entry.episodes or math.inf) or episode.member >= entry.members:
                    raise _Mismatch(f"the entry {entry.name} has no episode {episode.key}")
                return entry
        return self._entries.get(episode.entry or "")


def verify_episode(
    episode: Episode, *, entries: Mapping[str, SuiteEntry] | None = None, data: Sequence[str | Path] = ()
) -> Replay:
    """Replay one record; see `Verifier` for the arguments."""
    verifier = Verifier(entries, data)
    try:
        return verifier.verify(episode)
    finally:
        verifier.close()


def _same(what: str, recorded: Any, replayed: Any) -> None:
    if isinstance(recorded, float) and isinstance(replayed, int | float) and not isinstance(replayed, bool):
        if math.isclose(recorded, replayed, rel_tol=RELATIVE_TOLERANCE, abs_tol=RELATIVE_TOLERANCE):
            return
    elif recorded == replayed and isinstance(recorded, bool) == isinstance(replayed, bool):
        return
    raise _Mismatch(f"{what} is {_shown(replayed)}, not {_shown(recorded)} as recorded")


def _shown(value: Any) -> str:
    text = repr(str(value) if isinstance(value, StrEnum) else value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _on_reset(run: _Run, episode: Episode, event: ResetEvent) -> None:
    _check_open(run)
    _same("the seed of the reset", event.seed, episode.env_seed)
    observation, run.info = run.env.reset(seed=event.seed, options=dict(event.options))
    run.total, run.over = 0.0, False
    _same("the task", event.task_uid, run.info["task_uid"])
    _same("the first observation (its hash)", event.observation_hash, text_hash(observation))
    _same("the state", event.state_key, run.info["state_key"])
    run.steps.append(ReplayedStep("reset", run.number, observation, run.info, snapshot=run.env.snapshot()))


def _on_step(run: _Run, episode: Episode, event: StepEvent) -> None:
    _check_open(run)
    run.number += 1
    if not run.info:
        raise _Mismatch("an action was played before the environment was reset")
    _check_reading(run, episode, event)
    try:
        observation, reward, terminated, truncated, info = _play(run, event)
    except EpisodeOver:
        raise _Mismatch("an action was played after the end of the episode") from None
    run.info = info
    run.total += reward
    run.over = terminated or truncated
    snapshot = run.env.snapshot()
    run.steps.append(
        ReplayedStep("step", run.number, observation, info, event.action, reward, event.generation, snapshot)
    )
    verdict = info.get("verdict") if info["invalid"] is None else None
    run.verdicts += verdict is not None
    _same("the reason why the action is invalid", event.invalid, info["invalid"])
    _same("the verdict", None if event.verdict is None else event.verdict.status, verdict and str(verdict.status))
    if event.verdict is not None and verdict is not None:
        _same("the answer that was judged", event.verdict.extracted, verdict.extracted)
    _same("the reward", event.reward, reward)
    _same("whether it terminated", event.terminated, terminated)
    _same("whether it was truncated", event.truncated, truncated)
    _same("the stop reason", event.stop_reason, info["stop_reason"])
    _same("the score", event.score, info["score"])
    _same("the observation (its hash)", event.observation_hash, text_hash(observation))
    _same("the state", event.state_key, info["state_key"])


def _check_reading(run: _Run, episode: Episode, event: StepEvent) -> None:
    """Check that the action is what the recorded rule reads out of the recorded completion."""
    if event.generation is None:
        return
    if not 0 <= event.generation < run.asked:
        raise _Mismatch(f"the action refers to generation {event.generation}, which had not been made")
    if event.extraction is None:
        return
    if event.extraction not in RULES:
        raise _Mismatch(f"there is no extraction rule {event.extraction!r}")
    completion = episode.generations[event.generation].completion
    read = read_action(completion, event.extraction, run.env.rules.actions)
    _same(f"the action that the rule {event.extraction} reads", event.action, read.action)


def _play(run: _Run, event: StepEvent) -> tuple[str, float, bool, bool, dict[str, Any]]:
    """Play an action; a verdict that was never reached is taken over, any other is reached again."""
    env = run.env
    recorded = event.verdict
    if recorded is None or recorded.status not in UNDECIDED:
        result = env.step(event.action)
        verdict = result[4].get("verdict")
        if recorded is not None and verdict is not None and verdict.status in UNDECIDED:
            raise _CannotReplay(f"at step {run.number} the verifier came to {str(verdict.status)!r} here.")
        return result
    before = env.snapshot()
    verdict = env.step(event.action)[4].get("verdict")
    if verdict is not None and verdict.status not in UNDECIDED:
        here = str(verdict.status)
        run.notes.append(f"Step {run.number} was recorded as {recorded.status}, but is {here!r} here; it stays out.")
    env.restore(before)
    return env.replay(event.action, _verdict_of(recorded))


def _verdict_of(recorded: VerdictRecord) -> Verdict:
    return Verdict(VerdictStatus(recorded.status), recorded.extracted, recorded.reason)


def _on_snapshot(run: _Run, episode: Episode, event: SnapshotEvent) -> None:
    _check_open(run)
    if not run.info or event.id != len(run.saved):
        raise _Mismatch(f"snapshot {event.id} is out of order")
    _same("the state of a snapshot", event.state_key, run.info["state_key"])
    run.saved.append((run.env.snapshot(), run.total, run.over))


def _on_restore(run: _Run, episode: Episode, event: RestoreEvent) -> None:
    _check_open(run)
    if not 0 <= event.id < len(run.saved):
        raise _Mismatch(f"there is no snapshot {event.id} to restore")
    snapshot, run.total, run.over = run.saved[event.id]
    observation, run.info = run.env.restore(snapshot)
    _same("the restored observation (its hash)", event.observation_hash, text_hash(observation))
    _same("the restored state", event.state_key, run.info["state_key"])
    run.steps.append(ReplayedStep("restore", run.number, observation, run.info, snapshot=snapshot))


def _on_ask(run: _Run, episode: Episode, event: AskEvent) -> None:
    _check_open(run)
    if event.generation != run.asked or event.generation >= len(episode.generations):
        raise _Mismatch(f"generation {event.generation} is out of order")
    _same("a generation's number", episode.generations[event.generation].id, event.generation)
    run.asked += 1


def _on_submit(run: _Run, episode: Episode, event: SubmitEvent) -> None:
    _check_open(run)
    if not run.info:
        raise _Mismatch("it was submitted before the environment was reset")
    _same("the submitted state", event.state_key, run.info["state_key"])
    run.submitted = True


def _check_open(run: _Run) -> None:
    if run.submitted:
        raise _Mismatch("something happens after the episode was submitted")


_HANDLERS: dict[type, Callable[[_Run, Episode, Any], None]] = {
    ResetEvent: _on_reset,
    StepEvent: _on_step,
    SnapshotEvent: _on_snapshot,
    RestoreEvent: _on_restore,
    AskEvent: _on_ask,
    SubmitEvent: _on_submit,
}


def _check_end(run: _Run, episode: Episode) -> None:
    """Compare what the record says about the whole with what the replay came to."""
    info = run.info
    if not info and episode.end not in EXCLUDED_ENDS:
        raise _Mismatch("nothing was played")
    if info:
        label = run.env.label
        _same("the task", episode.task_uid, label.uid)
        _same("the split", episode.split, label.split)
        _same("the difficulty", episode.difficulty, label.difficulty)
    _same("the final score", episode.score, float(info.get("score", 0.0)))
    _same("the success", episode.is_success, bool(info.get("is_success", False)))
    _same("the total reward", episode.total_reward, run.total)
    _same("the final stop reason", episode.stop_reason, info.get("stop_reason"))
    excluded = episode.end in EXCLUDED_ENDS or info.get("stop_reason") in EXCLUDED_STOPS
    _same("whether it is excluded", episode.excluded, excluded)
    if episode.end is EpisodeEnd.SUBMITTED and not (run.submitted or run.over):
        raise _Mismatch("it ends as submitted, but nothing was")
    if (episode.end is EpisodeEnd.BUDGET) != (episode.exhausted is not None):
        raise _Mismatch("its end and the exhausted budget item contradict each other")
    _check_ledger(run, episode)
    _check_privileges(run, episode)


def _check_ledger(run: _Run, episode: Episode) -> None:
    usages = [made.completion.usage for made in episode.generations]
    counted = Ledger(
        env_steps=run.number,
        policy_calls=len(episode.generations),
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
        decoded_tokens=sum(max(usage.decoded_tokens, usage.completion_tokens) for usage in usages),
        verifier_calls=run.verdicts,
    )
    for item in Ledger.model_fields:
        _same(f"the ledger's {item}", getattr(episode.ledger, item), getattr(counted, item))
        limit = getattr(episode.budget, item)
        overdrawn = limit is not None and getattr(counted, item) > limit
        if overdrawn and not (item in LATE_ITEMS and episode.exhausted == item):
            raise _Mismatch(f"the budget's {item} is {limit}, but it took {getattr(counted, item)}")
    _same("the number of questions", run.asked, len(episode.generations))


def _check_privileges(run: _Run, episode: Episode) -> None:
    """Reject a record that hides what it says itself: an expert at work, or answers revealed."""
    needed: set[str] = {"reveal"} if episode.env_kwargs.get("reveal") else set()
    experts = {row.name for row in AGENTS if row.privileged}
    by_expert = episode.agent in experts or (episode.policy or "").startswith(EXPERT_POLICIES)
    if by_expert and run.number:
        needed.add("expert_action")
    hidden = sorted(needed - set(episode.privileged))
    if hidden:
        raise _Mismatch(f"the use of {', '.join(hidden)} is not declared")
