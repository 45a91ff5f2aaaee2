"""Tiny data sets of our own, in the published formats, for ids that need one."""

import json
from pathlib import Path
from typing import Any

from rlvr.tasks.data import data_set
from rlvr.tasks.sokoban.source import SokobanSource
from rlvr.tasks.task import Split


def write_data(name: str, folder: Path) -> Path:
    """Write a data set of that name into a new folder, with every split that it has; returns the folder."""
    entry = data_set(name)
    place = folder / name
    place.mkdir()
    for number, (split, patterns) in enumerate(entry.files):
        rows = _ROWS[entry.family](split, number)
        # A glob made into the file name that it matches.
        stem = patterns[0].replace("*", "_").strip("_") or split
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (place / f"{stem}.jsonl").write_text(text, encoding="utf-8")
    return place


def _math_rows(split: Split, number: int) -> list[dict[str, Any]]:
    first = 40 * number
    return [
        {
            "id": f"own-{split}-{i}",
            "problem": f"A path of length ${n}$ is laid with tiles of length $1$ and $2$. In how many ways?",
            "answer": str(_tilings(n)),
            "subject": "counting",
            "level": 1 + i % 3,
        }
        for i, n in enumerate(range(first + 3, first + 13))
    ]


def _tilings(n: int) -> int:
    a, b = 1, 1
    for _ in range(n - 1):
        a, b = b, a + b
    return b % 1000


def _sokoban_rows(split: Split, number: int) -> list[dict[str, Any]]:
    source = SokobanSource()
    tasks = [source.sample(seed, split, "6x6-1") for seed in range(6)]
    return [{"id": f"own-{split}-{i}", "set": "own", "level": task.level} for i, task in enumerate(tasks)]


_ROWS = {"math": _math_rows, "sokoban": _sokoban_rows}

PUZZLES = "Rank,Puzzles\n" + "".join(
    f"{rank},{numbers}\n"
    for rank, numbers in enumerate(("1 1 4 6", "1 1 11 11", "1 1 3 8", "1 1 1 8", "6 6 6 6", "1 1 2 12"), start=897)
)
"""Six lines in the form of the published table of 24 puzzles: four before rank 901, two of the test split."""
