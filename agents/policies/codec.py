"""Text to tokens and back, over a `tokenizers.Tokenizer` or any tokenizer of transformers.

What a message says must never become a control token. `shield` breaks every literal of one with a mark that no text
may hold; `encode` tokenises the pieces between marks apart, so that the literal cannot be recognised.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...tasks.errors import MissingData, MissingExtra

MARK = "\ufdd0"
"""Breaks literals of control tokens; a code point that Unicode keeps free of any text."""


class Codec:
    """A tokenizer with no additions of its own: no beginning or end token is put around what is encoded.

    Args:
        encode: From text to ids and, where it knows them, the index of the character at which each token starts.
        decode: From ids (and whether control tokens show) to text.
        control: Control tokens by text: no message's content ever becomes one.
        size: The number of ids, those of added tokens included.
    """

    def __init__(
        self,
        encode: Callable[[str], tuple[list[int], list[int] | None]],
        decode: Callable[[Sequence[int], bool], str],
        control: Mapping[str, int],
        size: int,
    ) -> None:
        self._encode = encode
        self._decode = decode
        self.size = size
        self.control: dict[str, int] = {}
        self.add_control(control)

    @classmethod
    def from_tokenizers(cls, tokenizer: Any) -> "Codec":
        """Return the codec of a `tokenizers.Tokenizer`."""
        if tokenizer.truncation is not None or tokenizer.padding is not None:
            tokenizer = type(tokenizer).from_str(tokenizer.to_str())
            tokenizer.no_truncation()
            tokenizer.no_padding()

        def encode(text: str) -> tuple[list[int], list[int] | None]:
            made = tokenizer.encode(text, add_special_tokens=False)
            return made.ids, [start for start, _ in made.offsets]

        def decode(ids: Sequence[int], control: bool) -> str:
            text: str = tokenizer.decode(ids, skip_special_tokens=not control)
            return text

        added = tokenizer.get_added_tokens_decoder()
        return cls(
            encode,
            decode,
            {token.content: number for number, token in added.items() if token.special},
            tokenizer.get_vocab_size(with_added_tokens=True),
        )

    @classmethod
    def from_transformers(cls, tokenizer: Any) -> "Codec":
        """Return the codec of a tokenizer of transformers; by the library below it, where that is `tokenizers`."""
        fast = getattr(tokenizer, "backend_tokenizer", None)
        if fast is not None:
            made = cls.from_tokenizers(fast)
        else:
            made = cls(
                lambda text: (tokenizer.encode(text, add_special_tokens=False), None),
                lambda ids, control: tokenizer.decode(
                    list(ids), skip_special_tokens=not control, clean_up_tokenization_spaces=False
                ),
                {},
                len(tokenizer),
            )
        names = tokenizer.all_special_tokens
        made.add_control(dict(zip(names, tokenizer.convert_tokens_to_ids(names), strict=True)))
        return made

    @classmethod
    def from_file(cls, path: Path) -> "Codec":
        """Return the codec of a `tokenizer.json`.

        Raises:
            MissingData: It is not there.
            MissingExtra: The library `tokenizers` is not installed.
        """
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise MissingExtra("tokenizers", "hf") from None
        if not path.is_file():
            raise MissingData(f"There is no tokenizer at {path}; a model's folder holds a tokenizer.json.")
        return cls.from_tokenizers(Tokenizer.from_file(str(path)))

    def add_control(self, tokens: Mapping[str, int]) -> None:
        """Count more tokens as control tokens."""
        self.control.update(tokens)
        texts = sorted(filter(None, self.control), key=len, reverse=True)
        # A look-ahead, because literals may overlap: each is broken behind its own first character.
        self._literal = re.compile(f"(?=(?:{'|'.join(map(re.escape, texts))}))(.)", re.DOTALL) if texts else None
        self._short = frozenset(text for text in texts if len(text) == 1)

    def shield(self, text: str) -> str:
        """Return a content with every literal of a control token broken by `MARK`."""
        if MARK in text:
            text = text.replace(MARK, "\ufffd")
        if self._literal is None or self._literal.search(text) is None:
            return text
        return self._literal.sub(
            lambda found: "\ufffd" if found.group(1) in self._short else found.group(1) + MARK, text
        )

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, control tokens recognised except where a `MARK` breaks them."""
        if MARK not in text:
            return self._encode(text)[0]
        return [number for part in text.split(MARK) for number in self._encode(part)[0]]

    def encode_from(self, text: str) -> tuple[list[int], list[int]]:
        """Return the ids of a text and the index of the character at which each starts."""
        ids: list[int] = []
        starts: list[int] = []
        position = 0
        for part in text.split(MARK):
            part_ids, part_starts = self._encode(part)
            if part_starts is None:
                part_starts = token_starts(self.decode, part_ids)[1]
            ids += part_ids
            starts += part_starts if position == 0 else [position + start for start in part_starts]
            position += len(part) + len(MARK)
        return ids, starts

    def decode(self, ids: Sequence[int], *, control: bool = True) -> str:
        """Return the text of ids; `control` says whether control tokens show in it."""
        return self._decode(ids, control)

    def drifts(self, ids: Sequence[int]) -> bool:
        """Return whether the text of these ids is tokenised otherwise than they are."""
        return self._encode(self._decode(ids, True))[0] != list(ids)


def token_starts(decode: Callable[[Sequence[int]], str], ids: Iterable[int]) -> tuple[str, list[int]]:
    """Decode ids one after the other.

    A token's text may depend on those before it (leading spaces, characters of several tokens), so each is decoded
    behind a window of its predecessors; the window stays short, so that the cost is linear.

    Args:
        decode: From ids to text, control tokens shown.
        ids: The tokens.

    Returns:
        The whole text, and for every token the index of the first character that it brought. A token that only
        begins a character starts where that character stands.
    """
    text: list[str] = []
    starts: list[int] = []
    length = 0
    window: list[int] = []
    settled = 0  # tokens of the window whose text is out
    before = ""  # the text of the settled ones
    for number in ids:
        starts.append(length)
        window.append(number)
        now = decode(window)
        if now.endswith("\ufffd") and len(window) - settled < _LONGEST_CHARACTER:
            continue
        new = now[len(before) :]
        text.append(new)
        length += len(new)
        window = window[settled:]
        settled = len(window)
        before = decode(window)
    if window[settled:]:
        text.append(decode(window)[len(before) :])
    return "".join(text), starts


_LONGEST_CHARACTER = 5
"""Tokens that may have to be waited for until they make a character: four bytes, and one to see that they do not."""
