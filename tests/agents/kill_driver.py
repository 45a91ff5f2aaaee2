"""Kills runs with SIGKILL and resumes them; prints what came of it as JSON. Run by `test_kill.py`.

A process of its own, without threads, so that it may fork: a child starts with everything imported, and twenty runs
take seconds.
"""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

from rlvr.agents.evaluate import make_plan
from rlvr.agents.policies.scripted import ScriptedPolicy
from rlvr.agents.runner import Runner
from rlvr.tasks.rng import Rng
from rlvr.tasks.suites import Suite, SuiteEntry

SUITE = Suite(
    name="killed",
    entries=(
        SuiteEntry(name="steps", env="rlvr/game24-v0", episodes=24),
        SuiteEntry(name="text", env="rlvr/game24-text-v0", episodes=14, members=2),
        SuiteEntry(name="maze", env="rlvr/maze-v0", difficulty="5x5", episodes=4),
    ),
)
CONCURRENCY = 6


class Sleepy(ScriptedPolicy):
    """Answers out of order, so that episodes overlap."""

    async def generate(self, requests):
        await asyncio.sleep((requests[0].seed or 0) % 7 * 0.0002)
        return await super().generate(requests)


def run(folder: Path, resume: bool) -> str | None:
    plan = make_plan(SUITE, agent="direct", policy=Sleepy())
    return asyncio.run(Runner(plan, out=folder, concurrency=CONCURRENCY, resume=resume).run()).repaired


def in_child(work) -> int:
    """Fork, work, exit; returns the child's number."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def await_records(folder: Path, count: int) -> None:
    """Wait until a run has written so many records (or, at the latest, for a minute)."""
    file = folder / "episodes.jsonl"
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if file.exists() and file.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.0005)


def records(folder: Path) -> list[dict]:
    lines = (folder / "episodes.jsonl").read_text(encoding="ascii").splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "timing"} for line in lines]


def die_at(operation: int, torn: bool) -> None:
    """Make the process kill itself at its n-th change of a file; a write is torn in the middle if asked."""
    left = operation

    def deadly(name):
        real = getattr(os, name)

        def call(*arguments, **options):
            nonlocal left
            left -= 1
            if left == 0:
                if torn and name == "write":
                    real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        setattr(os, name, call)

    for name in ("write", "replace", "fsync", "truncate"):
        deadly(name)


def outcome(folder: Path, expected: list[dict], killed: int) -> dict:
    """Look at what a killed run left, resume it, and compare."""
    file = folder / "episodes.jsonl"
    whole = []
    if file.exists():
        whole = file.read_bytes().split(b"\n")[:-1]
    before = {json.loads(line)["key"]: json.loads(line)["timing"] for line in whole}
    child = in_child(lambda: run(folder, resume=(folder / "config.json").exists()))
    code = wait(child)
    found = records(folder) if code == 0 else []
    after = {json.loads(line)["key"]: json.loads(line)["timing"] for line in file.read_text().splitlines()}
    return {
        "killed": killed == -signal.SIGKILL,
        "finished_before": len(before),
        "resumed": code == 0,
        "same": found == expected,
        "kept": all(after.get(key) == timing for key, timing in before.items()),
        "leftovers": sorted(path.name for path in folder.iterdir()),
    }


def main(folder: Path, how: str, count: int) -> None:
    assert wait(in_child(lambda: run(folder / "whole", resume=False))) == 0
    expected = records(folder / "whole")
    rng = Rng.named("kill", how)
    results = []
    for number in range(count):
        target = folder / f"{how}-{number}"
        if how == "time":
            # An instant after a random number of records, whatever the machine's speed; the first before any record.
            child = in_child(lambda target=target: run(target, resume=False))
            if number:
                await_records(target, rng.below(len(expected) - CONCURRENCY))
            time.sleep(0.01 * rng.random())
            os.kill(child, signal.SIGKILL)
        else:
            operation = 1 + number if number < 6 else rng.integer(7, len(expected) + 8)

            def work(target=target, operation=operation, torn=number % 2 == 1):
                die_at(operation, torn)
                run(target, resume=False)

            child = in_child(work)
        results.append(outcome(target, expected, wait(child)))
    print(json.dumps({"episodes": len(expected), "results": results}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
