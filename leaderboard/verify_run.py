"""Verifying a whole run: every record replayed, and none missing, doubled or smuggled in."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..agents.lease import make_text_env
from ..agents.plan import entry_specs
from ..agents.records import episodes_path, parse_episode
from ..agents.run_folder import CONFIG_FILE, first_difference
from ..agents.types import Episode
from ..tasks.config import read_config
from ..tasks.errors import MalformedData, UserError
from ..tasks.suites import SuiteEntry, known_suite
from .verify import Replay, ReplayStatus, Verifier, check_module

_SHARED = ("run", "suite", "agent", "agent_config", "policy", "budget")
"""What all records of a run have in common."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What the verification of a run found."""

    path: Path
    agent: str
    policy: str | None
    suite: str | None
    replays: tuple[Replay, ...]
    """One a record, in the file's order, without its steps (`on_replay` is told them)."""
    missing: tuple[str, ...]
    """Keys of episodes that belong to the run and have no record."""
    problems: tuple[str, ...]
    """What is wrong with the run as a whole, a sentence each."""
    expected: int | None
    """How many episodes the run consists of, where that is known."""

    @property
    def accepted(self) -> bool:
        """Whether every record that is there replays, and they make one run. It may still be incomplete."""
        return not self.problems and all(replay.ok for replay in self.replays)

    @property
    def complete(self) -> bool:
        """Whether no episode is known to be missing."""
        return not self.missing and bool(self.replays)

    def count(self, status: ReplayStatus) -> int:
        """Return how many replays came to a status."""
        return sum(replay.status is status for replay in self.replays)


def verify_run(
    path: str | Path,
    *,
    data: Sequence[str | Path] = (),
    on_replay: Callable[[Episode | None, Replay], None] | None = None,
) -> RunReport:
    """Replay every record of a run folder or a record file.

    Args:
        path: The folder that `rlvr eval` wrote, or a file of records.
        data: Files to use in place of the recorded `data` arguments, where their fingerprints agree.
        on_replay: Told every record (None where a line is none) and its replay, in order.

    Raises:
        UserError: There are no records at the path.
    """
    path = Path(path)
    file = episodes_path(path)
    config = _read_config(path / CONFIG_FILE) if path.is_dir() else None
    entries = None if config is None else _entries_of(config, path / CONFIG_FILE)
    verifier = Verifier(entries, data)
    replays: list[Replay] = []
    keys: Counter[str] = Counter()
    shared: dict[str, Any] | None = None if config is None else {name: config.get(name) for name in _SHARED}
    try:
        for record in _records(file):
            if isinstance(record, Replay):
                episode, replay = None, record
            else:
                episode, replay = record, verifier.verify(record)
                keys[record.key] += 1
                here = record.model_dump(mode="json", include=set(_SHARED))
                shared = shared or here
                other = first_difference(shared, here)
                if other is not None and replay.ok:
                    reason = f"It is not of this run: its {other[0]} is {other[2]!r}, not {other[1]!r}."
                    replay = Replay(replay.key, ReplayStatus.REJECTED, reason, 0, replay.steps, replay.notes)
            if on_replay is not None:
                on_replay(episode, replay)
            replays.append(replace(replay, steps=(), rules=None))  # the steps of a long run do not fit into memory
        shared = shared or dict.fromkeys(_SHARED)
        problems = [f"The episode {key} is recorded {count} times." for key, count in keys.items() if count > 1]
        expected = _expected(shared, entries)
    finally:
        verifier.close()
    if not replays:
        problems.append("It holds no records, so there is nothing to verify.")
    if expected is not None:
        extra = sorted(set(keys) - set(expected))
        problems += [f"The run has no episode {key}." for key in extra]
    return RunReport(
        path=path,
        agent=str(shared["agent"]),
        policy=shared["policy"],
        suite=shared["suite"],
        replays=tuple(replays),
        missing=() if expected is None else tuple(key for key in expected if key not in keys),
        problems=tuple(problems),
        expected=None if expected is None else len(expected),
    )


def _records(file: Path) -> Iterator[Episode | Replay]:
    """Yield the records of a file; a line that is none is a rejection of its own."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield parse_episode(line, f"{file.name}, line {number}")
            except MalformedData as problem:
                torn = "" if line.endswith(b"\n") else " The run was stopped while writing it; --resume mends that."
                yield Replay(f"line {number}", ReplayStatus.REJECTED, f"{problem}{torn}")


def _read_config(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    try:
        config = json.loads(file.read_bytes())
    except ValueError:
        raise MalformedData(f"{file} is damaged: it is not JSON.") from None
    if not isinstance(config, dict):
        raise MalformedData(f"{file} is damaged: it is not a JSON object.")
    return config


def _entries_of(config: Mapping[str, Any], file: Path) -> dict[str, SuiteEntry]:
    entries = [read_config(SuiteEntry, entry, str(file)) for entry in config.get("entries", ())]
    return {entry.name: entry for entry in entries}


def _expected(shared: Mapping[str, Any], entries: Mapping[str, SuiteEntry] | None) -> list[str] | None:
    """Return the keys of all episodes of the run: by our suite's list, else by its own; None where unknown."""
    suite = shared["suite"]
    ours = None if suite is None else known_suite(suite)
    if ours is not None:
        entries = {entry.name: entry for entry in ours.entries}
    if not entries:
        return None
    keys: list[str] = []
    for entry in entries.values():
        try:
            check_module(entry.env)
            env = make_text_env(entry.env, entry.kwargs)
        except UserError:
            return None  # what is missing here is said record by record
        keys += [spec.key for spec in entry_specs(str(shared["run"]), suite, entry, env)]
        env.close()
    return keys
