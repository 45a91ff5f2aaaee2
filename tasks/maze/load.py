"""Mazes from a file: rows with a connection list, a start and an end, as maze-dataset's exports have them."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..data import DataFile, data_set, find_files, fingerprint, malformed, read_rows, require, resolve
from ..task import DataSource
from .grid import Maze
from .task import MazeTask

DATA_SET = "mazes"


def load_mazes(data: str | Path) -> DataSource[MazeTask]:
    """Read mazes from a file or folder, or, for `"mazes"`, from what is registered under that name.

    A row has `connection_list` (two lists of texts: links down, links right), `start` and `end` (`[row, column]`),
    and may have `id`, `split` and `generator`. The difficulty is the size, such as `7x7`.

    Raises:
        MissingData: There is no such file.
        MalformedData: A row is broken, or its end cannot be reached; the message names the line.
    """
    place = resolve(DATA_SET, None if data == DATA_SET else data)
    files = find_files(data_set(DATA_SET), place)
    tasks = [
        _read_maze(row, file, line, f"{file.path.stem}-" if len(files) > 1 else "")
        for file in files
        for line, row in read_rows(file.path)
    ]
    return DataSource(tasks, name=place.name, fingerprint=fingerprint(file.path for file in files))


def _read_maze(row: dict[str, Any], file: DataFile, line: int, prefix: str) -> MazeTask:
    path = file.path
    links = require(row, "connection_list", list, path, line)
    if len(links) != 2 or not all(isinstance(part, list) for part in links):
        raise malformed(path, line, "expected two lists of texts, the links down and right", "connection_list")
    try:
        task = MazeTask(
            down=links[0],
            right=links[1],
            start=require(row, "start", list, path, line),
            goal=require(row, ("end", "goal"), list, path, line),
            split=row.get("split") or file.split,
            item=f"{prefix}{row.get('id') or line}",
            difficulty=f"{len(links[0])}x{len(links[0][0])}" if links[0] and isinstance(links[0][0], str) else "",
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise malformed(path, line, first["msg"].removeprefix("Value error, "), _field(first["loc"])) from None
    maze = Maze(task)
    if maze.distances[maze.start] < 0:
        raise malformed(path, line, "there is no way from the start to the end", "end")
    return task


def _field(place: tuple[int | str, ...]) -> str:
    """Return the row's name for the field of a task that an error is about."""
    names = {"down": "connection_list", "right": "connection_list", "goal": "end"}
    return names.get(str(place[0]), str(place[0])) if place else "connection_list"
