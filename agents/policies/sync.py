"""Asking a policy without `await`: an event loop in a thread of its own, so that a notebook's own is not in the way."""

import asyncio
import threading
import weakref
from collections.abc import Sequence
from typing import Any

from ..types import Completion, Message, Request, Sampling
from .policy import Policy, Prompt, as_request

_started: "weakref.WeakKeyDictionary[Policy, asyncio.Task[None]]" = weakref.WeakKeyDictionary()
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def _own_loop() -> asyncio.AbstractEventLoop:
    """Return the loop that all calls share: what a policy binds to a loop (locks, connections) stays valid."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="rlvr-sync", daemon=True).start()
        return _loop


def ask_now(policy: Policy, prompts: Prompt | Sequence[Prompt], sampling: Sampling | None) -> list[Completion]:
    """Answer prompts and wait for it; see `Policy.generate_sync`."""
    alone = isinstance(prompts, (str, Request)) or (bool(prompts) and isinstance(prompts[0], Message))
    several: Sequence[Any] = [prompts] if alone else prompts  # type: ignore[assignment]
    requests = [as_request(prompt, sampling) for prompt in several]

    async def answer() -> list[Completion]:
        starting = _started.get(policy)
        if starting is None or (starting.done() and (starting.cancelled() or starting.exception() is not None)):
            starting = _started[policy] = asyncio.create_task(policy.start())
        await asyncio.shield(starting)
        return await policy.generate(requests)

    future = asyncio.run_coroutine_threadsafe(answer(), _own_loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
