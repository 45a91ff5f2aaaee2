"""The Python front: evaluate an agent on an environment or a suite, from a script or a notebook."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..envs import registry
from ..tasks.config import read_config
from ..tasks.errors import UnknownName, UserError
from ..tasks.suites import SUITES, Suite, SuiteEntry, find_suite
from ..tasks.task import Split
from .agent import Agent, AgentConfig, agent_class, agent_config, checked_class
from .lease import canonical_id
from .policies.policy import Policy, make_policy
from .records import Row
from .runner import Runner, RunPlan, RunResult
from .types import Budget

T = TypeVar("T")


def make_plan(
    what: str | Path | Suite,
    *,
    agent: str | type[Agent[Any]] = "direct",
    policy: str | Policy | None = None,
    agent_settings: Mapping[str, Any] | AgentConfig | None = None,
    policy_settings: Mapping[str, Any] | None = None,
    episodes: int | None = None,
    members: int | None = None,
    split: Split | None = None,
    difficulty: str | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    budget: Budget | Mapping[str, Any] | None = None,
    seed: int = 0,
) -> RunPlan:
    """Return what a run will play; see `evaluate` for the arguments."""
    kind = (
        agent_class(agent) if isinstance(agent, str) else checked_class(agent, getattr(agent, "__name__", repr(agent)))
    )
    if not (policy is None or isinstance(policy, str | Policy)):
        raise UserError(f"The policy must be a name, such as 'scripted', or a Policy object, not {policy!r}.")
    if seed < 0:
        raise UserError(f"The run's seed must be 0 or more, not {seed}.")
    suite = _suite_of(what)
    if suite is not None:
        changes = {"episodes": episodes, "members": members, "split": split, "difficulty": difficulty}
        given = [name for name, value in {**changes, "env_kwargs": env_kwargs or None}.items() if value is not None]
        if given:
            raise UserError(
                f"A suite fixes what is played; {', '.join(given)} can only be set for a single environment."
            )
        entries, label, run = suite.entries, suite.label, f"{suite.label}/{seed}"
    else:
        env_id = canonical_id(str(what))
        entry = {
            "name": _entry_name(env_id, difficulty),
            "env": env_id,
            "kwargs": dict(env_kwargs or {}),
            "split": split,
            "difficulty": difficulty,
            "episodes": episodes,
            "members": 1 if members is None else members,
        }
        entries, label, run = (read_config(SuiteEntry, entry, env_id),), None, f"{env_id}/{seed}"
    return RunPlan(
        run=run,
        entries=entries,
        agent=kind,
        agent_name=agent if isinstance(agent, str) else kind.name,
        agent_config=agent_config(kind, agent_settings),
        policy=make_policy(policy, **dict(policy_settings or {})) if isinstance(policy, str) else policy,
        suite=label,
        budget=budget if isinstance(budget, Budget) else read_config(Budget, dict(budget or {}), "The budget"),
    )


async def evaluate_async(
    what: str | Path | Suite,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    retry_errors: bool = False,
    concurrency: int = 16,
    on_episode: Callable[[Row], None] | None = None,
    **settings: Any,
) -> RunResult:
    """Do what `evaluate` does, inside a running event loop."""
    runner = Runner(
        make_plan(what, **settings),
        out=None if out is None else Path(out),
        concurrency=concurrency,
        resume=resume,
        retry_errors=retry_errors,
        on_episode=on_episode,
    )
    return await runner.run()


def evaluate(
    what: str | Path | Suite,
    *,
    agent: str | type[Agent[Any]] = "direct",
    policy: str | Policy | None = None,
    episodes: int | None = None,
    out: str | Path | None = None,
    **settings: Any,
) -> RunResult:
    """Evaluate an agent and return scores and records.

    >>> import rlvr
    >>> rlvr.evaluate("rlvr/game24-v0", agent="expert", episodes=5).score
    1.0

    Args:
        what: An environment's id, a suite's name, a `Suite`, or the path of a suite's YAML file.
        agent: An agent's name, or an `Agent` class of your own.
        policy: A policy's name (see `make_policy`), or a `Policy`; only for agents that need one.
        episodes: How many groups to play (100, or every item of a data set once). Not for suites.
        out: A folder to write records into; they stay in memory if None.
        **settings: `agent_settings`, `policy_settings`, `members` (episodes a group), `split` (`test` where there is
            one), `difficulty`, `env_kwargs`, `budget` (limits by ledger item), `seed` (0), `resume`,
            `retry_errors`, `concurrency` (16), `on_episode` (called with every finished row).

    Raises:
        UserError: Something the caller can put right; the message says how.
    """
    return _block_on(evaluate_async(what, agent=agent, policy=policy, episodes=episodes, out=out, **settings))


def _block_on(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where an event loop runs already (notebooks)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    outcome: list[T] = []
    problem: list[BaseException] = []

    def target() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as error:
            problem.append(error)

    thread = threading.Thread(target=target, name="rlvr-evaluate")
    thread.start()
    thread.join()
    if problem:
        raise problem[0]
    return outcome[0]


def _suite_of(what: str | Path | Suite) -> Suite | None:
    """Return the suite that is meant, or None for an environment's id."""
    if isinstance(what, Suite):
        return what
    name = str(what)
    if "/" in name and Path(name).suffix.lower() not in (".yaml", ".yml", ".json"):
        return None
    try:
        return find_suite(name)
    except UnknownName:
        if any(name == row.name for row in registry.ENVS):
            return None
        known = [*(suite.name for suite in SUITES), *(row.id for row in registry.ENVS)]
        raise UnknownName("suite or environment", name, known) from None


def _entry_name(env_id: str, difficulty: str | None) -> str:
    name = env_id.removeprefix("rlvr:").removeprefix(f"{registry.NAMESPACE}/").replace("/", ".").replace(":", ".")
    return name if difficulty is None else f"{name}-{difficulty}"
