"""A run's folder: configuration, records, summary. Killed at any instant, it loses no finished episode.

Every record is one write of one line, in the order in which episodes end; when the run is complete the file is put
into the run's own order, so that it does not depend on concurrency. Replacements are atomic.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ..tasks.errors import MalformedData, UserError
from .records import EPISODES_FILE, Row, episode_line, parse_episode, row_of
from .types import Episode

CONFIG_FILE = "config.json"
SUMMARY_FILE = "summary.json"
LOCK_FILE = ".lock"
SYNC_EVERY_S = 1.0
"""Records reach the disk at least this often: a kill loses none of them, a power cut those of this long."""


class RunFolder:
    """The folder of one run, open for writing.

    Args:
        path: The folder; made if need be.
        config: What decides the run's outcome, as JSON; `timing` in it is not compared.
        keys: The keys of all episodes, in the run's order.
        resume: Whether to go on with a run that is there already.
        drop: Which finished episodes to play again.

    Raises:
        UserError: It cannot be written, holds another run, is in use, or `resume` is missing.
    """

    def __init__(
        self,
        path: Path,
        config: dict[str, Any],
        keys: Sequence[str],
        *,
        resume: bool = False,
        drop: Callable[[Episode], bool] = lambda episode: False,
    ) -> None:
        self.path = path
        self.episodes_path = path / EPISODES_FILE
        self.repaired: str | None = None
        """What was mended, as a sentence."""
        self.finished: list[Row] = []
        """The episodes that were there."""
        self._order = {key: number for number, key in enumerate(keys)}
        self._lines: dict[str, tuple[int, int]] = {}  # where each record is: offset and length
        self._end = 0
        self._synced = 0.0
        self._file: int | None = None
        self._lock: IO[bytes] | None = None
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(path)
            self._settle(config, resume)
            self._recover(drop)
            self._file = os.open(self.episodes_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            self.close()
            raise UserError(f"The folder {path} cannot be written: {error.strerror or error}.") from None
        except BaseException:
            self.close()
            raise

    def _settle(self, config: dict[str, Any], resume: bool) -> None:
        """Write the configuration, or compare it with the one that is there."""
        file = self.path / CONFIG_FILE
        if not file.exists():
            if self.episodes_path.exists():
                raise UserError(f"{self.path} holds records but no {CONFIG_FILE}; choose another folder.")
            _replace(file, [(json.dumps(config, indent=2, ensure_ascii=True) + "\n").encode()])
            return
        if not resume:
            raise UserError(
                f"{self.path} already holds a run; add --resume to go on with it, or choose another folder."
            )
        try:
            before = json.loads(file.read_bytes())
        except ValueError:
            raise MalformedData(f"{file} is damaged; choose another folder.") from None
        difference = first_difference(_without_timing(before), _without_timing(config))
        if difference is not None:
            key, old, new = difference
            raise UserError(
                f"{self.path} holds a run with another {key} ({_short(old)} there, {_short(new)} now); "
                "choose another folder, or the same settings."
            )

    def _recover(self, drop: Callable[[Episode], bool]) -> None:
        """Read what was finished; cut off a torn last line, and take out what is to be played again."""
        if not self.episodes_path.exists():
            return
        dropped = torn = False
        with self.episodes_path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                offset, self._end = self._end, self._end + len(line)
                if not line.endswith(b"\n"):
                    torn = True
                    self._end = offset
                    break
                episode = parse_episode(line, f"{self.episodes_path}, line {number}")
                if episode.key not in self._order:
                    raise MalformedData(
                        f"{self.episodes_path}, line {number}: this run has no episode {episode.key!r}; "
                        "choose another folder."
                    )
                if episode.key in self._lines or drop(episode):
                    dropped = True
                    continue
                self._lines[episode.key] = (offset, len(line))
                self.finished.append(row_of(episode))
        if torn:
            os.truncate(self.episodes_path, self._end)
            self.repaired = (
                f"The last line of {self.episodes_path} was torn (the run was stopped while writing it); "
                "it was cut off, and its episode is played again."
            )
        if dropped:
            self._rewrite(list(self._lines))

    def _rewrite(self, keys: Sequence[str]) -> None:
        """Replace the records by those of some keys, in their order."""
        with self.episodes_path.open("rb") as source:

            def lines() -> Iterator[bytes]:
                for key in keys:
                    offset, length = self._lines[key]
                    source.seek(offset)
                    yield source.read(length)

            _replace(self.episodes_path, lines())
        self._end = 0
        for key in keys:
            length = self._lines[key][1]
            self._lines[key] = (self._end, length)
            self._end += length

    def append(self, episode: Episode) -> None:
        """Write one finished episode: one line, one write."""
        if self._file is None:
            raise ValueError("the run folder is closed")
        line = episode_line(episode)
        rest = memoryview(line)
        try:
            while rest:  # one call, unless the disk takes only part
                rest = rest[os.write(self._file, rest) :]
            now = time.monotonic()
            if now - self._synced >= SYNC_EVERY_S:
                os.fsync(self._file)
                self._synced = now
        except OSError as error:
            raise UserError(f"{self.episodes_path} cannot be written: {error.strerror or error}.") from None
        self._lines[episode.key] = (self._end, len(line))
        self._end += len(line)

    def finish(self, summary: dict[str, Any]) -> None:
        """Put the complete records into the run's order and write the summary."""
        ordered = sorted(self._lines, key=self._order.__getitem__)
        if ordered != sorted(self._lines, key=lambda key: self._lines[key][0]):
            self._rewrite(ordered)
        _replace(self.path / SUMMARY_FILE, [(json.dumps(summary, indent=2, ensure_ascii=True) + "\n").encode()])

    def close(self) -> None:
        """Flush, and let others write."""
        if self._file is not None:
            os.fsync(self._file)
            os.close(self._file)
            self._file = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def first_difference(before: Any, after: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """Return the dotted path of the first place where two JSON values differ, with both values there."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in (*before, *(key for key in after if key not in before)):
            place = f"{path}.{key}" if path else key
            if key not in before or key not in after:
                return place, before.get(key), after.get(key)
            found = first_difference(before[key], after[key], place)
            if found is not None:
                return found
        return None
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            found = first_difference(one, other, f"{path}.{number}")
            if found is not None:
                return found
        return None
    return None if before == after else (path, before, after)


def _without_timing(config: Any) -> Any:
    return {key: value for key, value in config.items() if key != "timing"} if isinstance(config, dict) else config


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def _replace(path: Path, content: Iterable[bytes]) -> None:
    """Write a file so that at any instant either the old or the new content is there, whole."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.writelines(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    if sys.platform != "win32":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _lock(path: Path) -> IO[bytes]:
    """Take the folder for this process; the system lets go of it however the process ends."""
    file = (path / LOCK_FILE).open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise UserError(f"Another run is writing into {path}; wait for it, or choose another folder.") from None
    return file
