"""Which files of a folder belong to a data set and to which split, and the fingerprint of what was read."""

import hashlib
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from ..errors import MissingData, UserError
from ..task import SPLITS, Split
from .rows import read_bytes
from .sets import DataSet

_SPLIT_WORDS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
}


class DataFile(NamedTuple):
    """One file of a data set."""

    path: Path
    split: Split


def _named_split(relative: str) -> Split | None:
    """Return the split that a path names in its words, folders first."""
    for word in re.split(r"[^a-z]+", relative.lower()):
        if word in _SPLIT_WORDS:
            return _SPLIT_WORDS[word]
    return None


def _matched(entry: DataSet, relative: str) -> tuple[int, Split] | None:
    """Return the rank of the first of the set's globs that matches a path, and its split."""
    found = [
        (rank, split)
        for split, patterns in entry.files
        for rank, pattern in enumerate(patterns)
        if fnmatchcase(relative.lower(), pattern)
    ]
    return min(found, key=lambda pair: pair[0]) if found else None


def find_files(entry: DataSet, path: str | Path) -> tuple[DataFile, ...]:
    """Return the files of a data set at a path, in a fixed order (by split, then by name).

    A file is taken as it is; its split is the set's only one, or the one that its name tells, or the last. In a
    folder, files that the set's globs match are taken; failing that, all files in a known format.

    Raises:
        MissingData: There is nothing at the path, or no file of the set in the folder.
    """
    path = Path(path)
    splits = entry.splits
    if path.is_file():
        matched = _matched(entry, path.name)
        named = _named_split(path.name)
        split = splits[-1]
        if len(splits) > 1 and matched:
            split = matched[1]
        elif named in splits:
            split = named
        return (DataFile(path, split),)
    if not path.is_dir():
        raise MissingData(f"There is no file or folder {path} for the data set {entry.name}; check the path.")
    candidates = {
        file.relative_to(path).as_posix(): file
        for file in sorted(path.rglob("*"))
        if file.is_file()
        and file.suffix.lower() in entry.suffixes
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    }
    if not candidates:
        formats = ", ".join(entry.suffixes)
        raise MissingData(f"The folder {path} has no file for the data set {entry.name} (formats: {formats}).")
    chosen: list[DataFile] = []
    for split in splits:
        ranks = {name: match[0] for name in candidates if (match := _matched(entry, name)) and match[1] == split}
        best = min(ranks.values(), default=None)
        chosen += [DataFile(candidates[name], split) for name, rank in ranks.items() if rank == best]
    if not chosen and len(splits) == 1:
        chosen = [DataFile(file, splits[0]) for file in candidates.values()]
    elif not chosen:
        named_splits = {name: _named_split(name) for name in candidates}
        chosen = [DataFile(candidates[name], split) for name, split in named_splits.items() if split in splits]
    if not chosen:
        raise MissingData(
            f"The folder {path} has files, but none whose name tells its split ({', '.join(splits)}) "
            f"for the data set {entry.name}; rename them or pass one file."
        )
    return tuple(sorted(chosen, key=lambda file: (SPLITS.index(file.split), file.path.as_posix())))


def fingerprint(path: str | Path | Iterable[Path]) -> str:
    """Return the sha256, in hexadecimal, of a file; of several files or a folder, that of their names and sha256.

    Names are relative to the folder that the files share, so the fingerprint moves with the data.
    """
    if isinstance(path, str | Path):
        path = Path(path)
        if not path.is_dir():
            return hashlib.sha256(read_bytes(path)).hexdigest()
        files = [file for file in path.rglob("*") if file.is_file()]
        root = path
    else:
        files = list(path)
        if not files:
            raise UserError("There are no files to take a fingerprint of.")
        if len(files) == 1:
            return fingerprint(files[0])
        parents = [file.resolve().parent for file in files]
        root = next(base for base in (parents[0], *parents[0].parents) if all(p.is_relative_to(base) for p in parents))
        files = [file.resolve() for file in files]
    digest = hashlib.sha256()
    for name, file in sorted((file.relative_to(root).as_posix(), file) for file in files):
        digest.update(f"{name}\0{fingerprint(file)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
