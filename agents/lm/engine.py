"""Continuous batching: every step runs whatever tokens are due of all requests under way, in one forward pass.

A request joins at any step, leaves as soon as it is finished, and keeps its keys and values for the next one that
begins alike (see `kv`). Long prompts are read in chunks beside the others' decoding.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import torch

from .attention import CachedAttention
from .batch import Batch
from .hooked import Hooked, HookedRow, forward
from .kv import CacheFull, KVCache, Row, Wait, cache_limit
from .model import CausalModel
from .sampling import RowSampling, Sampler

BATCH_TOKENS = {"cpu": 2048, "cuda": 8192}
"""How many tokens a step runs at most, by kind of device: enough to keep it busy, few enough for its caches."""

MAX_ROWS = 256
"""How many requests are under way at once; more wait."""

_LONGEST_CHARACTER = 4
"""Bytes, hence tokens at most, that a character of a stop string may have."""


class Finish(StrEnum):
    """Why a job ended."""

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    ERROR = "error"


class OutOfMemory(RuntimeError):
    """A batch did not fit into memory, nor did its halves."""


@dataclass(eq=False)
class Job:
    """One request under way, and in the end its answer."""

    prompt: Sequence[int]
    sampling: RowSampling = RowSampling()  # noqa: RUF009 (frozen)
    max_tokens: int = 512
    stop_ids: frozenset[int] = frozenset()
    """Tokens that end the answer; they are its last token then."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer; what they were made of stays in `tokens`."""
    decode: Callable[[Sequence[int]], str] | None = None
    """From ids to text; needed where there are stop strings."""
    hooked: Hooked | None = None
    on_done: Callable[["Job"], None] | None = None
    """Called by the engine's thread once `finish` is set."""

    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    """Of the tokens, under the sampling distribution, where they were asked for."""
    top_logprobs: list[tuple[tuple[int, float], ...]] = field(default_factory=list)
    finish: Finish | None = None
    error: Exception | None = None
    cached: int = 0
    """Tokens of the prompt that did not have to be run."""
    forwarded: int = 0
    """Tokens that were run through the model."""
    cancelled: bool = False
    row: Row | None = None

    @property
    def first_place(self) -> int:
        """Where in the sequence the answer begins."""
        return len(self.prompt)


@dataclass
class Counters:
    """What an engine has done so far."""

    steps: int = 0
    """Forward passes."""
    forwarded_tokens: int = 0
    """Tokens that were run through the model."""
    cached_tokens: int = 0
    """Tokens of prompts whose keys and values were there already."""
    sampled_tokens: int = 0
    split_batches: int = 0
    """Batches that did not fit into memory at first."""


@dataclass
class _Steady:
    """A batch of rows that all decode, kept as long as none comes or goes."""

    jobs: list[Job]
    batch: Batch
    sampler: Sampler
    counters: np.ndarray


class Engine:
    """Answers requests with a model. All but `submit` and `cancel` belongs to one thread.

    Args:
        model: The model.
        cache_mb: How much memory the keys and values may take, in MiB; by default a share of what is there.
        batch_tokens: How many tokens a step runs at most; see `BATCH_TOKENS`.
        max_rows: How many requests are under way at once.
    """

    def __init__(
        self,
        model: CausalModel,
        *,
        cache_mb: int | None = None,
        batch_tokens: int | None = None,
        max_rows: int = MAX_ROWS,
    ) -> None:
        self.model = model
        self.cache = KVCache(model.info, model.device, model.dtype, cache_limit(cache_mb, model.device))
        self.counters = Counters()
        self.max_rows = max_rows
        self.batch_tokens = batch_tokens or BATCH_TOKENS.get(model.device.type, BATCH_TOKENS["cpu"])
        self._inbox: deque[Job] = deque()
        self._waiting: deque[Job] = deque()
        self._active: list[Job] = []
        self._steady: _Steady | None = None
        self._wake = threading.Event()
        self._any_cancelled = False

    # From any thread

    def submit(self, job: Job) -> None:
        """Hand in a request; it joins at the next step."""
        self._inbox.append(job)
        self._wake.set()

    def cancel(self, job: Job) -> None:
        """Take a request back; it is dropped at the next step."""
        job.cancelled = True
        self._any_cancelled = True
        self._wake.set()

    def wake(self) -> None:
        """End a `wait`."""
        self._wake.set()

    # From the engine's own thread

    def wait(self) -> None:
        """Return as soon as there may be something to do."""
        if not self._active and not self._waiting and not self._inbox:
            self._wake.wait()
        self._wake.clear()

    def run(self, jobs: Iterable[Job]) -> None:
        """Answer all of some jobs, and whatever else is under way.

        Raises:
            Exception: What went wrong with one of them.
        """
        jobs = list(jobs)
        for job in jobs:
            self.submit(job)
        while self.step():
            pass
        for job in jobs:
            if job.error is not None:
                raise job.error

    def clear(self) -> None:
        """Forget the keys and values of requests that are over; call it when the weights have changed."""
        self.cache.clear()

    def fail_all(self, error: Exception) -> None:
        """End everything under way with an error."""
        self._waiting.extend(self._inbox)
        self._inbox.clear()
        for job in (*self._active, *self._waiting):
            self._finish(job, Finish.ERROR, error)
        self._waiting.clear()
        self._active.clear()
        self._steady = None

    @torch.inference_mode()
    def step(self) -> bool:
        """Admit what has come, run one batch, draw tokens, let go of what is finished.

        Returns:
            Whether anything is still under way.
        """
        if self._any_cancelled:
            self._drop_cancelled()
        if self._inbox or self._waiting:
            self._admit()
        steady = self._steady
        if steady is not None:
            self._guarded([(job, 1) for job in steady.jobs], steady)
        elif self._active:
            self._guarded(self._due(), None)
        if self._steady is None:
            self._active = [job for job in self._active if job.finish is None]
        return bool(self._active or self._waiting or self._inbox)

    def _drop_cancelled(self) -> None:
        self._any_cancelled = False
        while self._inbox:
            self._waiting.append(self._inbox.popleft())
        for job in (*self._active, *self._waiting):
            if job.cancelled and job.finish is None:
                self._finish(job, Finish.CANCELLED)
        self._active = [job for job in self._active if job.finish is None]
        self._waiting = deque(job for job in self._waiting if job.finish is None)

    def _admit(self) -> None:
        while self._inbox:
            self._waiting.append(self._inbox.popleft())
        admitted = False
        later: list[Job] = []
        while self._waiting and len(self._active) < self.max_rows:
            job = self._waiting[0]
            try:
                opened = self._open(job)
            except (CacheFull, OutOfMemory) as error:
                self._waiting.popleft()
                self._finish(job, Finish.ERROR, error)
                continue
            if opened is None and self._active:
                break  # in turn: what is under way makes room
            self._waiting.popleft()
            if opened is None:
                self._finish(job, Finish.ERROR, CacheFull("There is no room for the request's keys and values."))
            elif isinstance(opened, Wait):
                later.append(job)
            else:
                job.row, job.cached = opened.row, opened.reused
                self.counters.cached_tokens += opened.reused
                self._active.append(job)
                admitted = True
        self._waiting.extendleft(reversed(later))
        if admitted:
            self._steady = None
            self.cache.gather()

    def _open(self, job: Job) -> Any:
        names = reusable = None
        if job.hooked is not None:
            names, reusable = job.hooked.cache_keys(job.prompt), job.hooked.reusable()
        more = min(len(self._waiting), self.max_rows - len(self._active)) - 1
        try:
            return self.cache.open(job.prompt, job.max_tokens, names=names, reusable=reusable, more=more)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        self._steady = None
        self.cache.clear()
        _release(self.model.device)
        try:
            return self.cache.open(job.prompt, job.max_tokens, names=names, reusable=reusable)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemory(
                "The machine has no memory left for the keys and values of a request; lower cache_mb, or the number "
                "of episodes under way."
            ) from error

    def _due(self) -> list[tuple[Job, int]]:
        """Return whose tokens run next, and how many: one of each that decodes, then prompts as far as room goes."""
        due: list[tuple[Job, int]] = []
        reading: list[tuple[Job, int]] = []
        for job in self._active:
            assert job.row is not None
            left = job.row.length - job.row.filled
            if left == 1:
                due.append((job, 1))
            else:
                reading.append((job, left))
        room = max(self.batch_tokens - len(due), self.batch_tokens // 4, 1)
        for job, left in reading:
            if room <= 0:
                break
            due.append((job, min(left, room)))
            room -= left
        return due

    def _guarded(self, due: list[tuple[Job, int]], steady: _Steady | None) -> None:
        """Run a batch; one that does not fit into memory runs once more in halves."""
        try:
            self._forward(due, steady)
            return
        except (RuntimeError, MemoryError) as error:
            self._steady = None
            if not is_out_of_memory(error):
                self._fail([job for job, _ in due], error)
                return
        self.counters.split_batches += 1
        for half in _halves(due):
            _release(self.model.device)
            try:
                self._forward(half, None)
            except (RuntimeError, MemoryError) as error:
                if is_out_of_memory(error):
                    tokens = sum(count for _, count in half)
                    short = OutOfMemory(
                        f"The machine's memory does not suffice to run {tokens} tokens of {len(half)} requests at "
                        "once, not even after the batch was halved; lower batch_tokens or cache_mb."
                    )
                    short.__cause__ = error
                    self._fail([job for job, _ in half], short)
                else:
                    self._fail([job for job, _ in half], error)
            self._steady = None

    def _fail(self, jobs: Iterable[Job], error: Exception) -> None:
        for job in jobs:
            if job.finish is None:
                self._finish(job, Finish.ERROR, error)
        self._active = [job for job in self._active if job.finish is None]

    def _forward(self, due: list[tuple[Job, int]], steady: _Steady | None) -> None:
        model = self.model
        if steady is not None:
            batch, jobs = steady.batch, steady.jobs
        else:
            batch = Batch([job.row for job, _ in due if job.row is not None], [count for _, count in due], model.device)
            jobs = [due[i][0] for i in batch.order]
        chosen = None if steady is not None else np.flatnonzero(batch.complete())
        wanted = None if chosen is None else batch.last[torch.from_numpy(chosen).to(model.device)]
        attend = CachedAttention(batch, chosen)
        rows = [self._hooked_row(job.hooked, batch, i) for i, job in enumerate(jobs) if job.hooked is not None]
        if rows:
            hidden = forward(model, batch.ids, batch.positions, attend, rows)
            hidden = hidden if wanted is None else hidden[wanted]
        else:
            hidden = model.forward(batch.ids, batch.positions, attend, wanted=wanted)
        if steady is not None:
            drawn = steady.sampler(model.logits(hidden), steady.counters)
            ready = jobs
        else:
            assert chosen is not None
            if len(chosen) == 0:
                batch.done()
                self._count(jobs, batch, 0)
                return
            ready = [jobs[i] for i in chosen]
            sampler = Sampler([job.sampling for job in ready], model.device)
            counters = np.array([len(job.tokens) for job in ready], dtype=np.int64)
            drawn = sampler(model.logits(hidden), counters)
        tokens = drawn.tokens.cpu().numpy()
        batch.done()  # only now: a pass that ran out of memory has changed nothing
        self._count(jobs, batch, len(ready))
        batch.append(chosen, tokens)
        numbers = tokens.tolist()
        for job, token in zip(ready, numbers, strict=True):
            job.tokens.append(token)
        if drawn.logprobs is not None:
            self._record(ready, drawn.logprobs.tolist(), drawn.top_ids, drawn.top_logprobs)
        finished = False
        for job, token in zip(ready, numbers, strict=True):
            reason = self._reason(job, token)
            if reason is not None:
                self._finish(job, reason)
                finished = True
            elif job.hooked is not None:
                self._rename(job)
        if finished:
            self._steady = None
        elif steady is not None:
            batch.advance(drawn.tokens)
            steady.counters += 1
        elif len(ready) == len(jobs) == len(self._active):
            following = Batch([job.row for job in jobs if job.row is not None], [1] * len(jobs), model.device)
            ordered = [jobs[i] for i in following.order]
            counters = np.array([len(job.tokens) for job in ordered], dtype=np.int64)
            self._steady = _Steady(
                ordered, following, Sampler([job.sampling for job in ordered], model.device), counters
            )

    def _count(self, jobs: Sequence[Job], batch: Batch, sampled: int) -> None:
        self.counters.steps += 1
        self.counters.forwarded_tokens += batch.tokens
        self.counters.sampled_tokens += sampled
        for job, count in zip(jobs, batch.counts.tolist(), strict=True):
            job.forwarded += count

    @staticmethod
    def _record(jobs: Sequence[Job], logprobs: list[float], top_ids: Any, top_logprobs: Any) -> None:
        for job, logprob in zip(jobs, logprobs, strict=True):
            if job.sampling.logprobs:
                job.logprobs.append(logprob)
        if top_ids is None:
            return
        for job, ids, values in zip(jobs, top_ids.tolist(), top_logprobs.tolist(), strict=True):
            most = job.sampling.top_logprobs
            if most:
                pairs = zip(ids[:most], values[:most], strict=True)
                job.top_logprobs.append(tuple(pair for pair in pairs if pair[1] > float("-inf")))

    @staticmethod
    def _rename(job: Job) -> None:
        """Name the keys and values that the token just drawn will have, where they are not the plain ones."""
        assert job.hooked is not None and job.row is not None
        place = job.row.length - 1
        job.row.shelf.names[job.row.index, place] = job.hooked.cache_keys(job.tokens[-1:], place)[0]

    @staticmethod
    def _hooked_row(hooked: Hooked, batch: Batch, i: int) -> HookedRow:
        span, row = batch.span(i), batch.rows[i]
        first, count = row.filled, span.stop - span.start

        def keys(layer: int) -> torch.Tensor:
            return row.shelf.data[layer, 0, row.index, :, : first + count].transpose(0, 1)

        return HookedRow(hooked, span.start, count, first, keys)

    @staticmethod
    def _reason(job: Job, token: int) -> Finish | None:
        if token in job.stop_ids:
            return Finish.STOP
        if job.stop and stopped(job.tokens, job.stop, job.decode):
            return Finish.STOP
        return Finish.LENGTH if len(job.tokens) >= job.max_tokens else None

    def _finish(self, job: Job, reason: Finish, error: Exception | None = None) -> None:
        self._steady = None
        job.finish, job.error = reason, error
        if job.row is not None:
            if reason is Finish.ERROR:
                self.cache.drop(job.row)
            else:
                self.cache.close(job.row)
            job.row = None
        if job.on_done is not None:
            job.on_done(job)


def stopped(tokens: Sequence[int], stop: Sequence[str], decode: Callable[[Sequence[int]], str] | None) -> bool:
    """Return whether the text of some tokens, the last of which is new, holds a stop string.

    Only the end of the text is looked at first: a stop string that the new token completes lies there, however many
    tokens it is made of.
    """
    assert decode is not None, "stop strings need a decoder"
    longest = max(len(text) for text in stop)
    window = decode(tokens[-(_LONGEST_CHARACTER * longest + 2 * _LONGEST_CHARACTER) :])
    if not any(text in window for text in stop):
        return False
    whole = decode(tokens)
    return any(text in whole for text in stop)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there was no memory left, on whatever device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("not enough memory" in text or "can't allocate memory" in text)


def _release(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _halves(due: list[tuple[Job, int]]) -> list[list[tuple[Job, int]]]:
    """Return a batch in two: its requests, or of a single one its tokens (the rest of them comes in later steps)."""
    if len(due) > 1:
        middle = (len(due) + 1) // 2
        return [due[:middle], due[middle:]]
    ((job, count),) = due
    return [[(job, max(1, count // 2))]]
