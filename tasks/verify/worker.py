"""The worker process: reads jobs from its standard input, writes rulings, and cannot outlive its parent.

A job may compute for ever or exhaust the memory; the parent kills the process
then. Two things are left to the kernel, since Python code cannot run while a C function computes: an interval timer
ends the process should the parent fail to, and a pipe that only the parent holds open ends it when the parent dies.
"""

import json
import os
import signal
import sys
import time
from typing import Any

from .wire import HEADER

_GRACE_S = 1.0
"""Seconds after the limit at which the process ends itself, should nobody have killed it."""


def main(life: int, memory_mb: int) -> None:
    """Serves jobs until the input ends.

    Args:
        life: File descriptor of a pipe whose other end only the parent holds.
        memory_mb: Limit of the address space, in MiB.
    """
    output = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    # The parent decides when to end: an interrupt from the keyboard reaches the whole foreground group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent(life)
    _limit_memory(memory_mb)
    sys.setrecursionlimit(20_000)
    from .service import answer_job, warm_up

    warm_up()
    _write(output, {"ready": os.getpid()})
    while True:
        job = _read(0)
        if job is None:
            os._exit(0)
        signal.setitimer(signal.ITIMER_REAL, job["limit"] + _GRACE_S)
        start = time.perf_counter()
        reply, healthy = answer_job(job)
        seconds = time.perf_counter() - start
        signal.setitimer(signal.ITIMER_REAL, 0)
        _write(output, {"status": reply.status.value, "reason": reply.reason, "seconds": seconds})
        if not healthy:
            os._exit(0)


def _die_with_parent(life: int) -> None:
    """Has the kernel end this process as soon as the other end of the pipe is closed."""
    import fcntl
    import select

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if hasattr(fcntl, "F_SETOWN") and hasattr(os, "O_ASYNC"):
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(life, select.POLLIN)
    if poll.poll(0):
        os._exit(0)


def _limit_memory(memory_mb: int) -> None:
    import resource

    wanted = memory_mb * 1024 * 1024
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(descriptor: int) -> dict[str, Any] | None:
    header = _exactly(descriptor, HEADER.size)
    if header is None:
        return None
    body = _exactly(descriptor, HEADER.unpack(header)[0])
    if body is None:
        return None
    job: dict[str, Any] = json.loads(body)
    return job


def _exactly(descriptor: int, count: int) -> bytes | None:
    parts = []
    while count:
        part = os.read(descriptor, min(count, 1 << 16))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _write(descriptor: int, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode("ascii")
    data = HEADER.pack(len(body)) + body
    while data:
        data = data[os.write(descriptor, data) :]
