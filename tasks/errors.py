"""Errors that a user can cause and mend; the command line prints them as one sentence and exits with code 2."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the caller can put right; the message says how, in one sentence."""


class UnknownName(UserError, KeyError):
    """A name that is not registered; the message lists the nearest known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        nearest = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.4)
        hint = f" Did you mean {', '.join(nearest)}?" if nearest else ""
        super().__init__(f"There is no {kind} named {name!r}.{hint}")

    def __str__(self) -> str:
        return str(self.args[0])


class MissingExtra(UserError, ImportError):
    """An optional dependency is not installed; the message names the command that brings it, and a hint if given."""

    def __init__(self, package: str, extra: str, hint: str = "") -> None:
        super().__init__(f'{package} is not installed; run: pip install "rlvr[{extra}]"{hint and f" ({hint})"}')


class MissingData(UserError, FileNotFoundError):
    """A data set is not there; the message names the command that gets it."""

    def __str__(self) -> str:
        return str(self.args[0])


class MalformedData(UserError, ValueError):
    """A data file does not have the expected form; the message names the file, the line and the field."""


class EpisodeOver(RuntimeError):
    """`step` was called before `reset` or after the end of the episode."""
