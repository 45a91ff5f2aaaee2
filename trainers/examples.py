"""Conversations on disk become tokenised documents: rendered by the model's own chat template, cached, fingerprinted.

Read are the folders that `rlvr data experts` writes, and files of JSON lines (`.jsonl`, `.jsonl.gz`) whose lines have
`messages` (each with `role` and `content`) and maybe `uid` and `entry`. Where a message says `train: true`, only such
replies are learned; where none does, all replies of the assistant.
"""

import gzip
import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from ..agents.policies.conversation import Conversation, written
from ..agents.policies.spans import token_spans
from ..agents.policies.template import ChatTemplate, TemplateRefusal
from ..agents.types import RESPONSE_ROLES, Message, Role
from ..tasks.errors import MalformedData, MissingData, UserError
from ..tasks.task import text_hash
from .demonstrations import MANIFEST_FILE, read_manifest, read_shard
from .files import replace_file
from .packing import Document, Documents

VERSION = 2
"""Of the cached files."""

Progress = Callable[[int, int], None]
"""Told how many files are tokenised, and of how many."""


class _Job(NamedTuple):
    """A file to tokenise."""

    file: Path
    sha256: str
    """Of a demonstrations folder's shard, as its manifest has it; empty for other files."""
    tokenizer: Path
    roles: tuple[Role, ...]
    cached: Path


def read_examples(
    paths: Sequence[Path],
    tokenizer: Path,
    *,
    roles: Collection[Role] = RESPONSE_ROLES,
    cache: Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Documents:
    """Return tokenised conversations.

    Args:
        paths: Demonstrations folders and files of JSON lines.
        tokenizer: A folder with `tokenizer.json` and a chat template.
        roles: Whose tokens are learned.
        cache: The folder for tokenised files; None: a folder `tokens` beside the conversations.
        workers: Processes to tokenise in.
        progress: Told after every file.

    Raises:
        MissingData: A path is not there.
        MalformedData: A file does not hold conversations.
        UserError: The cache cannot be written, or nothing is to be learned.
    """
    wrong = set(roles) - RESPONSE_ROLES
    if wrong or not roles:
        raise UserError(
            f"Learned are tokens that a model generates, of the roles {', '.join(sorted(RESPONSE_ROLES))}; "
            f"not {', '.join(sorted(wrong)) or 'none at all'}."
        )
    chat = ChatTemplate.from_folder(tokenizer)
    manner = text_hash(
        json.dumps([VERSION, chat.fingerprint, _sha256(tokenizer / "tokenizer.json"), sorted(roles)], sort_keys=True)
    )
    jobs = [
        _Job(file, sha256, tokenizer, tuple(sorted(roles)), folder / "tokens" / manner[:16] / f"{sha256[:32]}.npz")
        for path in paths
        for file, sha256 in _files(path)
        for folder in [cache or file.parent]
    ]
    left = [job for job in jobs if not job.cached.is_file()]
    done = len(jobs) - len(left)
    try:
        for _ in _tokenised(left, workers):
            done += 1
            if progress is not None:
                progress(done, len(jobs))
    except OSError as error:
        raise UserError(f"Tokenised conversations cannot be written: {error}; name another folder as cache.") from None
    documents = _joined([job.cached for job in jobs])
    documents.fingerprint = text_hash("".join([manner, *(job.sha256 for job in jobs)]))
    if not documents.targets.sum():
        raise UserError(f"There is nothing to learn in {', '.join(map(str, paths))}: no reply of the assistant.")
    return documents.select(documents.targets > 0)


def _files(path: Path) -> list[tuple[Path, str]]:
    """Return the files that a path stands for, each with the SHA-256 of its content."""
    if path.is_dir():
        return [(path / name, sha256) for name, sha256 in read_manifest(path)["shards"].items()]
    if not path.is_file():
        raise MissingData(f"There is no {path}; `rlvr data experts --out {path}` makes demonstrations.")
    return [(path, _sha256(path))]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _tokenised(jobs: list[_Job], workers: int) -> Iterator[None]:
    if workers <= 1 or len(jobs) <= 1:
        yield from map(_tokenise_file, jobs)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=spawn) as pool:
        yield from pool.map(_tokenise_file, jobs)


_templates: dict[Path, ChatTemplate] = {}


def _tokenise_file(job: _Job) -> None:
    """Tokenise one file and write its tokens."""
    if job.tokenizer not in _templates:
        _templates[job.tokenizer] = ChatTemplate.from_folder(job.tokenizer)
    chat = _templates[job.tokenizer]
    found: list[Document] = []
    for number, line in enumerate(_lines(job), 1):
        messages, learned = _messages(line, f"{job.file}, line {number}")
        for ids, flags, context in tokenise(chat, messages, learned, job.roles):
            found.append(Document(ids, flags, str(line.get("uid", "")), str(line.get("entry", "")), context))
    documents = Documents.of(found)
    kind = np.uint16 if chat.codec.size <= 1 << 16 else np.int32
    job.cached.parent.mkdir(parents=True, exist_ok=True)
    replace_file(
        job.cached,
        lambda file: np.savez(
            file,
            ids=documents.ids.astype(kind),
            learned=np.packbits(documents.learned),
            context=np.packbits(documents.context),
            starts=documents.starts,
            kinds=documents.kinds,
            names=np.array(documents.kind_names, dtype=np.str_),
        ),
    )


def _lines(job: _Job) -> Iterator[dict[str, Any]]:
    if job.file.parent.joinpath(MANIFEST_FILE).is_file():
        yield from read_shard(job.file.parent, job.file.name, job.sha256)
        return
    try:
        content = job.file.read_bytes()
        text = (gzip.decompress(content) if job.file.suffix == ".gz" else content).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise MalformedData(f"{job.file} cannot be read: {error}.") from None
    for number, one in enumerate(text.splitlines(), 1):
        try:
            line = json.loads(one)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise MalformedData(f"{job.file}, line {number}: this is no JSON object.")
        yield line


def _messages(line: dict[str, Any], where: str) -> tuple[list[Message], list[bool]]:
    """Return a line's messages, and for each whether it is learned."""
    given = line.get("messages")
    if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
        raise MalformedData(f"{where}: the field messages is not a list of messages.")
    flagged = any("train" in one for one in given)
    try:
        messages = [Message(**{key: value for key, value in one.items() if key != "train"}) for one in given]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise MalformedData(f"{where}: a message is wrong at {first['loc'][0]}: {first['msg']}.") from None
    learned = [one.get("train", False) is True if flagged else one.get("role") == "assistant" for one in given]
    for message, flag in zip(messages, learned, strict=True):
        if flag and message.role != "assistant":
            raise MalformedData(f"{where}: a message of the role {message.role} is marked train; only replies can be.")
    return messages, learned


def tokenise(
    chat: ChatTemplate, messages: Sequence[Message], learned: Sequence[bool], roles: Collection[Role] = RESPONSE_ROLES
) -> list[tuple[list[int], list[bool], list[bool]]]:
    """Return documents as token ids with, for every token, whether it is learned, and whether it was given.

    Given are prompts, observations and the template's own tokens: all but replies, learned or not.

    A conversation is one document, unless the template writes the past anew as it goes on: then every learned reply
    is a document with what the model would have seen before it.

    Args:
        chat: The template.
        messages: The conversation; what follows the last reply is left out.
        learned: For every message whether it is learned.
        roles: Whose tokens are learned.
    """
    replies = [flag for message, flag in zip(messages, learned, strict=True) if message.role == "assistant"]
    try:
        whole = written(chat, messages)
    except TemplateRefusal:
        parts = [_reply(chat, messages, number) for number, flag in enumerate(learned) if flag]
        return [(part.ids, part.mask(roles), _given(part)) for part in parts]
    mask = [
        run.generation is not None and replies[run.generation] and run.role in roles
        for run in whole.runs
        for _ in range(run.start, run.end)
    ]
    return [(whole.ids, mask, _given(whole))]


def _given(conversation: Conversation) -> list[bool]:
    return [run.generation is None for run in conversation.runs for _ in range(run.start, run.end)]


def _reply(chat: ChatTemplate, messages: Sequence[Message], number: int) -> Conversation:
    """Return one reply behind all messages before it, in a conversation of its own."""
    conversation = Conversation()
    conversation.give(chat.start(messages[:number]))
    ids = chat.encode_content(chat.text_of(messages[number]))
    ids += [] if chat.end_of_turn is None else [chat.end_of_turn]
    conversation.sample(0, ids, token_spans(chat, ids))
    return conversation


def _joined(paths: Iterable[Path]) -> Documents:
    """Read tokenised files as one."""
    ids: list[npt.NDArray[np.integer]] = []
    learned: list[npt.NDArray[np.bool_]] = []
    context: list[npt.NDArray[np.bool_]] = []
    lengths: list[npt.NDArray[np.int64]] = []
    kinds: list[npt.NDArray[np.int64]] = []
    names: dict[str, int] = {}
    for path in paths:
        try:
            with np.load(path) as file:
                ids.append(file["ids"])
                learned.append(np.unpackbits(file["learned"], count=len(ids[-1])).astype(bool))
                context.append(np.unpackbits(file["context"], count=len(ids[-1])).astype(bool))
                lengths.append(np.diff(file["starts"]))
                own = [names.setdefault(str(name), len(names)) for name in file["names"]]
                kinds.append(np.array(own, dtype=np.int64)[file["kinds"]] if own else file["kinds"])
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise MalformedData(f"{path} is damaged ({error}); delete it, and it is made again.") from None
    starts = np.concatenate(([0], np.cumsum(np.concatenate(lengths))))
    return Documents(
        np.concatenate(ids),
        np.concatenate(learned),
        starts,
        np.concatenate(kinds),
        list(names),
        context=np.concatenate(context),
    )


def processors() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
