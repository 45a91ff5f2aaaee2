"""An engine in a thread of its own, which sleeps while there is nothing to do."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from .engine import Job


class Steps(Protocol):
    """What a thread needs of an engine; see `Engine`."""

    def submit(self, job: Job) -> None:
        """Hand in a request, from any thread."""

    def cancel(self, job: Job) -> None:
        """Take a request back, from any thread."""

    def wake(self) -> None:
        """End a `wait`, from any thread."""

    def wait(self) -> None:
        """Return as soon as there may be something to do."""

    def step(self) -> bool:
        """Do some work; returns whether there is more."""
        ...

    def clear(self) -> None:
        """Forget what depends on the weights."""

    def fail_all(self, error: Exception) -> None:
        """End everything under way with an error."""


class Stopped(RuntimeError):
    """The engine was stopped before the request was answered."""


class Worker:
    """Runs an engine until it is stopped.

    Args:
        make: Makes the engine, in the thread that runs it.
        threads: How many threads torch may use for one operation; None: as many as it does by itself.
    """

    def __init__(self, make: Callable[[], Steps], threads: int | None = None) -> None:
        self._make = make
        self._threads = threads
        self._calls: deque[tuple[Callable[[Steps], Any], Future[Any]]] = deque()
        self._stopping = False
        self._engine: Steps | None = None
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="rlvr-engine", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether the engine is there."""
        return self._engine is not None

    def engine(self) -> Steps:
        """Return the engine, once it is there.

        Raises:
            Exception: It could not be made.
        """
        self._ready.result()
        assert self._engine is not None
        return self._engine

    def call(self, function: Callable[[Steps], Any]) -> Future[Any]:
        """Have a function called with the engine between two steps."""
        result: Future[Any] = Future()
        engine = self.engine()
        self._calls.append((function, result))
        engine.wake()
        return result

    def stop(self) -> None:
        """End the thread; what is not answered yet fails with `Stopped`. Returns when it is over."""
        self._stopping = True
        if self._ready.exception() is None:
            self.engine().wake()
        self._thread.join()

    def _run(self) -> None:
        try:
            if self._threads is not None:
                import torch

                torch.set_num_threads(self._threads)
            engine = self._engine = self._make()
        except BaseException as error:
            self._ready.set_exception(error)
            return
        self._ready.set_result(None)
        while not self._stopping:
            while self._calls:
                function, result = self._calls.popleft()
                try:
                    result.set_result(function(engine))
                except BaseException as error:
                    result.set_exception(error)
            try:
                busy = engine.step()
            except Exception as error:  # a mistake of ours: those who wait must hear of it, and others go on
                engine.fail_all(error)
                continue
            if not busy and not self._calls and not self._stopping:
                engine.wait()
        engine.fail_all(Stopped("The policy was closed before it answered."))
        for _, result in self._calls:
            result.set_exception(Stopped("The policy was closed."))
