"""Checks of environment arguments, which come from people and configuration files: one sentence says what is wrong."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..tasks.errors import UserError


def shown(value: Any) -> str:
    """Return a value for a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def choice(name: str, value: Any, known: Iterable[str]) -> None:
    """Raise a `UserError` that lists the choices unless the value is one of them."""
    choices = tuple(known)
    if not isinstance(value, str) or value not in choices:
        raise UserError(f"{name} must be one of {', '.join(choices)}, not {shown(value)}.")


def listing(name: str, values: Any, known: Iterable[str] = ()) -> None:
    """Raise a `UserError` unless the value is a list of texts, of the known ones where they are given."""
    choices = tuple(known)
    of = f"some of {', '.join(choices)}" if choices else "texts"
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise UserError(f"{name} must be a list of {of}, not {shown(values)}.")
    for value in values:
        if not isinstance(value, str) or (choices and value not in choices):
            raise UserError(f"{name} must be a list of {of}, without {shown(value)}.")


def whole(name: str, value: Any, low: int, high: int | None = None) -> None:
    """Raise a `UserError` unless the value is a whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise UserError(f"{name} must be a whole number {bounds}, not {shown(value)}.")


def number(name: str, value: Any, *, above: float | None = None) -> None:
    """Raise a `UserError` unless the value is a finite number, and more than `above` where that is given."""
    real = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not real or (above is not None and value <= above):
        least = "" if above is None else f" greater than {above:g}"
        raise UserError(f"{name} must be a number{least}, not {shown(value)}.")


def flag(name: str, value: Any) -> None:
    """Raise a `UserError` unless the value is true or false."""
    if not isinstance(value, bool):
        raise UserError(f"{name} must be true or false, not {shown(value)}.")


def text(name: str, value: Any, what: str, *, blank: bool = False) -> None:
    """Raise a `UserError` unless the value is a text, and not blank unless it may be; `what` says what it should be."""
    if not isinstance(value, str) or not (blank or value.strip()):
        raise UserError(f"{name} must be {what}, not {shown(value)}.")


def place(value: Any) -> None:
    """Raise a `UserError` unless the argument `data` is None or names a file or folder."""
    if value is not None and not isinstance(value, Path):
        text("data", value, "the path of a file or folder")
