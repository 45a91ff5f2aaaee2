"""Where levels come from: the generator, by seed, or files of levels."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..data import DataFile, data_set, find_files, fingerprint, malformed, read_rows, read_text, require, resolve
from ..errors import MalformedData, UnknownName, UserError
from ..rng import Rng, derive_seed
from ..task import SPLITS, DataSource, GeneratedSource, Split, split_of
from .generate import Shape, generate, shape
from .level import Level
from .task import SokobanTask
from .xsb import dump, layout, parse, split_levels

LEVELS = ("6x6-1", "6x6-2", "8x8-3", "10x10-4")
"""Rows x columns - boxes."""

DATA_SETS = ("boxoban", "microban")
LEVEL_SUFFIXES = (".txt", ".xsb")

_SHAPE = re.compile(r"([0-9]{1,2})x([0-9]{1,2})-([0-9]{1,2})")


class SokobanSource(GeneratedSource[SokobanTask]):
    """Generated levels; a difficulty is `ROWSxCOLUMNS-BOXES`, and besides those listed any other works.

    Splits go by a hash of walls and goals that does not see rotations and reflections, so that no room is in two
    splits, wherever its boxes start.

    Args:
        min_pushes: The least pushes that a level needs; by default they grow with its boxes and sides.
    """

    difficulties = LEVELS

    def __init__(self, min_pushes: int | None = None) -> None:
        self.min_pushes = min_pushes
        for level in LEVELS:
            _shape(level, min_pushes)

    def check_difficulty(self, difficulty: str | None) -> str:
        """Return the difficulty, or the easiest one for None; one that is no shape is a `UserError`."""
        difficulty = difficulty or self.difficulties[0]
        _shape(difficulty, self.min_pushes)
        return difficulty

    def generate(self, rng: Rng, difficulty: str) -> SokobanTask:
        """Return one level, of any split."""
        return _task(rng, _shape(difficulty, self.min_pushes), None)

    def split_content(self, task: SokobanTask) -> Any:
        """Return walls and goals, turned and mirrored into one form."""
        return layout(parse(task.level).level)

    def sample(self, seed: int, split: Split | None = None, difficulty: str | None = None) -> SokobanTask:
        """Return the level of a seed; rooms of other splits are put aside before any box is placed."""
        split = self.check_split(split)
        difficulty = self.check_difficulty(difficulty)

        def accept(level: Level) -> bool:
            return split_of(layout(level)) == split

        rng = Rng(derive_seed("task", seed, split, difficulty))
        task = _task(rng, _shape(difficulty, self.min_pushes), accept)
        return task.model_copy(update={"split": split, "difficulty": difficulty})


@lru_cache(maxsize=64)
def _shape(difficulty: str, min_pushes: int | None) -> Shape:
    found = _SHAPE.fullmatch(difficulty)
    if found is None:
        raise UserError(
            f"There is no difficulty {difficulty!r} here; choose one of {', '.join(LEVELS)}, or any other size as "
            f"ROWSxCOLUMNS-BOXES."
        )
    rows, columns, boxes = map(int, found.groups())
    return shape(rows, columns, boxes, min_pushes)


def _task(rng: Rng, wanted: Shape, accept: Callable[[Level], bool] | None) -> SokobanTask:
    made = generate(rng, wanted, accept)
    return SokobanTask(level=dump(made.position), solution=made.moves)


def load_levels(name: str, data: str | Path | None = None) -> DataSource[SokobanTask]:
    """Read levels from a file or folder, or from what is registered under the name of a data set.

    Boxoban's text files, XSB collections, and rows (JSONL, CSV, ...) with `level` and perhaps `id`, `set` and
    `solution`. The difficulty is the set (`unfiltered`, `medium`, `hard`, `Microban`), else the folder's or file's.
    Every level is read and checked at once, at some 0.2 ms and 2 kB each: of Boxoban's more than a million training
    levels, name the folders or files that are to be played.

    Args:
        name: `boxoban` or `microban`.
        data: The place; the registered one if None.

    Raises:
        UnknownName: There is no such data set.
        MissingData: There is no such file, or nothing is registered.
        MalformedData: A level is broken, or its solution does not solve it; the message names the line.
    """
    if name not in DATA_SETS:
        raise UnknownName("Sokoban data set", name, DATA_SETS)
    place = resolve(name, data)
    files = find_files(data_set(name), place)
    return _load(place, files, fingerprint(file.path for file in files))


@lru_cache(maxsize=4)
def _load(place: Path, files: tuple[DataFile, ...], sha256: str) -> DataSource[SokobanTask]:
    """Read the files; environments over the same data share the tasks."""
    tasks = [task for file in files for task in _read_file(file, place, len(files) > 1)]
    return DataSource(tasks, name=place.name, fingerprint=sha256)


def _read_file(file: DataFile, place: Path, several: bool) -> Iterator[SokobanTask]:
    path = file.path
    if path.suffix.lower() not in LEVEL_SUFFIXES:
        for line, row in read_rows(path):
            solution = require(row, "solution", str, path, line) if row.get("solution") else None
            group = str(row.get("set") or path.stem)
            item = str(row.get("id") or (f"{path.stem}-{line}" if several else line))
            yield _read_level(file, line, require(row, "level", str, path, line), solution, item, group)
        return
    # In Boxoban's folders (unfiltered/test/000.txt) files are numbered, and the folders say what they are.
    inside = path.relative_to(place if place.is_dir() else path.parent).with_suffix("")
    parts = (*inside.parts[:-1], *reversed(path.parts[:-1]))
    group = next((part for part in parts if not part.isdigit() and part not in SPLITS), path.stem)
    if path.stem.isdigit():
        prefix = f"{'-'.join(inside.parts) if several else path.stem}-"
    else:
        group, prefix = path.stem, f"{path.stem}-" if several else ""
    for title, line, text in split_levels(read_text(path)):
        yield _read_level(file, line, text, None, prefix + title, group)


def _read_level(file: DataFile, line: int, text: str, solution: str | None, item: str, group: str) -> SokobanTask:
    try:
        task = SokobanTask(level=text, solution=solution, split=file.split, item=item, difficulty=_without_split(group))
        if solution is not None and not parse(text).after(solution).solved:
            raise malformed(file.path, line, "the moves do not put every box on a goal", "solution")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise malformed(file.path, line, what, str(first["loc"][0])) from None
    except MalformedData:
        raise
    except ValueError as error:
        raise malformed(file.path, line, str(error), "solution") from None
    return task


def _without_split(group: str) -> str:
    """Return a set's name without the split in it: `medium-valid` is `medium`."""
    return re.sub(r"[-_](train|valid|test)$", "", group) or group
