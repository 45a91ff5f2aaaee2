"""Answers that come in pieces: server-sent events, merged into the answer that would have come whole."""

import json
from typing import Any

from .openai_wire import Fault

_DONE = "[DONE]"


LONGEST_LINE = 16 * 2**20
"""Bytes of one line of a stream; no answer's piece is as long."""


class EventReader:
    """Cuts bytes into the data of server-sent events (WHATWG HTML, section 9.2.6), wherever the bytes were cut."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._held = 0
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[str]:
        """Return the events that a piece of the stream completes.

        Raises:
            Fault: A line has no end.
        """
        self._line.append(piece)
        self._held += len(piece)
        if b"\n" not in piece:
            if self._held > LONGEST_LINE:
                raise Fault(f"the stream has a line of more than {LONGEST_LINE // 2**20} MiB")
            return []
        *lines, rest = b"".join(self._line).split(b"\n")
        self._line, self._held = [rest], len(rest)
        events: list[str] = []
        for line in lines:
            name, _, value = line.removesuffix(b"\r").partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
            elif not name and not value and self._data:
                events.append("\n".join(self._data))
                self._data = []
        return events

    def rest(self) -> list[str]:
        """Return the event that the end of the stream completes: some servers leave out the last empty line."""
        return self.feed(b"\n\n")


class StreamedAnswer:
    """An answer in the making."""

    def __init__(self) -> None:
        self.begun = False
        """Whether the model has said anything yet."""
        self.done = False
        """Whether the server has said that this was all."""
        self.error: Any = None
        """What the server sent in place of a piece."""
        self._whole: dict[str, Any] = {}
        self._choice: dict[str, Any] = {}
        self._text: dict[str, list[str]] = {}
        self._calls: dict[int, dict[str, Any]] = {}
        self._logprobs: dict[str, list[Any]] = {}
        self._is_chat = False

    def add(self, event: str) -> bool:
        """Take in the data of one event; returns whether the answer grew by it.

        Raises:
            Fault: It is not what a server should send.
        """
        if event.strip() == _DONE:
            self.done = True
            return True
        try:
            piece = json.loads(event)
        except ValueError:
            piece = None
        if not isinstance(piece, dict):
            raise Fault("a piece of the stream is not JSON")
        if piece.get("error"):
            self.error = piece
            return True
        try:
            return self._add(piece)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            pass
        raise Fault("a piece of the stream is of no known form")

    def whole(self) -> dict[str, Any]:
        """Return the answer as it would have come in one piece.

        Raises:
            Fault: The stream ended before the answer did.
        """
        if self._choice.get("finish_reason") is None:
            raise Fault("the stream broke off" if self.begun else "the stream ended without an answer")
        choice = dict(self._choice)
        texts = {name: "".join(pieces) for name, pieces in self._text.items()}
        if self._is_chat:
            choice["message"] = {**texts, "tool_calls": [self._calls[index] for index in sorted(self._calls)]}
        else:
            choice["text"] = texts.get("text", "")
        if self._logprobs:
            choice["logprobs"] = self._logprobs
        return {**self._whole, "choices": [choice]}

    def _add(self, piece: dict[str, Any]) -> bool:
        for name in ("usage", "prompt_token_ids"):
            if piece.get(name) is not None:
                self._whole[name] = piece[name]
        grown = False
        for choice in piece.get("choices") or ():
            if choice.get("index", 0) == 0:
                grown = self._add_choice(choice) or grown
        self.begun = self.begun or grown
        return grown

    def _add_choice(self, choice: dict[str, Any]) -> bool:
        grown = False
        if "delta" in choice:
            self._is_chat = True
        for name, value in {**(choice.get("delta") or {}), "text": choice.get("text")}.items():
            if isinstance(value, str) and value and name != "role":
                self._text.setdefault(name, []).append(value)
                grown = True
        for position, call in enumerate((choice.get("delta") or {}).get("tool_calls") or ()):
            self._add_call(call, position)
            grown = True
        for name, values in (choice.get("logprobs") or {}).items():
            if values:
                self._logprobs.setdefault(name, []).extend(values)
        if choice.get("token_ids"):
            self._choice.setdefault("token_ids", []).extend(choice["token_ids"])
            grown = True
        for name in ("finish_reason", "prompt_token_ids", "error"):
            if choice.get(name) is not None:
                self._choice[name] = choice[name]
                grown = True
        return grown

    def _add_call(self, call: dict[str, Any], position: int) -> None:
        index = call.get("index")
        if not isinstance(index, int):  # some servers send whole calls and do not number them
            index = len(self._calls) if call.get("id") else max(len(self._calls) - 1, position)
        known = self._calls.setdefault(index, {"id": None, "function": {"name": "", "arguments": ""}})
        known["id"] = known["id"] or call.get("id")
        function = call.get("function") or {}
        known["function"]["name"] = known["function"]["name"] or function.get("name") or ""
        arguments = function.get("arguments") or ""
        known["function"]["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments)
