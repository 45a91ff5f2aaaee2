"""`rlvr data experts`: make demonstrations, count them, check them."""

import os
import sys
import time
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any

from ..tasks.errors import UserError
from ..trainers.demonstrations import COUNTED, check_demonstrations, make_demonstrations, read_manifest
from ..trainers.experts.mix import find_mix
from .output import print_json, print_table, say

COLUMNS = ("entry", "level", "form", "documents", "replies", "tokens", "learned", "tokens/reply", "share")


def experts_command(
    out: Path,
    *,
    mix: str,
    episodes: int | None,
    seed: int,
    split: str,
    workers: int | None,
    count: bool,
    check: bool,
    json_output: bool,
) -> None:
    """Make what a mix asks for, or count or check what a folder holds.

    Raises:
        UserError: The mix or the folder is wrong.
    """
    if split not in ("train", "valid"):
        raise UserError(f"Demonstrations are made of the splits train and valid, not of {split!r}.")
    if check:
        with _Bar("shards") as bar:
            lines = check_demonstrations(out, bar.show)
        found = read_manifest(out)
        tasks = sum(family["tasks"] for family in found["families"].values())
        say(f"{out}: {lines} demonstrations of {tasks} tasks, all of split {found['split']}, none of any other.")
    if not (check or count):
        recipe = find_mix(mix)
        if episodes is not None:
            recipe = recipe.model_copy(update={"episodes": episodes})
        began = time.monotonic()
        with _Bar("episodes") as bar:
            made = make_demonstrations(
                recipe,
                out,
                seed=seed,
                split="train" if split == "train" else "valid",
                workers=workers or os.cpu_count() or 1,
                progress=bar.show,
            )
        say(f"{made['total']['steps']} replies in {time.monotonic() - began:.1f} s are in {out}.")
    if json_output:
        print_json(read_manifest(out))
    elif not check:
        print_counts(read_manifest(out))


def print_counts(manifest: dict[str, Any]) -> None:
    """Print a row for every entry, then for all; with their levels and forms."""
    whole = manifest["total"]["tokens"]
    rows = []
    for name, cells in manifest["entries"].items():
        rows.append(_row((name, "", ""), _sum(cells.values()), whole))
        rows += [_row(("", *cell.split("/", 1)), counts, whole) for cell, counts in cells.items()]
    rows.append(_row(("all", "", ""), manifest["total"], whole))
    print_table(COLUMNS, rows, right=COLUMNS[3:])
    print(f"sha256 {manifest['sha256']}")


def _sum(cells: Collection[dict[str, int]]) -> dict[str, int]:
    return {what: sum(cell[what] for cell in cells) for what in COUNTED}


def _row(names: tuple[str, ...], counts: dict[str, int], whole: int) -> tuple[str, ...]:
    per_reply = counts["tokens"] / max(1, counts["steps"])
    return (
        *names,
        *(str(counts[what]) for what in COUNTED),
        f"{per_reply:.0f}",
        f"{counts['tokens'] / max(1, whole):.1%}",
    )


class _Bar:
    """A progress bar on standard error, where that is a terminal."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "_Bar":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn(self._what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int, total: int) -> None:
        """Show how far it is."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)
