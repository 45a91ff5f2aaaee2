"""The conversations of an episode: what a new prompt adds to its parent's tokens, and each prompt written once."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .policies.conversation import Conversation, has_thoughts
from .policies.past import Past, after
from .policies.policy import Policy, PolicyError
from .policies.spans import text_spans, token_spans
from .policies.template import ChatTemplate, Piece, split_prefill
from .types import Completion, Fork, Generation, Message, Request, Role, Span, reply_message


class _State(NamedTuple):
    """Where a generation left its conversation."""

    messages: tuple[Message, ...]
    """The prompt."""
    reply: Message
    tools: tuple[dict[str, Any], ...]
    template: str | None
    buffer: Conversation | None
    """The tokens, where the back end gives them."""
    asked: int
    """How many of them the prompt had."""
    length: int
    """How many there were after the answer."""


class Prepared(NamedTuple):
    """A prompt in tokens, not yet asked."""

    messages: tuple[Message, ...]
    kept: int
    """How many tokens of the parent's conversation it begins with."""
    pieces: tuple[Piece, ...]
    """What it adds to them."""
    fork: Fork | None
    ids: tuple[int, ...]
    """All of its tokens."""
    parent: int | None
    """The generation whose conversation that is."""


class Conversations:
    """All generations of an episode, in order."""

    def __init__(self) -> None:
        self.generations: list[Generation] = []
        self._states: list[_State] = []
        self._drifted: dict[str, dict[str, tuple[int, ...]]] = {}
        """Sampled tokens, by template, then by text, of answers whose text is tokenised otherwise."""
        self._prepared: tuple[Any, Prepared | None] | None = None
        self._last: dict[tuple[int, str | None], Generation] = {}

    def __len__(self) -> int:
        return len(self.generations)

    def last(self, conversation: int, policy: str | None = None) -> Generation | None:
        """Return the last generation of a conversation, preferably of one policy."""
        return self._last.get((conversation, policy)) or self._last.get((conversation, None))

    def prepare(
        self, policy: Policy, messages: Sequence[Message], tools: Sequence[dict[str, Any]], parent: Generation | None
    ) -> Prepared | None:
        """Return a prompt in tokens; None where the policy owns no chat template.

        Where the messages continue the parent's conversation, its tokens are kept and only the new turn's are added.
        Where they do not, or the template writes the past anew, the prompt is a fork.

        Raises:
            PolicyError: The template cannot show these messages.
        """
        question = (policy, tuple(messages), tuple(tools), parent)
        if self._prepared is None or self._prepared[0] != question:  # a prompt is often counted, then asked
            self._prepared = (question, self._prepare(*question))
        return self._prepared[1]

    def prepare_request(self, policy: Policy, request: Request, parent: Generation | None) -> Prepared | None:
        """Return a request's prompt in tokens, where it has messages and no tokens of its own; see `prepare`."""
        if request.token_ids is not None or request.messages is None:
            return None
        return self.prepare(policy, request.messages, request.tools, parent)

    def _prepare(
        self,
        policy: Policy,
        messages: tuple[Message, ...],
        tools: tuple[dict[str, Any], ...],
        parent: Generation | None,
    ) -> Prepared | None:
        chat = policy.chat
        if chat is None:
            return None
        state = None if parent is None else self._states[parent.id]
        if state is None or state.buffer is None or state.template != chat.fingerprint:
            pieces = tuple(chat.start(messages, tools))
            return Prepared(messages, 0, pieces, None, _ids(pieces), None)
        known = self._drifted.get(chat.fingerprint, {})
        kept, added, fork = _continue(chat, state, state.buffer, messages, tools, known)
        pieces = tuple(added)
        ids = (*state.buffer.ids[:kept], *_ids(pieces))
        return Prepared(messages, kept, pieces, fork, ids, None if parent is None else parent.id)

    def add(
        self,
        policy: Policy,
        request: Request,
        completion: Completion,
        *,
        agent: str,
        conversation: int = 0,
        parent: Generation | None = None,
        spans: tuple[Span, ...] = (),
        prepared: Prepared | None = None,
    ) -> Generation:
        """Record an answer; of the prompt, only what does not stand in the parent's conversation already.

        `Episode.prompt` and `Episode.prompt_token_ids` put the whole together again. What only test doubles may
        read, and what depends on the machine's load, is left out.

        Raises:
            PolicyError: The completion contradicts itself.
        """
        messages = request.messages or ()
        state = None if parent is None else self._states[parent.id]
        tokens = completion.prompt_token_ids or request.token_ids or ()
        if prepared is None or not _same(tokens, prepared.ids):
            prepared = _observed(state, messages, tokens)
        elif parent is not None and prepared.parent != parent.id:
            prepared = _rebased(prepared, state)
        kept = 0 if state is None else _common((*state.messages, state.reply), messages)
        number = len(self.generations)
        sampled, drift = completion.token_ids, None
        if completion.logprobs is not None and len(completion.logprobs) != len(sampled or ()):
            raise PolicyError(
                f"{policy.name} gave {len(completion.logprobs)} log-probabilities for {len(sampled or ())} tokens."
            )
        if sampled is None:
            spans = spans or text_spans(completion.text)
        elif policy.chat is not None:
            spans = spans or token_spans(policy.chat, sampled)
            drift = policy.chat.codec.drifts(sampled)
            said = sampled[:-1] if sampled and sampled[-1] in policy.chat.end_ids else sampled
            if drift and policy.chat.decode(said) == completion.text:
                self._drifted.setdefault(policy.chat.fingerprint, {})[completion.text] = said
        buffer = _grown(state, prepared, number, sampled, spans)
        own = None if request.messages is None else messages[kept:]
        usage = completion.usage.model_copy(update={"cached_tokens": 0, "forwarded_tokens": 0})
        repeated = request.token_ids is not None and _same(request.token_ids, completion.prompt_token_ids)
        own_tokens = tokens[prepared.kept :]
        made = Generation(
            id=number,
            agent=agent,
            policy=policy.name,
            conversation=conversation,
            parent=None if parent is None else parent.id,
            kept=kept,
            kept_tokens=prepared.kept,
            request=request.model_copy(
                update={
                    "messages": own,
                    "token_ids": None if request.token_ids is None else own_tokens,
                    "choices": None,
                    "reference": None,
                }
            ),
            completion=completion.model_copy(
                update={
                    "prompt_token_ids": None if repeated or completion.prompt_token_ids is None else own_tokens,
                    "usage": usage,
                }
            ),
            spans=spans,
            prompt_spans=_spans(prepared.pieces),
            fork=prepared.fork,
            drift=drift,
            template=policy.template,
        )
        self.generations.append(made)
        self._last[conversation, None] = self._last[conversation, policy.name] = made
        self._states.append(
            _State(
                messages,
                reply_message(completion),
                request.tools,
                policy.template,
                buffer,
                len(tokens),
                len(tokens) + len(sampled or ()),
            )
        )
        return made


def fitted(policy: Policy, request: Request, prepared: Prepared | None) -> Request:
    """Return a request with its token ids, asking for no more than the policy's context holds.

    Raises:
        PolicyError: There is no room for an answer.
    """
    changes: dict[str, Any] = {} if prepared is None else {"token_ids": prepared.ids}
    if policy.context_length is not None:
        count = prompt_tokens(policy, request) if prepared is None else len(prepared.ids)
        left = policy.context_length - (count or 0)
        if left < 1:
            raise PolicyError(
                f"The prompt has {count} tokens, but the context of {policy.name} holds {policy.context_length}, "
                "prompt and answer together; let the agent keep less of the history."
            )
        if left < request.sampling.max_tokens:
            changes["sampling"] = request.sampling.model_copy(update={"max_tokens": left})
    return request.model_copy(update=changes) if changes else request


def prompt_tokens(policy: Policy, request: Request) -> int | None:
    """Return how many tokens a request's prompt has; None where only the answer tells."""
    return policy.count_prompt_tokens(request) if request.token_ids is None else len(request.token_ids)


def _continue(
    chat: ChatTemplate,
    state: _State,
    buffer: Conversation,
    messages: tuple[Message, ...],
    tools: tuple[dict[str, Any], ...],
    known: Mapping[str, Sequence[int]],
) -> tuple[int, list[Piece], Fork | None]:
    """Return how many of the buffer's tokens a prompt keeps, what it adds, and why it forks."""
    if messages == state.messages and tools == state.tools:
        return state.asked, [], None  # the same question again
    new = _new((*state.messages, state.reply), messages)
    if new is None or tools != state.tools:
        return _refork(chat, state, buffer, messages, tools, known)
    last = buffer.ids[state.length - 1]
    ended_by = last if last in chat.end_ids else None
    if not new:  # the answer goes on, without the token that ended it
        return state.length - (ended_by is not None), [], None if ended_by is None else Fork.HISTORY
    behind = len(messages) - len(new)
    first = _since_user(messages[:behind])
    thoughts = has_thoughts(chat.text_of(one) for one in messages[first:behind] if one.role == "assistant")
    habit = chat.past(tools, new, thoughts=thoughts)
    if habit is Past.KEPT:
        return state.length, chat.extend(new, tools, ended_by=ended_by), None
    start = buffer.position(first, state.length) if habit is Past.LATEST else None
    given, prefill = split_prefill(messages)
    if start is None:
        first, start, text = 0, 0, chat.render(given, tools)
    else:
        text = chat.later(given[first:], tools)
    # What stands in the buffer, stretch by stretch, against what the template makes of it now.
    place = 0
    for count, until in [*buffer.marks, (behind, state.length)]:
        if not start < until <= state.length:
            continue
        there = after(text, place, chat.decode(buffer.ids[start:until]))
        if there is None:
            return start, chat.pieces(text[place:], given[first:], prefill, known=known), Fork.TEMPLATE
        place, start, first = there, until, count
    if ended_by is not None:
        place -= len(chat.decode([ended_by]))
    return state.length, chat.pieces(text[place:], new, prefill, ended_by=ended_by), None


def _refork(
    chat: ChatTemplate,
    state: _State,
    buffer: Conversation,
    messages: tuple[Message, ...],
    tools: tuple[dict[str, Any], ...],
    known: Mapping[str, Sequence[int]],
) -> tuple[int, list[Piece], Fork | None]:
    """Write a prompt anew whose messages are not those of the conversation."""
    pieces = chat.start(messages, tools, known=known)
    ids = _ids(pieces)
    kept = common_tokens(buffer.ids[: state.length], ids)
    return kept, _behind(pieces, kept), Fork.HISTORY if kept < state.length else None


def _new(past: tuple[Message, ...], messages: tuple[Message, ...]) -> tuple[Message, ...] | None:
    """Return the messages that continue a past; None where they do not begin with it.

    An answer whose beginning was given may be handed back in one message with it.
    """
    if _common(past, messages) == len(past):
        return messages[len(past) :]
    *_, begun, reply = past
    if begun.role == "assistant" and isinstance(begun.content, str) and isinstance(reply.content, str):
        joined = reply.model_copy(update={"content": begun.content + reply.content})
        if _common((*past[:-2], joined), messages) == len(past) - 1:
            return messages[len(past) - 1 :]
    return None


def _since_user(past: tuple[Message, ...]) -> int:
    """Return the index of the first message after the last one of the user's."""
    return next((i + 1 for i in range(len(past) - 1, -1, -1) if past[i].role == "user"), 0)


def _observed(state: _State | None, messages: tuple[Message, ...], tokens: tuple[int, ...]) -> Prepared:
    """Return what a prompt adds whose tokens a back end reports, or an agent made itself."""
    if state is None or state.buffer is None:
        return Prepared(messages, 0, (Piece(tokens, Role.PROMPT),), None, tokens, None)
    past = state.buffer.ids[: state.length]
    kept = common_tokens(past, tokens)
    fork = None
    if tokens and kept < len(past) and messages and messages != state.messages:
        fork = Fork.HISTORY if _new((*state.messages, state.reply), messages) is None else Fork.TEMPLATE
    role = Role.OBSERVATION if fork is None and kept == len(past) else Role.PROMPT
    return Prepared(messages, kept, (Piece(tokens[kept:], role),), fork, tokens, None)


def _rebased(prepared: Prepared, state: _State | None) -> Prepared:
    """Return the same prompt as what it adds to another generation's tokens: a sibling's, asked at the same time."""
    if state is None or state.buffer is None:
        shared = 0
    else:
        shared = common_tokens(state.buffer.ids[: state.asked], prepared.ids)
    whole = (Piece(prepared.ids[: prepared.kept], Role.PROMPT), *prepared.pieces)
    return prepared._replace(kept=shared, pieces=tuple(_behind(whole, shared)))


def _grown(
    state: _State | None, prepared: Prepared, number: int, sampled: tuple[int, ...] | None, spans: tuple[Span, ...]
) -> Conversation | None:
    """Return the buffer of a generation's tokens: its parent's where it goes on there, else one of its own."""
    if sampled is None or not prepared.ids:
        return None
    before = None if state is None else state.buffer
    if before is None or state is None:
        buffer = Conversation()
    elif prepared.kept == state.length == len(before):
        buffer = before
    else:
        buffer = before.fork(prepared.kept)
    buffer.give(piece for piece in prepared.pieces if not piece.opening)
    clean = bool(prepared.messages) and prepared.messages[-1].role != "assistant"
    if clean:
        buffer.mark(len(prepared.messages), len(buffer))
    buffer.give(piece for piece in prepared.pieces if piece.opening)
    buffer.sample(number, sampled, spans)
    if clean:
        buffer.mark(len(prepared.messages) + 1, len(buffer))
    return buffer


def _same(one: tuple[int, ...], other: tuple[int, ...] | None) -> bool:
    return one is other or one == other  # a tuple compares with itself token by token


def _spans(pieces: Sequence[Piece]) -> tuple[Span, ...]:
    """Return the roles of a prompt's own tokens."""
    spans: list[Span] = []
    position = 0
    for piece in pieces:
        end = position + len(piece.ids)
        if spans and spans[-1].role == piece.role:
            spans[-1] = spans[-1].model_copy(update={"end": end})
        elif piece.ids:
            spans.append(Span(role=piece.role, start=position, end=end))
        position = end
    return tuple(spans)


def _ids(pieces: Sequence[Piece]) -> tuple[int, ...]:
    return tuple(number for piece in pieces for number in piece.ids)


def _behind(pieces: Sequence[Piece], tokens: int) -> list[Piece]:
    """Return the pieces without their first tokens."""
    left: list[Piece] = []
    for piece in pieces:
        if tokens < len(piece.ids):
            left.append(piece._replace(ids=piece.ids[tokens:]))
        tokens = max(0, tokens - len(piece.ids))
    return left


def common_tokens(before: Sequence[int], now: Sequence[int]) -> int:
    """Return the length of the common beginning; quick where one continues the other."""
    if tuple(before) == tuple(now[: len(before)]):
        return len(before)
    return _common(before, now)


def _common(before: Sequence[Any], now: Sequence[Any]) -> int:
    """Return the length of the common beginning."""
    count = 0
    for one, other in zip(before, now, strict=False):
        if one is not other and one != other:
            break
        count += 1
    return count
