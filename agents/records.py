"""Episodes on disk: one JSON line each, and a reader for every version ever released."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from ..tasks.config import explain
from ..tasks.errors import MalformedData, MissingData
from .types import Episode, EpisodeEnd

EPISODES_FILE = "episodes.jsonl"

_READERS: dict[int, Callable[[Any], Episode]] = {1: Episode.model_validate}
"""How a record of each version becomes an `Episode`; a version that was released stays here."""


def episode_line(episode: Episode) -> bytes:
    """Return an episode as one line, with its line break; ASCII, so that any Unicode survives."""
    return json.dumps(episode.model_dump(mode="json"), ensure_ascii=True, allow_nan=False).encode() + b"\n"


def parse_episode(line: bytes | str, where: str) -> Episode:
    """Return the episode of a line.

    Args:
        line: One line of a record file.
        where: What the error message calls it: file and line.

    Raises:
        MalformedData: It is not JSON, has an unknown version, or a field is missing or wrong; the message says which.
    """
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MalformedData(f"{where}: this is not JSON ({error}).") from None
    if not isinstance(data, dict):
        raise MalformedData(f"{where}: a record is a JSON object.")
    version = data.get("version")
    reader = _READERS.get(version) if isinstance(version, int) else None
    if reader is None:
        raise MalformedData(f"{where}: this rlvr reads records of version 1 to {max(_READERS)}, not {version!r}.")
    try:
        return reader(data)
    except ValidationError as error:
        raise MalformedData(f"{where}: {explain(Episode, error)}") from None


def episodes_path(path: str | Path) -> Path:
    """Return the record file of a run folder (or the file itself).

    Raises:
        MissingData: There is no such file.
    """
    path = Path(path)
    file = path / EPISODES_FILE if path.is_dir() else path
    if not file.is_file():
        raise MissingData(f"There are no records at {file}; rlvr eval --out {path} writes some.")
    return file


def read_episodes(path: str | Path) -> Iterator[Episode]:
    """Yield the episodes of a run folder or a record file, in the file's order.

    Raises:
        MissingData: There is no such file.
        MalformedData: A line is not a record; the message names file and line.
    """
    file = episodes_path(path)
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield parse_episode(line, f"{file}, line {number}")


class Row(NamedTuple):
    """What a progress bar and a summary need to know of one finished episode."""

    key: str
    entry: str
    group: int
    score: float
    is_success: bool
    excluded: bool
    end: EpisodeEnd
    total_reward: float
    env_steps: int
    replies: int = 0
    """Replies of which it is known whether their text is tokenised as it was sampled."""
    drifted: int = 0
    """Those that are not: token drift."""
    forks: int = 0
    """Prompts that wrote tokens of their conversation anew."""


def row_of(episode: Episode) -> Row:
    """Return the short form of a record."""
    return Row(
        episode.key,
        episode.entry or "",
        episode.group,
        episode.score,
        episode.is_success,
        episode.excluded,
        episode.end,
        episode.total_reward,
        episode.ledger.env_steps,
        sum(made.drift is not None for made in episode.generations),
        sum(made.drift is True for made in episode.generations),
        sum(made.fork is not None for made in episode.generations),
    )
