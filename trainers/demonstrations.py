"""Demonstrations on disk: played in shards by any number of processes, with a manifest of everything in them.

A folder holds `mix.json` (the recipe), for every shard a gzip of JSON lines and a `.json` with its numbers, for every
family `uids-FAMILY.bin` (the tasks in it), and `manifest.json`, which is written last. Which episodes a shard holds,
and every seed, follow from names and numbers, so the content depends neither on the number of processes nor on
interruptions; a folder whose shards are partly there is gone on with.

A line is one conversation: `env_id`, `kwargs`, `difficulty`, `split`, `uid` and `task` (the instance), `entry` (of
the mix), `form` and `history` (how it is told, see `experts.mix`), and `messages`, each with `role`, `content` and,
where it is to be learned, `train: true`.
"""

import base64
import gzip
import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, cast

from ..agents.lease import canonical_id, make_text_env
from ..envs.core import TextEnv
from ..tasks.errors import MalformedData, UserError
from ..tasks.rng import Rng
from ..tasks.task import DataSource, GeneratedSource, Split, split_of
from .experts.mix import Entry, Mix
from .experts.play import Document, Stage
from .tokens import TokenCounter

MANIFEST_FILE = "manifest.json"
VERSION = 1
SHARD_EPISODES = 500
"""Episodes in a shard; the last of an entry may have fewer."""
COUNTED = ("documents", "steps", "tokens", "learned_tokens")
"""What is counted: conversations, replies that are learned, tokens of all messages, tokens of the learned replies."""

Progress = Callable[[int, int], None]
"""Told how many episodes are done, and of how many."""


class Shard(NamedTuple):
    """Consecutive episodes of one entry."""

    entry: str
    number: int
    first: int
    episodes: int

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.entry}-{self.number:05d}.jsonl.gz"

    @property
    def notes(self) -> str:
        """The name of the file with its numbers; it is there once the shard is complete."""
        return f"{self.entry}-{self.number:05d}.json"


def shards_of(mix: Mix) -> list[Shard]:
    """Return the shards of a mix, in order."""
    return [
        Shard(name, number, first, min(SHARD_EPISODES, episodes - first))
        for name, episodes in mix.counts().items()
        for number, first in enumerate(range(0, episodes, SHARD_EPISODES))
    ]


def make_demonstrations(
    mix: Mix,
    folder: Path,
    *,
    seed: int = 0,
    split: Split = "train",
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Play what a mix asks for, and write it.

    Args:
        mix: The recipe.
        folder: Where to; what is there of the same recipe is kept.
        seed: Names all tasks and choices.
        split: `train` or `valid`; test tasks are nobody's to learn from.
        workers: Processes.
        progress: Told after every shard.

    Returns:
        The manifest.

    Raises:
        UserError: The recipe cannot be played, or the folder holds something else.
    """
    if split == "test":
        raise UserError("Demonstrations of the test split would spoil every score; choose train or valid.")
    if workers < 1:
        raise UserError(f"It takes at least one worker, not {workers}.")
    _claim(folder, mix, seed, split)
    shards = shards_of(mix)
    left = [shard for shard in shards if not (folder / shard.notes).is_file()]
    total = sum(shard.episodes for shard in shards)
    done = total - sum(shard.episodes for shard in left)
    jobs = [(mix, seed, split, shard, folder) for shard in left]
    with ExitStack() as stack:
        if workers == 1 or len(jobs) <= 1:
            finished: Iterable[int] = map(_write_shard, jobs)
        else:
            spawn = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(min(workers, len(jobs)), mp_context=spawn))
            stack.callback(pool.shutdown, cancel_futures=True)
            waiting = [pool.submit(_write_shard, job) for job in jobs]
            finished = (future.result() for future in as_completed(waiting))
        for episodes in finished:
            done += episodes
            if progress is not None:
                progress(done, total)
    return _write_manifest(folder, mix, seed, split, shards)


def _claim(folder: Path, mix: Mix, seed: int, split: Split) -> None:
    """Write what the folder is for, or check that it is for the same."""
    recipe = {"version": VERSION, "seed": seed, "split": split, "mix": mix.model_dump(mode="json")}
    text = json.dumps(recipe, indent=1, ensure_ascii=False) + "\n"
    path = folder / "mix.json"
    if path.is_file():
        if path.read_text(encoding="utf-8") != text:
            raise UserError(f"{folder} holds demonstrations of another mix, seed or split; choose another folder.")
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} holds other files; choose an empty folder or a new one.")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


_stages: dict[tuple[str, str], Stage] = {}


def _stage(entry: Entry, split: Split) -> Stage:
    """Return the stage of an entry, made once a process."""
    key = (entry.model_dump_json(), split)
    if key not in _stages:
        _stages[key] = Stage(entry, split)
    return _stages[key]


def _write_shard(job: tuple[Mix, int, Split, Shard, Path]) -> int:
    mix, seed, split, shard, folder = job
    entry = next(entry for entry in mix.entries if entry.name == shard.entry)
    stage = _stage(entry, split)
    head = {"env_id": canonical_id(entry.env), "kwargs": entry.kwargs}
    counter = TokenCounter()
    counts: dict[str, dict[str, int]] = {}
    uids: set[str] = set()
    lines: list[str] = []
    for episode in range(shard.first, shard.first + shard.episodes):
        rng = Rng.named("demonstration", mix.name, seed, split, entry.name, episode)
        for document in stage.play(rng):
            lines.append(_line(head, split, entry.name, document))
            uids.add(document.uid)
            cell = counts.setdefault(f"{document.difficulty}/{document.form}", dict.fromkeys(COUNTED, 0))
            cell["documents"] += 1
            for message, learned in document.messages:
                tokens = counter.message(str(message.content))
                cell["tokens"] += tokens
                cell["steps"] += learned
                cell["learned_tokens"] += (tokens - 1) * learned  # the end token is learned, the role's is given
    text = "".join(lines).encode()
    family = stage.env.rules.task_type.family
    notes = {
        "episodes": shard.episodes,
        "sha256": hashlib.sha256(text).hexdigest(),
        "family": family,
        "counts": counts,
        "uids": _packed(uids, family),
    }
    _replace(folder / shard.file, gzip.compress(text, 6, mtime=0))
    _replace(folder / shard.notes, (json.dumps(notes) + "\n").encode())
    return shard.episodes


def _line(head: dict[str, Any], split: Split, entry: str, document: Document) -> str:
    messages = [
        {"role": message.role, "content": message.content, **({"train": True} if learned else {})}
        for message, learned in document.messages
    ]
    line = {
        **head,
        "difficulty": document.difficulty,
        "split": split,
        "uid": document.uid,
        "task": document.task,
        "entry": entry,
        "form": document.form,
        "history": document.history,
        "messages": messages,
    }
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def _replace(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _packed(uids: set[str], family: str) -> str:
    """Return uids as text: their 64-bit hashes, sorted, little-endian, in base64."""
    hashes = sorted(int(uid.removeprefix(f"{family}-"), 16) for uid in uids)
    return base64.b64encode(_bytes(hashes)).decode()


def _bytes(hashes: Iterable[int]) -> bytes:
    return b"".join(number.to_bytes(8, "little") for number in hashes)


def _hashes(content: bytes) -> set[int]:
    return {int.from_bytes(content[at : at + 8], "little") for at in range(0, len(content), 8)}


def _write_manifest(folder: Path, mix: Mix, seed: int, split: Split, shards: list[Shard]) -> dict[str, Any]:
    """Put the numbers of all shards together."""
    entries: dict[str, dict[str, dict[str, int]]] = {}
    uids: dict[str, set[int]] = {}
    files: dict[str, str] = {}
    for shard in shards:
        notes = json.loads((folder / shard.notes).read_text(encoding="utf-8"))
        files[shard.file] = notes["sha256"]
        uids.setdefault(notes["family"], set()).update(_hashes(base64.b64decode(notes["uids"])))
        cells = entries.setdefault(shard.entry, {})
        for name, counts in notes["counts"].items():
            cell = cells.setdefault(name, dict.fromkeys(COUNTED, 0))
            for what in COUNTED:
                cell[what] += counts[what]
    families = {}
    for family, found in sorted(uids.items()):
        content = _bytes(sorted(found))
        _replace(folder / f"uids-{family}.bin", content)
        families[family] = {"tasks": len(found), "sha256": hashlib.sha256(content).hexdigest()}
    manifest = {
        "version": VERSION,
        "mix": mix.name,
        "mix_fingerprint": mix.fingerprint,
        "seed": seed,
        "split": split,
        "sha256": hashlib.sha256("".join(files.values()).encode()).hexdigest(),
        "families": families,
        "total": {what: sum(cell[what] for cells in entries.values() for cell in cells.values()) for what in COUNTED},
        "entries": {name: dict(sorted(cells.items())) for name, cells in entries.items()},
        "shards": files,
    }
    _replace(folder / MANIFEST_FILE, (json.dumps(manifest, indent=1) + "\n").encode())
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a folder.

    Raises:
        UserError: There is none.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise UserError(f"{folder} holds no finished demonstrations; `rlvr data experts --out {folder}` makes them.")
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if manifest.get("version") != VERSION:
        raise UserError(f"{path} has version {manifest.get('version')!r}; only {VERSION} can be read.")
    return manifest


def read_uids(folder: Path) -> set[str]:
    """Return the uids of all tasks that the demonstrations are about."""
    return {
        f"{family}-{number:016x}"
        for family in read_manifest(folder)["families"]
        for number in _hashes((folder / f"uids-{family}.bin").read_bytes())
    }


def read_shard(folder: Path, file: str, sha256: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of a shard.

    Raises:
        MalformedData: Its content is not what the manifest says.
    """
    try:
        text = gzip.decompress((folder / file).read_bytes())
    except (OSError, EOFError) as error:
        raise MalformedData(f"{folder / file} cannot be read: {error}.") from None
    if hashlib.sha256(text).hexdigest() != sha256:
        raise MalformedData(f"{folder / file} is not what the manifest says (sha256); make the demonstrations again.")
    for line in text.decode().splitlines():
        yield json.loads(line)


def read_demonstrations(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield all demonstrations of a folder, shard by shard; see the module's docstring for what a line is.

    Raises:
        UserError: The folder holds none.
        MalformedData: A shard is not what the manifest says.
    """
    for file, sha256 in read_manifest(folder)["shards"].items():
        yield from read_shard(folder, file, sha256)


def check_demonstrations(folder: Path, progress: Progress | None = None) -> int:
    """Prove that no demonstration is about a task of another split, above all of the test split.

    A generated task's split follows from its content alone, so each line's task is taken, its uid and its split are
    computed anew, and both are compared with what the line, the manifest and the list of uids say.

    Returns:
        The number of lines that were checked.

    Raises:
        MalformedData: A file is not what the manifest says, or a line breaks the promise; the message names it.
    """
    manifest, listed = read_manifest(folder), read_uids(folder)
    for family, noted in manifest["families"].items():
        content = (folder / f"uids-{family}.bin").read_bytes()
        if hashlib.sha256(content).hexdigest() != noted["sha256"]:
            raise MalformedData(f"uids-{family}.bin in {folder} is not what the manifest says (sha256).")
    seen: set[str] = set()
    lines = 0
    for done, (file, sha256) in enumerate(manifest["shards"].items()):
        for number, line in enumerate(read_shard(folder, file, sha256), 1):
            where = f"{folder / file}, line {number}"
            uid, split = _instance(line)
            if uid != line["uid"] or uid not in listed:
                raise MalformedData(f"{where}: the uid is {line['uid']}, but the task's is {uid}.")
            if split != manifest["split"]:
                raise MalformedData(f"{where}: the task {uid} belongs to the split {split}.")
            seen.add(uid)
            lines += 1
        if progress is not None:
            progress(done + 1, len(manifest["shards"]))
    if seen != listed:
        raise MalformedData(f"{folder} lists {len(listed - seen)} uids of which there is no demonstration.")
    return lines


_envs: dict[str, TextEnv[Any]] = {}


def _instance(line: dict[str, Any]) -> tuple[str, Split]:
    """Return the uid and the split of a line's task, computed from its content."""
    key = json.dumps([line["env_id"], line["kwargs"]], sort_keys=True)
    if key not in _envs:
        _envs[key] = make_text_env(line["env_id"], line["kwargs"])
    env = _envs[key]
    task = env.rules.task_type.model_validate(line["task"])
    source = env.source
    if isinstance(source, GeneratedSource):
        return task.uid, split_of(source.split_content(task))
    split: Split = cast(DataSource[Any], source).find(task.item).split
    return task.uid, split
