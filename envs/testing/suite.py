"""All checks in order, and the two functions that run them."""

import os
import time
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from gymnasium import error as gym_error

from ...tasks.errors import UserError
from .. import registry
from . import actions, basics, determinism, honesty, memory, snapshots, vectors
from .report import Check, Finding, NotApplicable, Report, Violation
from .subject import FULL, QUICK, Documented, Factory, Subject
from .worker import INSIDE_WORKER, describe


class _Entry(NamedTuple):
    check: Check
    function: Callable[[Subject], str]
    needs: tuple[Check, ...] = ()
    """What must hold for this check to say anything; where it does not, only that is reported."""


_PLAYS = (Check.CONTRACT, Check.INFO)
_REPEATS = (*_PLAYS, Check.GLOBAL_RANDOM, Check.SAME_SEED)

CHECKS: tuple[_Entry, ...] = (
    _Entry(Check.CONTRACT, basics.contract),
    _Entry(Check.SPACES, basics.text_spaces, (Check.CONTRACT,)),
    _Entry(Check.INFO, basics.info, (Check.CONTRACT,)),
    _Entry(Check.SCORE, basics.score, _PLAYS),
    _Entry(Check.REWARD, basics.reward, _PLAYS),
    _Entry(Check.FUZZ, actions.fuzz, _PLAYS),
    _Entry(Check.GRAMMAR, actions.grammar, _PLAYS),
    _Entry(Check.GLOBAL_RANDOM, determinism.global_random, _PLAYS),
    _Entry(Check.SAME_SEED, determinism.same_seed, (*_PLAYS, Check.GLOBAL_RANDOM)),
    _Entry(Check.DIFFERENT_SEEDS, determinism.different_seeds, _REPEATS),
    _Entry(Check.INSTANCES, determinism.instances, _REPEATS),
    _Entry(Check.THREADS, determinism.threads, (*_REPEATS, Check.INSTANCES)),
    _Entry(Check.PROCESSES, determinism.processes, _REPEATS),
    _Entry(Check.STOP_REASON, basics.stop_reason, _PLAYS),
    _Entry(Check.EPISODE_OVER, basics.episode_over, (*_PLAYS, Check.STOP_REASON)),
    _Entry(Check.RESET_OPTIONS, basics.reset_options, _REPEATS),
    _Entry(Check.GYMNASIUM, basics.gymnasium, (*_REPEATS, Check.SPACES, Check.FUZZ)),
    _Entry(Check.RENDER, basics.render, _REPEATS),
    _Entry(Check.SNAPSHOT, snapshots.snapshot, (*_REPEATS, Check.INSTANCES, Check.EPISODE_OVER)),
    _Entry(Check.STEP_LIMIT, snapshots.step_limit, (*_REPEATS, Check.SNAPSHOT)),
    _Entry(Check.STATE_JSON, snapshots.state_json, (*_REPEATS, Check.PROCESSES, Check.SNAPSHOT, Check.STEP_LIMIT)),
    _Entry(Check.SNAPSHOT_COST, snapshots.snapshot_cost, (*_REPEATS, Check.SNAPSHOT, Check.STATE_JSON)),
    _Entry(Check.LEGAL_ACTIONS, actions.legal_actions, (*_REPEATS, Check.SNAPSHOT)),
    _Entry(Check.EXHAUSTIVE, actions.exhaustive, (*_REPEATS, Check.SNAPSHOT)),
    _Entry(Check.INVALID_TURN, actions.invalid_turn, (*_PLAYS, Check.STOP_REASON, Check.GYMNASIUM, Check.FUZZ)),
    _Entry(Check.LEAKS, honesty.leaks, (*_REPEATS, Check.SNAPSHOT)),
    _Entry(Check.PRIVILEGED, honesty.privileged, _REPEATS),
    _Entry(Check.SPLITS, honesty.splits, (*_REPEATS, Check.DIFFERENT_SEEDS, Check.RESET_OPTIONS)),
    _Entry(Check.EXPERT, honesty.expert, (*_REPEATS, Check.SCORE, Check.STOP_REASON, Check.LEGAL_ACTIONS)),
    _Entry(Check.CHEATING, honesty.cheating, (*_REPEATS, Check.SNAPSHOT, Check.SCORE, Check.STOP_REASON, Check.FUZZ)),
    _Entry(Check.VECTOR, vectors.vector, (*_REPEATS, Check.INSTANCES, Check.GYMNASIUM, Check.STOP_REASON)),
    _Entry(Check.MEMORY, memory.memory, (Check.CONTRACT,)),
)


def check(
    env: str | Factory,
    *,
    quick: bool = False,
    seed: int = 0,
    kwargs: dict[str, Any] | None = None,
    floor: float | None = None,
    expert_score: float | None = None,
    reward_range: tuple[float, float] | None = None,
    step_limit_s: float = 10.0,
    only: Collection[Check] | None = None,
    progress: Callable[[Finding], None] | None = None,
) -> Report:
    """Test one environment against every promise of `Check`.

    Args:
        env: A registered id, or a factory (a class, say) that passes keyword arguments such as `render_mode`,
            `max_steps` and `reveal` on. Define it at the top of a module: some checks play in a process of their own.
        quick: Try less of everything: some seconds instead of a minute.
        seed: Seeds everything that is random in the checks.
        kwargs: Arguments of every instance, JSON values.
        floor: The mean score that policies which do not solve the task may reach; what the table of ids says if
            None, 0 for others.
        expert_score: The mean score that the expert reaches; what the table says if None, 1 (solves all) for others.
        reward_range: Bounds of one step's reward; what the table says if None, or the rules.
        step_limit_s: The time that any single step may take, in seconds.
        only: Run these checks and what they need, instead of all.
        progress: Is called with each finding as it comes.

    Returns:
        One finding a check, broken promises and checks that could not run included; none in the process that the
        checks themselves start, where a script without a main guard would call this again.

    Raises:
        UserError: There is no such id, or what the environment needs (a data set) is missing.
    """
    if INSIDE_WORKER in os.environ:
        return Report("", (), 0.0)
    started = time.perf_counter()
    subject = Subject(env, dict(kwargs or {}), QUICK if quick else FULL, seed, step_limit_s)
    subject.documented = _documented(subject, floor, expert_score, reward_range)
    wanted = set(Check) if only is None else _with_needs(only)
    findings: list[Finding] = []
    broken: set[Check] = set()
    try:
        for entry in CHECKS:
            if entry.check in wanted:
                finding = _run(entry, subject, broken)
                findings.append(finding)
                if progress is not None:
                    progress(finding)
    finally:
        subject.close()
    return Report(subject.name, tuple(findings), time.perf_counter() - started)


def assert_conforms(env: str | Factory, **arguments: Any) -> None:
    """Run `check` with these arguments and raise an `AssertionError` that lists every broken promise."""
    report = check(env, **arguments)
    if not report.ok:
        raise AssertionError(report.render())


def _with_needs(only: Collection[Check]) -> set[Check]:
    wanted = set(only)
    for entry in reversed(CHECKS):
        if entry.check in wanted:
            wanted.update(entry.needs)
    return wanted


def _run(entry: _Entry, subject: Subject, broken: set[Check]) -> Finding:
    """Run one check; what fails, or could not run because of what failed, joins `broken`."""
    for need in entry.needs:
        if need in broken:
            broken.add(entry.check)
            return Finding(entry.check, True, f"did not run, because {need.value} must hold first", skipped=True)
    finding = _outcome(entry, subject)
    if not finding.ok:
        broken.add(entry.check)
    return finding


def _outcome(entry: _Entry, subject: Subject) -> Finding:
    try:
        return Finding(entry.check, True, entry.function(subject))
    except NotApplicable as reason:
        return Finding(entry.check, True, f"{reason}", skipped=True)
    except Violation as violation:
        return Finding(entry.check, False, f"{violation}")
    except UserError as error:
        if entry.check is Check.CONTRACT:
            raise
        return Finding(entry.check, False, f"raised {describe(error)}")
    except Exception as error:
        # Whatever a faulty environment raises is what the report is about.
        return Finding(entry.check, False, f"raised {describe(error)}")


def _documented(
    subject: Subject, floor: float | None, expert_score: float | None, reward_range: tuple[float, float] | None
) -> Documented:
    row = None
    if isinstance(subject.env, str):
        if subject.env.removeprefix("rlvr:").startswith(f"{registry.NAMESPACE}/"):
            row = registry.find(subject.env)
        else:
            _must_be_registered(subject.env)
    if row is not None:
        return Documented(
            row.floor if floor is None else floor,
            row.expert_score if expert_score is None else expert_score,
            row.rewards if reward_range is None else reward_range,
        )
    return Documented(0.0 if floor is None else floor, 1.0 if expert_score is None else expert_score, reward_range)


def _must_be_registered(env_id: str) -> None:
    import gymnasium as gym

    try:
        gym.spec(env_id)
    except (gym_error.Error, ModuleNotFoundError) as error:
        raise UserError(f"There is no environment {env_id!r}: {error}") from None
