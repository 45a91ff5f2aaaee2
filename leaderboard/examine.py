"""One run folder after the other: every record replayed and told, or refused with a reason."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from ..agents.records import episodes_path
from ..agents.run_folder import CONFIG_FILE
from ..agents.types import Episode
from ..envs import registry
from ..tasks.errors import UnknownName
from .story import BadStep, Story, cut, ending, tell
from .table import Played
from .verify import Replay, ReplayStatus
from .verify_run import verify_run

Tick = Callable[[int], None]
"""Told how many more records are done."""
POLL_S = 0.2


class Refused(NamedTuple):
    """A record that counts nowhere."""

    run: str
    """The run folder's name on the page."""
    key: str
    """The episode's key, or the line where it is no record at all."""
    step: int | None
    """The first step that differs (0: the start), where it was replayed that far."""
    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A record that replays."""

    played: Played
    bad: BadStep | None
    ended: str
    record: dict[str, Any]
    """What the page shows of it."""


@dataclass(slots=True)
class Examined:
    """One run folder."""

    slug: str
    """Its name on the page."""
    table: str = ""
    """The run's name, which names all its seeds: runs of one name have played the same tasks."""
    suite: str | None = None
    agent: str = ""
    policy: str | None = None
    config: str = ""
    """The agent's settings and the budget, for a reader."""
    versions: str = ""
    accepted: list[Accepted] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    """Keys of episodes that belong to the run and have no record."""
    problems: list[str] = field(default_factory=list)
    """What is wrong with the run as a whole, a sentence each."""


def count_records(path: Path) -> int:
    """Return how many records a run folder holds."""
    with episodes_path(path).open("rb") as lines:
        return sum(bool(line.strip()) for line in lines)


def examine_all(folders: Mapping[str, Path], *, data: Sequence[Path], workers: int, tick: Tick) -> Iterator[Examined]:
    """Examine run folders, in this process or in workers; yields them in their order.

    Args:
        folders: Paths by the names that they have on the page.
        data: Files that may stand in for recorded data sets.
        workers: Processes. A run with environments that are not ours is examined in this one, since only here the
            modules that registered them are known to be imported.
        tick: Told about records as they are done.
    """
    apart = {slug for slug, path in folders.items() if not _is_ours(path)}
    if workers < 2 or len(folders) - len(apart) < 2:
        for slug, path in folders.items():
            yield examine(slug, path, data, tick)
        return
    context = get_context("spawn")
    done = context.Queue()
    with ProcessPoolExecutor(workers, context, _set_up_worker, (done,)) as pool:
        futures = {
            slug: pool.submit(_work, slug, path, tuple(data)) for slug, path in folders.items() if slug not in apart
        }
        owed = 0  # records of finished folders, less those reported: a worker's reports may come after its result

        def report(more: int) -> None:
            nonlocal owed
            owed -= more
            tick(more)

        try:
            for slug, path in folders.items():
                if slug in apart:
                    yield examine(slug, path, data, tick)
                    continue
                found = _await(futures[slug], done, report)
                owed += len(found.accepted) + len(found.refused)
                while owed > 0:
                    report(done.get())
                yield found
        finally:
            pool.shutdown(cancel_futures=True)


def _is_ours(path: Path) -> bool:
    """Say whether all environments of a run are in our registry; the configuration is read only for this."""
    config = path / CONFIG_FILE
    if not config.is_file():
        return False
    ours = {name for row in registry.ENVS for name in (row.id, row.name)}
    try:
        return all(entry["env"].removeprefix("rlvr:") in ours for entry in json.loads(config.read_bytes())["entries"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return False  # `verify_run` says what is wrong with it


_done: Any = None


def _set_up_worker(done: Any) -> None:
    global _done
    _done = done


def _work(slug: str, path: Path, data: tuple[Path, ...]) -> Examined:
    return examine(slug, path, data, _done.put)


def _await(future: "Future[Examined]", done: Any, tick: Tick) -> Examined:
    """Wait for a worker's folder, passing on what all workers report meanwhile."""
    while True:
        finished, _ = wait([future], POLL_S, FIRST_COMPLETED)
        while not done.empty():
            tick(done.get())
        if finished:
            return future.result()


def examine(slug: str, path: Path, data: Sequence[Path], tick: Tick) -> Examined:
    """Examine one run folder.

    Args:
        slug: Its name on the page.
        path: The folder.
        data: Files that may stand in for recorded data sets.
        tick: Told about records as they are done.

    Raises:
        UserError: It holds no run.
    """
    found = Examined(slug)
    seen: set[str] = set()
    versions: dict[str, set[str]] = {}

    def take(episode: Episode | None, replay: Replay) -> None:
        tick(1)
        if episode is None or not replay.ok:
            step = replay.first_difference if replay.status is ReplayStatus.REJECTED else None
            found.refused.append(Refused(slug, replay.key, step, replay.reason))
            return
        if episode.key in seen:
            reason = "There is a record of this episode before it; only one can count."
            found.refused.append(Refused(slug, replay.key, None, reason))
            return
        seen.add(episode.key)
        if not found.accepted:
            found.table, found.suite = episode.run, episode.suite
            found.agent, found.policy, found.config = episode.agent, episode.policy, _settings(episode)
        for name, version in episode.packages.items():
            versions.setdefault(name, set()).add(version)
        found.accepted.append(_accepted(episode, replay))

    report = verify_run(path, data=data, on_replay=take)
    found.missing = set(report.missing)
    found.problems = list(report.problems)
    found.versions = ", ".join(f"{name} {' and '.join(sorted(those))}" for name, those in sorted(versions.items()))
    return found


def _accepted(episode: Episode, replay: Replay) -> Accepted:
    story = tell(episode, replay)
    return Accepted(
        played=_played(episode, story),
        bad=story.bad,
        ended=ending(episode),
        record={
            "env": _call(episode.env_id, episode.env_kwargs),
            "task": episode.task_uid,
            "seed": str(episode.env_seed),
            "ended": ending(episode),
            "error": cut(episode.error or ""),
            "remark": story.remark,
            "notes": list(replay.notes),
            "items": [{"kind": item.kind, **item.data} for item in story.items],
        },
    )


def _settings(episode: Episode) -> str:
    config = json.dumps(episode.agent_config, sort_keys=True) if episode.agent_config else ""
    limits = {item: limit for item, limit in episode.budget.model_dump(mode="json").items() if limit is not None}
    return " ".join(part for part in (config, f"budget {json.dumps(limits, sort_keys=True)}" if limits else "") if part)


def _played(episode: Episode, story: Story) -> Played:
    name = episode.entry or f"{episode.env_id.rpartition('/')[2]}-{episode.difficulty}".rstrip("-")
    return Played(
        key=episode.key,
        entry=name,
        family=_family(episode.env_id),
        env=_call(episode.env_id, episode.env_kwargs),
        difficulty=episode.difficulty,
        group=episode.group,
        member=episode.member,
        task_uid=episode.task_uid,
        score=episode.score,
        is_success=episode.is_success,
        total_reward=episode.total_reward,
        env_steps=episode.ledger.env_steps,
        prompt_tokens=episode.ledger.prompt_tokens,
        completion_tokens=episode.ledger.completion_tokens,
        excluded=episode.excluded,
        privileged=episode.privileged,
        branches=story.branches,
        attempts=story.attempts,
        solved_anywhere=story.solved_anywhere,
        answer=story.answer,
    )


def _family(env_id: str) -> str:
    try:
        return registry.find(env_id).family
    except UnknownName:
        return env_id.rpartition("/")[2]


def _call(env_id: str, kwargs: dict[str, Any]) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in sorted(kwargs.items()))
    return f"{env_id} ({arguments})" if arguments else env_id
