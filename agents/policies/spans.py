"""The roles of a completion's tokens: what was thought, planned, played.

Roles are found in the text that the emitted ids decode to, and carried over to the ids by where each starts in it.
The text is never tokenised anew, so that ids which another tokenisation would replace keep their roles.
"""

import re
from collections.abc import Sequence

from ..types import Role, Span
from .codec import token_starts
from .template import ChatTemplate

_TAG = re.compile(r"<(/?)(think|thinking|thought|plan|sub_done|action|answer|tool_call)>", re.IGNORECASE)
_ROLES = {
    "think": Role.THOUGHT,
    "thinking": Role.THOUGHT,
    "thought": Role.THOUGHT,
    "plan": Role.PLAN,
    "sub_done": Role.SUB_DONE,
    "action": Role.ACTION,
    "answer": Role.ACTION,
    "tool_call": Role.ACTION,
}


def text_spans(text: str) -> tuple[Span, ...]:
    """Return the roles of a reply's characters; the spans cover it without a gap.

    `<think>`, `<plan>`, `<sub_done>`, `<action>`, `<answer>` and `<tool_call>` mark their contents, tags included; a
    tag that is never closed marks all that follows, and a thought that was opened in the prompt all that stands
    before its end. Of several `<action>`, the last is the action (as in `tasks.extract`). Text outside of any tag is
    thought where an action is marked, else it is the action: a bare reply. White space goes with what it follows.
    """
    marked = _marked(text)
    acted = any(role is Role.ACTION for role, _, _ in marked)
    bare = Role.THOUGHT if acted else Role.ACTION
    spans: list[tuple[Role, int, int]] = []
    position = 0
    for role, start, end in [*marked, (bare, len(text), len(text))]:
        if position < start:
            blank = not text[position:start].strip()
            spans.append(((spans[-1][0] if spans else role) if blank else bare, position, start))
        if start < end:
            spans.append((role, start, end))
        position = max(position, end)
    return _merged(spans)


def token_spans(chat: ChatTemplate, ids: Sequence[int]) -> tuple[Span, ...]:
    """Return the roles of emitted ids; the spans cover them without a gap.

    A token that straddles a border has the role of its first character. Tokens that end the answer go with what they
    follow.
    """
    said = len(ids)
    while said and ids[said - 1] in chat.end_ids:
        said -= 1
    text, starts = token_starts(chat.decode, ids[:said])
    spans: list[tuple[Role, int, int]] = []
    first = 0
    for span in text_spans(text):
        last = first
        while last < said and starts[last] < span.end:
            last += 1
        if last > first:
            spans.append((span.role, first, last))
        first = last
    if first < len(ids):  # what shows nothing: bytes without a character, the end
        spans.append((spans[-1][0] if spans else Role.ACTION, first, len(ids)))
    return _merged(spans)


def _marked(text: str) -> list[tuple[Role, int, int]]:
    """Return the stretches that tags mark, in order."""
    found: list[tuple[str, int, int]] = []
    name, start = "", 0
    for tag in _TAG.finditer(text):
        closing, kind = bool(tag.group(1)), tag.group(2).lower()
        if name == "sub_done" and not (closing and kind == name):  # a mark that stands alone
            found.append((name, start, start + len("<sub_done>")))
            name = ""
        if not name and not closing:
            name, start = kind, tag.start()
        elif closing and kind == name:
            found.append((name, start, tag.end()))
            name = ""
        elif not name and _ROLES[kind] is Role.THOUGHT:
            found = [(kind, 0, tag.end())]
        elif not name and kind == "sub_done":
            found.append((kind, tag.start(), tag.end()))
    if name:
        found.append((name, start, start + len("<sub_done>") if name == "sub_done" else len(text)))
    actions = [number for number, (kind, _, _) in enumerate(found) if kind == "action"]
    return [
        (Role.THOUGHT if number in actions[:-1] else _ROLES[kind], begin, end)
        for number, (kind, begin, end) in enumerate(found)
    ]


def _merged(spans: Sequence[tuple[Role, int, int]]) -> tuple[Span, ...]:
    merged: list[tuple[Role, int, int]] = []
    for role, start, end in spans:
        if merged and merged[-1][0] is role and merged[-1][2] == start:
            merged[-1] = (role, merged[-1][1], end)
        else:
            merged.append((role, start, end))
    return tuple(Span(role=role, start=start, end=end) for role, start, end in merged)
