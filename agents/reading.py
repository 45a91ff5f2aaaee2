"""From a completion to an action: the tool call where there is one, else what `tasks.extract` finds in the text."""

from collections.abc import Sequence
from typing import NamedTuple

from ..tasks.actions import ActionSpec, format_call
from ..tasks.errors import UserError
from ..tasks.extract import ExtractionRule, extract
from .types import Completion

TOOL_RULE = "tool"
"""The extraction rule of a tool call; without a call, the text is read by `auto`."""

RULES: tuple[str, ...] = (*(str(rule) for rule in ExtractionRule), TOOL_RULE)


class Reading(NamedTuple):
    """The action of a completion and the rule that read it; `""` where there is none."""

    action: str
    rule: str


def read_action(completion: Completion, rule: str, specs: Sequence[ActionSpec]) -> Reading:
    """Return the action that a completion contains.

    A reply without an action reads as the empty text, which environments answer as an invalid action, under the
    rule that was asked for. Reading the same completion by the rule that is returned gives the same action.

    Args:
        completion: What the policy answered.
        rule: One of `RULES`.
        specs: The environment's kinds of action.
    """
    if rule not in RULES:
        raise UserError(f"There is no extraction rule {rule!r}; choose one of {', '.join(RULES)}.")
    if rule == TOOL_RULE:
        if completion.tool_calls:
            return Reading(_read_call(completion, specs), TOOL_RULE)
        rule = ExtractionRule.AUTO
    found = extract(completion.text, rule, specs)
    return Reading("", str(rule)) if found is None else Reading(found.action, str(found.rule))


def _read_call(completion: Completion, specs: Sequence[ActionSpec]) -> str:
    import json

    call = completion.tool_calls[0]
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return ""
    return (format_call(specs, call.name, arguments) or "") if isinstance(arguments, dict) else ""
