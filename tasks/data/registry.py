"""The user's registry: which file or folder on this machine holds which data set.

It is one JSON file in the data home: `RLVR_DATA_HOME`, or else the place that the platform has for an
application's data.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import MalformedData, MissingData, UserError
from .files import DataFile, find_files, fingerprint
from .rows import ROW_SUFFIXES, read_rows, read_text, require
from .sets import DATASETS, DataSet, data_set

CHECKED_LEVEL_FILES = 20
"""How many level files `add` reads as a check, at some 0.2 s a thousand levels."""


class Registered(NamedTuple):
    """A data set that this user has."""

    name: str
    path: str
    sha256: str
    rows: int | None
    """Number of rows; None where the format has none (level files)."""
    source: str
    """`local`, or `hub:REPO@REVISION` for each repository it was pulled from, separated by a space."""


class Listed(NamedTuple):
    """One line of `rlvr data list`."""

    name: str
    family: str
    title: str
    status: str
    """`registered`, `changed` (the files differ from what was registered), `gone` (they are missing), or `absent`."""
    path: str | None
    sha256: str | None
    rows: int | None
    source: str | None
    remedy: str
    """The command that gets it."""


def data_home() -> Path:
    """Return the folder of the user's registry and pulled sets (which need not exist yet)."""
    chosen = os.environ.get("RLVR_DATA_HOME")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "rlvr"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "rlvr"
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "rlvr"


def _registry_path() -> Path:
    return data_home() / "registry.json"


def registered() -> dict[str, Registered]:
    """Return what is registered, by name; empty where nothing is."""
    path = _registry_path()
    if not path.exists():
        return {}
    try:
        entries = json.loads(read_text(path))
        return {name: Registered(**entry) for name, entry in entries.items()}
    except (ValueError, TypeError, AttributeError):
        raise MalformedData(f"The registry {path} is damaged; delete it and register your data sets again.") from None


def _write(entries: Mapping[str, Registered]) -> None:
    path = _registry_path()
    text = json.dumps({name: entry._asdict() for name, entry in sorted(entries.items())}, indent=2) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False, encoding="utf-8") as file:
            file.write(text)
        os.replace(file.name, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}; set RLVR_DATA_HOME.") from error


def count_rows(entry: DataSet, path: str | Path) -> int | None:
    """Check every row of a data set for the fields it must have; return their number (None for level files)."""
    total = 0
    for file in find_files(entry, path):
        if file.path.suffix.lower() not in ROW_SUFFIXES:
            return None
        rows = 0
        for line, row in read_rows(file.path):
            rows += 1
            for names in entry.fields:
                # An empty answer is the loader's business: published sets have a few rows without one.
                if not any(name in row for name in names):
                    require(row, names, object, file.path, line)
        if not rows:
            raise MalformedData(f"{file.path} has no rows.")
        total += rows
    return total


def _check_as_played(entry: DataSet, path: Path, files: Sequence[DataFile]) -> None:
    """Read the files as the family's environments will, so that what they refuse is never registered.

    Of level files no more than the first `CHECKED_LEVEL_FILES` are read: Boxoban has about a thousand of them.
    """
    # Imported here because the families build on this package.
    if entry.family == "math":
        from ..math.sets import math_set

        math_set(entry.name, path)
    elif entry.family == "maze":
        from ..maze.load import load_mazes

        load_mazes(path)
    elif entry.family == "bandit":
        from ..bandit.recorded import load_bandits

        load_bandits(path)
    else:
        from ..sokoban.source import load_levels

        for file in files[:CHECKED_LEVEL_FILES]:
            load_levels(entry.name, file.path)


def add(name: str, path: str | Path, *, source: str = "local") -> Registered:
    """Register a file or folder as the data set of that name; replaces an earlier one.

    It is read first as the environments will read it, and refused where they would refuse it.

    Raises:
        UnknownName: There is no data set of that name.
        MissingData: There is nothing at the path.
        MalformedData: The format is unknown, or a row is broken; the message names file, line and field.
        UserError: No row can be played.
    """
    entry = data_set(name)
    path = Path(path).expanduser().absolute()
    files = find_files(entry, path)
    rows = count_rows(entry, path)
    _check_as_played(entry, path, files)
    found = Registered(name, str(path), fingerprint(file.path for file in files), rows, source)
    _write({**registered(), name: found})
    return found


def forget(name: str) -> None:
    """Take a data set out of the registry; the files stay."""
    entries = registered()
    if name not in entries:
        raise MissingData(f"The data set {data_set(name).name} is not registered.")
    del entries[name]
    _write(entries)


def resolve(name: str, data: str | Path | None = None) -> Path:
    """Return the file or folder of a data set: `data` where given, else the registered one.

    Raises:
        UnknownName: There is no data set of that name.
        MissingData: It is not there; the message names the command that gets it.
    """
    entry = data_set(name)
    if data is not None:
        path = Path(data).expanduser()
        if not path.exists():
            raise MissingData(f"There is no file or folder {path} for the data set {name}; check data=.")
        return path
    found = registered().get(name)
    if found is None:
        raise MissingData(f"The data set {name} is not on this machine; {entry.remedy}.")
    path = Path(found.path)
    if not path.exists():
        raise MissingData(f"The data set {name} was registered at {path}, which is gone; {entry.remedy}.")
    return path


def listing() -> list[Listed]:
    """Return every known data set with what this user has of it."""
    entries = registered()
    return [_listed(entry, entries.get(entry.name)) for entry in DATASETS.values()]


def _listed(entry: DataSet, found: Registered | None) -> Listed:
    if found is None:
        return Listed(entry.name, entry.family, entry.title, "absent", None, None, None, None, entry.remedy)
    try:
        now = fingerprint(file.path for file in find_files(entry, found.path))
        status = "registered" if now == found.sha256 else "changed"
    except MissingData:
        status = "gone"
    return Listed(
        entry.name,
        entry.family,
        entry.title,
        status,
        found.path,
        found.sha256,
        found.rows,
        found.source,
        entry.remedy,
    )
