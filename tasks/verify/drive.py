"""Drivers of a job's waits: one that blocks the calling thread, one for event loops; neither starts a thread."""

import asyncio
import math
import select
from collections.abc import Generator
from typing import Any, TypeVar

from .pool import ForWorker, Wait

T = TypeVar("T")


def run_blocking(steps: Generator[Wait, Any, T]) -> T:
    """Runs the steps to their end in this thread.

    Args:
        steps: A generator that yields its waits.

    Returns:
        What the generator returns.
    """
    result: Any = None
    try:
        wait = next(steps)
        while True:
            try:
                if isinstance(wait, ForWorker):
                    result = wait.future.result()
                else:
                    poll = select.poll()
                    poll.register(wait.descriptor, select.POLLIN)
                    result = bool(poll.poll(math.ceil(wait.timeout_s * 1000)))
            except BaseException as error:
                wait = steps.throw(error)
            else:
                wait = steps.send(result)
    except StopIteration as stop:
        return stop.value


async def run_async(steps: Generator[Wait, Any, T]) -> T:
    """Runs the steps to their end without blocking the event loop.

    Args:
        steps: A generator that yields its waits.

    Returns:
        What the generator returns.
    """
    result: Any = None
    try:
        wait = next(steps)
        while True:
            try:
                if isinstance(wait, ForWorker):
                    result = await asyncio.wrap_future(wait.future)
                else:
                    result = await _readable(wait.descriptor, wait.timeout_s)
            except BaseException as error:
                wait = steps.throw(error)
            else:
                wait = steps.send(result)
    except StopIteration as stop:
        return stop.value


async def _readable(descriptor: int, timeout_s: float) -> bool:
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[None] = loop.create_future()

    def notice() -> None:
        if not arrived.done():
            arrived.set_result(None)

    loop.add_reader(descriptor, notice)
    try:
        await asyncio.wait((arrived,), timeout=timeout_s)
    finally:
        loop.remove_reader(descriptor)
    return arrived.done()
