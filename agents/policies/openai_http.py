"""One attempt to get an answer over HTTP, bounded in time and size."""

import asyncio
import email.utils
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

from .openai_stream import EventReader, StreamedAnswer
from .openai_wire import Fault

MOST_BYTES = 256 * 2**20
"""A longer answer is none: log-probabilities of 100,000 tokens take a tenth of it."""

DRAIN_S = 1.0
"""How long the end of a connection is waited for after the end of the answer, so that it can be used again."""


class Limits(NamedTuple):
    """How long an attempt is waited for, in seconds."""

    whole: float
    """From the connection to the last byte."""
    first_token: float
    """To the first token of a stream."""
    idle: float
    """To each further token of a stream."""


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    """The HTTP status, or the code of an error that came in the middle of a stream."""
    data: Any
    """The body as JSON, a stream merged into one; None where it is no JSON."""
    retry_after_s: float | None = None


async def post(
    client: httpx.AsyncClient, url: str, content: bytes, *, streamed: bool, limits: Limits, strike: Callable[[str], str]
) -> Reply:
    """Send a request and read the whole answer, whichever way it comes.

    Args:
        client: The connections.
        url: The endpoint.
        content: The body.
        streamed: Whether a stream was asked for; an answer in one piece is fine all the same.
        limits: How long to wait.
        strike: Takes the key out of a text.

    Raises:
        Fault: No answer came, or not the whole of it.
    """
    patience = _Patience(limits, streamed)
    answer = StreamedAnswer()
    try:
        async with patience.timeout, client.stream("POST", url, content=content) as response:
            status = response.status_code
            is_stream = "text/event-stream" in response.headers.get("Content-Type", "")
            if not (status == 200 and streamed and is_stream):
                patience.wait_for_all()
                whole = await _read_whole(response)
                return Reply(status, _json(whole), _retry_after(response.headers.get("Retry-After")))
            await _read_stream(response, answer, patience)
    except TimeoutError:
        if not answer.done:
            raise Fault(patience.reason(answer.begun)) from None
    except httpx.HTTPError as error:
        raise Fault(f"the connection failed: {strike(reason(error))}") from None
    if answer.error is not None:
        said = answer.error["error"]
        code = said.get("code") if isinstance(said, dict) else None
        return Reply(code if isinstance(code, int) and code >= 400 else 500, answer.error)
    return Reply(200, answer.whole())


async def _read_stream(response: httpx.Response, answer: StreamedAnswer, patience: "_Patience") -> None:
    events, size = EventReader(), 0
    async for piece in response.aiter_bytes():
        size += len(piece)
        if size > MOST_BYTES:
            raise Fault(f"the answer is longer than {MOST_BYTES // 2**20} MiB")
        for event in events.feed(piece):
            if not answer.done and answer.add(event):
                patience.token_came(answer.done)
    for event in events.rest():
        if not answer.done:
            answer.add(event)


async def _read_whole(response: httpx.Response) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in response.aiter_bytes():
        size += len(piece)
        if size > MOST_BYTES:
            raise Fault(f"the answer is longer than {MOST_BYTES // 2**20} MiB")
        pieces.append(piece)
    return b"".join(pieces)


class _Patience:
    def __init__(self, limits: Limits, streamed: bool) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._end = now + limits.whole
        self.timeout = asyncio.timeout_at(min(self._end, now + limits.first_token) if streamed else self._end)

    def token_came(self, last: bool) -> None:
        """Go on waiting; after the last token only a moment, for the connection to become free."""
        self.timeout.reschedule(min(self._end, self._loop.time() + (DRAIN_S if last else self._limits.idle)))

    def wait_for_all(self) -> None:
        """Wait for the end of an answer that comes in one piece."""
        self.timeout.reschedule(self._end)

    def reason(self, begun: bool) -> str:
        """Say which limit was overstepped."""
        if self._loop.time() >= self._end:
            return f"no {'end of the answer' if begun else 'answer'} within {self._limits.whole:g} s"
        if begun:
            return f"the stream stood still for {self._limits.idle:g} s"
        return f"no answer within {self._limits.first_token:g} s"


def reason(error: httpx.HTTPError) -> str:
    """Return why a connection failed, as the end of a sentence."""
    return str(error).strip().rstrip(".") or type(error).__name__


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _retry_after(value: str | None) -> float | None:
    """Return the seconds that a `Retry-After` header asks for: a number, or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
