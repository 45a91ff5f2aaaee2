"""Counting tokens with the embedded model's tokenizer."""

from functools import lru_cache
from importlib import resources
from typing import Any

from ..tasks.errors import UserError

TEMPLATE_TOKENS = 2
"""What the chat template adds to a message: its role and its end."""


@lru_cache(maxsize=1)
def tiny_tokenizer() -> Any:
    """Return the embedded model's tokenizer.

    Raises:
        UserError: The package `tokenizers` is missing.
    """
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError:
        raise UserError('Counting tokens needs the package tokenizers: pip install "rlvr[hf]".') from None
    text = (resources.files("rlvr.agents") / "weights" / "tiny" / "tokenizer.json").read_text(encoding="utf-8")
    return Tokenizer.from_str(text)


class TokenCounter:
    """Counts the tokens of messages; texts that come again are looked up."""

    def __init__(self) -> None:
        self._tokenizer = tiny_tokenizer()
        self._known: dict[str, int] = {}

    def message(self, text: str) -> int:
        """Return the tokens of a message, with those of the chat template."""
        found = self._known.get(text)
        if found is None:
            found = len(self._tokenizer.encode(text, add_special_tokens=False).ids) + TEMPLATE_TOKENS
            self._known[text] = found
        return found
