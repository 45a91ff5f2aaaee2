"""The runner: plays the episodes of a plan, many at once, and records each as it ends.

Nothing that is recorded depends on how many run at once: seeds come from names, and the complete file is in the
plan's order. One episode's failure never touches the others.
"""

import asyncio
import math
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..envs.core import TextEnv
from ..tasks.errors import UserError
from ..tasks.suites import SuiteEntry, normalised, reference, references_version
from .agent import Agent, AgentConfig
from .lease import EnvPool
from .packages import package_versions
from .plan import EpisodeSpec, entry_specs
from .policies.policy import Policy, PolicyError
from .records import Row, read_episodes, row_of
from .run_folder import RunFolder
from .session import BudgetExhausted, EnvError, Session
from .types import Budget, Episode, EpisodeEnd

RETRIED_ENDS = frozenset({EpisodeEnd.POLICY_ERROR, EpisodeEnd.ENV_ERROR, EpisodeEnd.CANCELLED})
"""Ends that `retry_errors` plays again."""

GRACE_S = 0.25
"""How long an agent that its session told of the end of `wall_s` has to restore and submit, before it is cancelled."""


@dataclass(frozen=True)
class RunPlan:
    """Everything that decides what a run plays and how it turns out."""

    run: str
    """Names every seed."""
    entries: tuple[SuiteEntry, ...]
    agent: type[Agent[Any]]
    agent_name: str
    agent_config: AgentConfig
    policy: Policy | None = None
    suite: str | None = None
    """The suite's label."""
    budget: Budget = field(default_factory=Budget)


@dataclass
class RunResult:
    """What came out of a run."""

    rows: list[Row]
    """One a finished episode, in the plan's order."""
    summary: dict[str, Any]
    path: Path | None
    """The run's folder, where it was written down."""
    resumed: int = 0
    """How many episodes were there already."""
    repaired: str | None = None
    """What was mended in the folder, as a sentence."""
    _episodes: list[Episode] = field(default_factory=list, repr=False)

    @property
    def score(self) -> float | None:
        """The mean score over entries, each weighing the same; None where every episode is excluded."""
        score: float | None = self.summary["score"]
        return score

    def episodes(self) -> Iterator[Episode]:
        """Yield the records, in the plan's order."""
        return iter(self._episodes) if self.path is None else read_episodes(self.path)


async def play(session: Session, agent: Agent[Any]) -> Episode:
    """Play one episode to its end and return its record.

    What the policy or the environment did wrong is in the record; a mistake in the agent itself is raised. An agent
    that outstays the budget's `wall_s` while it awaits something else than its session is cancelled.
    """
    end, error = EpisodeEnd.SUBMITTED, None
    left = session.remaining("wall_s")
    limit = asyncio.timeout(None if math.isinf(left) else left + GRACE_S)
    try:
        async with limit:
            await agent.run(session)
    except TimeoutError:
        if not limit.expired():
            raise
        session.exhausted = session.exhausted or "wall_s"
    except BudgetExhausted:
        end = EpisodeEnd.BUDGET
    except PolicyError as problem:
        end, error = EpisodeEnd.POLICY_ERROR, str(problem)
    except EnvError as problem:
        end, error = EpisodeEnd.ENV_ERROR, str(problem)
    if error is None and session.exhausted is not None:
        end = EpisodeEnd.BUDGET
        if session.abandoned and not session.info:
            end, error = EpisodeEnd.ENV_ERROR, "the first reset took longer than the budget's wall_s"
        elif not session.info:  # time was up before the agent began: the start counts
            try:
                await session.reset()
            except EnvError as problem:
                end, error = EpisodeEnd.ENV_ERROR, str(problem)
    if error is None and not session.submitted and session.info:
        session.submit()
    return session.episode(end, error)


class Runner:
    """Plays the episodes of a plan.

    Args:
        plan: What to play.
        out: The folder to write into; nothing is written if None.
        concurrency: How many episodes are under way at once.
        resume: Whether to go on with a run that is in the folder.
        retry_errors: Whether a resumed run plays episodes again that ended in an error of policy or environment.
        keep: Whether the records stay in memory where there is no folder.
        on_start: Told the number of all episodes and the rows that were there already.
        on_episode: Told every finished episode.
    """

    def __init__(
        self,
        plan: RunPlan,
        *,
        out: Path | None = None,
        concurrency: int = 16,
        resume: bool = False,
        retry_errors: bool = False,
        keep: bool = True,
        on_start: Callable[[int, list[Row]], None] | None = None,
        on_episode: Callable[[Row], None] | None = None,
    ) -> None:
        if concurrency < 1:
            raise UserError(f"The concurrency must be at least 1, not {concurrency}.")
        self.plan = plan
        self._out = out
        self._concurrency = concurrency
        self._resume = resume
        self._retry_errors = retry_errors
        self._keep = keep
        self._on_start = on_start or (lambda total, rows: None)
        self._on_episode = on_episode or (lambda row: None)
        self._executors: dict[str, Executor] = {}
        self.mistake: str | None = None
        """What an agent itself did wrong, as a sentence; the exception is raised by `run`."""

    async def run(self) -> RunResult:
        """Play everything that is not finished yet.

        Raises:
            UserError: The run cannot start, or go on, at all.
        """
        plan = self.plan
        _check_agent(plan)
        pools = {entry.name: EnvPool(entry.env, entry.kwargs) for entry in plan.entries}
        folder: RunFolder | None = None
        try:
            specs = [
                spec
                for entry in plan.entries
                for spec in entry_specs(plan.run, plan.suite, entry, pools[entry.name].first)
            ]
            if self._out is not None:
                folder = RunFolder(
                    self._out,
                    run_config(plan, {name: pool.first for name, pool in pools.items()}),
                    [spec.key for spec in specs],
                    resume=self._resume,
                    drop=(lambda episode: episode.end in RETRIED_ENDS) if self._retry_errors else lambda episode: False,
                )
            rows = {} if folder is None else {row.key: row for row in folder.finished}
            resumed = len(rows)
            self._on_start(len(specs), list(rows.values()))
            waiting = [spec for spec in specs if spec.key not in rows]
            episodes: dict[str, Episode] = {}

            def done(episode: Episode) -> None:
                if folder is not None:
                    folder.append(episode)
                elif self._keep:
                    episodes[episode.key] = episode
                rows[episode.key] = row = row_of(episode)
                self._on_episode(row)

            if waiting:
                await self._play_all(waiting, pools, done)
            ordered = [rows[spec.key] for spec in specs]
            summary = summarise(plan, ordered)
            if folder is not None:
                folder.finish(summary)
            return RunResult(
                ordered,
                summary,
                self._out,
                resumed,
                None if folder is None else folder.repaired,
                [episodes[spec.key] for spec in specs if spec.key in episodes],
            )
        finally:
            if folder is not None:
                folder.close()
            for pool in pools.values():
                pool.close()
            for executor in self._executors.values():
                executor.shutdown(wait=False, cancel_futures=True)

    async def _play_all(
        self, specs: list[EpisodeSpec], pools: dict[str, EnvPool], done: Callable[[Episode], None]
    ) -> None:
        policy = self.plan.policy
        if policy is not None:
            await policy.start()
            try:
                policy.require(self.plan.agent.needs, _purpose(self.plan))  # it knows now what it can do
            except UserError:
                await policy.aclose()
                raise
        queue = iter(specs)

        async def worker() -> None:
            for spec in queue:
                done(await self._play_one(spec, pools[spec.entry]))
                await asyncio.sleep(0)  # agents that never wait must not starve the others, or Ctrl-C

        workers = [asyncio.create_task(worker()) for _ in range(min(self._concurrency, len(specs)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            if policy is not None:
                await policy.aclose()

    async def _play_one(self, spec: EpisodeSpec, pool: EnvPool) -> Episode:
        plan = self.plan
        env = pool.lend()
        session = Session(
            env,
            spec,
            budget=plan.budget,
            agent=plan.agent_name,
            policy=None if plan.policy is None else plan.policy.name,
            agent_config=plan.agent_config.model_dump(mode="json"),
            executor=self._executor(env, spec.env_id),
        )
        try:
            episode = await play(session, plan.agent(plan.agent_config, plan.policy))
        except UserError:
            raise
        except Exception as error:
            said = _mistake(plan, spec, error)
            error.add_note(said)
            self.mistake = self.mistake or said  # the first one ends the run
            raise
        if episode.end is not EpisodeEnd.ENV_ERROR and not session.abandoned:  # one that failed is not trusted again
            pool.give_back(env)
        return episode

    def _executor(self, env: TextEnv[Any], env_id: str) -> Executor | None:
        """Return where steps run: the event loop (None), threads if they may block, one thread if they must share."""
        if not (env.blocking or not env.thread_safe):
            return None
        name, threads = ("", self._concurrency) if env.thread_safe else (env_id, 1)
        if name not in self._executors:
            self._executors[name] = ThreadPoolExecutor(threads, "rlvr-env")
        return self._executors[name]


def _mistake(plan: RunPlan, spec: EpisodeSpec, error: Exception) -> str:
    """Say which episode an agent failed in, how, and at which line of its own file."""
    file = getattr(sys.modules.get(plan.agent.__module__), "__file__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file] or frames
    said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":.")
    place = f"{own[-1].filename}, line {own[-1].lineno}"
    return f"The agent {plan.agent_name} failed in the episode {spec.key} with {said} ({place})."


def _check_agent(plan: RunPlan) -> None:
    agent = plan.agent
    if agent.needs_policy:
        if plan.policy is None:
            raise UserError(f"The agent {plan.agent_name} needs a policy, such as --policy scripted.")
        plan.policy.require(agent.needs - plan.policy.found_at_start, _purpose(plan))
    elif plan.policy is not None:
        raise UserError(f"The agent {plan.agent_name} uses no policy; leave {plan.policy.name} out.")


def _purpose(plan: RunPlan) -> str:
    return f"The agent {plan.agent_name}"


def run_config(plan: RunPlan, envs: dict[str, TextEnv[Any]]) -> dict[str, Any]:
    """Return what decides a run's outcome, as JSON: two runs with the same one have the same records."""
    policy = plan.policy
    return {
        "version": 1,
        "run": plan.run,
        "suite": plan.suite,
        "agent": plan.agent_name,
        "agent_config": plan.agent_config.model_dump(mode="json"),
        "policy": None if policy is None else policy.name,
        "policy_settings": {} if policy is None else policy.settings(),
        "budget": plan.budget.model_dump(mode="json"),
        "entries": [entry.model_dump(mode="json") for entry in plan.entries],
        "data": {name: env.source.fingerprint for name, env in envs.items() if env.source.fingerprint is not None},
        "packages": package_versions(),
        "timing": {"started": time.time()},
    }


def summarise(plan: RunPlan, rows: list[Row]) -> dict[str, Any]:
    """Return mean scores, overall and for each entry; excluded episodes count nowhere but in their own number."""
    by_entry: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_entry[row.entry].append(row)
    entries = {entry.name: _summary(by_entry[entry.name], plan.suite, entry.name) for entry in plan.entries}
    scores = [entry["score"] for entry in entries.values() if entry["score"] is not None]
    return {
        "run": plan.run,
        "suite": plan.suite,
        "agent": plan.agent_name,
        "policy": None if plan.policy is None else plan.policy.name,
        "episodes": len(rows),
        "excluded": sum(row.excluded for row in rows),
        "score": sum(scores) / len(scores) if scores else None,
        "references": references_version(),
        "tokens": {
            "replies": sum(row.replies for row in rows),
            "drifted": sum(row.drifted for row in rows),
            "forks": sum(row.forks for row in rows),
        },
        "entries": entries,
    }


def _summary(rows: list[Row], suite: str | None, entry: str) -> dict[str, Any]:
    counted = [row for row in rows if not row.excluded]
    count = len(counted)
    score = sum(row.score for row in counted) / count if count else None
    of = None if suite is None else reference(suite, entry)
    return {
        "episodes": len(rows),
        "excluded": len(rows) - count,
        "score": score,
        "normalised": None if score is None else normalised(score, of),
        "success": sum(row.is_success for row in counted) / count if count else None,
        "reward": sum(row.total_reward for row in counted) / count if count else None,
        "env_steps": sum(row.env_steps for row in counted) / count if count else None,
        "ends": {end: n for end in EpisodeEnd if (n := sum(row.end == end for row in rows))},
    }
