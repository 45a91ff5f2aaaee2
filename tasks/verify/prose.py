"""Values in prose: formulas between math delimiters, runs of mathematical signs, and what joins them."""

import re
from typing import NamedTuple

from .vocabulary import FILLERS, FUNCTIONS, GREEK, UNITS

_DELIMITER = re.compile(r"(?<!\\)\$\$?|\\\(|\\\)|\\\[|\\\]")
_CLOSES = {"$": "$", "$$": "$$", r"\(": r"\)", r"\[": r"\]"}
_WORDS = re.compile(r"[^\W\d_]{2,}")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_NOT_PROSE = re.compile(
    r"\\(?:begin|end)\s*\{[^{}]*\}(?:\{[^{}]*\})?|\\(?:text|mbox|textbf|textit|mathrm|textnormal|operatorname)\s*\{[^{}]*\}|\\[a-zA-Z]+"
)
_HEDGE_GLUE = re.compile(
    r"[\s.,;:!?()*–—-]*(?:(?:and|but)\s+)?\b(?:or|also|alternatively|maybe|perhaps|possibly|otherwise|else)\b"
    r"(?:[\s,]+(?:it|could|can|might|may|be|is|also|even|possibly|maybe|perhaps|the|answer|equals?|to|just|else|either)"
    r"\b){0,6}[\s,:(*]*",
    re.IGNORECASE,
)
_LIST_GLUE = re.compile(r"\s*(?:[,;]\s*(?:and\s+)?|\band\s+|&\s*)", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:not|never|cannot|nor|\w+n['’]t)(?:\s+(?:be|equal|equal\s+to))?\s*\Z", re.IGNORECASE)
_AND_GLUE = re.compile(r",?\s+and\s+", re.IGNORECASE)
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|[^\s\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)\b", re.IGNORECASE)
_STARTS_NUMBER = re.compile(r"[(\[{*_\"'`]*[-+−±~≈]?[$€£¥₹]?[-−]?[.,]?\d")
_OPERATORS = frozenset(
    [
    "=", "+", "-", "*", "/", "^", "<", ">", "<=", ">=", "!=", "≤", "≥", "≠", "×", "÷", "±", "−", "·", "≈",
]
)  # fmt: skip
_SHORT = frozenset(
    [
    "is", "it", "to", "of", "in", "we", "so", "as", "at", "be", "by", "if", "no", "on", "he", "an", "do", "go",
    "me", "my", "up", "us", "am", "la", "le", "de", "es", "el", "un", "et",
]
)  # fmt: skip
_BARE_WORDS = 2
_BARE_CHARS = 400
_KNOWN_WORDS = (
    frozenset(FUNCTIONS) | frozenset(GREEK) | frozenset(UNITS) | {"and", "or", "pi", "np", "math", "infty", "also"}
)


class Value(NamedTuple):
    """A value in prose and where it stands."""

    start: int
    end: int
    text: str
    math: bool


def last_value(text: str) -> str | None:
    """The last value of a text with all that is joined to it, `None` where there is none."""
    values = find_values(text)
    return joined_values(text, values, len(values) - 1) if values else None


def joined_values(text: str, values: list[Value], index: int) -> str:
    """The value with all that hedging words or lists join to it."""
    first = last = index
    while first > 0 and are_joined(text, values[first - 1], values[first]):
        first -= 1
    while last + 1 < len(values) and are_joined(text, values[last], values[last + 1]):
        last += 1
    return ", ".join(dict.fromkeys(value.text for value in values[first : last + 1]))


def are_joined(text: str, left: Value, right: Value) -> bool:
    """Whether two neighbouring values are stated together: as a list, or as alternatives."""
    between = text[left.end : right.start]
    if len(between) > 120:
        return False
    if _HEDGE_GLUE.fullmatch(between):
        return True
    if left.math and right.math:
        return _LIST_GLUE.fullmatch(between) is not None
    return _AND_GLUE.fullmatch(between) is not None


def find_values(text: str) -> list[Value]:
    """Formulas between math delimiters and runs of mathematical signs in plain text, in order."""
    values: list[Value] = []
    plain_start = 0
    opened: re.Match[str] | None = None
    for found in _DELIMITER.finditer(text):
        sign = found[0]
        if opened is None:
            if sign in _CLOSES:
                opened = found
            continue
        if sign != _CLOSES[opened[0]]:
            continue
        inside = text[opened.end() : found.start()]
        if inside.strip():
            if (sign == "$" and "\n" in inside) or (sign == "$" and not is_bare(inside)):
                # A lone dollar sign (money): what follows is prose, and this sign may open a formula.
                values += _plain_values(text, plain_start, found.start())
                plain_start, opened = found.start(), found
                continue
            values += _plain_values(text, plain_start, opened.start())
            content = with_percent(inside.strip(), text[found.end() : found.end() + 12])
            end = found.end() + (0 if content == inside.strip() else 2)
            values.append(Value(opened.start(), end, content, True))
        plain_start, opened = found.end(), None
    values += _plain_values(text, plain_start, len(text))
    return [value for value in values if not _NEGATED.search(text, max(0, value.start - 24), value.start)]


def _plain_values(text: str, start: int, end: int) -> list[Value]:
    values: list[Value] = []
    run: list[tuple[int, int]] = []

    def finish() -> None:
        if run:
            value = text[run[0][0] : run[-1][1]].strip("*_\"'`").rstrip(".,;:!?*)").lstrip("=≈ ")
            if "(" in value and value.count("(") > value.count(")"):
                value = value + ")" if text[run[-1][1] - 1 : run[-1][1]] == ")" else value.lstrip("(")
            if any(c.isdigit() or c in "\\=" for c in value):
                values.append(
                    Value(run[0][0], run[0][0] + len(text[run[0][0] : run[-1][1]].rstrip(".,;:!?*")), value, False)
                )
            run.clear()

    for found in _TOKEN.finditer(text, start, end):
        token = found[0]
        core = token.strip("*_\"'`()").rstrip(".,;:!?")
        joined = _mathematical(token, core)
        if not joined and run and (core in UNITS or core.lower() in ("percent", "pct")):
            run.append(found.span())
            finish()
            continue
        if not joined:
            finish()
            continue
        run.append(found.span())
        if token[-1] in ".,;:!?" and not token.endswith("\\,"):
            finish()
    finish()
    return values


def _mathematical(token: str, core: str) -> bool:
    """Whether a word of prose is a piece of mathematics."""
    if core in _OPERATORS or token in _OPERATORS:
        return True
    if _ORDINAL.fullmatch(core):
        return False
    if _STARTS_NUMBER.match(token):
        return True
    if "\\" in core and not core.startswith("\\text"):
        return True
    if len(core) == 1:
        return core.isalpha() and core.isascii() and core not in "aAI"
    if core[:1] in "-+(" and any(c.isdigit() for c in core):
        return True
    return any(c in core for c in "=^") and any(c.isalnum() for c in core)


def with_percent(content: str, after: str) -> str:
    """A percent sign that stands right behind a box or formula belongs to the value."""
    found = re.match(r"[\s$]*(?:\\\)|\\\])?\s*(?:\\?%|(?:percent|pct)\b)", after)
    return content + "\\%" if found and "%" not in content else content


def has_leading_words(text: str) -> bool:
    """Whether a text has words other than units, functions and those that merely introduce a value."""
    words = _WORDS.findall(_NOT_PROSE.sub(" ", text))
    return any(word.lower() not in FILLERS and word not in _KNOWN_WORDS for word in words)


def is_bare(text: str) -> bool:
    """Whether a text is an answer without prose around it."""
    rest = _NOT_PROSE.sub(" ", text)
    words = [
        word for word in _WORDS.findall(rest) if word not in _KNOWN_WORDS and (len(word) > 2 or word.lower() in _SHORT)
    ]
    formula = _DELIMITER.search(text)
    if formula is not None and has_leading_words(text[: formula.start()]):
        return False
    if words and len(text) > _BARE_CHARS:
        return False
    return len(words) <= _BARE_WORDS and "\n\n" not in text and len(_CJK.findall(text)) <= 4
