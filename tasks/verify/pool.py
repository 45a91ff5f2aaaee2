"""A small pool of persistent worker processes, without threads and without signals in the caller.

A job waits in a bounded queue for a worker, and the waiting is measured apart from the computing. A worker that
exceeds the time limit, crashes or is killed is replaced; one more worker than may be busy is kept warm, so that a
replacement is there at once. The pool is safe to use from any thread, from event loops and after a fork.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future
from typing import Any, NamedTuple

from .wire import HEADER

_BOOT = """
import json, sys, types
boot = json.loads(sys.argv[1])
sys.path[:] = boot["path"]
package = types.ModuleType("rlvr")
package.__path__ = boot["package"]
sys.modules["rlvr"] = package
from rlvr.tasks.verify.worker import main
main(boot["life"], boot["memory_mb"])
"""
_ATTEMPTS = 2
"""A job whose worker dies is given to a second one: the death may have had nothing to do with the job."""
_START_S = 60.0
"""Longest wait for a new worker to load its libraries."""


class PoolSettings(NamedTuple):
    """Size and limits of the pool.

    Attributes:
        workers: Most jobs computed at the same time; one more process is kept as a warm spare.
        queue: Most jobs that wait for a worker; further ones are refused with status `error`.
        memory_mb: Limit of each worker's address space, in MiB.
    """

    workers: int = min(4, os.cpu_count() or 1)
    queue: int = 10_000
    memory_mb: int = 2048


class QueueFull(RuntimeError):
    """More jobs wait than the settings allow."""


class Reply(NamedTuple):
    """What became of a job: the worker's message, or `None` after a time-out, with the times in seconds."""

    message: dict[str, Any] | None
    seconds: float
    queued_s: float


class ForWorker(NamedTuple):
    """A wait for a free worker."""

    future: "Future[Worker]"


class ForData(NamedTuple):
    """A wait until a descriptor is readable, at most so many seconds; the answer is whether it is."""

    descriptor: int
    timeout_s: float


Wait = ForWorker | ForData


class WorkerDied(RuntimeError):
    """The process ended before it replied."""


class Worker:
    """One process and the pipes to it."""

    def __init__(self, settings: PoolSettings) -> None:
        if not sys.executable:
            raise OSError("the path of the Python interpreter is not known")
        life, self._life = os.pipe()
        boot = {
            "path": [str(entry) for entry in sys.path],
            "package": list(sys.modules[__package__.partition(".")[0]].__path__),
            "life": life,
            "memory_mb": settings.memory_mb,
        }
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, json.dumps(boot)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(life,),
                bufsize=0,
            )
        except OSError:
            os.close(self._life)
            raise
        finally:
            os.close(life)
        assert self.process.stdin is not None and self.process.stdout is not None
        self.input = self.process.stdin.fileno()
        self.output = self.process.stdout.fileno()
        os.set_blocking(self.output, False)
        self.ready = False
        self._buffer = b""

    def send(self, message: bytes) -> None:
        """Writes one job.

        Raises:
            WorkerDied: The process is gone.
        """
        data = memoryview(HEADER.pack(len(message)) + message)
        try:
            while data:
                data = data[os.write(self.input, data) :]
        except OSError as error:
            raise WorkerDied from error

    def receive(self) -> dict[str, Any] | None:
        """One message, as far as it has arrived; `None` while it is incomplete.

        Raises:
            WorkerDied: The process is gone.
        """
        while True:
            if len(self._buffer) >= HEADER.size:
                end = HEADER.size + HEADER.unpack_from(self._buffer)[0]
                if len(self._buffer) >= end:
                    message: dict[str, Any] = json.loads(self._buffer[HEADER.size : end])
                    self._buffer = self._buffer[end:]
                    return message
            try:
                part = os.read(self.output, 1 << 16)
            except BlockingIOError:
                return None
            if not part:
                raise WorkerDied
            self._buffer += part

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """Ends the process at once and releases its pipes."""
        self.process.kill()
        self.process.wait()
        self.close()

    def close(self) -> None:
        """Releases the pipes only; used in a forked child, where the process belongs to the parent."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        if self._life >= 0:
            os.close(self._life)
            self._life = -1


class Pool:
    """Workers, and the queue of jobs that wait for one."""

    def __init__(self, settings: PoolSettings) -> None:
        self.settings = settings
        self.owner = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._waiting: deque[Future[Worker]] = deque()
        self._closed = False

    def pids(self) -> list[int]:
        """Process ids of all live workers."""
        with self._lock:
            return sorted(worker.process.pid for worker in (*self._idle, *self._busy) if worker.alive())

    def counts(self) -> dict[str, int]:
        """Number of `busy` and `idle` workers and of `waiting` jobs."""
        with self._lock:
            return {"busy": len(self._busy), "idle": len(self._idle), "waiting": len(self._waiting)}

    def job(self, message: bytes, limit_s: float) -> Generator[Wait, Any, Reply]:
        """One job, from the queue to the reply; a generator that yields its waits and gets their results.

        Args:
            message: The job as the worker reads it.
            limit_s: Seconds of computing after which the worker is killed.

        Yields:
            The next wait; a driver waits for it, blocking or not, and sends the result.

        Returns:
            The reply, through the generator's return value.

        Raises:
            QueueFull: The queue is at its limit.
            WorkerDied: The worker, and its replacement, died over the job.
        """
        start = time.perf_counter()
        for attempt in range(_ATTEMPTS):
            worker = yield from self._acquire()
            returned = False
            try:
                yield from self._until_ready(worker)
                begin = time.perf_counter()
                worker.send(message)
                deadline = begin + limit_s
                reply = worker.receive()
                while reply is None:
                    remaining = deadline - time.perf_counter()
                    if remaining <= 0 or not (yield ForData(worker.output, remaining)):
                        reply = worker.receive()
                        break
                    reply = worker.receive()
                end = time.perf_counter()
                if reply is None:
                    return Reply(None, end - begin, begin - start)
                self._release(worker)
                returned = True
                seconds = float(reply["seconds"])
                return Reply(reply, seconds, max(0.0, end - start - seconds))
            except WorkerDied:
                if attempt + 1 == _ATTEMPTS:
                    raise
            finally:
                if not returned:
                    self._discard(worker)
        raise WorkerDied

    def warm(self) -> Generator[Wait, Any, None]:
        """Starts every worker and the spare, and waits until each has loaded its libraries."""
        with self._lock:
            while len(self._idle) + len(self._busy) <= self.settings.workers:
                self._idle.append(Worker(self.settings))
            starting = [worker for worker in self._idle if not worker.ready]
        for worker in starting:
            try:
                yield from self._until_ready(worker)
            except WorkerDied:
                with self._lock:
                    if worker in self._idle:
                        self._idle.remove(worker)
                        worker.kill()

    def shutdown(self) -> None:
        """Kills every worker; waiting jobs are cancelled."""
        with self._lock:
            self._closed = True
            workers = [*self._idle, *self._busy]
            self._idle.clear()
            self._busy.clear()
            waiting = list(self._waiting)
            self._waiting.clear()
        for future in waiting:
            future.cancel()
        for worker in workers:
            worker.kill()

    def forget(self) -> None:
        """Releases the pipes in a forked child; the workers go on serving the parent."""
        for worker in (*self._idle, *self._busy):
            worker.process.returncode = 0
            worker.close()

    # Internals

    def _acquire(self) -> Generator[Wait, Any, Worker]:
        future: Future[Worker] = Future()
        with self._lock:
            if len(self._waiting) >= self.settings.queue:
                raise QueueFull
            self._waiting.append(future)
            self._hand_out()
        try:
            worker: Worker = future.result() if future.done() else (yield ForWorker(future))
        except BaseException:
            # Given up while waiting: a worker that was handed over in the meantime goes back.
            if not future.cancel() and not future.cancelled() and future.exception() is None:
                self._release(future.result())
            raise
        return worker

    def _until_ready(self, worker: Worker) -> Generator[Wait, Any, None]:
        deadline = time.perf_counter() + _START_S
        while not worker.ready:
            if worker.receive() is not None:
                worker.ready = True
                return
            remaining = deadline - time.perf_counter()
            if remaining <= 0:
                raise WorkerDied
            yield ForData(worker.output, remaining)

    def _hand_out(self) -> None:
        """Gives idle workers to waiting jobs, and keeps one spare; the lock is held."""
        while self._waiting and len(self._busy) < self.settings.workers:
            future = self._waiting.popleft()
            try:
                worker = self._pick()
            except OSError as error:
                if future.set_running_or_notify_cancel():
                    future.set_exception(error)
                continue
            if future.set_running_or_notify_cancel():
                self._busy.add(worker)
                future.set_result(worker)
            else:
                self._idle.append(worker)
        if not self._idle and self._busy:
            self._add_spare()

    def _add_spare(self) -> None:
        """Starts one more idle worker; the lock is held."""
        if not self._closed:
            try:
                self._idle.append(Worker(self.settings))
            except OSError:
                # No process can be started now; the next job that needs one tries again and reports the reason.
                return

    def _pick(self) -> Worker:
        self._idle.sort(key=lambda worker: worker.ready)
        while self._idle:
            worker = self._idle.pop()
            if worker.alive():
                return worker
            worker.kill()
        return Worker(self.settings)

    def _release(self, worker: Worker) -> None:
        with self._lock:
            if worker not in self._busy:
                return
            self._busy.discard(worker)
            self._idle.append(worker)
            self._hand_out()

    def _discard(self, worker: Worker) -> None:
        with self._lock:
            known = worker in self._busy
            self._busy.discard(worker)
        if known:
            worker.kill()
            with self._lock:
                self._add_spare()
                self._hand_out()


_lock = threading.Lock()
_pool: Pool | None = None
_settings = PoolSettings()


def configure(settings: PoolSettings) -> None:
    """Replaces the settings; if they differ, a pool that runs is shut down and the next job starts a new one.

    Args:
        settings: Size and limits.

    Raises:
        ValueError: A setting is not positive.
    """
    if min(settings) < 1:
        raise ValueError("workers, queue and memory_mb must be at least 1.")
    global _settings
    if settings == _settings:
        return
    shutdown()
    with _lock:
        _settings = settings


def current_pool() -> Pool:
    """The pool of this process, made on first use."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = Pool(_settings)
        return _pool


def shutdown() -> None:
    """Ends every worker of this process; the next job starts new ones."""
    global _pool
    with _lock:
        pool, _pool = _pool, None
    if pool is not None:
        pool.shutdown()


def _after_fork() -> None:
    global _pool, _lock
    _lock = threading.Lock()
    if _pool is not None:
        _pool.forget()
        _pool = None


os.register_at_fork(after_in_child=_after_fork)
atexit.register(shutdown)
