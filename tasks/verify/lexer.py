"""Text of an answer to tokens, in linear time.

LaTeX, plain calculator notation and the usual Unicode signs give the same tokens. Nothing is evaluated here.
"""

import re
from typing import NamedTuple

from .vocabulary import FUNCTIONS, GREEK, GREEK_LETTERS, SUBSCRIPTS, SUPERSCRIPTS, UNICODE, UNITS


class Token(NamedTuple):
    """One token.

    Attributes:
        kind: `num`, `based`, `cmd` (LaTeX command without backslash), `letter`, `word`, `text`, `op`, or `sep`
            (`and`, `or`, `;` between several values).
        text: The token's text; for `text` the content of the command.
        space: Whether white space stood before it.
    """

    kind: str
    text: str
    space: bool


class Unreadable(ValueError):
    """The text is no answer that our grammar knows; the message says why."""


class UnknownConstruct(Unreadable):
    """The text is mathematics beyond our grammar (an integral, a limit); math-verify may be asked about it."""


_UNICODE = str.maketrans(
    UNICODE
    | {letter: f"\\{name} " for letter, name in GREEK_LETTERS.items()}
    | {chr(0xFF10 + i): str(i) for i in range(10)}
    | {chr(0x1D7CE + 10 * k + i): str(i) for k in range(5) for i in range(10)}
)
_SUPER = re.compile(f"[{''.join(SUPERSCRIPTS)}]+")
_SUB = re.compile(f"[{''.join(SUBSCRIPTS)}]+")
_THIN_SPACE = re.compile(r"(?<=\d)(?:\{,\}|,\\!\s*|\\,|\\;|\\:|\\ |~|\{\\,\}|\\thinspace\s|\{ \})(?=\d{3}(?!\d))")
_SPACING = re.compile(
    r"(?<!\\)\\(?:[,!;:>()\[\]]|\s|(?:quad|qquad|displaystyle|textstyle|limits|nolimits|thinspace|left|right|middle"
    r"|[bB]ig{1,2}[lr]?|enspace|smallskip|medskip|null|relax|hfill|mathstrut|strut)(?![a-zA-Z])|q?quad(?=[a-zA-Z]))"
    r"|(?<=\\\\)\[[\d. a-z]{0,9}\]|~|(?<!\\)\$|\\(?:hspace|label)\{[^{}]*\}|\\phantom\s*(?:\{[^{}]*\}|[^{\s])"
)
_TEXT_COMMANDS = r"text|mbox|textbf|textit|textnormal|textrm|textsf|textup|hbox|textsc|emph|texttt|rm|bf"
_TOKEN = re.compile(
    rf"""
    (?P<based>\d[0-9A-Z]*(?:\.\d+)?_(?:\{{\s*\d{{1,2}}\s*\}}|\d{{1,2}}(?!\d)))
  | (?P<num>(?:(?<!\d,)\d{{1,3}}(?:,\d{{3}})+(?!\d|,\d)(?:\.\d+)?|\d+\.\d+|\.\d+|\d+\.(?![\d.])|\d+)
        (?:[eE][+-]?\d+(?![\w.{{^]))?)
  | \\(?:{_TEXT_COMMANDS})\s*\{{(?P<text>[^{{}}]*(?:\{{[^{{}}]*\}}[^{{}}]*)*)\}}
  | \\(?P<cmd>[a-zA-Z]+|[^a-zA-Z])
  | (?P<word>[A-Za-z]{{2,}})
  | (?P<letter>[A-Za-z])
  | (?P<op>\*\*|<=|>=|!=|=<|=>|==|:=|'+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_MODULES = re.compile(r"\b(?:np|numpy|math|sympy|sp|torch|cmath)\.(?=[a-zA-Z])|\b(?:Matrix|array)\s*(?=\()")
_SEPARATOR_TEXT = re.compile(r"[\s,;.]*(?:and|or|also|alternatively|as well as|&)?[\s,;:]*")
_TIMES_TEN = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*\^|10\*\*)")
_SYMBOL_WORDS = frozenset(GREEK) | {"pi", "infinity", "infty", "inf", "oo"}
_KNOWN_PREFIXES = sorted((name for name in FUNCTIONS if len(name) >= 2), key=len, reverse=True)


def clean(text: str) -> str:
    """The text with Unicode signs, spacing commands and thousands separators made uniform."""
    if not text.isascii():
        text = _SUPER.sub(lambda m: "^{" + "".join(SUPERSCRIPTS[c] for c in m[0]) + "}", text)
        text = _SUB.sub(lambda m: "_{" + "".join(SUBSCRIPTS[c] for c in m[0]) + "}", text)
        text = text.translate(_UNICODE)
    if "\\\\" in text and "begin" not in text:
        # A doubled backslash before a letter outside a matrix is an escaping accident of the data.
        text = re.sub(r"\\\\(?=[a-zA-Z])", r"\\", text)
    text = text.replace("\\$", " ").replace("\\#", "#")
    text = _THIN_SPACE.sub("", text)
    text = _SPACING.sub(" ", text)
    text = _MODULES.sub("", text)
    if "10" in text:
        text = _TIMES_TEN.sub(r"\\times ", text)
    text = text.strip(' \t\r\n"`')
    if text.startswith("**") and text.endswith("**"):
        text = text.strip("* ")
    return text.lstrip("?.,;: " if text[:1] != "." else "").rstrip(" .,;:?\r\n\t")


def tokenize(text: str, *, space_thousands: bool = False) -> list[Token]:
    """Tokens of a cleaned text.

    Args:
        text: What `clean` returned.
        space_thousands: Read `1 000` as one number.

    Returns:
        The tokens in order.

    Raises:
        Unreadable: The text has a sign that no answer has.
    """
    if space_thousands:
        text = re.sub(r"(?<![\d.])\d{1,3}(?: \d{3})+(?!\d)", lambda m: m[0].replace(" ", ""), text)
    tokens: list[Token] = []
    depth = 0
    space = False
    position = 0
    end = len(text)
    match = _TOKEN.match
    while position < end:
        if text[position].isspace():
            space = True
            position += 1
            continue
        found = match(text, position)
        if found is None:
            raise Unreadable("it has a sign that no answer has")
        kind = found.lastgroup or ""
        lexeme = found[kind]
        position = found.end()
        if kind == "num" and "," in lexeme and depth:
            # Inside brackets a comma separates coordinates.
            position = found.start() + lexeme.index(",")
            lexeme = text[found.start() : position]
        if kind == "op":
            if lexeme in "([":
                depth += 1
            elif lexeme in ")]":
                depth -= 1
            elif lexeme == ";":
                kind = "sep"
        elif kind == "cmd" and lexeme in "{}":
            depth += 1 if lexeme == "{" else -1
        if kind == "text":
            if _SEPARATOR_TEXT.fullmatch(lexeme):
                kind = "sep" if lexeme.strip(" ,.:") else "op"
                if kind == "op":
                    if "," not in lexeme:
                        space = True
                        continue
                    lexeme = ","
        elif kind == "word":
            for piece in _split_word(lexeme, tokens):
                tokens.append(piece._replace(space=space))
                space = False
            continue
        tokens.append(Token(kind, lexeme, space))
        space = False
    return tokens


def _split_word(word: str, before: list[Token]) -> list[Token]:
    """Two or more plain letters: a function, a separator, a unit, or letters side by side."""
    lower = word.lower()
    if lower in ("and", "or", "also", "alternatively"):
        return [Token("sep", lower, True)]
    if word in UNITS and before and before[-1].kind in ("num", "text", "word"):
        return [Token("text", word, True)]
    if word in FUNCTIONS and (len(word) > 2 or word in ("ln", "lg")):
        return [Token("cmd", word, True)]
    if lower in ("percent", "pct"):
        return [Token("cmd", "%", True)]
    if word in _SYMBOL_WORDS:
        return [Token("cmd", word, True)]
    for name in _KNOWN_PREFIXES:
        if word.startswith(name) and len(word) <= len(name) + 1 and len(name) > 2:
            return [Token("cmd", name, True), Token("letter", word[-1], False)]
    return [Token("word", word, True)]
