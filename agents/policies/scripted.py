"""A policy whose replies are written down."""

import json
import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Literal

from ...tasks.config import Config, read_config, read_yaml
from ...tasks.errors import MalformedData, UserError
from ..types import Request
from .doubles import WordPolicy, in_asked_form, message_text, request_rng

Order = Literal["cycle", "seed"]


class Line(Config):
    """One reply."""

    reply: str
    when: str | None = None
    """A regular expression; the reply is given where it is found in the last message."""


class Script(Config):
    """What a script file holds."""

    replies: tuple[str | Line, ...]
    order: Order = "cycle"
    """`cycle`: the n-th turn of a conversation gets the n-th reply; `seed`: the request's seed picks one."""


class ScriptedPolicy(WordPolicy):
    """Gives replies from a list, or from a function of the request.

    A reply with `when` is given wherever its expression is found in the last message; the others take turns.
    Without a script it has a fixed habit: at its n-th turn it says the n-th of the possible actions, in turn.

    Args:
        script: Replies, a function of the request, or None for the habit.
        order: See `Script.order`.
        name: Its name in records.
    """

    wants_choices: ClassVar[bool] = True

    def __init__(
        self,
        script: Sequence[str | Line] | Callable[[Request], str] | None = None,
        *,
        order: Order = "cycle",
        name: str = "scripted",
    ) -> None:
        self.name = name
        self._function = script if callable(script) else None
        lines = () if script is None or callable(script) else script
        self._conditional: list[tuple[re.Pattern[str], str]] = []
        self._plain: list[str] = []
        self._scripted = script is not None
        self._order = order
        for line in lines:
            if isinstance(line, str):
                self._plain.append(line)
            elif line.when is None:
                self._plain.append(line.reply)
            else:
                self._conditional.append((_expression(line.when), line.reply))
        if self._scripted and self._function is None and not (self._plain or self._conditional):
            raise UserError("A script needs at least one reply.")

    @classmethod
    def from_name(cls, rest: str) -> "ScriptedPolicy":
        """Make the policy `scripted` or `scripted:FILE`."""
        if not rest:
            return cls()
        path = Path(rest)
        script = load_script(path)
        policy = cls(script.replies, order=script.order, name=f"scripted:{rest}")
        policy._fingerprint = sha256(path.read_bytes()).hexdigest()
        return policy

    _fingerprint: str | None = None

    def settings(self) -> dict[str, Any]:
        """Return the script's fingerprint."""
        return {} if self._fingerprint is None else {"sha256": self._fingerprint}

    def reply(self, request: Request) -> str:
        """Return the script's reply to a request."""
        if self._function is not None:
            return self._function(request)
        messages = request.messages or ()
        turn = sum(message.role == "assistant" for message in messages)
        if not self._scripted:
            return in_asked_form(request, request.choices[turn % len(request.choices)]) if request.choices else ""
        last = message_text(messages[-1]) if messages else ""
        for pattern, reply in self._conditional:
            if pattern.search(last):
                return reply
        if not self._plain:
            return ""
        if self._order == "cycle":
            return self._plain[turn % len(self._plain)]
        return request_rng(request).choice(self._plain)


def _expression(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UserError(f"The script's expression {text!r} is not a regular one: {error}.") from None


def load_script(path: Path) -> Script:
    """Read a script: YAML or JSON (a list of replies, or `replies` and `order`), or JSON lines (a reply a line).

    Raises:
        UserError: It cannot be read; the message names file, line and field.
    """
    if path.suffix.lower() == ".jsonl":
        return read_config(Script, {"replies": _json_lines(path)}, str(path))
    found = read_yaml(path)
    if isinstance(found, list):
        found = {"replies": found}
    if not isinstance(found, dict):
        raise MalformedData(f"{path}: a script is a list of replies, or a mapping with the key 'replies'.")
    return read_config(Script, found, str(path))


def _json_lines(path: Path) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"{path} cannot be read: {reason}.") from None
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise MalformedData(f"{path}, line {number}: this is not JSON ({error}).") from None
        if isinstance(row, dict):
            row = read_config(Line, row, f"{path}, line {number}")
        elif not isinstance(row, str):
            raise MalformedData(f"{path}, line {number}: a reply is a text, or a mapping with the key 'reply'.")
        rows.append(row)
    return rows
