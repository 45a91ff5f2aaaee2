"""Published math sets as task sources: rows as problems with gold answers, whatever a mirror calls the fields."""

import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ..data import data_set, find_field, find_files, fingerprint, malformed, read_rows, require, resolve
from ..data.files import DataFile
from ..data.sets import ANSWER_FIELDS, PROBLEM_FIELDS
from ..task import DataSource, Split
from .task import MathTask

MATH_SETS: tuple[str, ...] = (
    "aime2024",
    "aime2025",
    "aime-history",
    "amc23",
    "math500",
    "math",
    "gsm8k",
    "minerva",
    "olympiadbench",
)
"""The names of the sets, as `rlvr data list` has them."""

AIME_SETS = frozenset({"aime2024", "aime2025", "aime-history"})
LAST_HISTORY_YEAR = 2023

ID_FIELDS = ("id", "ID", "unique_id", "problem_id", "problem_idx")
AREA_FIELDS = ("subject", "subfield", "type", "course", "problem_type")
SHORT_ANSWER = 80
"""A `solution` field of at most so many characters, without a marked answer, is the answer itself."""


class Skipped(NamedTuple):
    """A row that cannot be played, with the reason."""

    path: Path
    line: int
    reason: str


class MathSet(DataSource[MathTask]):
    """The problems of one published set.

    Rows without an answer are left out and listed in `skipped`, as are training problems that are in the test split
    word for word.
    """

    def __init__(self, tasks: list[MathTask], skipped: tuple[Skipped, ...], *, name: str, fingerprint: str) -> None:
        super().__init__(tasks, name=name, fingerprint=fingerprint)
        self.skipped = skipped
        self.difficulties = tuple(sorted(self.difficulties, key=_difficulty_rank))


def math_set(name: str, data: str | Path | None = None) -> MathSet:
    """Return a set from a file or folder, or from the user's registry.

    Equal files give one shared source, so that many environments hold the rows once.

    Raises:
        UnknownName: There is no set of that name.
        MissingData: It is not there; the message names the command that gets it.
        MalformedData: A row cannot be read; the message names file, line and field.
    """
    path = resolve(name, data)
    files = find_files(data_set(name), path)
    stamp = tuple((file.path.stat().st_mtime_ns, file.path.stat().st_size) for file in files)
    return _load(name, files, stamp)


@lru_cache(maxsize=16)
def _load(name: str, files: tuple[DataFile, ...], stamp: tuple[tuple[int, int], ...]) -> MathSet:
    tasks: list[MathTask] = []
    skipped: list[Skipped] = []
    seen: dict[str, tuple[Path, int]] = {}
    counts: dict[Split, int] = {}
    for file in files:
        for line, row in read_rows(file.path):
            if name == "aime-history" and _year(row) > LAST_HISTORY_YEAR:
                skipped.append(Skipped(file.path, line, f"later than {LAST_HISTORY_YEAR}"))
                continue
            gold = gold_answer(row, file.path, line)
            if gold is None:
                skipped.append(Skipped(file.path, line, "the row has no answer"))
                continue
            if name in AIME_SETS:
                gold = _aime_answer(gold, file.path, line)
            index = counts.get(file.split, 0)
            counts[file.split] = index + 1
            item = _item(name, row, file, index, len(files))
            if item in seen:
                first = seen[item]
                raise malformed(file.path, line, f"the id {item!r} is that of {first[0].name}, line {first[1]}", "id")
            seen[item] = (file.path, line)
            tasks.append(
                MathTask(
                    problem=require(row, PROBLEM_FIELDS, str, file.path, line).strip(),
                    answer=gold,
                    area=_text(row, AREA_FIELDS),
                    split=file.split,
                    difficulty=_difficulty(name, row, item),
                    item=item,
                )
            )
    tested = {_words(task.problem) for task in tasks if task.split == "test"}
    kept: list[MathTask] = []
    for task in tasks:
        if task.split != "test" and _words(task.problem) in tested:
            skipped.append(Skipped(*seen[task.item or ""], "the same problem is in the test split"))
        else:
            kept.append(task)
    return MathSet(kept, tuple(skipped), name=name, fingerprint=fingerprint(file.path for file in files))


def _words(problem: str) -> str:
    return " ".join(problem.split())


def gold_answer(row: dict[str, Any], path: Path, line: int) -> str | None:
    r"""Return a row's gold answer, or None where the field is there and empty.

    A worked solution gives what follows `####` (GSM8K) or the content of its last `\boxed{}` (MATH); a list of answers
    is joined by commas; a number is written in digits.

    Raises:
        MalformedData: The row has no field for the answer, or none can be found in it.
    """
    field = find_field(row, ANSWER_FIELDS)
    if field is None:
        if any(name in row for name in ANSWER_FIELDS):
            return None
        require(row, ANSWER_FIELDS, str, path, line)
    assert field is not None  # require has raised
    value = row[field]
    if isinstance(value, list):
        if not value:
            return None
        if not all(isinstance(part, str | int | float) and not isinstance(part, bool) for part in value):
            raise malformed(path, line, "expected a list of texts or numbers", field)
        return ", ".join(_written(part) for part in value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return _written(value)
    text = require(row, field, str, path, line).strip()
    if "####" in text:
        marked = text.rpartition("####")[2].strip().replace(",", "")
    elif "\\boxed" in text:
        marked = last_boxed(text)
    elif field.lower() == "solution" and (len(text) > SHORT_ANSWER or "\n" in text):
        raise malformed(path, line, "the solution marks no answer with #### or \\boxed{}", field)
    else:
        marked = text
    if not marked:
        raise malformed(path, line, "the marked answer is empty or its box is not closed", field)
    return marked


def _written(value: str | int | float) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def last_boxed(text: str) -> str:
    r"""Return the content of the last `\boxed{...}` (or `\boxed x`), or an empty text if its braces do not close."""
    rest = text[text.rindex("\\boxed") + len("\\boxed") :].lstrip()
    if not rest.startswith("{"):
        found = re.match(r"\S+", rest)
        return found.group().strip("$.") if found else ""
    depth = 0
    for position, character in enumerate(rest):
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return rest[1:position].strip()
    return ""


def _aime_answer(gold: str, path: Path, line: int) -> str:
    """Return AIME's answer in plain digits (`042` as `42`); some mirrors add a degree sign."""
    digits = re.fullmatch(r"\$?0*(\d{1,3})(?:\.0+)?(?:\^\{?\\circ\}?|°)?\$?", gold)
    if not digits:
        raise malformed(path, line, f"an AIME answer is an integer from 0 to 999, not {gold!r}", "answer")
    return str(int(digits.group(1)))


def _text(row: dict[str, Any], names: tuple[str, ...]) -> str:
    field = find_field(row, names)
    return row[field] if field is not None and isinstance(row[field], str) else ""


def _year(row: dict[str, Any]) -> int:
    field = find_field(row, ("year", "Year"))
    text = "" if field is None else str(row[field]).strip()
    return int(text) if text.isascii() and text.isdigit() else 0


def _item(name: str, row: dict[str, Any], file: DataFile, index: int, files: int) -> str:
    """Return the row's id: its own one where it has one, else the set's name, the split and the position."""
    field = find_field(row, ID_FIELDS)
    own = "" if field is None else str(row[field]).strip()
    if not own:
        return f"{name}-{file.split}-{index}"
    if own.isascii() and own.isdigit():  # mirrors that split a set into files number each file from 0
        return f"{name}-{file.path.stem}-{own}" if files > 1 else f"{name}-{own}"
    return own


def _difficulty(name: str, row: dict[str, Any], item: str) -> str:
    """Return MATH's level, or for AIME a third of the exam by the problem's number; empty where neither is known."""
    field = find_field(row, ("level", "Level"))
    if field is not None:
        digits = re.search(r"\d+", str(row[field]))
        return f"level {digits.group()}" if digits else ""
    if name in AIME_SETS:
        field = find_field(row, ("number", "Problem Number", "problem_number"))
        found = re.search(r"(\d+)$", str(row[field]) if field is not None else item if "-I" in item else "")
        number = int(found.group()) if found else 0
        if 1 <= number <= 15:
            return ("easy", "medium", "hard")[(number - 1) // 5]
    return ""


def _difficulty_rank(level: str) -> tuple[int, str]:
    named = {"": 0, "easy": 1, "medium": 2, "hard": 3}
    digits = re.search(r"\d+", level)
    return (named[level], "") if level in named else (10 + int(digits.group()) if digits else 99, level)
