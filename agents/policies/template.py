"""Chat templates: from messages to tokens, a turn at a time.

A conversation's tokens are only ever added to. What a new turn adds is found by rendering its messages behind a
made-up exchange and cutting there, so that the cost is that of the turn, however long the conversation is.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ...tasks.errors import MissingData, UserError
from ...tasks.task import text_hash
from ..types import Message, Role, TextPart, ToolCall
from .codec import Codec
from .jinja import compile_template
from .past import Past, probe
from .policy import PolicyError

_ASKED = "rlvr asks this"
_ANSWERED = "rlvr-answers-that"
_ROLES = {"user": Role.OBSERVATION, "tool": Role.TOOL}


class Piece(NamedTuple):
    """Some tokens of one role."""

    ids: tuple[int, ...]
    role: Role
    opening: bool = False
    """Whether they open the answer: the generation prompt, or the beginning of the answer where that was given."""


class TemplateRefusal(PolicyError):
    """The template cannot show these messages; the message says why."""


class ChatTemplate:
    """Turns messages into tokens.

    Args:
        codec: The tokenizer.
        source: The template, in Jinja.
        name: What error messages call the model.
        special_tokens: `bos_token`, `eos_token`, ... by name, as templates use them.
        end_ids: Tokens that end an answer, besides the template's own end of turn.
        variables: More variables of the template, such as `enable_thinking`.
        today: The date that templates show which show one; the present one if None.
    """

    def __init__(
        self,
        codec: Codec,
        source: str,
        *,
        name: str,
        special_tokens: Mapping[str, str] | None = None,
        end_ids: Iterable[int] = (),
        variables: Mapping[str, Any] | None = None,
        today: datetime | None = None,
    ) -> None:
        self.codec = codec
        self.name = name
        self._render = compile_template(source, today)
        self._variables = {**(special_tokens or {}), **(variables or {})}
        self.fingerprint = text_hash(
            json.dumps([source, self._variables, sorted(codec.control.items()), codec.size], sort_keys=True)
        )
        self._in_parts = False
        self._in_parts = not self._shows_texts()
        """Whether the template wants contents as lists of parts, as some of vision models do."""
        self._past: dict[tuple[bool, bool, bool], Past] = {}
        self.opening_text = self._opening_text()
        """The generation prompt, where it stands alone at the end of a rendered prompt."""
        self.end_of_turn = self._end_of_turn()
        """The token that the template writes behind an answer, where it is a single one."""
        self.end_ids = tuple(dict.fromkeys([*end_ids, *([] if self.end_of_turn is None else [self.end_of_turn])]))
        """Tokens that end an answer."""

    @classmethod
    def from_folder(cls, folder: str | Path, *, variables: Mapping[str, Any] | None = None) -> "ChatTemplate":
        """Return the template of a model's folder (`tokenizer.json`, `chat_template.jinja`); no transformers needed.

        Raises:
            MissingData: A file is not there.
        """
        folder = Path(folder)
        codec = Codec.from_file(folder / "tokenizer.json")
        config = _read_json(folder / "tokenizer_config.json")
        file = folder / "chat_template.jinja"
        source = file.read_text(encoding="utf-8") if file.is_file() else config.get("chat_template")
        if not isinstance(source, str):
            raise MissingData(f"There is no chat template in {folder}; it belongs into chat_template.jinja.")
        special = {key: _token_text(value) for key, value in config.items() if key.endswith("_token") and value}
        ends = _read_json(folder / "generation_config.json").get("eos_token_id")
        end_ids = ends if isinstance(ends, list) else [] if ends is None else [ends]
        eos = codec.control.get(special.get("eos_token", ""))
        return cls(
            codec,
            source,
            name=folder.name,
            special_tokens=special,
            end_ids=[*end_ids, *([] if eos is None else [eos])],
            variables=variables,
        )

    @classmethod
    def from_transformers(
        cls, tokenizer: Any, *, name: str, end_ids: Iterable[int] = (), variables: Mapping[str, Any] | None = None
    ) -> "ChatTemplate":
        """Return the template of a tokenizer of transformers.

        Raises:
            UserError: It has none.
        """
        source = tokenizer.chat_template
        if isinstance(source, dict):
            source = source.get("tool_use") or source.get("default")
        if not isinstance(source, str):
            raise UserError(
                f"The tokenizer of {name} has no chat template; use an instruction-tuned model, or set one as "
                "tokenizer.chat_template."
            )
        eos = tokenizer.eos_token_id
        return cls(
            Codec.from_transformers(tokenizer),
            source,
            name=name,
            special_tokens={key: str(value) for key, value in tokenizer.special_tokens_map.items() if value},
            end_ids=[*end_ids, *([] if eos is None else [eos])],
            variables=variables,
        )

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; control tokens are recognised in it."""
        return self.codec.encode(text)

    def encode_content(self, text: str) -> list[int]:
        """Return the ids of what somebody says: no control token is recognised in it."""
        return self.codec.encode(self.codec.shield(text))

    def decode(self, ids: Sequence[int], *, control: bool = True) -> str:
        """Return the text of ids; `control` says whether control tokens show in it."""
        return self.codec.decode(ids, control=control)

    def start(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] = (),
        *,
        opening: bool = True,
        known: Mapping[str, Sequence[int]] | None = None,
    ) -> list[Piece]:
        """Return the tokens of a whole prompt.

        Args:
            messages: All messages; a last one of the assistant is continued instead of answered.
            tools: Tool definitions.
            opening: Whether the answer is opened (the generation prompt).
            known: Tokens of answers by their text, used in place of tokenising that anew.

        Raises:
            TemplateRefusal: The template cannot show these messages.
        """
        given, prefill = split_prefill(messages)
        text = self.render(given, tools, opening=opening or prefill is not None)
        if tools and text == self.render(given, opening=opening or prefill is not None):
            raise TemplateRefusal(
                f"The chat template of {self.name} shows no tools; let the agent ask for text instead."
            )
        return self.pieces(text, given, prefill, known=known)

    def prompt_ids(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> list[int]:
        """Return the ids of a whole prompt, its answer opened; see `start`."""
        return [number for piece in self.start(messages, tools) for number in piece.ids]

    def extend(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = (), *, ended_by: int | None = None
    ) -> list[Piece]:
        """Return the tokens that new messages add behind an answer.

        Args:
            messages: The new messages; a last one of the assistant is continued instead of answered.
            tools: Tool definitions, as in the prompt.
            ended_by: The token that ended the answer, which is not written again; None where the answer stopped
                without one (at its greatest length, or at a stop string), then the end of turn is written here.

        Raises:
            TemplateRefusal: The template cannot show these messages there.
        """
        given, prefill = split_prefill(messages)
        return self.pieces(self.tail(given, tools), given, prefill, ended_by=ended_by)

    def resume(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> list[Piece]:
        """Return the tokens that messages add behind a user's message: answers that are written anew, and what follows.

        Args:
            messages: The messages; a last one of the assistant is continued instead of answered.
            tools: Tool definitions, as in the prompt.

        Raises:
            TemplateRefusal: The template cannot show these messages there.
        """
        given, prefill = split_prefill(messages)
        return self.pieces(self.later(given, tools), given, prefill)

    def past(self, tools: Sequence[Mapping[str, Any]], new: Sequence[Message], *, thoughts: bool) -> Past:
        """Return what the template does to the past when new messages come; found out once, by trying.

        Args:
            tools: Tool definitions, as in the prompt.
            new: The new messages.
            thoughts: Whether answers since the last user message hold thoughts.
        """
        key = (bool(tools), bool(new) and all(message.role == "tool" for message in new), thoughts)
        if key not in self._past:
            self._past[key] = probe(self, tools, results=key[1], thoughts=thoughts)
        return self._past[key]

    def tail(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """Return the text that messages add behind an answer, the answer's end of turn included."""
        asked = Message(role="user", content=_ASKED)
        answered = Message(role="assistant", content=_ANSWERED)
        try:
            text = self.render((asked, answered, *messages), tools)
        except TemplateRefusal:
            if not messages or messages[0].role != "tool" or self.end_of_turn is None:
                raise
            call = ToolCall(id=messages[0].tool_call_id or "000000000", name="rlvr", arguments="{}")
            text = self.render((asked, answered.model_copy(update={"tool_calls": (call,)}), *messages), tools)
            start = text.find(_ANSWERED) + len(_ANSWERED)
            return text[text.find(self.codec.decode([self.end_of_turn]), start) :]
        place = text.find(_ANSWERED)
        if place < 0:
            raise TemplateRefusal(f"The chat template of {self.name} does not show what the assistant says.")
        return text[place + len(_ANSWERED) :]

    def later(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """Return the text that messages add behind a user's message."""
        asked = Message(role="user", content=_ASKED)
        before, text = self.render((asked,), tools, opening=False), self.render((asked, *messages), tools)
        if not text.startswith(before):
            raise TemplateRefusal(f"The chat template of {self.name} changes a user's message once it is answered.")
        return text[len(before) :]

    def render(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = (), *, opening: bool = True
    ) -> str:
        """Return messages as the template writes them, literals of control tokens in them broken by `codec.MARK`."""
        import jinja2

        try:
            try:
                return self._rendered(messages, tools, opening, objects=True)
            except TypeError:
                if not any(message.tool_calls for message in messages):
                    raise
                return self._rendered(messages, tools, opening, objects=False)
        except (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
            if messages and messages[0].role == "system" and "system" in str(error).lower():
                raise TemplateRefusal(
                    f"The chat template of {self.name} takes no system message; put the instructions into the first "
                    "user message, or use a model whose template takes one."
                ) from None
            raise TemplateRefusal(f"The chat template of {self.name} refuses these messages: {error}.") from None

    def _rendered(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], opening: bool, *, objects: bool
    ) -> str:
        return self._render(
            messages=[self._plain(message, objects) for message in messages],
            tools=self._shielded(list(tools)) if tools else None,
            documents=None,
            add_generation_prompt=opening,
            **self._variables,
        )

    def _plain(self, message: Message, objects: bool) -> dict[str, Any]:
        """Return a message as templates expect it; `objects` says whether arguments of calls are objects or text."""
        text = self.codec.shield(self.text_of(message))
        plain: dict[str, Any] = {
            "role": message.role,
            "content": [{"type": "text", "text": text}] if self._in_parts else text,
        }
        if message.tool_calls:
            calls = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {
                        "name": call.name,
                        "arguments": _arguments(call.arguments) if objects else call.arguments,
                    },
                }
                for call in message.tool_calls
            ]
            plain["tool_calls"] = self._shielded(calls)
        if message.tool_call_id is not None:
            plain["tool_call_id"] = self.codec.shield(message.tool_call_id)
        return plain

    def _shielded(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.codec.shield(value)
        if isinstance(value, Mapping):
            return {self.codec.shield(str(key)): self._shielded(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._shielded(item) for item in value]
        return value

    def text_of(self, message: Message) -> str:
        """Return what a message says.

        Raises:
            TemplateRefusal: It holds a picture.
        """
        if isinstance(message.content, str):
            return message.content
        if all(isinstance(part, TextPart) for part in message.content):
            return "".join(part.text for part in message.content if isinstance(part, TextPart))
        raise TemplateRefusal(f"{self.name} reads no pictures; use a back end with a vision model.")

    def pieces(
        self,
        text: str,
        messages: Sequence[Message],
        prefill: Message | None = None,
        *,
        ended_by: int | None = None,
        known: Mapping[str, Sequence[int]] | None = None,
    ) -> list[Piece]:
        """Tokenise rendered text.

        Args:
            text: What `render`, `tail` or `later` returned.
            messages: Those that it shows, in order.
            prefill: The beginning of the answer, where that is given.
            ended_by: The token that ended the answer before; left out.
            known: Tokens of answers by their text, used in place of tokenising that anew.
        """
        skip = 0
        if ended_by is not None:
            end = self.codec.decode([ended_by])
            place = text.find(end)
            if place >= 0 and not text[:place].strip():
                text, skip = text[place:], len(end)
        opening = len(text)
        if self.opening_text and text.endswith(self.opening_text):
            opening -= len(self.opening_text)
        ids, starts = self._encoded(text, messages, known or {})
        if skip and not (ids[0] == ended_by and (len(ids) == 1 or starts[1] >= skip)):
            text, skip, opening = text[skip:], 0, opening - skip  # the end stands in no token of its own
            ids, starts = self.codec.encode_from(text)
        borders = self._borders(text, messages, opening)
        pieces: list[Piece] = []
        first = 0
        while first < len(ids) and starts[first] < skip:
            first += 1
        position = 0
        while first < len(ids):
            while position + 1 < len(borders) and borders[position + 1][0] <= starts[first]:
                position += 1
            until = borders[position + 1][0] if position + 1 < len(borders) else len(text) + 1
            last = first + 1
            while last < len(ids) and starts[last] < until:
                last += 1
            start, role = borders[position]
            pieces.append(Piece(tuple(ids[first:last]), role, start >= opening))
            first = last
        if prefill is not None and (begun := self.encode_content(self.text_of(prefill))):
            pieces.append(Piece(tuple(begun), Role.PROMPT, True))
        return pieces

    def _encoded(
        self, text: str, messages: Sequence[Message], known: Mapping[str, Sequence[int]]
    ) -> tuple[list[int], list[int]]:
        """Return the ids of rendered text and where in it each starts."""
        ids: list[int] = []
        starts: list[int] = []
        position = 0
        for message in messages if known else ():
            sampled = known.get(self.text_of(message)) if message.role == "assistant" else None
            content = self.codec.shield(self.text_of(message))
            place = text.find(content, position)
            if place < 0 or sampled is None:
                continue
            before, at = self.codec.encode_from(text[position:place])
            ids += [*before, *sampled]
            starts += [*(position + start for start in at), *(place for _ in sampled)]
            position = place + len(content)
        rest, at = self.codec.encode_from(text[position:])
        return [*ids, *rest], [*starts, *(position + start for start in at)]

    def _borders(self, text: str, messages: Sequence[Message], opening: int) -> list[tuple[int, Role]]:
        """Return where in a rendered text which role begins."""
        borders = [(0, Role.PROMPT)]
        position = 0
        for message in messages:
            content = self.codec.shield(self.text_of(message)).strip()
            place = text.find(content, position, opening) if content else -1
            if place >= 0:
                position = place + len(content)
                role = _ROLES.get(message.role)
                if role is not None:
                    borders += [(place, role), (position, Role.PROMPT)]
        return borders if opening == len(text) else [*borders, (opening, Role.PROMPT)]

    def _shows_texts(self) -> bool:
        try:
            return _ASKED in self.render([Message(role="user", content=_ASKED)])
        except TemplateRefusal:
            return False

    def _opening_text(self) -> str:
        asked = [Message(role="user", content=_ASKED)]
        without, opened = self.render(asked, opening=False), self.render(asked)
        return opened[len(without) :] if opened.startswith(without) else ""

    def _end_of_turn(self) -> int | None:
        asked = [Message(role="user", content=_ASKED), Message(role="assistant", content=_ANSWERED)]
        text = self.render(asked, opening=False)
        tail = text[text.find(_ANSWERED) + len(_ANSWERED) :].strip()
        ids = self.codec.encode(tail)
        return ids[0] if ids and ids[0] in self.codec.control.values() else None


def split_prefill(messages: Sequence[Message]) -> tuple[Sequence[Message], Message | None]:
    """Return the messages, and apart the beginning of the answer, where the last one gives it."""
    if messages and messages[-1].role == "assistant":
        return messages[:-1], messages[-1]
    return messages, None


def _arguments(text: str) -> Any:
    """Return a call's arguments as templates expect them: an object, or the model's own text where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text


def _token_text(value: Any) -> str:
    return str(value.get("content", "") if isinstance(value, dict) else value)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    value = json.loads(path.read_text(encoding="utf-8"))
    return value if isinstance(value, dict) else {}
