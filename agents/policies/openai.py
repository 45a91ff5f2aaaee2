"""A model behind any OpenAI-compatible server: patient with faults, careful with keys."""

import asyncio
import email.utils
import json
import os
import time
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import httpx
from pydantic import Field, ValidationError

from ...tasks.config import Config, read_config
from ...tasks.errors import UserError
from ...tasks.rng import Rng
from ..types import Completion, FinishReason, Message, Request, TextPart, ToolCall, Usage
from .policy import Capability, Policy, PolicyError

KEY_VARIABLES = ("RLVR_API_KEY", "OPENAI_API_KEY")
"""Where the key is looked for, in this order. It is never read from anywhere else."""

SHORTEST_SECRET = 8
"""Shorter keys (`none`, `EMPTY`) are placeholders for local servers, and ordinary words of an answer."""

_RETRIED = frozenset({408, 409, 425, 429})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_FINISH = {
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class OpenAIConfig(Config):
    """Settings of `OpenAIPolicy`."""

    timeout_s: Annotated[float, Field(gt=0)] = 120.0
    """Limit on one attempt, from the connection to the last byte."""
    retries: Annotated[int, Field(ge=0)] = 5
    """Attempts after the first one."""
    backoff_s: Annotated[float, Field(ge=0)] = 0.5
    """Wait before the first retry; it doubles every time, with up to 50 % taken off at random."""
    max_backoff_s: Annotated[float, Field(ge=0)] = 30.0
    max_retry_after_s: Annotated[float, Field(ge=0)] = 120.0
    """A server that asks to wait longer than this is not waited for."""
    concurrency: Annotated[int, Field(ge=1)] = 32
    """Attempts under way at once."""
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    """Attempts started per minute, evenly spaced; None: no limit."""
    probe: bool = True
    """Whether the server is called before the first episode, so that a wrong address is noticed at once."""
    probe_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    max_tokens_field: str = "max_tokens"
    """The name of the length limit; some servers want `max_completion_tokens`."""
    send_seed: bool = True
    """Whether the request's seed is sent (its lowest 31 bits, which every server takes)."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request's body."""


class _Fault(Exception):
    """One attempt failed in a way that another may mend."""

    def __init__(self, what: str, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.retry_after_s = retry_after_s


class OpenAIPolicy(Policy):
    """Asks `POST {url}/chat/completions`.

    Hung, dropped and refused connections, 408, 409, 425, 429, every 5xx, broken JSON and answers without a choice
    are retried with exponential backoff; `Retry-After` is obeyed, and holds back the other calls too. What stays
    broken is one `PolicyError`, for the episode that asked. A refused key (401, 403) or a missing address or model
    (404) is a `UserError`: no further call could fare better. Where a server reports no usage, a token is counted
    for every four bytes of text.

    The key comes from `RLVR_API_KEY` or `OPENAI_API_KEY` and goes nowhere but into the `Authorization` header;
    should the server repeat it, it is struck out of answers and errors.

    Args:
        url: The server's base address, such as `http://localhost:8000/v1`.
        model: The model's name there.
        config: See `OpenAIConfig`.
    """

    capabilities = frozenset({Capability.TEXT, Capability.SEED, Capability.STOP, Capability.LOGPROBS})

    def __init__(self, url: str, model: str, config: OpenAIConfig | None = None) -> None:
        wrong = f"{url!r} is not the address of a server; write it like http://localhost:8000/v1."
        try:
            parts = urlsplit(url)
        except ValueError:
            raise UserError(wrong) from None
        if parts.scheme not in ("http", "https") or not parts.hostname or not _port_is_valid(parts):
            raise UserError(wrong)
        if parts.username or parts.password or parts.query:
            raise UserError(
                "A server's address must not contain a user name, a password or a query, since it stands in every "
                f"record; put the key into the environment variable {KEY_VARIABLES[0]}."
            )
        if not model:
            raise UserError(f"Name the model after a #, such as openai:{url}#my-model.")
        path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
        self.url = f"{parts.scheme}://{parts.netloc}{path}"
        self.model = model
        self.name = f"openai:{self.url}#{model}"
        self.config = config or OpenAIConfig()
        self._local = parts.hostname in _LOOPBACK
        self._client: httpx.AsyncClient | None = None
        self._free = asyncio.Semaphore(self.config.concurrency)
        self._next_turn = 0.0
        self._held_until = 0.0
        self._key = ""

    @classmethod
    def from_name(cls, rest: str, **options: Any) -> "OpenAIPolicy":
        """Make the policy `openai:URL#MODEL`."""
        url, _, model = rest.partition("#")
        return cls(url, model, read_config(OpenAIConfig, options, "The policy openai"))

    def settings(self) -> dict[str, Any]:
        """Return the fields that are added to every request."""
        return {"extra": self.config.extra} if self.config.extra else {}

    async def start(self) -> None:
        """Open the connection pool and see whether the server answers at all."""
        await self.aclose()
        self._key = _find_key()
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._free = asyncio.Semaphore(self.config.concurrency)
        self._next_turn = 0.0
        self._held_until = 0.0
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=None,  # one limit for the whole attempt instead: a server that trickles must not hang us
            trust_env=not self._local,  # no proxy between us and this machine
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=self.config.concurrency),
        )
        if self.config.probe:
            try:
                await self._probe(self._client)
            except BaseException:
                await self.aclose()
                raise

    async def _probe(self, client: httpx.AsyncClient) -> None:
        """Accept any HTTP answer but a refused key: not every server lists its models."""
        try:
            async with asyncio.timeout(self.config.probe_timeout_s):
                response = await client.get(f"{self.url}/models")
        except TimeoutError:
            raise UserError(
                f"The server {self.url} did not answer within {self.config.probe_timeout_s:g} s; is it running?"
            ) from None
        except httpx.HTTPError as error:
            raise UserError(f"The server {self.url} cannot be reached: {self._clean(_reason(error))}.") from None
        self._check_key(response.status_code)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Send all requests at once, within the limits on concurrency and rate."""
        if self._client is None:
            await self.start()
        outcomes = await asyncio.gather(*(self._answer(request) for request in requests), return_exceptions=True)
        completions: list[Completion] = []
        for outcome in outcomes:  # all calls have come to their end, so no answer is lost to a neighbour's failure
            if isinstance(outcome, BaseException):
                raise outcome
            completions.append(outcome)
        return completions

    async def _answer(self, request: Request) -> Completion:
        body = json.dumps(self._body(request)).encode()  # ASCII: lone surrogates, which UTF-8 lacks, pass too
        jitter = Rng.named("backoff", request.seed or 0)
        attempts = self.config.retries + 1
        for attempt in range(attempts):
            try:
                async with self._free:
                    await self._wait_for_turn()
                    return await self._attempt(body)
            except _Fault as fault:
                problem, wait = str(fault), fault.retry_after_s
            if wait is not None and wait > self.config.max_retry_after_s:
                raise PolicyError(f"{self.name}: {problem}; the server asks to wait {wait:.0f} s")
            if wait is not None:
                self._held_until = max(self._held_until, time.monotonic() + wait)
            if attempt + 1 < attempts:
                pause = min(self.config.max_backoff_s, self.config.backoff_s * 2**attempt)
                await asyncio.sleep(max(wait or 0.0, pause * (1 - 0.5 * jitter.random())))
        raise PolicyError(f"{self.name}: {problem} ({attempts} attempts)")

    async def _wait_for_turn(self) -> None:
        """Wait until the rate limit, and what the server asked for, let another attempt start."""
        if self.config.requests_per_minute is not None:
            now = time.monotonic()
            turn = max(now, self._next_turn)
            self._next_turn = turn + 60.0 / self.config.requests_per_minute
            await asyncio.sleep(turn - now)
        while (wait := self._held_until - time.monotonic()) > 0:
            await asyncio.sleep(wait)

    async def _attempt(self, body: bytes) -> Completion:
        if self._client is None:
            raise PolicyError(f"{self.name} was closed")
        try:
            async with asyncio.timeout(self.config.timeout_s):
                response = await self._client.post(f"{self.url}/chat/completions", content=body)
        except TimeoutError:
            raise _Fault(f"no answer within {self.config.timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise _Fault(f"the connection failed: {self._clean(_reason(error))}") from None
        status = response.status_code
        if status == 200:
            return self._completion(response.content, body)
        self._check_key(status)
        said = self._said(response.content)
        if status == 404:
            raise UserError(f"The server {self.url} has no such address or model {self.model!r}{said}.")
        if 300 <= status < 400:
            raise UserError(f"The server {self.url} redirects elsewhere; give its final address.")
        if status in _RETRIED or status >= 500:
            raise _Fault(f"the server answered {status}{said}", _retry_after(response.headers.get("Retry-After")))
        raise PolicyError(f"{self.name}: the server answered {status}{said}")

    def _check_key(self, status: int) -> None:
        if status in (401, 403):
            state = "refuses the key in the environment" if self._key else "wants a key"
            raise UserError(f"The server {self.url} {state}; set {' or '.join(KEY_VARIABLES)}.")

    def _body(self, request: Request) -> dict[str, Any]:
        if request.messages is None:
            self.require({Capability.TOKEN_IDS}, "A request of token ids")
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [_message(message) for message in request.messages or ()],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            self.config.max_tokens_field: sampling.max_tokens,
        }
        if sampling.top_k:
            body["top_k"] = sampling.top_k
        if sampling.min_p:
            body["min_p"] = sampling.min_p
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if sampling.logprobs:
            body["logprobs"] = True
        if request.seed is not None and self.config.send_seed:
            body["seed"] = request.seed & 0x7FFFFFFF
        if request.tools:
            body["tools"] = list(request.tools)
        return body | self.config.extra

    def _completion(self, content: bytes, asked: bytes) -> Completion:
        """Read an answer; whatever it lacks is a fault, for a retry."""
        try:
            data = json.loads(content)
            choice = data["choices"][0]
            said = choice["message"]
            text = said.get("content") or ""
            if not isinstance(text, str):
                text = "".join(part.get("text", "") for part in text)
            calls = tuple(
                ToolCall(
                    id=self._clean(str(call.get("id") or number)),
                    name=self._clean(call["function"]["name"]),
                    arguments=self._clean(call["function"].get("arguments") or ""),
                )
                for number, call in enumerate(said.get("tool_calls") or ())
            )
            ended = choice.get("finish_reason") in ("stop", "length")  # an empty reply of the model's own is a reply
            if not text and not calls and not ended and not said.get("reasoning_content"):
                raise _Fault("the answer is empty")
            scored = (choice.get("logprobs") or {}).get("content")
            used = data.get("usage") or {}
            completion_tokens = int(used.get("completion_tokens", (len(text.encode("utf-8", "replace")) + 3) // 4))
            return Completion(
                text=self._clean(text),
                logprobs=None if scored is None else tuple(float(token["logprob"]) for token in scored),
                finish_reason=_FINISH.get(choice.get("finish_reason"), FinishReason.STOP),
                usage=Usage(
                    prompt_tokens=int(used.get("prompt_tokens", (len(asked) + 3) // 4)),
                    completion_tokens=completion_tokens,
                    decoded_tokens=completion_tokens,
                ),
                tool_calls=calls,
            )
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise _Fault("the answer is not JSON") from None
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, ValidationError):
            raise _Fault("the answer holds no completion") from None

    def _said(self, content: bytes) -> str:
        """Return the server's own words about an error, shortened and without the key."""
        try:
            data = json.loads(content)
            error = data.get("error", data)
            message = error if isinstance(error, str) else error["message"]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return ""
        words = " ".join(self._clean(str(message)).split()).rstrip(".")
        return f": {words[:200]}" if words else ""

    def _clean(self, text: str) -> str:
        return text.replace(self._key, "[key]") if len(self._key) >= SHORTEST_SECRET else text


def _port_is_valid(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _find_key() -> str:
    for name in KEY_VARIABLES:
        key = os.environ.get(name, "").strip()
        if key:
            if not (key.isascii() and key.isprintable()):
                raise UserError(f"The key in the environment variable {name} has characters that no key has.")
            return key
    return ""


def _reason(error: httpx.HTTPError) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


def _message(message: Message) -> dict[str, Any]:
    said: dict[str, Any] = {"role": message.role}
    if isinstance(message.content, str):
        said["content"] = message.content
    else:
        said["content"] = [
            {"type": "text", "text": part.text}
            if isinstance(part, TextPart)
            else {"type": "image_url", "image_url": {"url": part.url}}
            for part in message.content
        ]
    if message.tool_calls:
        said["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        said["tool_call_id"] = message.tool_call_id
    return said


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
