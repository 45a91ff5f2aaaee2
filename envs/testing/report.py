"""What a check found: typed, one sentence each."""

import json
from enum import StrEnum
from typing import Any, NamedTuple


class Check(StrEnum):
    """Every promise that the kit tests, in the order in which it tests them."""

    CONTRACT = "contract"
    """It can be made, has the members of a text environment, resets, steps, and its arguments are JSON values."""
    SPACES = "spaces"
    """Both spaces are text, contain every string that occurs, the empty one too, and equal those of a twin."""
    INFO = "info"
    """`info` has every documented key with its documented type, and values that a vector environment can hold."""
    SCORE = "score"
    """The score is a finite number in [0, 1], and a success is never scored 0."""
    REWARD = "reward"
    """Every reward is a finite number within the documented range."""
    FUZZ = "fuzz"
    """No text raises, takes long, or is echoed at length, whatever is in it."""
    GRAMMAR = "grammar"
    """Examples, grammar, JSON schema and tool definitions agree with each other and with what is accepted."""
    GLOBAL_RANDOM = "global-random"
    """The global generators of `random` and `numpy.random` are neither read nor seeded."""
    SAME_SEED = "same-seed"
    """The same seed and actions give the same episode, and the same sequence of further resets."""
    DIFFERENT_SEEDS = "different-seeds"
    """Different seeds give different tasks."""
    INSTANCES = "instances"
    """Two instances played in turn do not disturb each other."""
    THREADS = "threads"
    """Eight instances in eight threads play what they play alone."""
    PROCESSES = "processes"
    """Another process with another `PYTHONHASHSEED` plays the same episodes: nothing depends on `hash()`."""
    STOP_REASON = "stop-reason"
    """`stop_reason` is set exactly at the end, `truncated` means the step limit, `steps_left` counts down by one."""
    EPISODE_OVER = "episode-over"
    """`step` before `reset` and after the end raises `EpisodeOver`."""
    RESET_OPTIONS = "reset-options"
    """`reset` obeys its options (split, difficulty, task, item) and refuses an unknown one by name."""
    GYMNASIUM = "gymnasium"
    """Gymnasium's own `check_env` passes without a warning."""
    RENDER = "render"
    """Every declared render mode gives what it should, and looking changes nothing."""
    SNAPSHOT = "snapshot"
    """`restore(snapshot())` gives the same moment and the same future, in any order, in any instance."""
    STEP_LIMIT = "step-limit"
    """The step limit is part of the snapshot: a copy is cut off where the original would be."""
    STATE_JSON = "state-json"
    """`get_state()` is JSON, and another process that reads it gives the same moment and the same future."""
    SNAPSHOT_COST = "snapshot-cost"
    """The size of a state and the time of a snapshot do not grow with the length of the episode."""
    LEGAL_ACTIONS = "legal-actions"
    """Every legal action is accepted as valid."""
    EXHAUSTIVE = "exhaustive"
    """Where the rules say so, no text does what none of the legal actions does."""
    INVALID_TURN = "invalid-turn"
    """A text that is no action counts as a turn, changes nothing, and is answered with a reason."""
    LEAKS = "leaks"
    """Neither the observation nor `info` tells the answer."""
    PRIVILEGED = "privileged"
    """What only experts may use is flagged in `privileged` when it is used, and only then."""
    SPLITS = "splits"
    """No instance belongs to two splits."""
    EXPERT = "expert"
    """The expert reaches its documented score, and gives up only where the task cannot be solved."""
    CHEATING = "cheating"
    """Policies that do not solve the task score no more than the documented floor."""
    VECTOR = "vector"
    """Our vector environment, Gymnasium's sync one and its async one give the same, in every autoreset mode."""
    MEMORY = "memory"
    """Resetting again and again does not take more and more memory."""


class Finding(NamedTuple):
    """The outcome of one check."""

    check: Check
    ok: bool
    """False only where the promise is broken."""
    detail: str
    """One sentence: what was seen, or what is wrong and what to do about it."""
    skipped: bool = False
    """Whether the check did not run; `detail` says why."""


class Violation(Exception):
    """A promise is broken; the message says what is wrong and what to do, in one sentence."""


class NotApplicable(Exception):
    """A check has nothing to test here; the message says why, in one sentence."""


class Report(NamedTuple):
    """All findings on one environment."""

    env: str
    """The id, or the factory's name."""
    findings: tuple[Finding, ...]
    seconds: float
    """Wall time."""

    @property
    def ok(self) -> bool:
        """Whether no promise is broken."""
        return not self.failures

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The broken promises."""
        return tuple(finding for finding in self.findings if not finding.ok)

    @property
    def exit_code(self) -> int:
        """0 if all is well, 1 if something was found."""
        return 0 if self.ok else 1

    def render(self, *, verbose: bool = False) -> str:
        """Return the report as plain text: what is broken, or every check with `verbose`."""
        lines = [f"{self.env}"]
        for finding in self.findings:
            mark = "skip" if finding.skipped else "ok" if finding.ok else "FAIL"
            if verbose or not finding.ok:
                lines.append(f"  {mark:<4} {finding.check.value}: {finding.detail}")
        ran = sum(not finding.skipped for finding in self.findings)
        skipped = len(self.findings) - ran
        lines.append(
            f"  {ran - len(self.failures)} of {ran} checks passed, {skipped} had nothing to test or could not run, "
            f"{self.seconds:.1f} s"
        )
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON value."""
        return {
            "env": self.env,
            "ok": self.ok,
            "seconds": round(self.seconds, 3),
            "findings": [finding._asdict() for finding in self.findings],
        }

    def dumps(self) -> str:
        """Return the report as one line of JSON."""
        return json.dumps(self.to_json())
