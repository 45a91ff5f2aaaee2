"""What a chat template does to the past when a turn is added, found out by rendering small conversations both ways."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ..types import Message, ToolCall
from .codec import MARK
from .policy import PolicyError

if TYPE_CHECKING:
    from .template import ChatTemplate


class Past(StrEnum):
    """What a template does to the past when new messages come."""

    KEPT = "kept"
    """Nothing: it only adds."""
    LATEST = "latest"
    """It may write the answers since the last user message anew, such as without their thoughts."""
    ANY = "any"
    """It may write anything anew, such as tools that stand before the last user message."""


_SAID = "so it goes"
_THOUGHT = "<think>\nlet us see\n</think>\n\n"


def probe(chat: "ChatTemplate", tools: Sequence[Mapping[str, Any]], *, results: bool, thoughts: bool) -> Past:
    """Return what a template does to the past.

    A short and a longer conversation get an answer and a new turn. What the template makes of the whole is compared
    with the prompt before, the answer as a model would have emitted it, and what `ChatTemplate.extend` would add.

    Args:
        chat: The template.
        tools: Tool definitions to offer.
        results: Whether the new turn is a tool's result (else a user's message).
        thoughts: Whether the answer holds a thought.
    """
    answer = f"{_THOUGHT if thoughts else ''}{_SAID}"
    replied = Message(role="assistant", content=answer)
    new = (
        Message(role="tool", content="it went", tool_call_id="000000000")
        if results
        else Message(role="user", content="and now")
    )
    if results:
        call = ToolCall(id="000000000", name="rlvr", arguments="{}")
        replied = replied.model_copy(update={"tool_calls": (call,)})
    asked = Message(role="user", content="look")
    kept = latest = True
    for history in ((asked,), (asked, Message(role="assistant", content=answer), asked)):
        try:
            whole = chat.render((*history, replied, new), tools)
        except PolicyError:
            return Past.ANY  # it says why as soon as it is asked to show such messages
        kept = kept and _adds(chat, history, answer, new, tools, whole, results)
        latest = latest and _adds_later(chat, history, replied, new, tools, whole)
    return Past.KEPT if kept else Past.LATEST if latest else Past.ANY


def _adds(
    chat: "ChatTemplate",
    history: Sequence[Message],
    answer: str,
    new: Message,
    tools: Sequence[Mapping[str, Any]],
    whole: str,
    results: bool,
) -> bool:
    try:
        before, tail = chat.render(history, tools), chat.tail((new,), tools)
    except PolicyError:
        return False
    if results:  # between the answer and its end stands the call, as the template writes it
        middle = squeezed(whole)[len(squeezed(before)) :]
        return squeezed(whole).startswith(squeezed(before + answer)) and middle.endswith(squeezed(tail))
    return squeezed(before + answer + tail) == squeezed(whole)


def _adds_later(
    chat: "ChatTemplate",
    history: Sequence[Message],
    replied: Message,
    new: Message,
    tools: Sequence[Mapping[str, Any]],
    whole: str,
) -> bool:
    try:
        before, later = chat.render(history, tools, opening=False), chat.later((replied, new), tools)
    except PolicyError:
        return False
    return before + later == whole


def squeezed(text: str) -> str:
    """Return a text without white space and marks: templates trim what models emit."""
    return "".join(text.split()).replace(MARK, "")


def after(text: str, start: int, segment: str) -> int | None:
    """Return where `text` goes on behind `segment`, which must stand at `start`; None where it does not.

    White space and marks count for nothing; where the two differ in it, the text's own is passed over.
    """
    if text.startswith(segment, start):
        return start + len(segment)
    position = start
    for character in segment:
        if character.isspace() or character == MARK:
            continue
        while position < len(text) and (text[position].isspace() or text[position] == MARK):
            position += 1
        if position == len(text) or text[position] != character:
            return None
        position += 1
    return position
