"""Static limits: what is too large is refused before anything is computed.

Two stages, both linear in the text: signs are counted here, before parsing; `cost.check_cost` then bounds the size of
every number of a parsed tree before one is built. The bounds are far beyond every answer of the public benchmarks.
"""

import re

MAX_TEXT_CHARS = 1_000_000
"""Longest completion that is searched for an answer."""
MAX_ANSWER_CHARS = 4096
"""Longest final answer that is read."""
MAX_DIGIT_RUN = 1000
MAX_NESTING = 64
MAX_OPERATORS = 1024
MAX_MATRIX_CELLS = 256
MAX_BITS = 100_000
"""Largest size of an exact number."""
MAX_SYMBOLIC_EXPONENT = 1000
MAX_FACTORIAL_ARGUMENT = 5000
MAX_SERIES_TERMS = 1000
MAX_TERMS = 20_000
"""Most terms of sums inside sums."""
MAX_DEPTH = 200
"""Deepest tree; a chain of divisions is one level a sign."""

_DIGIT_RUN = re.compile(rf"\d{{{MAX_DIGIT_RUN + 1}}}")
_NESTING = re.compile(r"[(\[{]|[)\]}]")
_OPERATOR = re.compile(r"[-+*/^=,;&!|_]")


class TooLarge(ValueError):
    """The text or the number exceeds a static limit; the message names it."""


def check_text(text: str) -> None:
    """Refuses a final answer that is too long, too deep or has too many signs.

    Args:
        text: The final answer as extracted.

    Raises:
        TooLarge: A limit is exceeded.
    """
    length = len(text)
    if length <= MAX_NESTING:
        return
    if length > MAX_ANSWER_CHARS:
        raise TooLarge(f"it has {length} characters; at most {MAX_ANSWER_CHARS} are read")
    if _DIGIT_RUN.search(text):
        raise TooLarge(f"it has a number of more than {MAX_DIGIT_RUN} digits")
    depth = deepest = 0
    for sign in _NESTING.findall(text):
        depth += 1 if sign in "([{" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        raise TooLarge(f"it is nested {deepest} deep; at most {MAX_NESTING} levels are read")
    operators = len(_OPERATOR.findall(text))
    if operators > MAX_OPERATORS:
        raise TooLarge(f"it has {operators} operators; at most {MAX_OPERATORS} are read")
