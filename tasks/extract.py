"""Reading an action out of a model's reply. The one place where this is done, for agents and wrappers alike."""

import json
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from .actions import ActionSpec, format_call

MAX_REPLY_CHARS = 200_000
"""Of a longer reply only the end is read."""


class ExtractionRule(StrEnum):
    """Where in a reply the action stands."""

    RAW = "raw"
    """The whole reply is the action."""
    TAG = "tag"
    """Inside the last `<action>...</action>`; a missing end tag (a stop string) is forgiven."""
    JSON = "json"
    """The last JSON object with an `action`: the command itself, or a kind of action with its arguments."""
    BOXED = "boxed"
    r"""Inside the last `\\boxed{...}`."""
    LAST_LINE = "last_line"
    """The last line with text, without a label (`Action:`, `Answer:`), quotes or Markdown."""
    AUTO = "auto"
    """The first of tag, JSON, boxed and last line that finds something."""


class Extraction(NamedTuple):
    """An action and the rule that found it (never `auto`)."""

    action: str
    rule: ExtractionRule


_THOUGHT_TAG = re.compile(r"<(/?)(think|thinking|thought)>", re.IGNORECASE)
_LABEL = re.compile(
    r"(?:final\s+|next\s+|my\s+)?(?:action|answer|move|command|choice)\s*(?:is)?\s*[:=]\s*", re.IGNORECASE
)
_TAG_OPEN, _TAG_CLOSE = "<action>", "</action>"
_BRACE = re.compile(r"(\\(?:boxed|fbox)\s{0,8}\{)|\\[{}]|([{}])")


def without_thoughts(text: str) -> str:
    """Return a reply without its `<think>` parts; one that was never closed hides all that follows it."""
    kept: list[str] = []
    start = 0
    closing = ""
    for tag in _THOUGHT_TAG.finditer(text):
        slash, name = tag.group(1), tag.group(2).lower()
        if not closing and not slash:
            kept.append(text[start : tag.start()])
            closing = name
        elif closing == name and slash:
            start = tag.end()
            closing = ""
    if not closing:
        kept.append(text[start:])
    return "".join(kept)


def extract(
    text: str, rule: ExtractionRule | str = ExtractionRule.AUTO, specs: Sequence[ActionSpec] = ()
) -> Extraction | None:
    """Return the action that a reply contains, or None where the rule finds none.

    Args:
        text: The reply.
        rule: Where to look.
        specs: The environment's kinds of action; needed to write a command from JSON arguments.
    """
    rule = ExtractionRule(rule)
    if rule is ExtractionRule.RAW:
        return Extraction(text, rule)
    text = without_thoughts(text[-MAX_REPLY_CHARS:])
    order = (
        (ExtractionRule.TAG, ExtractionRule.JSON, ExtractionRule.BOXED, ExtractionRule.LAST_LINE)
        if rule is ExtractionRule.AUTO
        else (rule,)
    )
    for candidate in order:
        action = _FINDERS[candidate](text, specs)
        if action:
            return Extraction(action, candidate)
    return None


def _from_tag(text: str, specs: Sequence[ActionSpec]) -> str | None:
    start = text.lower().rfind(_TAG_OPEN)
    if start < 0:
        return None
    inside = text[start + len(_TAG_OPEN) :]
    end = inside.lower().find(_TAG_CLOSE)
    return (inside if end < 0 else inside[:end]).strip()


def _from_json(text: str, specs: Sequence[ActionSpec]) -> str | None:
    decoder = json.JSONDecoder()
    position = len(text)
    for _ in range(64):
        position = text.rfind("{", 0, position)
        if position < 0:
            return None
        try:
            value: Any = decoder.raw_decode(text, position)[0]
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("action"), str):
            arguments = {key: item for key, item in value.items() if key != "action"}
            nested = arguments.get("arguments")
            if isinstance(nested, dict):
                arguments = nested
            return format_call(specs, value["action"], arguments) or value["action"].strip()
    return None


def last_boxed(text: str) -> str | None:
    r"""Return what the last closed `\\boxed{...}` holds, with balanced braces."""
    open_braces: list[int | None] = []
    last: tuple[int, int] | None = None
    for found in _BRACE.finditer(text):
        if found.group(1):
            open_braces.append(found.end())
        elif found.group(2) == "{":
            open_braces.append(None)
        elif found.group(2) == "}" and open_braces:
            start = open_braces.pop()
            if start is not None and (last is None or start > last[0]):
                last = (start, found.start())
    return None if last is None else text[last[0] : last[1]].strip()


def _from_boxed(text: str, specs: Sequence[ActionSpec]) -> str | None:
    return last_boxed(text)


def _from_last_line(text: str, specs: Sequence[ActionSpec]) -> str | None:
    for line in reversed(text.splitlines()):
        line = line.strip()
        if not line or line.startswith("```"):
            continue
        line = line.strip("*_ ")
        label = _LABEL.match(line)
        if label:
            line = line[label.end() :]
        return line.strip("*_`\"' \t").removesuffix(".").strip()
    return None


_FINDERS = {
    ExtractionRule.TAG: _from_tag,
    ExtractionRule.JSON: _from_json,
    ExtractionRule.BOXED: _from_boxed,
    ExtractionRule.LAST_LINE: _from_last_line,
}
