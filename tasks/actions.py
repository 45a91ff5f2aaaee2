"""What an agent may say: one `ActionSpec` a kind of action, from which everything else derives.

Parsing, the grammar shown in prompts, JSON schemas, tool definitions and discrete action sets are all read off
the same specification, so they cannot disagree.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

MAX_ACTION_CHARS = 4096
"""Longer texts are refused before any pattern is tried, so that a giant reply costs nothing."""


class Param(NamedTuple):
    """One argument of an action."""

    name: str
    """The name of the pattern's group and of the JSON property."""
    kind: str
    """A JSON-schema type: `string`, `integer` or `number`."""
    description: str
    """One phrase for the agent."""
    choices: tuple[str, ...] = ()
    """The accepted values, where they are few and fixed."""


class ActionSpec(NamedTuple):
    """One kind of action."""

    name: str
    """An identifier, unique in its environment; the name of the tool it becomes."""
    pattern: str
    """A regular expression for the whole command, with one named group a parameter; matched without case."""
    template: str
    """`str.format` template that writes the command from its arguments."""
    example: str
    """A command that the pattern accepts."""
    description: str
    """One phrase for the agent."""
    params: tuple[Param, ...] = ()

    def format(self, **arguments: Any) -> str:
        """Write the command for these arguments."""
        return self.template.format(**arguments)


class Call(NamedTuple):
    """A command taken apart."""

    name: str
    arguments: dict[str, str]


@lru_cache(maxsize=512)
def _compiled(specs: tuple[ActionSpec, ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((spec.name, re.compile(spec.pattern, re.IGNORECASE)) for spec in specs)


def match_action(specs: Sequence[ActionSpec], text: str) -> Call | None:
    """Return the call that a text makes, or None; surrounding white space does not count."""
    if len(text) > MAX_ACTION_CHARS:
        return None
    text = text.strip()
    for name, pattern in _compiled(tuple(specs)):
        found = pattern.fullmatch(text)
        if found:
            return Call(name, {key: value for key, value in found.groupdict().items() if value is not None})
    return None


def action_grammar(specs: Sequence[ActionSpec]) -> str:
    """Return one regular expression (without named groups) that accepts exactly the commands of all specs."""
    return "|".join(f"(?:{re.sub(r'[(][?]P<[^>]+>', '(?:', spec.pattern)})" for spec in specs)


def all_commands(specs: Sequence[ActionSpec]) -> tuple[str, ...] | None:
    """Return every command that there can be, or None where some argument has no fixed choices."""
    commands: list[str] = []
    for spec in specs:
        if not all(param.choices for param in spec.params):
            return None
        for values in itertools.product(*(param.choices for param in spec.params)):
            commands.append(
                spec.format(**{param.name: value for param, value in zip(spec.params, values, strict=True)})
            )
    return tuple(commands)


def accepted(specs: Sequence[ActionSpec]) -> str:
    """Return a phrase that lists the kinds of action with an example each, for prompts and error messages."""
    return "; ".join(f"{spec.description} (for example: {spec.example})" for spec in specs)


def _properties(spec: ActionSpec) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for param in spec.params:
        schema: dict[str, Any] = {"type": param.kind, "description": param.description}
        if param.choices:
            schema["enum"] = list(param.choices)
        properties[param.name] = schema
    return properties


def json_schema(specs: Sequence[ActionSpec]) -> dict[str, Any]:
    """Return the JSON schema of an action written as `{"action": name, ...arguments}`."""
    return {
        "oneOf": [
            {
                "type": "object",
                "description": spec.description,
                "properties": {"action": {"const": spec.name}, **_properties(spec)},
                "required": ["action", *(param.name for param in spec.params)],
                "additionalProperties": False,
            }
            for spec in specs
        ]
    }


def tool_definitions(specs: Sequence[ActionSpec]) -> list[dict[str, Any]]:
    """Return the actions as function tools in the form that OpenAI-compatible servers take."""
    return [
        {
            "type": "function",
            "function": {
                "name": spec.name,
                "description": spec.description,
                "parameters": {
                    "type": "object",
                    "properties": _properties(spec),
                    "required": [param.name for param in spec.params],
                    "additionalProperties": False,
                },
            },
        }
        for spec in specs
    ]


def format_call(specs: Sequence[ActionSpec], name: str, arguments: Mapping[str, Any]) -> str | None:
    """Write the command for a tool call, or return None if no spec has that name and those arguments."""
    for spec in specs:
        if spec.name == name and {param.name for param in spec.params} <= set(arguments):
            return spec.format(**{param.name: arguments[param.name] for param in spec.params})
    return None
