"""The one interface to language models, and the factory that makes them from their names."""

import importlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence, Set
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ...tasks.errors import UnknownName, UserError
from ..types import Completion, Message, Request, Sampling

if TYPE_CHECKING:
    from .template import ChatTemplate

Prompt = str | Sequence[Message] | Request
"""What a policy can be asked: a text (one user message), messages, or a whole request."""


def as_request(prompt: Prompt, sampling: Sampling | None = None, tools: Sequence[dict[str, Any]] = ()) -> Request:
    """Return a prompt of any form as a request; a whole request brings its own sampling and tools."""
    if isinstance(prompt, Request):
        return prompt
    messages = (Message(role="user", content=prompt),) if isinstance(prompt, str) else tuple(prompt)
    return Request(messages=messages, sampling=sampling or Sampling(), tools=tuple(tools))


class Capability(StrEnum):
    """What a back end can do beyond answering; a strategy names what it needs."""

    TEXT = "text"
    """Messages in, text out."""
    N = "n"
    """Many completions of one prompt for the price of reading it once."""
    SEED = "seed"
    """The same request with the same seed gets the same completion."""
    STOP = "stop"
    """Stop strings end a completion."""
    PREFILL = "prefill"
    """A last assistant message is continued instead of answered."""
    LOGPROBS = "logprobs"
    """Log-probabilities of the sampled tokens, under the sampling distribution."""
    TOPK_LOGPROBS = "topk_logprobs"
    """Log-probabilities of the likeliest tokens at every position."""
    TOKEN_IDS = "token_ids"
    """Token ids in, token ids out."""
    FORK = "fork"
    """A decoding state can be copied and pruned."""
    HIDDEN = "hidden"
    """Hidden states can be read."""
    EMBEDS_IN = "embeds_in"
    """Embeddings are taken in place of tokens."""
    STEER = "steer"
    """Vectors can be added to hidden states."""
    TRAIN = "train"
    """Gradients flow; the weights can be changed."""


class PolicyError(RuntimeError):
    """A call failed for good; the episode ends with `policy_error`, the others go on."""


class Policy(ABC):
    """Something that answers requests.

    A policy is shared by all episodes of a run: `generate` is called many times at once, and batching or limiting
    those calls is the policy's own business. What it answers to a request may depend on the request alone (its
    prompt, sampling parameters and seed), never on the order of the calls.
    """

    name: str
    """The name that `make_policy` reads, as it stands in records. Never holds a secret."""
    capabilities: frozenset[Capability] = frozenset({Capability.TEXT})
    found_at_start: frozenset[Capability] = frozenset()
    """Capabilities that `start` may add, once it has seen the server behind the policy."""
    wants_choices: ClassVar[bool] = False
    """Whether `Request.choices` should be filled in with what could be played (test doubles)."""
    wants_reference: ClassVar[bool] = False
    """Whether `Request.reference` should be filled in with the expert's action (test doubles; flagged)."""
    chat: "ChatTemplate | None" = None
    """The chat template, where the policy owns one: sessions then send token ids beside the messages."""
    context_length: int | None = None
    """How many tokens a prompt and its answer may have together, where that is known."""

    @property
    def template(self) -> str | None:
        """The chat template's fingerprint, where the policy owns one."""
        return None if self.chat is None else self.chat.fingerprint

    @abstractmethod
    async def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer each request, in order.

        Raises:
            PolicyError: A call failed for good.
            UserError: It can never work (a wrong key, a model that is not there).
        """

    async def start(self) -> None:  # noqa: B027 (most have nothing to do)
        """Get ready to answer; called once before the first request.

        Raises:
            UserError: It cannot be used at all (a server that is not there); the message says what to do.
        """

    async def aclose(self) -> None:  # noqa: B027 (most have nothing to do)
        """Give back what it holds."""

    def generate_sync(self, prompts: "Prompt | Sequence[Prompt]", sampling: Sampling | None = None) -> list[Completion]:
        """Answer without `await`, for notebooks and scripts; works where an event loop is running, too.

        Args:
            prompts: One or several of: a text, messages, a whole request.
            sampling: How to draw; a whole request brings its own.

        Returns:
            One completion a prompt.
        """
        from .sync import ask_now

        return ask_now(self, prompts, sampling)

    def settings(self) -> dict[str, Any]:
        """Return what, besides its name, its answers depend on; kept in the run's configuration. No secrets."""
        return {}

    def count_prompt_tokens(self, request: Request) -> int | None:
        """Return how many tokens a request's prompt has, or None where only the answer tells."""
        return None

    def require(self, needed: Set[Capability], purpose: str) -> None:
        """Refuse politely unless all capabilities are there.

        Raises:
            MissingCapability: It lacks one; the message names back ends that have it.
        """
        lacking = [capability for capability in Capability if capability in needed - self.capabilities]
        if lacking:
            raise MissingCapability(self.name, lacking, purpose)


class Backend(NamedTuple):
    """One kind of policy."""

    prefix: str
    """What a policy's name begins with, up to the first colon."""
    entry: str
    """Module and class method below `rlvr.agents.policies`, called with the rest of the name."""
    form: str
    """How the whole name is written."""
    summary: str
    capabilities: frozenset[Capability]


_TEXT = frozenset({Capability.TEXT, Capability.SEED, Capability.STOP})

_LOCAL = frozenset(Capability)

BACKENDS: tuple[Backend, ...] = (
    Backend(
        "tiny", "tiny:TinyPolicy.tiny", "tiny[:FOLDER]",
        "The small model that ships with the package, or another of its kind from a folder.", _LOCAL,
    ),
    Backend("tiny-base", "tiny:TinyPolicy.base", "tiny-base", "The same model, stopped early in training.", _LOCAL),
    Backend(
        "hf", "hf:HFPolicy.from_name", "hf:MODEL",
        "Any causal model of transformers: a folder, or a name on the Hub such as hf:Qwen/Qwen3-0.6B.", _LOCAL,
    ),
    Backend(
        "scripted", "scripted:ScriptedPolicy.from_name", "scripted[:FILE]",
        "Replies from a YAML, JSON or JSON-lines file; without one, a fixed habit.", _TEXT,
    ),
    Backend("random", "doubles:RandomPolicy.from_name", "random", "One of the possible actions, uniformly.", _TEXT),
    Backend("expert", "doubles:ExpertPolicy.from_name", "expert", "What the environment's expert would do.", _TEXT),
    Backend(
        "oracle", "doubles:OraclePolicy.from_name", "oracle:Q",
        "The expert's action with probability Q, else one of the possible actions; oracle:q=0.7 is oracle:0.7.", _TEXT,
    ),
    Backend(
        "openai", "openai:OpenAIPolicy.from_name", "openai:URL#MODEL",
        "A model behind any OpenAI-compatible server, such as openai:http://localhost:8000/v1#qwen3.",
        frozenset({*_TEXT, Capability.LOGPROBS}),
    ),
    Backend(
        "vllm", "vllm:VllmPolicy.from_name", "vllm:MODEL", "A model in vLLM's engine: a folder, or an id of the hub.",
        frozenset({*_TEXT, Capability.PREFILL, Capability.LOGPROBS, Capability.TOPK_LOGPROBS, Capability.TOKEN_IDS}),
    ),
)  # fmt: skip


class MissingCapability(UserError):
    """A strategy needs what a back end lacks; the message names back ends that have it."""

    def __init__(self, policy: str, lacking: Sequence[Capability], purpose: str) -> None:
        self.lacking = tuple(lacking)
        own = policy.partition(":")[0]
        having = [row.form for row in BACKENDS if row.prefix != own and set(lacking) <= row.capabilities]
        hint = f"use {' or '.join(having)}" if having else "no other back end of this version has that"
        super().__init__(f"{purpose} needs {', '.join(lacking)}, which the policy {policy} lacks; {hint}.")


def make_policy(name: str, **options: Any) -> Policy:
    """Make the policy of a name: `scripted:FILE`, `random`, `expert`, `openai:URL#MODEL`, ... (see `BACKENDS`).

    Args:
        name: A back end, and after a colon what it is to load.
        **options: Settings of the back end (retries, rate limits; see its class).

    Raises:
        UnknownName: There is no such back end; the message names the nearest.
        UserError: The rest of the name, or an option, is not what the back end takes.
    """
    prefix, _, rest = name.partition(":")
    for backend in BACKENDS:
        if backend.prefix == prefix:
            module, _, path = backend.entry.partition(":")
            maker: Any = importlib.import_module(f"{__package__}.{module}")
            for attribute in path.split("."):
                maker = getattr(maker, attribute)
            takes = inspect.signature(maker).parameters.values()
            if options and not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in takes):
                known = [parameter.name for parameter in takes][1:]
                unknown = [option for option in options if option not in known]
                if unknown:
                    hint = f"it takes {', '.join(known)}" if known else "it takes none"
                    raise UserError(f"The policy {prefix} has no setting {unknown[0]!r}; {hint}.")
            policy: Policy = maker(rest, **options)
            return policy
    raise UnknownName("policy", prefix, (backend.prefix for backend in BACKENDS))
