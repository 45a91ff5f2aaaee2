"""Units of measurement as they are written after a value."""

import re

from .lexer import Unreadable
from .vocabulary import HEDGES, UNITLESS, UNITS

_PERCENT = frozenset(["percent", "pct", "percentage", "%", r"\%", "percents", "per cent"])
_NOT_UNITS = HEDGES | frozenset(
    [
    "if", "when", "where", "for", "with", "mod", "such", "that", "otherwise", "is", "are", "at", "least", "most",
    "more", "less", "than", "only", "except", "whenever", "unless", "between", "from", "but",
]
)  # fmt: skip
_WORD = re.compile(r"[A-Za-zµμΩ°]+\.?")
_POWER = re.compile(r"\^\{?\s*([+-]?\d+)\s*\}?")


def unit_name(text: str) -> str:
    """Canonical name of the unit that `text` writes.

    Args:
        text: What stands after a value, such as ` kcal m^{-2}` or `cubic inches`.

    Returns:
        `%` for a percent sign in words; names of known units with their exponents; for an unknown unit `?` and
        its words, since anything may be counted.

    Raises:
        Unreadable: The text is no unit: it has digits of its own, or words that state a condition or an alternative.
    """
    lowered = text.strip().strip(".,;:").lower()
    if lowered in _PERCENT:
        return "%"
    without_powers = _POWER.sub("", text)
    if any(character.isdigit() for character in without_powers):
        raise Unreadable("a number stands inside the text after the value")
    words = [word.lower().strip(".") for word in _WORD.findall(text)]
    if any(word in _NOT_UNITS for word in words):
        raise Unreadable("the text after the value changes its meaning")
    tokens = [part for part in re.split(r"([\s/*~]|\\cdot|\\,)", text) if part and not part.isspace()]
    names: list[str] = []
    divide = False
    for token in tokens:
        if token in ("/", "*", "~", r"\cdot", r"\,"):
            divide = token == "/"
            continue
        if token.lower() == "per":
            divide = True
            continue
        power = 1
        found = _POWER.search(token)
        if found:
            power = int(found[1])
            token = token[: found.start()]
        token = token.strip(".,;:()[]{}\\ ")
        if not token:
            if found and names:
                names[-1] = f"{names[-1].partition('^')[0]}^{power}"
            continue
        name = UNITS.get(token) or UNITS.get(token.lower()) or (token if len(token) == 1 else None)
        if name is None:
            return "?" + " ".join(words)
        if name == "square" or name == "cubic":
            names.append(name)
            continue
        if names and names[-1] in ("square", "cubic"):
            power *= 2 if names.pop() == "square" else 3
        if divide:
            power, divide = -power, False
        names.append(name if power == 1 else f"{name}^{power}")
    return " ".join(sorted(names)) if names else "?"


def compatible(first: str, second: str) -> bool:
    """Whether two canonical units do not contradict each other.

    Counted things never contradict anything, and words that are no units do not contradict each other; but words that
    are no units contradict a unit of measurement, unless they name it too ("40 feet" and "40 feet of rope").
    """
    if first == second or first in UNITLESS or second in UNITLESS:
        return True
    if first.startswith("?") and second.startswith("?"):
        return True
    if first.startswith("?") or second.startswith("?"):
        words, known = (first, second) if first.startswith("?") else (second, first)
        bases = {name.partition("^")[0] for name in known.split()}
        return any(UNITS.get(word) in bases for word in words[1:].split())
    return False
