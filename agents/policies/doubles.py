"""Test doubles that need no model: they read the fields of a request that a real policy never sees."""

import json
import re
from collections.abc import Sequence
from typing import ClassVar

from ...tasks.errors import UserError
from ...tasks.rng import Rng, derive_seed
from ..types import Completion, FinishReason, Message, Request, Usage
from .policy import Capability, Policy

_WORD = re.compile(r"\S+")


def message_text(message: Message) -> str:
    """Return the text of a message, without its images."""
    if isinstance(message.content, str):
        return message.content
    return "\n".join(part.text for part in message.content if part.type == "text")


def in_asked_form(request: Request, action: str) -> str:
    """Return an action in the form of reply that the prompt's system text asks for."""
    asked = message_text(request.messages[0]) if request.messages else ""
    if "<action>" in asked:
        return f"<action>{action}</action>"
    if '{"action":' in asked:
        return json.dumps({"action": action})
    if "in a box" in asked:
        return rf"\boxed{{{action}}}"
    return action


def request_rng(request: Request, *names: str | int) -> Rng:
    """Return the generator of a request: its seed's, or else its text's."""
    if request.seed is not None:
        return Rng.named("policy", request.seed, *names)
    return Rng.named("policy", derive_seed(*(message_text(message) for message in request.messages or ())), *names)


class WordPolicy(Policy):
    """A policy made of text alone; its tokens are words (stretches without white space)."""

    capabilities: frozenset[Capability] = frozenset({Capability.TEXT, Capability.SEED, Capability.STOP})

    def reply(self, request: Request) -> str:
        """Return the text of the answer; a pure function of the request."""
        raise NotImplementedError(f"{type(self).__name__} must say what it replies")

    async def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer each request by `reply`, cut at stop strings and at `max_tokens` words."""
        return [self._complete(request) for request in requests]

    def count_prompt_tokens(self, request: Request) -> int:
        """Return the number of words of all messages."""
        return sum(len(_WORD.findall(message_text(message))) for message in request.messages or ())

    def _complete(self, request: Request) -> Completion:
        if request.messages is None:
            self.require({Capability.TOKEN_IDS}, "A request of token ids")
        text = self.reply(request)
        reason = FinishReason.STOP
        ends = [found for stop in request.sampling.stop if (found := text.find(stop)) >= 0]
        if ends:
            text = text[: min(ends)]
        words = list(_WORD.finditer(text))
        if len(words) > request.sampling.max_tokens:
            words = words[: request.sampling.max_tokens]
            text = text[: words[-1].end()]
            reason = FinishReason.LENGTH
        usage = Usage(
            prompt_tokens=self.count_prompt_tokens(request), completion_tokens=len(words), decoded_tokens=len(words)
        )
        return Completion(text=text, finish_reason=reason, usage=usage)


def _no_argument(name: str, rest: str) -> None:
    if rest:
        raise UserError(f"The policy {name} takes nothing after its name, but got {rest!r}.")


class RandomPolicy(WordPolicy):
    """Says one of the request's choices, uniformly."""

    name = "random"
    wants_choices: ClassVar[bool] = True

    @classmethod
    def from_name(cls, rest: str) -> "RandomPolicy":
        """Make the policy `random`."""
        _no_argument(cls.name, rest)
        return cls()

    def reply(self, request: Request) -> str:
        """Return one of the choices; nothing where there are none."""
        return in_asked_form(request, request_rng(request).choice(request.choices)) if request.choices else ""


class ExpertPolicy(WordPolicy):
    """Says what the environment's expert would do. Privileged."""

    name = "expert"
    wants_reference: ClassVar[bool] = True

    @classmethod
    def from_name(cls, rest: str) -> "ExpertPolicy":
        """Make the policy `expert`."""
        _no_argument(cls.name, rest)
        return cls()

    def reply(self, request: Request) -> str:
        """Return the reference; nothing where the expert knows no way on."""
        return in_asked_form(request, request.reference) if request.reference is not None else ""


class OraclePolicy(WordPolicy):
    """Says the expert's action with a given probability, else one of the choices. Privileged.

    Args:
        quality: The probability, 0 to 1.
    """

    wants_choices: ClassVar[bool] = True
    wants_reference: ClassVar[bool] = True

    def __init__(self, quality: float) -> None:
        if not 0 <= quality <= 1:
            raise UserError(f"An oracle's quality lies between 0 and 1, not at {quality}.")
        self.quality = quality
        self.name = f"oracle:{quality:g}"

    @classmethod
    def from_name(cls, rest: str) -> "OraclePolicy":
        """Make the policy `oracle:Q`, which may also be written `oracle:q=Q`."""
        try:
            return cls(float(rest.removeprefix("q=")))
        except ValueError:
            raise UserError(f"Write the oracle's quality after the colon, such as oracle:0.7, not {rest!r}.") from None

    def reply(self, request: Request) -> str:
        """Return the reference or a choice."""
        rng = request_rng(request)
        if rng.random() < self.quality and request.reference is not None:
            return in_asked_form(request, request.reference)
        return in_asked_form(request, rng.choice(request.choices)) if request.choices else ""
