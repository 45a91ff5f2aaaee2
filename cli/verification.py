"""`rlvr verify`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..leaderboard.verify import ReplayStatus
from ..leaderboard.verify_run import RunReport, verify_run
from .output import import_modules, print_json, print_table, say

SHOWN = 20
"""Rejections that are printed of one run; `--json` has all."""


def verify_paths(paths: Sequence[Path], data: Sequence[str], modules: Sequence[str], json_output: bool) -> int:
    """Verify runs and print what was found; returns 1 if any record does not replay, else 0."""
    import_modules(modules)
    reports = [verify_run(path, data=data) for path in paths]
    if json_output:
        print_json([_json(report) for report in reports])
    else:
        _print(reports)
    return 0 if all(report.accepted for report in reports) else 1


def _print(reports: Sequence[RunReport]) -> None:
    counts = ("replayed", "rejected", "unverifiable", "missing")
    rows = [
        (
            str(report.path),
            report.agent if report.policy is None else f"{report.agent} ({report.policy})",
            report.suite or "-",
            *(str(report.count(status)) for status in ReplayStatus),
            str(len(report.missing)) if report.expected is not None else "?",
        )
        for report in reports
    ]
    print_table(("run", "agent", "suite", *counts), rows, right=counts)
    for report in reports:
        failures = [replay for replay in report.replays if not replay.ok]
        for replay in failures[:SHOWN]:
            print(f"{report.path}: {replay.key}: {replay.status}. {replay.reason}")
        if len(failures) > SHOWN:
            print(f"{report.path}: {len(failures) - SHOWN} more; --json lists them all.")
        for problem in report.problems:
            print(f"{report.path}: {problem}")
        if report.missing:
            first = ", ".join(report.missing[:3])
            say(f"{report.path}: {len(report.missing)} of {report.expected} episodes have no record ({first}, ...).")
    say("Replay proves scores, not authorship: which model wrote the completions is its owner's word.")


def _json(report: RunReport) -> dict[str, Any]:
    return {
        "path": str(report.path),
        "agent": report.agent,
        "policy": report.policy,
        "suite": report.suite,
        "accepted": report.accepted,
        "complete": report.complete,
        "expected": report.expected,
        "replayed": report.count(ReplayStatus.REPLAYED),
        "problems": list(report.problems),
        "missing": list(report.missing),
        "failures": [
            {
                "key": replay.key,
                "status": replay.status,
                "reason": replay.reason,
                "first_difference": replay.first_difference,
            }
            for replay in report.replays
            if not replay.ok
        ],
        "notes": sorted({note for replay in report.replays for note in replay.notes}),
    }
