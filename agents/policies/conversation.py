"""A conversation's tokens: a buffer that only grows, with the role of every token; and the way back from records."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from ...tasks.errors import MalformedData
from ..types import RESPONSE_ROLES, Episode, Generation, Message, Role, Span
from .past import Past
from .spans import token_spans
from .template import ChatTemplate, Piece, TemplateRefusal


class Run(NamedTuple):
    """Neighbouring tokens of one role and origin."""

    role: Role
    start: int
    end: int
    generation: int | None
    """The generation that sampled them; None where they were given."""


class Conversation:
    """Tokens in the order in which a model sees them. Nothing that stands in it is ever changed.

    The prompt is all that stands before the first sampled token, the response all from there on, what was given in
    between included; `response_mask` picks the sampled tokens out.
    """

    def __init__(self) -> None:
        self.ids: list[int] = []
        """All token ids."""
        self.runs: list[Run] = []
        """Their roles and origins, without gaps."""
        self.generations: list[int] = []
        """The generations whose tokens were sampled here, in order."""
        self.marks: list[tuple[int, int]] = []
        """After how many messages how many tokens stand, where both have a border in common."""
        self._logprobs: dict[int, tuple[int, Sequence[float] | None]] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def give(self, pieces: Iterable[Piece]) -> None:
        """Append tokens that were not sampled."""
        for piece in pieces:
            self._append(piece.ids, piece.role, None)

    def sample(
        self, generation: int, ids: Sequence[int], spans: Sequence[Span] = (), logprobs: Sequence[float] | None = None
    ) -> None:
        """Append what a generation sampled.

        Args:
            generation: Its number in the episode.
            ids: The emitted tokens, those that end the answer included.
            spans: Their roles; what no span covers is an action.
            logprobs: Their log-probabilities under the sampling distribution.

        Raises:
            MalformedData: There are not as many log-probabilities as tokens, or a span is not of a sampled role.
        """
        if logprobs is not None and len(logprobs) != len(ids):
            raise MalformedData(
                f"Generation {generation} has {len(logprobs)} log-probabilities for {len(ids)} sampled tokens."
            )
        self._logprobs[generation] = (len(self.ids), logprobs)
        self.generations.append(generation)
        position = 0
        for span in sorted(spans, key=lambda span: span.start):
            if span.role not in RESPONSE_ROLES or not position <= span.start <= span.end <= len(ids):
                raise MalformedData(
                    f"Generation {generation} has a span {span.role} from {span.start} to {span.end}, which is no "
                    f"part of its {len(ids)} sampled tokens."
                )
            self._append(ids[position : span.start], Role.ACTION, generation)
            self._append(ids[span.start : span.end], span.role, generation)
            position = span.end
        self._append(ids[position:], Role.ACTION, generation)

    def mark(self, messages: int, tokens: int) -> None:
        """Note that the first so many messages are the first so many tokens."""
        self.marks.append((messages, tokens))

    def position(self, messages: int, length: int) -> int | None:
        """Return how many tokens the first so many messages are, in a buffer of that length; None if none are noted."""
        return next((tokens for count, tokens in reversed(self.marks) if count == messages and tokens <= length), None)

    def fork(self, kept: int) -> "Conversation":
        """Return another conversation that begins with the first `kept` tokens; there they are part of the prompt."""
        other = Conversation()
        other._append(self.ids[:kept], Role.PROMPT, None)
        other.marks = [mark for mark in self.marks if mark[1] <= kept]
        return other

    def _append(self, ids: Sequence[int], role: Role, generation: int | None) -> None:
        if not ids:
            return
        start = len(self.ids)
        self.ids.extend(ids)
        last = self.runs[-1] if self.runs else None
        if last is not None and (last.role, last.generation) == (role, generation):
            self.runs[-1] = last._replace(end=len(self.ids))
        else:
            self.runs.append(Run(role, start, len(self.ids), generation))

    # What trainers read

    @property
    def prompt_length(self) -> int:
        """How many tokens stand before the first sampled one."""
        return next((run.start for run in self.runs if run.generation is not None), len(self.ids))

    @property
    def prompt_ids(self) -> list[int]:
        """The tokens before the first sampled one."""
        return self.ids[: self.prompt_length]

    @property
    def response_ids(self) -> list[int]:
        """The tokens from the first sampled one on."""
        return self.ids[self.prompt_length :]

    @property
    def response_roles(self) -> list[Role]:
        """The role of each of `response_ids`."""
        return self.roles[self.prompt_length :]

    @property
    def response_mask(self) -> list[bool]:
        """For each of `response_ids`, whether it was sampled here; see `mask` for single roles."""
        return self.mask()[self.prompt_length :]

    @property
    def response_logprobs(self) -> list[float] | None:
        """For each of `response_ids` its log-probability, 0 where it was not sampled; None where any is unknown."""
        every = self.logprobs
        return None if every is None else every[self.prompt_length :]

    @property
    def roles(self) -> list[Role]:
        """The role of every token."""
        return [run.role for run in self.runs for _ in range(run.start, run.end)]

    @property
    def sampled_by(self) -> list[int | None]:
        """For every token the generation that sampled it; None where it was given."""
        return [run.generation for run in self.runs for _ in range(run.start, run.end)]

    @property
    def logprobs(self) -> list[float] | None:
        """For every token its log-probability, 0 where it was not sampled; None where any is unknown."""
        every = [0.0] * len(self.ids)
        for start, values in self._logprobs.values():
            if values is None:
                return None
            every[start : start + len(values)] = values
        return every

    def mask(self, roles: Collection[Role] = RESPONSE_ROLES) -> list[bool]:
        """Return for every token whether it was sampled here and has one of these roles."""
        return [
            run.generation is not None and run.role in roles for run in self.runs for _ in range(run.start, run.end)
        ]


def conversations(episode: Episode) -> list[Conversation]:
    """Return the conversations of a recorded episode, in the order in which they began.

    Every generation is in one conversation. One that does not go on where its parent stopped (a fork, a sibling, a
    branch of a search) begins another, in which what it shares with its parent is part of the prompt: so each token
    is sampled in one place only. Generations of back ends that give no token ids are left out.

    Raises:
        MalformedData: A record contradicts itself.
    """
    made: list[Conversation] = []
    places: dict[int, tuple[Conversation, int]] = {}
    for generation in episode.generations:
        sampled = generation.completion.token_ids
        own = generation.own_prompt_token_ids
        if sampled is None or not (own or generation.kept_tokens):
            continue
        conversation = _begun(generation, places, episode.key)
        if not conversation.generations:
            made.append(conversation)
        conversation.give(_given(generation, own, first=not conversation.generations))
        conversation.sample(generation.id, sampled, generation.spans, generation.completion.logprobs)
        places[generation.id] = (conversation, len(conversation))
    return made


def _begun(generation: Generation, places: dict[int, tuple[Conversation, int]], key: str) -> Conversation:
    """Return the conversation that a generation's own tokens come behind: its parent's, or one that begins alike."""
    if generation.parent is None or not generation.kept_tokens:
        return Conversation()
    conversation, length = places.get(generation.parent, (Conversation(), 0))
    if generation.kept_tokens > length:
        raise MalformedData(
            f"Generation {generation.id} of {key} keeps {generation.kept_tokens} tokens of one that has {length}."
        )
    if generation.kept_tokens == length == len(conversation):
        return conversation
    return conversation.fork(generation.kept_tokens)


def _given(generation: Generation, own: Sequence[int], *, first: bool) -> Iterator[Piece]:
    """Yield a generation's own part of its prompt; old records do not say the roles."""
    position = 0
    for span in generation.prompt_spans:
        yield Piece(tuple(own[position : span.start]), Role.PROMPT)
        yield Piece(tuple(own[span.start : span.end]), span.role)
        position = max(position, span.end)
    rest = Role.PROMPT if first or generation.prompt_spans else Role.OBSERVATION
    yield Piece(tuple(own[position:]), rest)


def written(chat: ChatTemplate, messages: Sequence[Message], tools: Sequence[dict[str, object]] = ()) -> Conversation:
    """Return messages as if the assistant's had been sampled: what supervised training learns from.

    The n-th assistant message counts as generation n. Each is tokenised as a model would emit it, with the
    template's end of turn behind it, and stands behind the prompt that the model would have seen. What follows the
    last of them is left out.

    Raises:
        TemplateRefusal: The template cannot show these messages, or it would write the past anew: then every
            answer needs a conversation of its own, with the messages up to it.
    """
    conversation = Conversation()
    pending: list[Message] = []
    latest: list[str] = []  # answers since the last user message
    for number, message in enumerate(messages):
        if message.role != "assistant":
            pending.append(message)
            continue
        if not conversation.generations:
            conversation.give(chat.start(pending, tools))
        else:
            if chat.past(tools, pending, thoughts=has_thoughts(latest)) is not Past.KEPT:
                raise TemplateRefusal(
                    f"The chat template of {chat.name} writes the past anew at message {number}; make a conversation "
                    "of each answer and the messages before it."
                )
            conversation.give(chat.extend(pending, tools, ended_by=chat.end_of_turn))
        if any(one.role == "user" for one in pending):
            latest.clear()
        pending.clear()
        text = chat.text_of(message)
        latest.append(text)
        ids = [*chat.encode_content(text), *([] if chat.end_of_turn is None else [chat.end_of_turn])]
        conversation.sample(len(conversation.generations), ids, token_spans(chat, ids))
    return conversation


def has_thoughts(texts: Iterable[str]) -> bool:
    """Return whether any of these answers holds thoughts."""
    return any("</think>" in text or "<think>" in text for text in texts)
