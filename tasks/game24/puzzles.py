"""Where the puzzles come from: all 1,362 solvable multisets of 1..13, countdown by construction, or a file."""

import itertools
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from ..data import fingerprint, read_rows, require
from ..errors import MalformedData, UserError
from ..rng import Rng
from ..task import DataSource, GeneratedSource, Split, split_of
from .arithmetic import Division, find_expression, random_success
from .levels import LEVELS
from .task import CountdownTask, Game24Task

CARDS = 13
TEST_RANKS = range(901, 1001)
"""The human-difficulty ranks that Tree of Thoughts and Intelligent Go-Explore test on (Python indices 900-999)."""


def multisets() -> list[tuple[int, ...]]:
    """Return the 1,820 multisets of four numbers from 1 to 13, in order."""
    return list(itertools.combinations_with_replacement(range(1, CARDS + 1), 4))


def level_code(numbers: tuple[int, ...]) -> str:
    """Compute one multiset's character of `levels.LEVELS`.

    `0` unsolvable; `f` solvable only through fractions; else `1`, `2` or `3` by the chance that random legal
    moves of the exact game win (at least 1.8 %, at least 0.7 %, less: about a third each).
    """
    chance = random_success(numbers, 24, "exact")
    if chance == 0:
        return "f" if find_expression(numbers, 24, "rational") is not None else "0"
    return "1" if chance >= 0.018 else "2" if chance >= 0.007 else "3"


_CODES = {"easy": "1", "medium": "2", "hard": "3", "fraction": "f"}


@lru_cache(maxsize=64)
def _pool(split: Split, difficulty: str) -> tuple[Game24Task, ...]:
    code = _CODES[difficulty]
    return tuple(
        Game24Task(numbers=numbers, split=split, difficulty=difficulty)
        for numbers, level in zip(multisets(), LEVELS, strict=True)
        if level == code and split_of(list(numbers)) == split
    )


class Game24Source(GeneratedSource[Game24Task]):
    """The solvable multisets of 1..13, by how often random play wins.

    Args:
        division: With `"rational"` there is a fourth level, `fraction`: the 16 puzzles that need one.
    """

    def __init__(self, division: Division = "exact") -> None:
        levels = ("easy", "medium", "hard")
        self.difficulties = levels if division == "exact" else (*levels, "fraction")

    def sample(self, seed: int, split: Split | None = None, difficulty: str | None = None) -> Game24Task:
        """Pick one puzzle of the split and level, uniformly."""
        split, level = self.check_split(split), self.check_difficulty(difficulty)
        pool = _pool(split, level)
        if not pool:
            raise UserError(f"No puzzle of level {level!r} falls into the split {split!r}.")
        return Rng.named("game24", seed, split, level).choice(pool)

    def generate(self, rng: Rng, difficulty: str) -> Game24Task:
        """Return one puzzle of the level, of any split."""
        return rng.choice([task for split in self.splits for task in _pool(split, difficulty)])

    def split_content(self, task: Game24Task) -> list[int]:
        """Return the numbers, which alone decide the split."""
        return list(task.numbers)


class CountdownSource(GeneratedSource[CountdownTask]):
    """Numbers from 1 to 99 and a target that some of them, by construction, can make in whole steps."""

    difficulties = ("3-numbers", "4-numbers", "5-numbers", "6-numbers")
    target_range: ClassVar[tuple[int, int]] = (10, 999)

    def generate(self, rng: Rng, difficulty: str) -> CountdownTask:
        """Draw numbers, combine them at random, and take the last value as the target."""
        count = int(difficulty[0])
        low, high = self.target_range
        while True:
            numbers = [rng.integer(1, 99) for _ in range(count)]
            values = list(numbers)
            rng.shuffle(values)
            value = values[0]
            for other in values[1:]:
                options = [value + other, abs(value - other), value * other]
                if value % other == 0:
                    options.append(value // other)
                options = [option for option in options if 0 < option <= 10 * high]
                value = rng.choice(options) if options else 0
                if value == 0:
                    break
            if low <= value <= high and value not in numbers:
                return CountdownTask(numbers=tuple(sorted(numbers)), target=value)


def load_puzzles(path: Path) -> DataSource[Game24Task]:
    """Read puzzles from the user's `24.csv` (columns Rank, Puzzles) or rows with `rank` and `numbers`.

    Ranks 901 to 1000 are the split `test`, the others `train`; the difficulty is the decile of the rank.
    """
    tasks: list[Game24Task] = []
    for line, row in read_rows(path):
        if "Puzzles" in row:
            texts: Any = str(row["Puzzles"]).split()
            rank = row.get("Rank")
        else:
            texts = require(row, "numbers", list, path, line)
            rank = row.get("rank")
        try:
            numbers = tuple(int(text) for text in texts)
            rank = int(rank) if rank is not None else len(tasks) + 1
        except (TypeError, ValueError):
            raise MalformedData(f"{path}, line {line}: the puzzle or its rank is not made of whole numbers.") from None
        if len(numbers) != 4 or min(numbers) < 1:
            raise MalformedData(f"{path}, line {line}: a puzzle needs four positive numbers, not {list(numbers)}.")
        tasks.append(
            Game24Task(
                numbers=numbers,
                item=str(rank),
                split="test" if rank in TEST_RANKS else "train",
                difficulty=f"decile-{min(10, 1 + (rank - 1) * 10 // 1362)}",
            )
        )
    return DataSource(tasks, name=path.name, fingerprint=fingerprint(path))
