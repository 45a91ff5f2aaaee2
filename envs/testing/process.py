"""A fresh Python process that plays the environment under test, and the same operations without one."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Any

from .report import Violation

START_S = 60.0
OPERATION_S = 300.0
_HASH_SEEDS = ("20011", "4711")


class OutOfTime(Violation):
    """An operation did not answer in time; its process was killed."""


class Crashed(Violation):
    """An operation raised, or its process died."""


class FreshProcess:
    """Runs the operations of `worker.Operations` in a process of its own; one at a time.

    Args:
        recipe: How to make the environment (`Subject.recipe`).
    """

    isolated = True

    def __init__(self, recipe: dict[str, Any]) -> None:
        environment = dict(os.environ)
        environment["PYTHONHASHSEED"] = next(s for s in _HASH_SEEDS if s != os.environ.get("PYTHONHASHSEED"))
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
            encoding="ascii",
            errors="backslashreplace",
        )
        self._answers: queue.Queue[str] = queue.Queue()
        self._errors: list[str] = []
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()
        threading.Thread(target=self._read_errors, args=(self._process.stderr,), daemon=True).start()
        self.call("make", START_S, recipe=recipe)

    @property
    def alive(self) -> bool:
        """Whether it still takes operations."""
        return self._process.poll() is None

    def call(self, operation: str, limit_s: float = OPERATION_S, **arguments: Any) -> Any:
        """Run one operation and return its result.

        Raises:
            OutOfTime: It took longer than `limit_s` seconds; the process is killed.
            Crashed: It raised, or the process died.
        """
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps({"operation": operation, "arguments": arguments}) + "\n")
            stdin.flush()
            answer = json.loads(self._answers.get(timeout=limit_s) or "null")
        except queue.Empty:
            self.close()
            raise OutOfTime(f"there was no answer within {limit_s:g} s") from None
        except BrokenPipeError:
            answer = None
        if answer is None:
            self.close()
            raise Crashed(f"the process died: {(''.join(self._errors).strip() or 'no message')[-500:]}")
        if "error" in answer:
            raise Crashed(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass  # What was not yet sent has no reader any more.

    def _read(self, stream: IO[str]) -> None:
        try:
            for line in stream:
                self._answers.put(line)
        except ValueError:
            pass  # The stream was closed under the reader: the process was ended on purpose.
        self._answers.put("")

    def _read_errors(self, stream: IO[str]) -> None:
        try:
            for line in stream:
                self._errors.append(line)
                del self._errors[:-50]
        except ValueError:
            pass  # As above.


class Here:
    """The same operations in this process: nothing can be killed, and nothing is fresh.

    Args:
        make: Makes the bare environment from keyword arguments.
    """

    isolated = False

    def __init__(self, make: Callable[..., Any]) -> None:
        from .worker import Operations

        self._operations = Operations(make)

    def call(self, operation: str, limit_s: float = OPERATION_S, **arguments: Any) -> Any:
        """Run one operation and return its result; the limit has no power here."""
        return getattr(self._operations, operation)(**arguments)
