"""One HTML file out of plain data: style, script and records inlined, nothing loaded from anywhere.

Everything that a record says travels as JSON inside inert script elements and reaches the document as text nodes. A
content security policy that names the hashes of the one style and the one script forbids everything else, so that
not even a flaw in the script could run what a record says or send anything anywhere.
"""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any

SCRIPTS = ("page.js", "page_views.js", "page_episode.js")
CHUNK_CHARS = 400_000
"""Episodes are packed together until their JSON is about this long; the page unpacks one chunk to show an episode."""


def dump(value: Any) -> str:
    """Write JSON that may stand inside a script element: ASCII only, and without `<`."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return text.replace("<", "\\u003c")


class Chunks:
    """Packs episodes into compressed chunks, in the order in which they come."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._length = 0
        self.packed: list[str] = []
        """Base64 of the zlib-compressed JSON lists."""

    def add(self, episode: Any) -> tuple[int, int]:
        """Pack one episode; returns the number of its chunk and its place there."""
        text = dump(episode)
        place = (len(self.packed), len(self._open))
        self._open.append(text)
        self._length += len(text)
        if self._length >= CHUNK_CHARS:
            self.close()
        return place

    def close(self) -> None:
        """Pack what is still open."""
        if self._open:
            data = zlib.compress(f"[{','.join(self._open)}]".encode("ascii"), 9)
            self.packed.append(base64.b64encode(data).decode("ascii"))
        self._open = []
        self._length = 0


def render(index: Any, chunks: Iterable[str]) -> str:
    """Return the page.

    Args:
        index: What the tables need, as the script reads it.
        chunks: The packed episodes.
    """
    files = resources.files(__package__)
    html, css = ((files / name).read_text("utf-8") for name in ("page.html", "page.css"))
    js = "\n".join((files / name).read_text("utf-8") for name in SCRIPTS)
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_source_hash(js)}'",
            f"style-src '{_source_hash(css)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    parts = {
        "policy": policy,
        "css": css,
        "js": js,
        "index": dump(index),
        "chunks": "\n".join(_script(number, packed) for number, packed in enumerate(chunks)),
    }
    return "".join(_filled(html, parts))


def _filled(template: str, parts: dict[str, str]) -> Iterator[str]:
    """Yield the template with each `{{name}}` replaced, in one pass: what is put in is never searched."""
    for number, piece in enumerate(re.split(r"\{\{(\w+)\}\}", template)):
        yield parts[piece] if number % 2 else piece


def _script(number: int, packed: str) -> str:
    return f'<script type="text/plain" id="chunk-{number}">{packed}</script>'


def _source_hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"
