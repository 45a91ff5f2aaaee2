"""A model behind any OpenAI-compatible server: patient with faults, careful with keys."""

import asyncio
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import SplitResult, urlsplit

import httpx
from pydantic import Field

from ...tasks.config import Config, read_config
from ...tasks.errors import UserError
from ...tasks.rng import Rng
from ..types import Completion, Request, Sampling
from .openai_http import Limits, Reply, post, reason
from .openai_server import Dialect, ServerFacts, look_at
from .openai_wire import Fault, chat_body, error_words, ids_body, quoted, read_answer, refused_field
from .policy import Capability, MissingCapability, Policy, PolicyError
from .secret import Secret

KEY_VARIABLES = ("RLVR_API_KEY", "OPENAI_API_KEY")
"""Where the key is looked for, in this order. It is never read from anywhere else."""

STREAM_INTERVAL = 16
"""Tokens that vLLM sends at once: much less work than reading them one by one, and sign of life enough."""

NO_ROOM = "max_tokens must be at least 1, got 0"
"""What vLLM says where a prompt fills the context to its last place, whatever `max_tokens` was."""

_RETRIED = frozenset({408, 409, 425, 429})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_NO_MODEL = re.compile(r"not (exist|found|available|supported|a valid)|no such|unknown|invalid|pinned", re.IGNORECASE)


class OpenAIConfig(Config):
    """Settings of `OpenAIPolicy`."""

    stream: bool | None = None
    """Whether answers are streamed, so that a slow server can be told from a dead one. None: unless tools are
    offered, since servers read tool calls more reliably out of whole answers."""
    first_token_s: Annotated[float, Field(gt=0)] = 120.0
    """Limit on the wait for the first token of a streamed answer; a server's queue counts."""
    idle_s: Annotated[float, Field(gt=0)] = 60.0
    """Limit on the wait for each further token of a streamed answer."""
    timeout_s: Annotated[float, Field(gt=0)] = 600.0
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
    """Whether the server is called before the first episode, so that a wrong address is noticed at once, and what
    it can do is known."""
    probe_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    server: Literal["auto", "openai", "vllm", "transformers"] = "auto"
    """What kind of server it is, which decides the fields it is sent (see `openai_server.Dialect`); `auto`: what
    the probe finds."""
    raw_logprobs: bool = False
    """Whether log-probabilities may be those of the model at temperature 1, where the server has no others."""
    max_tokens_field: str = "max_tokens"
    """The name of the length limit; some servers want `max_completion_tokens`."""
    send_seed: bool = True
    """Whether the request's seed is sent (its lowest 31 bits, which every server takes)."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request's body."""


class _Call(NamedTuple):
    """What one request sends, as often as it takes."""

    path: str
    body: dict[str, Any]
    seed: int
    """Of the jitter between attempts."""


class OpenAIPolicy(Policy):
    """Asks `POST {url}/chat/completions`, and `POST {url}/completions` where a request is made of token ids.

    Hung, dropped and refused connections, streams that stand still or break off, 408, 409, 425, 429, every 5xx,
    broken JSON and answers without a choice are retried with exponential backoff; `Retry-After` is obeyed, and holds
    back the other calls too. What stays broken is one `PolicyError`, for the episode that asked. A refused key
    (401, 403), a missing address or model and a field that the server does not know are a `UserError`: no further
    call could fare better.

    `start` finds out what the server is. vLLM gives and takes token ids, and log-probabilities by token id: then
    `capabilities` grow. Log-probabilities must be those of the sampling distribution: a server that gives the
    model's own (vLLM without `--logprobs-mode processed_logprobs`) is asked for them at temperature 1 without top-k,
    top-p and min-p, or at temperature 0, only. Where a server reports no usage, tokens are counted where it gave
    them, and else estimated at four bytes of text each.

    The key comes from `RLVR_API_KEY` or `OPENAI_API_KEY` and goes nowhere but into the `Authorization` header;
    should the server repeat it, it is struck out of answers, errors and the HTTP library's log.

    Args:
        url: The server's base address, such as `http://localhost:8000/v1`.
        model: The model's name there.
        config: See `OpenAIConfig`.
    """

    capabilities = frozenset({Capability.TEXT, Capability.SEED, Capability.STOP, Capability.LOGPROBS})
    found_at_start = frozenset({Capability.TOKEN_IDS, Capability.TOPK_LOGPROBS})

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
        self.facts = ServerFacts()
        """What is known of the server."""
        self._local = parts.hostname in _LOOPBACK
        self._client: httpx.AsyncClient | None = None
        self._starting: asyncio.Lock | None = None
        self._free = asyncio.Semaphore(self.config.concurrency)
        self._next_turn = 0.0
        self._held_until = 0.0
        self._key = _find_key()
        if self._key.is_in(f"{self.name} {json.dumps(self.config.extra)}"):
            raise UserError(
                "The key stands in the policy's name or its extra fields, and so in every record; it belongs into the "
                f"environment variable {KEY_VARIABLES[0]} alone."
            )

    @classmethod
    def from_name(cls, rest: str, **options: Any) -> "OpenAIPolicy":
        """Make the policy `openai:URL#MODEL`."""
        url, _, model = rest.partition("#")
        return cls(url, model, read_config(OpenAIConfig, options, "The policy openai"))

    def settings(self) -> dict[str, Any]:
        """Return the fields that are added to every request, and what else departs from the defaults."""
        config = self.config
        kept = {"extra": config.extra, "raw_logprobs": config.raw_logprobs, "no_seed": not config.send_seed}
        return {name: value for name, value in kept.items() if value}

    def count_prompt_tokens(self, request: Request) -> int | None:
        """Return the length of a prompt of token ids; of messages, only the answer tells."""
        return None if request.token_ids is None else len(request.token_ids)

    # Beginning and end

    async def start(self) -> None:
        """Open the connection pool, see whether the server answers at all, and find out what it can do."""
        await self.aclose()
        self._key = _find_key()
        self._key.watch_logs()
        self._free = asyncio.Semaphore(self.config.concurrency)
        self._next_turn = 0.0
        self._held_until = 0.0
        self._client = httpx.AsyncClient(
            auth=self._key.auth(),
            headers={"Content-Type": "application/json"},
            timeout=None,  # limits of our own instead: a server that trickles must not hang us
            trust_env=not self._local,  # no proxy between us and this machine
            verify=not (self._local and self.url.startswith("http:")),  # no TLS: certificates take long to load
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=self.config.concurrency),
        )
        try:
            facts = await self._probe(self._client) if self.config.probe else ServerFacts(token_ids=True)
            if self.config.server != "auto":
                facts = replace(facts, dialect=Dialect(self.config.server))
            self._know(facts)
            if self.config.probe and facts.dialect is Dialect.VLLM:
                self._know(await self._ask_for_ids(facts))
        except BaseException:
            await self.aclose()
            raise

    async def _probe(self, client: httpx.AsyncClient) -> ServerFacts:
        try:
            async with asyncio.timeout(self.config.probe_timeout_s):
                facts = await look_at(client, self.url, self.model)
        except TimeoutError:
            raise UserError(
                f"The server {self.url} did not answer within {self.config.probe_timeout_s:g} s; is it running?"
            ) from None
        except httpx.HTTPError as error:
            raise UserError(f"The server {self.url} cannot be reached: {self._key.strike(reason(error))}.") from None
        self._check_key(facts.status, "")
        if facts.dialect is Dialect.VLLM and self.model not in facts.models:
            raise self._no_model(facts, "")
        return facts

    def _know(self, facts: ServerFacts) -> None:
        """Take in what was found out about the server."""
        vllm = facts.dialect is Dialect.VLLM
        self.facts = facts = replace(facts, token_ids=facts.token_ids and vllm)
        self.context_length = facts.context_length
        self.capabilities = type(self).capabilities | (self.found_at_start if facts.token_ids else frozenset())
        if facts.dialect is Dialect.TRANSFORMERS:
            self.capabilities -= {Capability.LOGPROBS}
            if self.config.concurrency > 1:
                self.capabilities -= {Capability.SEED}  # all its requests draw from one random generator

    async def _ask_for_ids(self, facts: ServerFacts) -> ServerFacts:
        """See whether token ids go in and out, and of which distribution log-probabilities are.

        One token is drawn twice, at a low temperature and at the highest that OpenAI's interface knows: only where
        the temperature is reckoned in does it change the log-probability of the likeliest token.
        """
        likeliest: list[float] = []
        for temperature in (0.1, 2.0):
            sampling = Sampling(temperature=temperature, max_tokens=1, logprobs=True, top_logprobs=1)
            request = Request(token_ids=(0,), sampling=sampling)
            call = _Call("/completions", ids_body(request, self.model, facts) | self.config.extra, 0)
            try:
                answer = await self._send(call, request)
            except (PolicyError, UserError):
                return facts  # it takes no ids, or gives no log-probabilities: then it is used without
            if answer.token_ids is None or not answer.top_logprobs or not answer.top_logprobs[0]:
                return facts
            likeliest.append(answer.top_logprobs[0][0][1])
        return replace(facts, token_ids=True, sampling_logprobs=abs(likeliest[0] - likeliest[1]) > 0.1)

    async def aclose(self) -> None:
        """Close the connections."""
        self._key.leave_logs()
        self._starting = None
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    # Answering

    async def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Send all requests at once, within the limits on concurrency and rate."""
        if self._client is None:
            self._starting = self._starting or asyncio.Lock()
            async with self._starting:
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
        made = await self._send(self._call(request), request)
        length = self.context_length
        if length is not None and not made.usage.completion_tokens and made.usage.prompt_tokens >= length:
            raise self._too_long(made.usage.prompt_tokens, length)
        if request.sampling.logprobs and made.logprobs is None and made.text:
            raise MissingCapability(self.name, [Capability.LOGPROBS], "A request for log-probabilities")
        return made

    def _call(self, request: Request) -> _Call:
        """Write a request down, or refuse what the server cannot answer."""
        config, sampling, facts = self.config, request.sampling, self.facts
        if request.hooks is not None:
            hooks = request.hooks
            asked = {Capability.HIDDEN: hooks.probes, Capability.STEER: hooks.steer, Capability.EMBEDS_IN: hooks.embeds}
            self.require({capability for capability, given in asked.items() if given}, "A request with hooks")
        if sampling.ignore_eos and facts.dialect is not Dialect.VLLM:
            raise UserError(f"The server {self.url} always ends an answer where the model does; ignore_eos needs vLLM.")
        if sampling.top_logprobs:
            self.require({Capability.TOPK_LOGPROBS}, "A request for top log-probabilities")
        if sampling.logprobs or sampling.top_logprobs:
            self.require({Capability.LOGPROBS}, "A request for log-probabilities")
            if not (facts.sampling_logprobs or config.raw_logprobs or _is_plain(sampling)):
                raise UserError(
                    f"The server {self.url} gives log-probabilities of the model at temperature 1, not of the sampling "
                    "distribution; ask at temperature 1 without top_k, top_p and min_p, start vLLM with "
                    "--logprobs-mode processed_logprobs, or take them as they are with --policy-set raw_logprobs=true."
                )
        if request.token_ids is not None:
            self.require({Capability.TOKEN_IDS}, "A request of token ids")
            if facts.context_length is not None and len(request.token_ids) >= facts.context_length:
                raise self._too_long(len(request.token_ids), facts.context_length)
            path, body = "/completions", ids_body(request, self.model, facts)
        else:
            path, body = "/chat/completions", chat_body(request, self.model, facts, config.max_tokens_field)
        if request.seed is not None and config.send_seed:
            body["seed"] = request.seed & 0x7FFFFFFF
        if config.stream if config.stream is not None else not request.tools:
            body["stream"] = True
            if facts.dialect is not Dialect.TRANSFORMERS:  # which reports usage unasked
                body["stream_options"] = {"include_usage": True}
            if facts.dialect is Dialect.VLLM:
                body["stream_interval"] = STREAM_INTERVAL
        return _Call(path, body | config.extra, request.seed or 0)

    def _too_long(self, tokens: int, length: int) -> PolicyError:
        return PolicyError(
            f"{self.name}: the prompt has {tokens} tokens, which leaves no room for an answer in the model's context "
            f"of {length}"
        )

    async def _send(self, call: _Call, request: Request) -> Completion:
        """Make a call until its answer can be read."""
        content = json.dumps(call.body).encode()  # ASCII: lone surrogates, which UTF-8 lacks, pass too
        jitter = Rng.named("backoff", call.seed)
        attempts = self.config.retries + 1
        for attempt in range(attempts):
            try:
                async with self._free:
                    await self._wait_for_turn()
                    return read_answer(await self._attempt(call, content), request, self._key.strike)
            except Fault as fault:
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

    async def _attempt(self, call: _Call, content: bytes) -> Any:
        """Make a call once; returns the answer as JSON.

        Raises:
            Fault: Another attempt may fare better.
            PolicyError: The server refuses the request.
            UserError: It would refuse every request.
        """
        if self._client is None:
            raise PolicyError(f"{self.name} was closed")
        config = self.config
        reply = await post(
            self._client,
            f"{self.url}{call.path}",
            content,
            streamed=call.body.get("stream") is True,
            limits=Limits(config.timeout_s, config.first_token_s, config.idle_s),
            strike=self._key.strike,
        )
        if reply.status != 200:
            raise self._refusal(reply, call)
        if reply.data is None:
            raise Fault("the answer is not JSON")
        return reply.data

    # Refusals

    def _refusal(self, reply: Reply, call: _Call) -> Exception:
        """Return what a status other than 200 amounts to."""
        status, words = reply.status, error_words(reply.data, self._key.strike)
        said = quoted(words)
        self._check_key(status, said)
        if status == 404 or (status in (400, 422) and self.model in words and _NO_MODEL.search(words)):
            return self._no_model(self.facts, said)
        if 300 <= status < 400:
            return UserError(f"The server {self.url} redirects elsewhere; give its final address.")
        if status in _RETRIED or status >= 500 or status < 300:
            return Fault(f"the server answered {status}{said}", reply.retry_after_s)
        if status == 400 and self.context_length is not None and NO_ROOM in words:
            return self._too_long(self.context_length, self.context_length)
        refused = refused_field(words, call.body, self.config.extra) if status in (400, 422) else None
        if refused is not None:
            return UserError(f"The server {self.url} {refused} ({words}).")
        return PolicyError(f"{self.name}: the server answered {status}{said}")

    def _no_model(self, facts: ServerFacts, said: str) -> UserError:
        others = [name for name in facts.models if name != self.model]
        listed = self._key.strike(", ".join(others[:20]) + (", ..." if len(others) > 20 else ""))
        serves = f"; it serves {listed}" if listed else ""
        return UserError(f"The server {self.url} has no such address or model {self.model!r}{said}{serves}.")

    def _check_key(self, status: int, said: str) -> None:
        if status in (401, 403):
            state = "refuses the key in the environment" if self._key else "wants a key"
            raise UserError(f"The server {self.url} {state}{said}; set {' or '.join(KEY_VARIABLES)}.")


def _is_plain(sampling: Sampling) -> bool:
    """Return whether the sampling distribution is the model's own, or the log-probabilities shall be (greedy)."""
    own = sampling.temperature == 1 and sampling.top_p == 1 and not sampling.top_k and not sampling.min_p
    return own or sampling.temperature == 0


def _port_is_valid(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _find_key() -> Secret:
    for name in KEY_VARIABLES:
        key = os.environ.get(name, "").strip()
        if key:
            if not (key.isascii() and key.isprintable()):
                raise UserError(f"The key in the environment variable {name} has characters that no key has.")
            return Secret(key)
    return Secret()
