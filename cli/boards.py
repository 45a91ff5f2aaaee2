"""`rlvr leaderboard`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from ..leaderboard.build import build
from .output import import_modules, say

SHOWN = 20


def build_page(runs: Sequence[Path], out: Path, *, data: Sequence[str], workers: int, modules: Sequence[str]) -> int:
    """Build the page; returns 1 if records were refused, else 0."""
    import_modules(modules)

    def progress(done: int, total: int) -> None:
        print(f"\r{done} of {total} records replayed", end="\n" if done == total else "", file=sys.stderr, flush=True)

    report = build(runs, out, data=data, workers=workers, progress=progress if sys.stderr.isatty() else None)
    for record in report.refused[:SHOWN]:
        say(f"Refused: {record.run}, {record.key}: {record.reason}")
    if len(report.refused) > SHOWN:
        say(f"Refused: {len(report.refused) - SHOWN} more.")
    for run in report.unranked:
        say(f"Not ranked: {run.run}. {' '.join(run.reasons)}")
    print(f"{report.page}: {report.runs} runs, {report.replayed} records replayed, {len(report.refused)} refused.")
    return 1 if report.refused else 0
