"""The progress bar of an evaluation: on standard error, and only where that is a terminal."""

import sys
from types import TracebackType
from typing import Any

from ..agents.records import Row


class Progress:
    """Shows how far a run is, the success and mean score so far, and episodes per second."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._counted = 0
        self._score = 0.0
        self._successes = 0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, total: int, rows: list[Row]) -> None:
        """Begin to show; `rows` are the episodes that are there already."""
        for row in rows:
            self._count(row)
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        class Speed(TextColumn):
            def render(self, task: Any) -> Any:
                from rich.text import Text

                return Text(f"{task.speed:.1f}/s" if task.speed else "")

        self._bar = Bar(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("success {task.fields[success]}  score {task.fields[score]}"),
            Speed(""),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=total, completed=len(rows), **self._fields())
        self._bar.start()

    def advance(self, row: Row) -> None:
        """Count one finished episode."""
        self._count(row)
        if self._bar is not None:
            self._bar.update(self._task, advance=1, **self._fields())

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _count(self, row: Row) -> None:
        if not row.excluded:
            self._counted += 1
            self._score += row.score
            self._successes += row.is_success

    def _fields(self) -> dict[str, str]:
        if not self._counted:
            return {"success": "-", "score": "-"}
        return {
            "success": f"{100 * self._successes / self._counted:.1f} %",
            "score": f"{self._score / self._counted:.3f}",
        }
