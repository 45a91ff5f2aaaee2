"""Random well-formed commands, read off the action specifications: what `random` says where actions are endless."""

import importlib
import re
import string
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from .actions import MAX_ACTION_CHARS, ActionSpec, Param
from .rng import Rng

_ALPHABET = "".join(chr(code) for code in range(32, 127))
_CATEGORIES = {
    "CATEGORY_DIGIT": string.digits,
    "CATEGORY_WORD": string.ascii_letters + string.digits + "_",
    "CATEGORY_SPACE": " ",
}
_TRIES = 50
_EXTRA_REPEATS = 8
"""How often an open-ended repeat goes on at most beyond what it must."""
_RANGE_CHARS = 256
"""How many characters of a range count; a class may span all of Unicode."""
_MAX_COUNT = 10**12
"""Where counting the texts of a pattern stops being worth it."""

# The standard library's own parser of patterns: private by name, but the only way to read one as `re` reads it.
_parser: Any = importlib.import_module("re._parser")


def random_command(specs: Sequence[ActionSpec], rng: Rng) -> str:
    """Return a random command: a kind of action, uniformly, with random arguments.

    An argument is one of its `choices`, or a text that its group in the pattern accepts: a number uniformly among
    such texts, other texts with a uniform length (open-ended repeats go on at most 8 times more than they must).
    What the pattern as a whole refuses is drawn again; after 50 vain tries it is the example.
    """
    spec = rng.choice(specs)
    pattern, parsed = _compiled(spec.pattern)
    for attempt in range(_TRIES):
        # A template may not fit every pattern; half of the tries leave it aside.
        if spec.params and attempt % 2 == 0:
            text = spec.format(**{param.name: _argument(param, parsed, rng) for param in spec.params})
        else:
            text = _Sampler(rng, even=False, params=spec.params).sequence(parsed)
        if len(text) <= MAX_ACTION_CHARS and text.strip() and pattern.fullmatch(text.strip()):
            return text
    return spec.example


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> tuple[re.Pattern[str], Any]:
    return re.compile(pattern, re.IGNORECASE), _parser.parse(pattern)


def _argument(param: Param, parsed: Any, rng: Rng) -> str:
    if param.choices:
        return rng.choice(param.choices)
    number = param.kind in ("integer", "number")
    group = parsed.state.groupdict.get(param.name)
    inner = None if group is None else _find_group(parsed, group)
    if inner is not None:
        return _Sampler(rng, even=number).sequence(inner)
    if number:
        return str(rng.integer(0, 999))
    return "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.integer(1, _EXTRA_REPEATS)))


def _find_group(items: Any, group: int) -> Any:
    """Return the parsed inside of a group, or None."""
    for operator, value in items:
        if str(operator) == "SUBPATTERN" and value[0] == group:
            return value[3]
        for part in _inner(str(operator), value):
            found = _find_group(part, group)
            if found is not None:
                return found
    return None


def _inner(operator: str, value: Any) -> list[Any]:
    """Return the parsed patterns inside one item, those that take up no text left out."""
    if operator == "SUBPATTERN":
        return [value[3]]
    if operator == "BRANCH":
        return list(value[1])
    if operator.endswith("REPEAT"):
        return [value[2]]
    if operator == "ATOMIC_GROUP":
        return [value]
    if operator == "GROUPREF_EXISTS":
        return [part for part in value[1:] if part is not None]
    return []


def _characters(operator: str, value: Any) -> str:
    """Return the characters that a one-character item stands for (those of ASCII where it has no end)."""
    if operator == "LITERAL":
        return chr(value)
    if operator == "RANGE":
        return "".join(map(chr, range(value[0], min(value[1], value[0] + _RANGE_CHARS - 1) + 1)))
    if operator == "CATEGORY":
        name = str(value)
        if name in _CATEGORIES:
            return _CATEGORIES[name]
        refused = _CATEGORIES[name.replace("_NOT_", "_")]
        return "".join(char for char in _ALPHABET if char not in refused)
    if operator == "NOT_LITERAL":
        return _ALPHABET.replace(chr(value), "")
    if operator == "ANY":
        return _ALPHABET
    names = [(str(name), inner) for name, inner in value]  # IN: a class in brackets
    chars = "".join(_characters(name, inner) for name, inner in names if name != "NEGATE")
    if names[0][0] == "NEGATE":
        return "".join(char for char in _ALPHABET if char not in chars)
    # [\s\S] and its like mean any character.
    return "".join(dict.fromkeys(chars))


def _repeats(value: Any) -> tuple[int, int]:
    low, high = value[0], value[1]
    return low, min(high, low + _EXTRA_REPEATS) if high is _parser.MAXREPEAT else int(high)


_ONE_CHARACTER = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})


def _count(items: Any) -> int:
    """Return about how many texts a parsed pattern accepts."""
    total = 1
    for operator, value in items:
        name = str(operator)
        if name in _ONE_CHARACTER:
            total *= len(_characters(name, value))
        elif name == "BRANCH":
            total *= sum(map(_count, value[1]))
        elif name.endswith("REPEAT"):
            total *= sum(_repeat_weights(value))
        elif name in ("SUBPATTERN", "ATOMIC_GROUP"):
            total *= _count(_inner(name, value)[0])
        total = min(total, _MAX_COUNT)
    return total


def _repeat_weights(value: Any) -> list[int]:
    """Return, for each number of times a repeat may go on, how many texts that gives."""
    low, high = _repeats(value)
    each = _count(value[2])
    return [min(each ** min(times, 40), _MAX_COUNT) for times in range(low, min(high, low + 40) + 1)]


class _Sampler:
    """Draws texts that a parsed pattern accepts, look-around and anchors aside.

    Args:
        rng: Where the randomness comes from.
        even: Whether every text should be about equally likely, so that most are long; else every length is.
        params: Arguments whose `choices` count instead of their group.
    """

    def __init__(self, rng: Rng, *, even: bool, params: Sequence[Param] = ()) -> None:
        self.rng = rng
        self.even = even
        self.choices = {param.name: param.choices for param in params if param.choices}
        self.groups: dict[int, str] = {}

    def sequence(self, items: Any) -> str:
        """Return one text."""
        names = {group: name for name, group in items.state.groupdict.items()}
        return "".join(self._item(str(operator), value, names) for operator, value in items)

    def _item(self, operator: str, value: Any, names: dict[int, str]) -> str:
        rng = self.rng
        if operator in _ONE_CHARACTER:
            chars = _characters(operator, value)
            return rng.choice(chars) if chars else ""
        if operator == "SUBPATTERN":
            group = value[0]
            choices = self.choices.get(names.get(group, ""))
            text = rng.choice(choices) if choices else self.sequence(value[3])
            if group is not None:
                self.groups[group] = text
            return text
        if operator == "BRANCH":
            return self.sequence(value[1][self._pick([_count(part) for part in value[1]])])
        if operator.endswith("REPEAT"):
            times = _repeats(value)[0] + self._pick(_repeat_weights(value))
            return "".join(self.sequence(value[2]) for _ in range(times))
        if operator == "ATOMIC_GROUP":
            return self.sequence(value)
        if operator == "GROUPREF":
            return self.groups.get(value, "")
        if operator == "GROUPREF_EXISTS":
            part = value[1] if value[0] in self.groups else value[2]
            return "" if part is None else self.sequence(part)
        return ""  # anchors and look-around take up no text; the whole pattern is checked in the end

    def _pick(self, weights: list[int]) -> int:
        """Return a position, by weight where texts should be equally likely."""
        if not self.even:
            return self.rng.below(len(weights))
        point = self.rng.below(sum(weights)) if sum(weights) else 0
        for position, weight in enumerate(weights):
            point -= weight
            if point < 0:
                return position
        return 0
