"""A key that is sent to its server and seen nowhere else."""

import base64
import html
import logging
import re
from collections.abc import Generator

import httpx

SHORTEST_SECRET = 8
"""Shorter keys (`none`, `EMPTY`) are placeholders for local servers, and ordinary words of an answer."""

MARK = "[key]"
"""What stands where a key was struck out."""

_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
"""Who logs what servers answer, headers included, at the level DEBUG."""


class Secret:
    """A key, or none.

    It has no public value and shows as `[key]`, so that neither a traceback with local variables nor a debugger's
    list of them holds it by accident.

    Args:
        value: The key; the empty text for none.
    """

    def __init__(self, value: str = "") -> None:
        self.__value = value
        self._pattern = re.compile(_pattern(value), re.IGNORECASE) if len(value) >= SHORTEST_SECRET else None
        self._filter = _Struck(self)

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __repr__(self) -> str:
        return MARK if self.__value else "''"

    def is_in(self, text: str) -> bool:
        """Return whether a text holds the key, in any of the forms that `strike` knows."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def strike(self, text: str) -> str:
        """Return a text without the key: as it is, or encoded for JSON, an address, HTML or in base64, in any case."""
        return text if self._pattern is None else self._pattern.sub(MARK, text)

    def auth(self) -> httpx.Auth | None:
        """Return what puts the key into the `Authorization` header, and nowhere else; None without a key."""
        return _Bearer(self.__value) if self.__value else None

    def watch_logs(self) -> None:
        """Strike the key out of what the HTTP library logs, until `leave_logs`."""
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self._filter)

    def leave_logs(self) -> None:
        """Stop watching."""
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self._filter)


class _Bearer(httpx.Auth):
    def __init__(self, value: str) -> None:
        self.__value = value

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.__value}"
        yield request


class _Struck(logging.Filter):
    def __init__(self, secret: Secret) -> None:
        super().__init__()
        self._secret = secret

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if self._secret.is_in(said):
            record.msg, record.args = self._secret.strike(said), ()
        return True


def _pattern(value: str) -> str:
    """Return what a key may look like after several encodings in JSON, addresses and HTML, or one in base64."""
    spelled = r"\\{0,15}".join(_spellings(character) for character in value)  # bounded: texts may be all backslashes
    whole = {encode(value.encode()).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)}
    return "|".join([spelled, *map(re.escape, sorted(whole))])


def _spellings(character: str) -> str:
    code = f"{ord(character):02x}"
    ampersand = "&(?:amp;){0,7}"
    number = f"{ampersand}#(?:{ord(character)}|x{code});"
    spellings = [re.escape(character), f"u00{code}", f"%(?:25){{0,7}}{code}", number]
    if html.escape(character) != character:
        spellings.append(f"{ampersand}{html.escape(character)[1:]}")
    return f"(?:{'|'.join(spellings)})"
